"""A device's clock that is wrong in a known way.

Row k of a device is captured when its own clock reads ``k / rate_hz``. That clock starts ``start_ns``
after the session's epoch, shows ``offset_ns`` more than it should, and runs ``drift_ppm`` too fast.
What was captured reaches the host ``delay_ns`` later at the earliest, and later still at random.
"""

from __future__ import annotations

import dataclasses
import json

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclasses.dataclass(frozen=True)
class SimulatedClock:
    """True capture instants and what the device itself stamps; all of it known.

    Attributes:
        rate_hz: nominal rows per second.
        start_ns: session time of the capture of row 0, ns.
        offset_ns: what the device's clock shows at row 0, ns.
        drift_ppm: how much too fast the device's clock runs; it then captures too often.
        delay_ns: constant part of the transport's delay, ns.
        jitter_ns: mean of the random part (exponentially distributed), ns.
    """

    rate_hz: float
    start_ns: int = 0
    offset_ns: int = 0
    drift_ppm: float = 0.0
    delay_ns: int = 0
    jitter_ns: float = 0.0

    @property
    def true_rate_hz(self) -> float:
        """Rows per true second."""
        return self.rate_hz * (1.0 + self.drift_ppm * 1e-6)

    def capture(self, row: ArrayLike) -> NDArray[np.int64]:
        """Return the true session time, ns, at which each row is captured."""
        return self.start_ns + np.rint(np.asarray(row) * (1e9 / self.true_rate_hz)).astype(np.int64)

    def stamp(self, row: ArrayLike) -> NDArray[np.int64]:
        """Return what the device's own clock shows at each row, ns."""
        return self.offset_ns + np.rint(np.asarray(row) * (1e9 / self.rate_hz)).astype(np.int64)

    def arrival(self, row: ArrayLike, rng: np.random.Generator) -> NDArray[np.int64]:
        """Return when each row reaches the host, session time in ns: in order, never early."""
        capture = self.capture(row)
        late = self.delay_ns + rng.exponential(max(self.jitter_ns, 1e-9), np.shape(capture))
        return np.maximum.accumulate(np.atleast_1d(capture + late.astype(np.int64))).reshape(
            np.shape(capture)
        )

    def rows_until(self, time_ns: int) -> int:
        """Return how many rows were captured at or before a session time in ns."""
        if time_ns < self.start_ns:
            return 0
        return int((time_ns - self.start_ns) * self.true_rate_hz / 1e9) + 1

    def text(self) -> str:
        """Return the truth as JSON, for ``properties["true_clock"]`` of a stream."""
        return json.dumps(
            {
                "start_ns": self.start_ns,
                "offset_ns": self.offset_ns,
                "drift_ppm": self.drift_ppm,
                "latency_ns": self.delay_ns,
                "rate_hz": self.rate_hz,
            }
        )

    @classmethod
    def from_text(cls, text: str) -> SimulatedClock:
        """Return the clock told by ``properties["true_clock"]``; the jitter is not in it."""
        truth = json.loads(text)
        return cls(
            rate_hz=float(truth["rate_hz"]),
            start_ns=int(truth["start_ns"]),
            offset_ns=int(truth["offset_ns"]),
            drift_ppm=float(truth["drift_ppm"]),
            delay_ns=int(truth["latency_ns"]),
        )
