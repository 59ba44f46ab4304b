"""Wearable inertial sensors: one module per transport, one per protocol."""
