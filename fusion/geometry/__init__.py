"""Cameras as rays: lenses, calibrations of other programs, and points seen by several cameras."""
