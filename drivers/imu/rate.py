"""The nominal rate of a device that does not tell it, from its first rows."""

from __future__ import annotations

import math

import numpy as np

from drivers.base import NO_TIME
from drivers.imu.parser import Rows

USUAL_RATES = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 25, 50, 60, 100, 120, 125, 200, 250, 400, 500, 1000)
"""Rates, Hz, that makers offer; a measured one within 8 % of these is one of these."""
NEAR, CERTAIN = 0.08, 0.02
"""Share by which a measured rate may differ from a usual one: to be taken for it, and to be sure of it."""


def nominal_rate(rows: Rows) -> tuple[float, bool]:
    """Return the rate, Hz (0: too few rows), and whether more rows would not tell another."""
    measured = measured_rate(rows)
    if not measured:
        return 0.0, False
    usual = min(USUAL_RATES, key=lambda rate: abs(math.log(rate / measured)))
    error = abs(measured / usual - 1)
    return (float(usual) if error < NEAR else round(measured, 1)), error < CERTAIN


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
