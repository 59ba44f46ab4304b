"""The nominal rate of a wireless sensor, from what it sent."""

from __future__ import annotations

import numpy as np

from drivers.base import NO_TIME
from drivers.imu.parser import Rows
from drivers.imu.rate import measured_rate

USUAL_RATES = (
    *(1, 4, 10, 12, 12.5, 15, 20, 25, 26, 30, 40, 50, 52, 60, 75, 80, 100, 104, 120, 125, 128, 148.148, 150),
    *(200, 208, 225, 250, 256, 400, 416, 500, 512, 800, 833, 1000),
)
"""Rates, Hz, that makers of wireless sensors, of phones and of their chips offer."""
BY_STAMPS, BY_ARRIVAL = 0.01, 0.06
"""A measured rate within this much of a usual one is that one: radios deliver in bunches."""


def nominal_rate(rows: Rows) -> float:
    """Return the samples per second, by the device's own stamps if it has them; 0: too few rows to tell."""
    measured = measured_rate(rows) if len(rows) > 1 else 0.0
    if not measured:
        return 0.0
    stamped = (rows.time_device != NO_TIME).all() and rows.time_device[-1] > rows.time_device[0]
    usual = min(USUAL_RATES, key=lambda rate: abs(np.log(rate / measured)))
    near = abs(usual / measured - 1) < (BY_STAMPS if stamped else BY_ARRIVAL)
    return float(usual) if near else round(measured, 1)
