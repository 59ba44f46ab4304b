"""A host's monotonic clock, and how far it is from the session's, while probes come in.

What a probe is and how an offset follows from many: :mod:`drivers.clock.probe_line`. For a whole
recording afterwards: :func:`smooth`.

Time that is handed out never runs back. An estimate that moves a little is followed over
``SLEW_NS``, so that time stays smooth; a step forward is followed at once; for a step back time
almost stands still until it is true again. The bound covers what that leaves wrong meanwhile.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.bus.messages import PROBE
from drivers.clock.identity import clock_identity
from drivers.clock.probe_line import (
    WINDOW_NS,
    OffsetEstimate,
    departure,
    departure_at,
    estimate_offset,
    middle,
    thin,
)
from drivers.clock.probe_track import HostTrack, smooth

__all__ = ["HostClock", "HostTrack", "OffsetEstimate", "clock_identity", "estimate_offset", "smooth"]

SLEW_NS = 10**9
"""A small correction is spread over one second."""

LARGE_NS = 5 * 10**6
"""Time that is ahead by more comes back as fast as it can."""

SLOWEST = 0.01
"""Time goes no slower than that, of its pace: rows of one stream keep apart and in order."""

STEP_SLACK_NS = 20_000
"""Probes that contradict each other by less show a clock that wanders, not one that stepped."""

BATCH_NS = 1e8
"""Rows that lie within so much have one bound, that of the worst: it hardly differs, and is soon found."""

FEW = 8  # rows; so few are faster converted one by one

FULL = 320  # probes kept at most; then the older ones are thinned to the best of each half second
FRESH_NS = 10 * 10**9  # the newer ones are not


@dataclasses.dataclass(frozen=True, slots=True)
class _Line:
    """What time is handed out by: an estimate, and a correction that fades."""

    estimate: OffsetEstimate
    correction: float = 0.0  # ns, at the estimate's time and before
    fades_ns: float = 1.0  # it is gone after so long

    def offset(self, away: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the offset less ``estimate.offset_ns`` at ``away`` (N,) ns from ``estimate.at_ns``."""
        moved = self.estimate.skew * away
        if self.correction:
            moved += self.correction * np.clip(1.0 - away / self.fades_ns, 0.0, 1.0)
        return moved

    def bound(self, away: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return a bound on the error at ``away`` (N,) ns from ``estimate.at_ns``."""
        if not len(away):
            return np.empty(0, np.int64)
        first, last = float(away.min()), float(away.max())
        if last - first > BATCH_NS:
            fading = abs(self.correction) * np.clip(1.0 - away / self.fades_ns, 0.0, 1.0)
            spread = self.estimate.bound_ns + self.estimate.skew_bound * np.abs(away)
            return np.ceil(spread + departure(away) + fading).astype(np.int64)
        return np.full(len(away), self.bound_within(first, last))

    def bound_within(self, first: float, last: float) -> int:
        """Return a bound on the error from ``first`` to ``last`` ns from ``estimate.at_ns``."""
        far = max(abs(first), abs(last))
        left = min(max(1.0 - first / self.fades_ns, 0.0), 1.0)
        spread = self.estimate.bound_ns + self.estimate.skew_bound * far + departure_at(far)
        return math.ceil(spread + abs(self.correction) * left)

    def few(self, asked: list[int]) -> tuple[list[int], list[int]]:
        """Return what is to be added to times (N,), N >= 1, and the bounds: plain numbers, for few."""
        estimate, correction, fades = self.estimate, self.correction, self.fades_ns
        base, at, skew = estimate.offset_ns, estimate.at_ns, estimate.skew
        away = [float(one - at) for one in asked]
        first, last = min(away), max(away)
        if last - first > BATCH_NS:
            many = np.array(away)
            return (np.rint(self.offset(many)).astype(np.int64) + base).tolist(), self.bound(many).tolist()
        if correction and first < fades:
            moved = [round(skew * x + correction * min(max(1.0 - x / fades, 0.0), 1.0)) for x in away]
        else:
            moved = [round(skew * x) for x in away]
        return [base + one for one in moved], [self.bound_within(first, last)] * len(away)


class HostClock:
    """Turns this host's monotonic time into session time.

    One thread may update it while another converts.

    Args:
        epoch_ns: zero of session time on the session host's monotonic clock, ns.
        same: the two hosts have one clock (see :func:`clock_identity`): exact, no probe needed.
        window_ns: age at which probes stop counting, ns.
    """

    def __init__(self, epoch_ns: int, *, same: bool, window_ns: int = WINDOW_NS) -> None:
        self.epoch_ns = epoch_ns
        self.same = same
        self.refused = 0
        """Probes that cannot be: an answer that took longer than the question and answer together."""
        self.steps = 0
        """Times that all older probes had to be given up, because a clock was stepped."""
        self._window_ns = window_ns
        self._probes = np.empty(FULL, PROBE)
        self._count = 0
        self._newest: int | None = None
        self._line = _Line(OffsetEstimate(0, 0, 0.0, 0, 0.0, 0)) if same else None

    @property
    def estimate(self) -> OffsetEstimate | None:
        """The newest estimate, before any smoothing; None before the first probe."""
        return None if self._line is None else self._line.estimate

    @property
    def scatter_ns(self) -> int:
        """How far the kept probes' round trips commonly are above the shortest, ns."""
        held = self._probes[: self._count]
        if not len(held):
            return 0
        trips = (held["t3"] - held["t0"]) - (held["t2"] - held["t1"])
        return int(middle(trips) - trips.min())

    def age(self, host_ns: int) -> int | None:
        """Return how long ago, ns, the newest probe came back; None before the first."""
        return None if self._newest is None else int(host_ns) - self._newest

    def update(self, *probes: tuple[int, int, int, int] | Any) -> None:
        """Take in probes (t0, t1, t2, t3), ns; those that cannot be are refused and counted."""
        fresh = 0
        for probe in probes:
            t0, t1, t2, t3 = (int(stamp) for stamp in tuple(probe))
            if t3 < t0 or t2 < t1 or t2 - t1 > t3 - t0:
                self.refused += 1
                continue
            self._newest = t3 if self._newest is None else max(t3, self._newest)
            if not self.same:
                self._keep((t0, t1, t2, t3))
                fresh += 1
        if not fresh or self._newest is None:
            return
        estimate = self._estimate()
        last = self._probes[self._count - 1]
        stepped = estimate.conflict_ns > STEP_SLACK_NS + float(last["t3"] - last["t0"]) / 20
        if stepped:
            self.steps += 1
            self._forget(self._count - fresh)
            estimate = self._estimate()
        if estimate.conflict_ns:
            self._forget(self._count - estimate.probes)
        self._line = self._follow(estimate, stepped=stepped)

    def _estimate(self) -> OffsetEstimate:
        assert self._newest is not None
        return estimate_offset(self._probes[: self._count], self._newest)

    def _keep(self, probe: tuple[int, int, int, int]) -> None:
        if self._count == FULL:
            newest = int(self._probes["t3"][-1])
            self._forget(int(np.argmax(self._probes["t3"] >= newest - self._window_ns)))
            held = self._probes[: self._count]
            fresh = held["t3"] > newest - FRESH_NS
            skew = 0.0 if self._line is None else self._line.estimate.skew
            few = np.concatenate((thin(held[~fresh], skew, 5 * 10**8), held[fresh]))[-(FULL - FULL // 4) :]
            self._count = len(few)
            self._probes[: self._count] = few
        self._probes[self._count] = probe
        self._count += 1
        if probe[0] - int(self._probes["t0"][0]) > 2 * self._window_ns:
            self._forget(int(np.argmax(self._probes["t0"][: self._count] >= probe[0] - self._window_ns)))

    def _forget(self, oldest: int) -> None:
        if oldest > 0:
            self._probes[: self._count - oldest] = self._probes[oldest : self._count]
            self._count -= oldest

    def _follow(self, estimate: OffsetEstimate, *, stepped: bool) -> _Line:
        """Begin where the line before has brought time to."""
        line = self._line
        if line is None:
            return _Line(estimate)
        away = np.array([float(estimate.at_ns - line.estimate.at_ns)])
        before = line.estimate.offset_ns + float(line.offset(away)[0])
        correction = before - estimate.offset_ns
        if stepped and correction < 0:
            return _Line(estimate)
        if correction > LARGE_NS:
            return _Line(estimate, correction, correction / (1 - SLOWEST))
        return _Line(estimate, correction, max(SLEW_NS, -correction))

    def to_session(self, host_ns: Any) -> tuple[Any, Any]:
        """Convert host monotonic time.

        Args:
            host_ns: an int or an array (N,) int64, ns.

        Returns:
            session time, ns, and a bound on its error, ns, of the same type.

        Raises:
            RuntimeError: there was no probe yet.
        """
        line = self._line
        if line is None:
            raise RuntimeError("a HostClock of another host needs a probe first")
        if self.same:
            return host_ns - self.epoch_ns, np.zeros(len(host_ns), np.int64) if _many(host_ns) else 0
        if not _many(host_ns):
            (offset,), (bound,) = line.few([int(host_ns)])
            return int(host_ns) - self.epoch_ns + offset, bound
        if 0 < len(host_ns) <= FEW:
            asked = host_ns.tolist()
            offsets, bounds = line.few(asked)
            times = [one - self.epoch_ns + more for one, more in zip(asked, offsets, strict=True)]
            return np.array(times, np.int64), np.array(bounds, np.int64)
        away = (host_ns - line.estimate.at_ns).astype(np.float64)
        moved = np.rint(line.offset(away)).astype(np.int64)
        return host_ns + (line.estimate.offset_ns - self.epoch_ns) + moved, line.bound(away)

    def to_host(self, session_ns: int) -> int:
        """Convert session time to this host's monotonic time, ns: the inverse of ``to_session``."""
        line = self._line
        if line is None:
            raise RuntimeError("a HostClock of another host needs a probe first")
        guess = session_ns + self.epoch_ns - line.estimate.offset_ns
        away = guess - line.estimate.at_ns
        reach = round(2 * (abs(line.correction) + abs(line.estimate.skew * away))) + 2
        low, high = guess - reach, guess + reach  # bisect: time rises with time
        while high - low > 1:
            middle = (low + high) // 2
            if self.to_session(middle)[0] <= session_ns:
                low = middle
            else:
                high = middle
        return low


def _many(host_ns: Any) -> bool:
    return isinstance(host_ns, np.ndarray)
