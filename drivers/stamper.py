"""Rows get their corrected session times: the device's clock, then the host's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Samples, StreamInfo
from drivers.clock.device import Clock, device_clock
from drivers.clock.host import HostClock


class Stamper:
    """Gives rows their corrected session times.

    Args:
        info: the stream.
        host_clock: this host's clock -> session.
        latency_ms: constant delay of the device, ms, taken off.
    """

    def __init__(self, info: StreamInfo, host_clock: HostClock, latency_ms: float = 0.0) -> None:
        self._device: Clock = device_clock(info)
        self._host = host_clock
        self._latency_ns = round(latency_ms * 1e6)
        self._last: int | None = None

    def begin_anew(self, info: StreamInfo) -> None:
        """Forget the device's clock: it was switched off, or is another device; time goes on rising."""
        self._device = device_clock(info)

    def arrival(self, host_ns: int) -> int:
        """Return the session time of an arrival, ns, the constant latency taken off."""
        return int(self._host.to_session(host_ns)[0]) - self._latency_ns

    def __call__(self, samples: Samples) -> NDArray[Any]:
        """Return the stamps (N,) of :data:`drivers.base.STAMP`; ``time`` always rises."""
        stamps = np.empty(len(samples.time_host), STAMP)
        if not len(stamps):
            return stamps
        host, bound = self._device.correct(samples)
        time, more = self._host.to_session(host)
        bound += more
        if self._latency_ns:
            time -= self._latency_ns
        # Each new probe moves the estimate a little; time must not run back for that.
        fresh = self._last is None or int(time[0]) > self._last
        if not fresh or (len(time) > 1 and not (time[1:] > time[:-1]).all()):
            steps = np.arange(len(time))
            floor = time if self._last is None else np.maximum(time, self._last + 1 + steps)
            rising = np.maximum.accumulate(floor - steps) + steps
            bound += rising - time
            time = rising
        self._last = int(time[-1])
        stamps["time"] = time
        stamps["time_bound"] = bound
        stamps["time_host"] = samples.time_host
        stamps["time_device"] = samples.time_device
        stamps["seq"] = samples.seq
        return stamps
