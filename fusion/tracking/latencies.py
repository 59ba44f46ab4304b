"""Latencies counted in bins: an hour of them takes no more room than a minute."""

from __future__ import annotations

import collections
import dataclasses

import numpy as np

_BIN_NS = 50_000
_BINS = 60_000
"""Bins of 50 us, up to 3 s; what is longer falls into the last one."""
_RECENT = 600


@dataclasses.dataclass(frozen=True)
class Percentiles:
    """Median and 95th percentile, ms; NaN where nothing was measured."""

    p50_ms: float
    p95_ms: float

    def __str__(self) -> str:
        if self.p50_ms != self.p50_ms:
            return "unknown"
        return f"p50 {self.p50_ms:.0f} ms, p95 {self.p95_ms:.0f} ms"


class Latencies:
    """Latencies of one kind; a negative one, of a pose that is ahead of its time, counts as 0."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BINS, np.int64)
        self._newest: collections.deque[int] = collections.deque(maxlen=_RECENT)

    def add(self, latency_ns: int) -> None:
        """Count one, ns."""
        self._counts[min((max(latency_ns, 0) + _BIN_NS // 2) // _BIN_NS, _BINS - 1)] += 1
        self._newest.append(latency_ns)

    def recent(self) -> Percentiles:
        """Return the percentiles of the last 600."""
        if not self._newest:
            return Percentiles(float("nan"), float("nan"))
        p50, p95 = np.percentile(np.asarray(self._newest, np.float64) / 1e6, [50, 95])
        return Percentiles(float(p50), float(p95))

    def all(self) -> Percentiles:
        """Return the percentiles of all, to 0.05 ms."""
        total = int(self._counts.sum())
        if not total:
            return Percentiles(float("nan"), float("nan"))
        below = np.cumsum(self._counts)
        at = [int(np.searchsorted(below, share * (total - 1), side="right")) for share in (0.50, 0.95)]
        p50, p95 = (bin_ * _BIN_NS / 1e6 for bin_ in at)
        return Percentiles(p50, p95)
