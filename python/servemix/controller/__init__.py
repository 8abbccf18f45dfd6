"""The loop that follows demand, and emulated engines to try it on without GPUs."""
