"""Devices to samples with units and honest time stamps, on the bus."""
