"""Aligned samples to pose and action."""
