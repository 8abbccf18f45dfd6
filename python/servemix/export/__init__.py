"""From plan to running service: manifests, configurations and routing tables of other projects."""
