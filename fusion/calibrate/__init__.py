"""Finding what stays constant in a rig: the latency of each stream against the others."""
