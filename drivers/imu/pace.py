"""The nominal rate of a sensor, from what it sent."""

from __future__ import annotations

import numpy as np

from drivers.base import NO_TIME
from drivers.imu.parser import Rows

USUAL_RATES = (
    *(1, 4, 10, 12, 12.5, 15, 20, 25, 26, 30, 40, 50, 52, 60, 75, 80, 100, 104, 120, 125, 128, 148.148, 150),
    *(200, 208, 225, 250, 256, 400, 416, 500, 512, 800, 833, 1000),
)
"""Rates, Hz, that makers of sensors and their chips offer."""
BY_STAMPS, BY_ARRIVAL = 0.01, 0.06
"""A measured rate within this much of a usual one is that one: radios deliver in bunches."""


def nominal_rate(rows: Rows) -> float:
    """Return the samples per second, by the device's own stamps if it has them; 0: too few rows to tell."""
    stamped = len(rows) > 1 and not (rows.time_device == NO_TIME).any()
    times = rows.time_device if stamped else rows.time_host
    count = int(rows.seq[-1]) - int(rows.seq[0]) if len(rows) else 0
    span = (int(times[-1]) - int(times[0])) / 1e9 if len(rows) else 0.0
    if stamped and span <= 0:  # the stamps stand still: they say nothing
        span = (int(rows.time_host[-1]) - int(rows.time_host[0])) / 1e9
        stamped = False
    if count < 2 or span <= 0:
        return 0.0
    measured = count / span
    usual = min(USUAL_RATES, key=lambda rate: abs(np.log(rate / measured)))
    near = abs(usual / measured - 1) < (BY_STAMPS if stamped else BY_ARRIVAL)
    return float(usual) if near else round(measured, 1)
