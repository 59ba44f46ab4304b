"""Devices whose row number is no clock: cameras, stamps on the host's own clock, and exact sources."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, Samples
from drivers.clock.device_regular import DeviceClock, Times

HOST_TOLERANCE = 0.002  # of a clock that counts nanoseconds
SANE_PACE = 0.02  # a device clock that runs off by more is none (a film played at another pace)
CAPTURE_NS = 1_000_000  # a kernel stamps a picture when its last packet came: within a USB frame
EARLY_NS = 1_000_000  # a stamp so much after the arrival is none: reading two clocks takes some time
OLD_NS = 2_000_000_000  # nor one so long before it
DOUBTS = 3  # of the newest sixteen rows: so many implausible stamps, and none is believed any more
STARTING_NS = 100e6  # by how much first arrivals may be late, before a pace can be told
SLOWEST_HZ = 1e-3  # a nominal rate below this is none
USUAL_NS = 50e6  # a period, where the rate is not known


def plausible(time_host: NDArray[np.int64], time_device: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which stamps (N,), ns on the host's clock, can be those of what arrived at ``time_host``."""
    valid = time_device != NO_TIME
    waited = time_host - np.where(valid, time_device, time_host)
    return valid & (waited >= -EARLY_NS) & (waited <= OLD_NS)


def keeps_pace(time_host: NDArray[np.int64], time_device: NDArray[np.int64]) -> bool:
    """Whether stamps (N,), ns, rise, and as fast as arrivals (N,), ns, over a whole recording."""
    if len(time_host) < 2 or np.any(time_device == NO_TIME) or np.any(np.diff(time_device) <= 0):
        return False
    host = int(time_host[-1]) - int(time_host[0])
    return host > 0 and abs((int(time_device[-1]) - int(time_device[0])) / host - 1) < SANE_PACE


class ArrivalClock:
    """A device without a steady rate, such as a camera.

    Where it stamps its rows by a clock of its own that keeps pace with the host's, that clock is mapped
    to the host's. Otherwise the arrival is the time; the bound is then by how much intervals between
    arrivals differ, one period at most.

    Args:
        rate_hz: nominal rate, or 0 where there is none.
    """

    def __init__(self, rate_hz: float = 0.0) -> None:
        self._period = 1e9 / rate_hz if rate_hz >= SLOWEST_HZ else USUAL_NS
        self._mapping: DeviceClock | None = None
        self._first: tuple[int, int] | None = None
        self._last_device = 0
        self._anew = False
        self._intervals: deque[int] = deque(maxlen=256)
        self._arrived: int | None = None
        self._last: int | None = None

    def correct(self, samples: Samples) -> Times:
        """See :class:`drivers.clock.device.Clock`."""
        return self.update(samples.time_host, samples.time_device)

    def update(self, time_host: NDArray[np.int64], time_device: NDArray[np.int64]) -> Times:
        """Take in rows and correct them.

        Args:
            time_host: (N,) arrivals, ns.
            time_device: (N,) the device's own stamps, ns, or NO_TIME.

        Returns:
            host time (N,), rising, and a bound on its error (N,), ns.
        """
        times = np.asarray(time_host, dtype=np.int64)
        if not len(times):
            return times, times.copy()
        bound = np.full(len(times), self._arrival_bound(times), np.int64)
        if self._mapped(times, time_device):
            assert self._mapping is not None
            mapped, error = self._mapping.update_nominal(times, time_device, 1.0)
            if self._keeps_pace(times, time_device):
                times, bound = mapped, error
        rising = self._rise(times)
        return rising, bound + np.abs(rising - times)

    def _arrival_bound(self, times: NDArray[np.int64]) -> int:
        for time in times.tolist():
            if self._arrived is not None:
                self._intervals.append(time - self._arrived)
            self._arrived = time
        if len(self._intervals) < 32:
            return int(self._period)
        intervals = np.array(self._intervals)
        usual = np.median(intervals)
        return int(min(self._period, np.quantile(np.abs(intervals - usual), 0.99) + CAPTURE_NS))

    def _mapped(self, times: NDArray[np.int64], time_device: NDArray[np.int64]) -> bool:
        if np.any(time_device == NO_TIME) or np.any(np.diff(time_device) <= 0):
            self._first = None
            return False
        if self._first is None or int(time_device[0]) <= self._last_device:
            self._anew = self._mapping is not None
            self._first = int(times[0]), int(time_device[0])
            self._mapping = DeviceClock(1e9 / self._period, tolerance=HOST_TOLERANCE)
        self._last_device = int(time_device[-1])
        return True

    def _keeps_pace(self, times: NDArray[np.int64], time_device: NDArray[np.int64]) -> bool:
        assert self._first is not None
        host, device = int(times[-1]) - self._first[0], int(time_device[-1]) - self._first[1]
        if self._anew and host < 1e9:  # a clock that went back has to show that it is one
            return False
        return abs(device - host) < SANE_PACE * host + STARTING_NS

    def _rise(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        steps = np.arange(len(times))
        if self._last is not None:
            times = np.maximum(times, self._last + 1 + steps)
        times = np.maximum.accumulate(times - steps) + steps  # rising by 1 ns at least
        self._last = int(times[-1])
        return times


class CaptureClock:
    """A source that stamps its rows, as they are taken, on the host's own clock.

    Stamps are checked against arrival: one after it, or long before it, is none. Where stamps fail
    often, rows are timed by their arrival from then on.

    Args:
        rate_hz: nominal rate, or 0 where there is none.
        regular: rows are sampled at a steady rate: their number smooths the stamps.
    """

    def __init__(self, rate_hz: float, regular: bool) -> None:
        self._regular = regular and rate_hz >= SLOWEST_HZ
        self._rate_hz = rate_hz
        self._doubts: deque[bool] = deque(maxlen=16)
        self._stamped = DeviceClock(rate_hz, stamped=True) if self._regular else None
        self._fallback: DeviceClock | ArrivalClock | None = None
        self._last: int | None = None

    @property
    def believed(self) -> bool:
        """Whether the stamps are used."""
        return self._fallback is None

    def correct(self, samples: Samples) -> Times:
        """See :class:`drivers.clock.device.Clock`."""
        host, device = samples.time_host, samples.time_device
        good = plausible(host, device)
        if self._fallback is None:
            self._doubts.extend((~good).tolist())
            if sum(self._doubts) >= DOUBTS or (not good.any() and self._last is None):
                regular = self._regular
                self._fallback = DeviceClock(self._rate_hz) if regular else ArrivalClock(self._rate_hz)
        if self._fallback is not None:
            times, bound = self._fallback.correct(samples)
        elif self._stamped is not None:
            stamps = np.where(good, device, host)  # a single one that arrives: an outlier
            times, bound = self._stamped.update(stamps, samples.seq)
        else:
            times = np.where(good, device, host)
            bound = np.where(
                good, CAPTURE_NS, np.int64(1e9 / self._rate_hz if self._rate_hz >= SLOWEST_HZ else USUAL_NS)
            )
        steps = np.arange(len(times))
        floor = times if self._last is None else np.maximum(times, self._last + 1 + steps)
        rising = np.maximum.accumulate(floor - steps) + steps
        if len(rising):
            self._last = int(rising[-1])
        return rising, bound + (rising - times)


class ExactClock:
    """A source whose arrival times are true: a simulator, a file played at its own pace.

    Args:
        bound_ns: what the source vouches for, ns.
    """

    def __init__(self, bound_ns: int) -> None:
        self._bound_ns = max(0, bound_ns)

    def correct(self, samples: Samples) -> Times:
        """See :class:`drivers.clock.device.Clock`."""
        times = np.asarray(samples.time_host, dtype=np.int64)
        return times, np.full(len(times), self._bound_ns, np.int64)
