"""Whether a stream is alive, and how it fares: what people watch while they record."""

from __future__ import annotations

import math

import numpy as np

from drivers.base import Batch, StreamInfo

SILENT_S = 2.0
"""A stream at a steady rate that sends nothing for so long is silent: something is wrong."""

PERIODS = 10
"""Slower streams may pause for so many of their periods."""

FORCE = "specific_force_"


class Pulse:
    """Watches the batches of one stream; time is given in, for tests.

    Args:
        info: the stream.
        now_s: monotonic time, s: it need not have sent anything before.

    Attributes:
        bound_ns: bound on the error of the newest row's time, ns.
        time_ns: session time of the newest row, ns, or None before the first.
    """

    def __init__(self, info: StreamInfo, now_s: float) -> None:
        self.bound_ns = 0
        self.time_ns: int | None = None
        self._rate_hz = info.rate_hz
        self._came_s = now_s
        self._sound = info.kind == "audio"
        force = [n for n, name in enumerate(info.channels) if name.startswith(FORCE)]
        self._force = force if info.kind == "imu" else []
        self._unit = info.units[force[0]] if force and len(info.units) == len(info.channels) else ""
        self._level: float | None = None

    def take(self, batch: Batch, now_s: float) -> None:
        """Take note of a batch; one without rows tells of losses only."""
        if not len(batch.stamps):
            return
        self._came_s = now_s
        self.time_ns = int(batch.stamps["time"][-1])
        self.bound_ns = int(batch.stamps["time_bound"][-1])
        if self._sound and isinstance(batch.data, np.ndarray) and batch.data.size:
            loudest = max(float(batch.data.max()), -float(batch.data.min()))
            full = -float(np.iinfo(batch.data.dtype).min) if batch.data.dtype.kind == "i" else 1.0
            self._level = max(self._level or 0.0, loudest / full)
        elif self._force and isinstance(batch.data, np.ndarray):
            self._level = float(np.linalg.norm(batch.data[-1, self._force]))

    def silent_s(self, now_s: float) -> float:
        """Return for how long nothing came, s, where that is too long; else 0."""
        if self._rate_hz <= 0:  # one that sends when it has something to tell
            return 0.0
        since = now_s - self._came_s
        return since if since > max(SILENT_S, PERIODS / self._rate_hz) else 0.0

    def level(self) -> tuple[float, str] | None:
        """Return the level and its unit, or None where there is none.

        Sound: the peak since the last call, dB relative to full scale. An IMU: its newest specific force.
        """
        if self._level is None:
            return None
        if not self._sound:
            return self._level, self._unit
        peak, self._level = self._level, 0.0
        return (20 * math.log10(peak) if peak > 1e-5 else -100.0), "dBFS"
