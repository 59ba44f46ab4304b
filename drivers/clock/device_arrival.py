"""Devices whose row number is no clock: cameras, and sources whose arrival is exact."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, Samples
from drivers.clock.device_regular import DeviceClock, Times

HOST_TOLERANCE = 0.002  # of a clock that counts nanoseconds
SANE_PACE = 0.02  # a device clock that runs off by more is none (a film played at another pace)


class ArrivalClock:
    """A device without a steady rate, such as a camera.

    Where it stamps its rows by a clock of its own that keeps pace with the host's, that clock is
    mapped to the host's; otherwise the arrival is the time, with one period as the bound.

    Args:
        rate_hz: nominal rate, or 0 where there is none.
    """

    def __init__(self, rate_hz: float = 0.0) -> None:
        self._period = 1e9 / rate_hz if rate_hz > 0 else 50e6
        self._mapping: DeviceClock | None = None
        self._first: tuple[int, int] | None = None
        self._last_device = 0
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
        bound = np.full(len(times), int(self._period), np.int64)
        if len(times) and self._mapped(times, time_device):
            assert self._mapping is not None
            mapped, error = self._mapping.update_nominal(times, time_device, 1.0)
            if self._keeps_pace(times, time_device) and self._mapping.settled:
                times, bound = mapped, error
        rising = self._rise(times)
        return rising, bound + np.abs(rising - times)

    def _mapped(self, times: NDArray[np.int64], time_device: NDArray[np.int64]) -> bool:
        if np.any(time_device == NO_TIME) or np.any(np.diff(time_device) <= 0):
            self._first = None
            return False
        if self._first is None or int(time_device[0]) <= self._last_device:
            self._first = int(times[0]), int(time_device[0])
            self._mapping = DeviceClock(1e9 / self._period, tolerance=HOST_TOLERANCE)
        self._last_device = int(time_device[-1])
        return True

    def _keeps_pace(self, times: NDArray[np.int64], time_device: NDArray[np.int64]) -> bool:
        assert self._first is not None
        host, device = int(times[-1]) - self._first[0], int(time_device[-1]) - self._first[1]
        return host > 10**9 and abs(device / host - 1) < SANE_PACE

    def _rise(self, times: NDArray[np.int64]) -> NDArray[np.int64]:
        steps = np.arange(len(times))
        if self._last is not None:
            times = np.maximum(times, self._last + 1 + steps)
        times = np.maximum.accumulate(times - steps) + steps  # rising by 1 ns at least
        if len(times):
            self._last = int(times[-1])
        return times


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
