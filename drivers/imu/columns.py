"""Names and units by which a rig describes the numbers that a device sends.

====================  ================================  ==========================
name                  channel                           units
====================  ================================  ==========================
ax ay az              specific force                    m/s^2, g, mg
gx gy gz              angular rate                      rad/s, deg/s, mdeg/s
mx my mz              magnetic field                    uT, mT, T, nT, G, mG
qx qy qz qw           orientation                       1
seq                   counter of samples or packets     1
t                     the device's clock                s, ms, us, ns
``-``                 nothing: left out
====================  ================================  ==========================

Specific force is what an accelerometer feels: gravity is in it, and at rest it points up. Fusion is trained
on that; acceleration without gravity is something else, and has no name here.
"""

from __future__ import annotations

import math
from collections.abc import Collection

from drivers.imu.parser import (
    INERTIAL_CHANNELS,
    MAGNETIC_CHANNELS,
    ORIENTATION_CHANNELS,
    STANDARD_GRAVITY,
)

FORCE_CHANNELS, RATE_CHANNELS = INERTIAL_CHANNELS[:3], INERTIAL_CHANNELS[3:]
GROUPS = (FORCE_CHANNELS, RATE_CHANNELS, MAGNETIC_CHANNELS, ORIENTATION_CHANNELS)
"""Channels that come together or not at all, in the order of a row."""

COUNTER, CLOCK, SKIPPED = "seq", "t", "-"

SHORT: dict[str, str] = dict(
    zip(
        ("ax", "ay", "az", "gx", "gy", "gz", "mx", "my", "mz", "qx", "qy", "qz", "qw"),
        (channel for group in GROUPS for channel in group),
        strict=True,
    )
)
_DEGREE = math.radians(1.0)
FORCE_UNITS = {"m/s^2": 1.0, "m/s2": 1.0, "g": STANDARD_GRAVITY, "mg": STANDARD_GRAVITY / 1000}
RATE_UNITS = {
    "rad/s": 1.0,
    "deg/s": _DEGREE,
    "dps": _DEGREE,
    "mdeg/s": _DEGREE / 1000,
    "mdps": _DEGREE / 1000,
}
FIELD_UNITS = {"uT": 1.0, "mT": 1000.0, "T": 1e6, "nT": 1e-3, "G": 100.0, "mG": 0.1}
_ONE = {"1": 1.0, "": 1.0}
_UNITS: dict[str, dict[str, float]] = {
    channel: units
    for group, units in zip(GROUPS, (FORCE_UNITS, RATE_UNITS, FIELD_UNITS, _ONE), strict=True)
    for channel in group
} | {COUNTER: _ONE, CLOCK: {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}, SKIPPED: _ONE}


def column(name: str) -> str:
    """Return the channel a rig's name stands for, ``seq``, ``t`` or ``-``.

    Raises:
        ValueError: it stands for nothing.
    """
    found = SHORT.get(name, name)
    if found not in _UNITS:
        known = ", ".join([*SHORT, COUNTER, CLOCK, SKIPPED])
        raise ValueError(f"unknown name '{name}'; names: {known}")
    return found


def factor(name: str, unit: str) -> float:
    """Return what turns the unit into that of :data:`drivers.imu.parser.UNIT_OF`; ns for ``t``.

    Args:
        name: as :func:`column` returns it.

    Raises:
        ValueError: it cannot be in that unit.
    """
    units = _UNITS[name]
    if unit not in units:
        choice = ", ".join(filter(None, units))
        raise ValueError(
            f"'{name}' cannot be in '{unit}'; units: {choice}" if unit else f"'{name}' needs a unit: {choice}"
        )
    return units[unit]


def channels_of(names: Collection[str]) -> tuple[str, ...]:
    """Return the channels among names, in the order of a row.

    Raises:
        ValueError: of a group only some are there, or neither specific force nor angular rate is.
    """
    for group in GROUPS:
        missing = [name for name in group if name not in names]
        if missing and len(missing) < len(group):
            raise ValueError(f"{', '.join(missing)} missing: {', '.join(group)} come together")
    if FORCE_CHANNELS[0] not in names and RATE_CHANNELS[0] not in names:
        raise ValueError("neither specific force (ax, ay, az) nor angular rate (gx, gy, gz) is named")
    return tuple(name for group in GROUPS for name in group if name in names)
