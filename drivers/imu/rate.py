"""The nominal rate of a device that does not tell it, from its first rows."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from drivers.base import NO_TIME
from drivers.imu.parser import Rows

WIRED_RATES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 25, 50, 60, 100, 120, 125, 200, 250, 400, 500, 1000)
"""Rates, Hz, that makers of sensors on a serial port offer."""
NEAR, CERTAIN = 0.08, 0.02
"""Shares by which a wired sensor's rate may differ from a usual one: to be taken for it, and to be sure."""

WIRELESS_RATES = (
    *(1, 4, 10, 12, 12.5, 15, 20, 25, 26, 30, 40, 50, 52, 60, 75, 80, 100, 104, 120, 125, 128, 148.148, 150),
    *(200, 208, 225, 250, 256, 400, 416, 500, 512, 800, 833, 1000),
)
"""Rates, Hz, that makers of wireless sensors, of phones and of their chips offer."""
BY_STAMPS, BY_ARRIVAL = 0.01, 0.06
"""The first of these for a wireless one, by its own stamps and by arrival: radios deliver in bunches."""


def wired_rate(rows: Rows) -> tuple[float, bool]:
    """Return the rate, Hz (0: too few rows), and whether more rows would not tell another."""
    measured = measured_rate(rows)
    if not measured:
        return 0.0, False
    usual, error = _usual(measured, WIRED_RATES)
    return (usual if error < NEAR else round(measured, 1)), error < CERTAIN


def wireless_rate(rows: Rows) -> float:
    """Return the rate, Hz, by the device's own stamps if it has them; 0: too few rows."""
    measured = measured_rate(rows)
    if not measured:
        return 0.0
    stamped = (rows.time_device != NO_TIME).all() and rows.time_device[-1] > rows.time_device[0]
    usual, error = _usual(measured, WIRELESS_RATES)
    return usual if error < (BY_STAMPS if stamped else BY_ARRIVAL) else round(measured, 1)


def measured_rate(rows: Rows) -> float:
    """Return the rate, Hz, that the device's stamps tell, or else arrivals; 0: too few rows.

    Arrivals come in lumps, and the first lump is what had waited in the port: only its last row has just
    arrived, as the last of all has.
    """
    waited = int(np.searchsorted(rows.time_host, rows.time_host[0], side="right")) - 1
    counted = int(rows.seq[-1]) - int(rows.seq[waited])
    if (rows.time_device != NO_TIME).all():
        passed = int(rows.time_device[-1]) - int(rows.time_device[waited])
        if counted > 0 and passed > 0:
            return counted / passed * 1e9
    passed = int(rows.time_host[-1]) - int(rows.time_host[waited])
    return counted / passed * 1e9 if counted > 0 and passed > 0 else 0.0


def _usual(measured: float, rates: Iterable[float]) -> tuple[float, float]:
    """Return the usual rate that is nearest, and by what share the measured one differs from it."""
    usual = min(rates, key=lambda rate: abs(math.log(rate / measured)))
    return float(usual), abs(measured / usual - 1)
