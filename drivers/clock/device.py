"""The clock inside a device, seen from its host.

::

    regular (IMU, sound card)      seq ────────> DeviceClock ──┐
    camera with stamps             time_device > ArrivalClock ─┼─> host time of capture, and a bound
    exact (replay, simulation)     time_host ──> ExactClock ───┘

A bound given here is relative to the device's least delay. A constant delay (exposure, a serial
line's speed, a sound card's buffer) cannot be seen from arrivals: ``latency_ms`` in the rig takes
it off.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.base import Samples, StreamInfo
from drivers.clock.device_arrival import ArrivalClock, ExactClock
from drivers.clock.device_regular import DeviceClock, Times

__all__ = ["EXACT", "ArrivalClock", "Clock", "DeviceClock", "ExactClock", "device_clock", "smooth"]

EXACT = "time_host_bound_ns"
"""Key of ``StreamInfo.properties``: the driver vouches for its ``time_host``, to so many ns."""


class Clock(Protocol):
    """Corrects the raw times of one stream, in the order they come."""

    def correct(self, samples: Samples) -> Times:
        """Return host time of capture (N,), never falling, and a bound on its error (N,), ns."""
        ...


def device_clock(info: StreamInfo) -> Clock:
    """Return the clock model that suits a stream."""
    exact: Any = info.properties.get(EXACT)
    if exact is not None and exact.isascii() and exact.isdigit():
        return ExactClock(int(exact[:18]))
    if info.regular and info.rate_hz > 0:
        return DeviceClock(info.rate_hz)
    return ArrivalClock(info.rate_hz)


def smooth(
    seq: NDArray[np.uint64],
    time_host: NDArray[np.int64],
    time_device: NDArray[np.int64],
    info: StreamInfo,
) -> Times:
    """Correct the raw times of a whole stream at once.

    Args:
        seq: (N,) number of the first row of each stamp.
        time_host: (N,) arrivals, host monotonic ns.
        time_device: (N,) the device's own stamps, ns, or NO_TIME.
        info: the stream; see :func:`device_clock`.

    Returns:
        host time of capture (N,), rising, and a bound on its error (N,), ns.
    """
    return device_clock(info).correct(Samples((b"",) * len(seq), time_host, time_device, seq))
