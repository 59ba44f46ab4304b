"""Host times of a whole recording, from its probes in both directions of time."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.clock.probe_line import (
    MAX_SKEW,
    ROUNDING_NS,
    WINDOW_NS,
    allowed_by,
    departure,
    possible,
    thin,
)

KNOT_NS = 10**9
"""An estimate each second; between them a clock is straight to half a nanosecond (1 ppm/s)."""

BLOCK = 64  # probes looked at together for a step
BUCKET_NS = 10**9 // 2

FASTEST = 16.0
"""A clock may wander so many times as fast as common ones, 5 ppm a second; what goes faster, steps."""

MARGIN = 4.0

SILENCE_NS = WINDOW_NS // 2
"""Where no probe came for longer, those of a minute about a time in it are few or none."""

CLOSE_NS = 10 * 10**9
"""A step shows among the probes so close to it."""


class HostTrack:
    """Turns the monotonic time of one host into session time; see :func:`smooth`.

    Attributes:
        host_ns: (K,) int64, knots on the host's clock, ns, rising.
        session_ns: (K,) int64, session time there, ns; never falling, but for a while that the host's
            clock jumped over, so that it never showed those times.
        bound_ns: (K,) float64, a bound on its error, ns.
        steps: (S,) int64 host times at which probes before and after contradict each other, ns.
        probes: how many probes were used.
    """

    def __init__(
        self,
        host_ns: NDArray[np.int64],
        session_ns: NDArray[np.int64],
        bound_ns: NDArray[np.float64],
        *,
        skews: tuple[float, float] = (0.0, 0.0),
        skew_bounds: tuple[float, float] = (0.0, 0.0),
        steps: NDArray[np.int64] | None = None,
        probes: int = 0,
    ) -> None:
        self.host_ns, self.session_ns, self.bound_ns = host_ns, session_ns, bound_ns
        self.steps = np.empty(0, np.int64) if steps is None else steps
        self.probes = probes
        self._skews, self._skew_bounds = skews, skew_bounds

    def __repr__(self) -> str:
        return f"HostTrack({len(self.host_ns)} knots, {self.probes} probes, {len(self.steps)} steps)"

    def to_session(self, host_ns: Any) -> tuple[Any, Any]:
        """Convert host monotonic time.

        Args:
            host_ns: an int or an array (N,) int64, ns.

        Returns:
            session time, ns, and a bound on its error, ns; of the same type.
        """
        if not isinstance(host_ns, np.ndarray):
            time, bound = self.to_session(np.array([host_ns], np.int64))
            return int(time[0]), int(bound[0])
        first = int(self.host_ns[0])
        knots = (self.host_ns - first).astype(np.float64)
        offset = self.session_ns - self.host_ns
        x = (host_ns - first).astype(np.float64)
        moved = np.interp(x, knots, (offset - offset[0]).astype(np.float64))
        bound = np.interp(x, knots, self.bound_ns)
        before, after = np.maximum(0.0, -x), np.maximum(0.0, x - knots[-1])
        moved += self._skews[1] * after - self._skews[0] * before
        away = before + after
        bound += self._skew_bounds[0] * before + self._skew_bounds[1] * after
        if self.probes:
            bound += departure(away)
        time = host_ns + int(offset[0]) + np.rint(moved).astype(np.int64)
        return time, np.ceil(bound).astype(np.int64)


def smooth(probes: NDArray[Any], epoch_ns: int = 0, *, same: bool = False) -> HostTrack:
    """Estimate a host's offset at every time of a recording, from probes before and after it.

    Args:
        probes: (N,) of PROBE, in any order, as ``/clock/<host>/probes`` in a file holds them: of all
            streams of the host together. Those that cannot be are left out.
        epoch_ns: zero of session time on the session host's clock (attribute of the file), ns.
        same: host and session have one clock; exact, no probe is looked at.

    Returns:
        the track. Where the clocks stepped, it steps; within the time that the step may have
        happened the bound is as wide as the step.

    Raises:
        ValueError: no probe that can be, and not the same clock.
    """
    if same:
        return HostTrack(np.zeros(1, np.int64), np.full(1, -epoch_ns, np.int64), np.zeros(1))
    probes = probes[possible(probes)]
    if not len(probes):
        raise ValueError("no usable clock probe: the host's times cannot be compared with the session's")
    probes = np.unique(probes)
    probes = probes[np.argsort(probes["t3"], kind="stable")]
    pieces = [_piece(piece) for piece in _segments(probes)]
    host = [pieces[0][0]]
    session = [pieces[0][1]]
    bound = [pieces[0][2]]
    steps: list[int] = []
    for before, after in itertools.pairwise(pieces):
        link = _link(before, after)
        steps.append(int(link[0][2]))
        for parts, added, following in zip((host, session, bound), link, after[:3], strict=True):
            parts += [added, following]
    all_host, all_session = np.concatenate(host), np.concatenate(session)
    # Pieces may overlap by a probe that was on its way.
    rising = np.concatenate(([True], all_host[1:] > np.maximum.accumulate(all_host)[:-1]))
    return HostTrack(
        all_host[rising],
        all_session[rising] - epoch_ns,
        np.concatenate(bound)[rising],
        skews=(pieces[0][3][0], pieces[-1][3][1]),
        skew_bounds=(pieces[0][4][0], pieces[-1][4][1]),
        steps=np.array(steps, np.int64),
        probes=len(probes),
    )


_Piece = tuple[
    NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], tuple[float, float], tuple[float, float]
]


def _segments(probes: NDArray[Any]) -> list[NDArray[Any]]:
    """Split where a clock stepped: where the probes of a minute no longer agree, nor those close by."""
    pieces: list[NDArray[Any]] = []
    start = since = end = 0  # of the piece; of the probes that agree; of those looked at
    while end < len(probes):
        stop = min(end + BLOCK, len(probes))
        if _agree(probes, since, end, stop):
            end = stop
            continue
        good, bad = end, stop  # the first probe that contradicts lies in [good, bad)
        while bad - good > 1:
            middle = (good + bad) // 2
            if _agree(probes, since, end, middle):
                good = middle
            else:
                bad = middle
        good = max(good, since + 1)
        if not _wanders(probes, good):
            pieces.append(probes[start:good])
            start = good
        since = end = good
    pieces.append(probes[start:])
    return [piece for piece in pieces if len(piece)]


def _wanders(probes: NDArray[Any], at: int) -> bool:
    """Whether a clock that wanders fast explains why the probe ``at`` contradicts the ones before."""
    before, stamp = probes["t3"][[at - 1, min(at, len(probes) - 1)]].tolist()
    first, last = np.searchsorted(probes["t3"], (before - CLOSE_NS, stamp + CLOSE_NS))
    near = probes[first:last]
    base = int(near["t2"][-1] - near["t3"][-1])
    return allowed_by(near, stamp, base, wander=FASTEST).gap >= 0


def _agree(probes: NDArray[Any], start: int, end: int, stop: int) -> bool:
    newest = int(probes["t3"][stop - 1])
    oldest = int(np.searchsorted(probes["t3"], probes["t3"][min(end, stop - 1)] - WINDOW_NS))
    some = probes[max(start, oldest) : stop]
    base = int(some["t2"][-1] - some["t3"][-1])
    return len(some) < 2 or allowed_by(some, newest, base).gap >= 0


def _piece(probes: NDArray[Any]) -> _Piece:
    """Estimate knots over probes without a step."""
    base = int(probes["t2"][0] - probes["t3"][0])
    whole = allowed_by(probes[-1024:], int(probes["t3"][-1]), base)
    kept = thin(probes, whole.slope, BUCKET_NS)
    first, last = int(probes["t0"].min()), int(probes["t3"].max())
    knots = np.unique(np.append(np.arange(first, last, KNOT_NS), last))
    offset = np.empty(len(knots), np.int64)
    bound = np.empty(len(knots))
    slopes: list[tuple[float, float]] = []
    for k, knot in enumerate(knots.tolist()):
        near = _around(kept["t3"], knot)
        found = _widest(kept[near], knot, base)
        offset[k] = base + round(found.middle)
        bound[k] = max(0.0, found.high - found.middle, found.middle - found.low) + ROUNDING_NS
        slopes.append((found.slope, max(found.slope_high - found.slope, found.slope - found.slope_low)))
    return knots, knots + offset, bound, (slopes[0][0], slopes[-1][0]), (slopes[0][1], slopes[-1][1])


def _around(stamps: NDArray[np.int64], knot: int) -> slice:
    """Return the probes, by their t3, of a minute to either side; in a silence, of those at its ends."""
    after = min(int(np.searchsorted(stamps, knot)), len(stamps) - 1)
    ends = int(stamps[max(after - 1, 0)]), int(stamps[after])
    low, high = (min(ends[0], knot), max(ends[1], knot)) if ends[1] - ends[0] > SILENCE_NS else (knot, knot)
    first = int(np.searchsorted(stamps, low - WINDOW_NS))
    last = int(np.searchsorted(stamps, high + WINDOW_NS, "right"))
    return slice(first, last)


def _widest(probes: NDArray[Any], knot: int, base: int) -> Any:
    """What the probes around a knot allow, from as many of them as agree.

    Probes that only just agree leave a strip that is too narrow, so :data:`MARGIN` times the wander is
    allowed that they need.
    """
    reach = WINDOW_NS
    while True:
        wander = 1 / MARGIN
        while wander <= FASTEST:
            if allowed_by(probes, knot, base, MAX_SKEW, wander=wander).gap >= 0:
                return allowed_by(probes, knot, base, MAX_SKEW, np.inf, MARGIN * wander)
            wander *= 2
        reach //= 2
        close = np.abs(probes["t3"] - knot) <= reach
        probes = probes[close] if close.any() else probes[np.argmin(np.abs(probes["t3"] - knot))][None]


def _link(before: _Piece, after: _Piece) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Join two pieces: with the old clock, then the step, then with the new one.

    Time went on by ``s2 - s1``. Where this host's clock jumped ahead by far more, all that it showed
    in between is near either end, and clear. Otherwise the step is taken to be in the middle, and the
    bound says that it may not be.
    """
    h1, s1, h2, s2 = int(before[0][-1]), int(before[1][-1]), int(after[0][0]), int(after[1][0])
    gone = max(0, s2 - s1)
    calm = max(float(before[2][-1]), float(after[2][0]))
    clear = h2 - h1 > 2 * gone + 2
    part = gone if clear else max(0, min(h2 - h1, gone) // 2 - 1)
    edges = (min(1, part), part)
    host = np.array([h1 + edge for edge in edges] + [h2 - edge for edge in edges[::-1]], np.int64)
    session = np.array([s1 + edge for edge in edges] + [s2 - edge for edge in edges[::-1]], np.int64)
    return host, session, np.full(4, calm + (0 if clear else abs((s2 - h2) - (s1 - h1))))
