"""One module per export target; each has a function ``render``."""
