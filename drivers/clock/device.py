"""The clock inside a device, seen from its host.

::

    regular (IMU)                         seq ─────────> RegularClock ─┐
    a camera, its own stamps              time_device ─> ArrivalClock ─┤
    stamps on the host's clock            time_device ─> CaptureClock ─┼─> host time of capture, a bound
      (sound card's ADC time, V4L2)                                    │
    exact (replay, simulation)            time_host ───> ExactClock ───┘

A bound given here is relative to the device's least delay. A constant delay (exposure, a serial
line's speed, a sound card's buffer) cannot be seen from arrivals: ``latency_ms`` in the rig takes
it off.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, Samples, StreamInfo
from drivers.clock.device_arrival import (
    HOST_TOLERANCE,
    SLOWEST_HZ,
    USUAL_NS,
    ArrivalClock,
    CaptureClock,
    ExactClock,
    keeps_pace,
    plausible,
)
from drivers.clock.device_count import Recount, unwrap
from drivers.clock.device_regular import DeviceClock, Times
from drivers.clock.device_smooth import smooth_count

__all__ = [
    "CLOCK",
    "EXACT",
    "HOST",
    "ArrivalClock",
    "CaptureClock",
    "Clock",
    "DeviceClock",
    "ExactClock",
    "RegularClock",
    "device_clock",
    "smooth",
    "unwrap",
]

EXACT = "time_host_bound_ns"
"""Key of ``StreamInfo.properties``: the driver vouches for its ``time_host``, to so many ns."""
CLOCK, HOST = "time_device_clock", "host"
"""Key of ``StreamInfo.properties`` and its value: ``time_device`` is on the host's monotonic clock."""


class Clock(Protocol):
    """Corrects the raw times of one stream, in the order they come."""

    def correct(self, samples: Samples) -> Times:
        """Return host time of capture (N,), never falling, and a bound on its error (N,), ns."""
        ...


class RegularClock:
    """A :class:`DeviceClock` for rows whose own stamps may show gaps that their numbers do not.

    Args:
        rate_hz: nominal rate, rows per second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._period = 1e9 / rate_hz
        self._clock = DeviceClock(rate_hz)
        self._recount = Recount(self._period)

    def correct(self, samples: Samples) -> Times:
        """See :class:`Clock`."""
        count = samples.seq
        if len(count) and (int(samples.time_device[0]) != NO_TIME or self._recount.extra):
            count = self._recount(np.asarray(count).astype(np.int64), samples.time_device)
        return self._clock.update_nominal(samples.time_host, count, self._period)


def device_clock(info: StreamInfo) -> Clock:
    """Return the clock model that suits a stream."""
    exact = _exact(info)
    if exact is not None:
        return ExactClock(exact)
    if info.properties.get(CLOCK) == HOST:
        return CaptureClock(info.rate_hz, info.regular)
    if info.regular and info.rate_hz >= SLOWEST_HZ:
        return RegularClock(info.rate_hz)
    return ArrivalClock(info.rate_hz)


def smooth(
    seq: NDArray[np.uint64],
    time_host: NDArray[np.int64],
    time_device: NDArray[np.int64],
    info: StreamInfo,
) -> Times:
    """Correct the raw times of a whole stream at once, using both directions of time.

    Args:
        seq: (N,) number of the first row of each stamp.
        time_host: (N,) arrivals, host monotonic ns.
        time_device: (N,) the device's own stamps, ns, or NO_TIME.
        info: the stream; see :func:`device_clock`.

    Returns:
        host time of capture (N,), rising, and a bound on its error (N,), ns; as for the clocks above.
    """
    time_host, time_device = np.asarray(time_host, np.int64), np.asarray(time_device, np.int64)
    count = np.asarray(seq).astype(np.int64)
    regular = info.regular and info.rate_hz >= SLOWEST_HZ
    if len(count) and _exact(info) is None:
        own = info.properties.get(CLOCK) == HOST
        good = plausible(time_host, time_device)
        if own and regular and good.mean() > 0.9:
            stamps = np.where(good, time_device, time_host)
            return smooth_count(count, stamps, 1e9 / info.rate_hz, info.rate_hz, stamped=True)
        if regular:
            count = Recount(1e9 / info.rate_hz)(count, time_device)
            return smooth_count(count, time_host, 1e9 / info.rate_hz, info.rate_hz)
        if not own and keeps_pace(time_host, time_device):
            rate = info.rate_hz if info.rate_hz >= SLOWEST_HZ else 1e9 / USUAL_NS
            return smooth_count(time_device, time_host, 1.0, rate, tolerance=HOST_TOLERANCE)
    return device_clock(info).correct(Samples((b"",) * len(count), time_host, time_device, seq))


def _exact(info: StreamInfo) -> int | None:
    text = info.properties.get(EXACT)
    return int(text[:18]) if text is not None and text.isascii() and text.isdigit() else None
