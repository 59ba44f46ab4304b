"""Microphones: one module per source of sound."""
