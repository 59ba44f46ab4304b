"""Cameras: one module per source of pictures."""
