"""The clocks of XDF streams: offsets as probes, and numbers for rows that came without.

An XDF clock offset says: at time T of the sender's clock, T + offset was the time of the recorder's. How
long question and answer took is not in the file, so what an offset is worth can be told only by
how it agrees with its neighbours: a robust line through a minute to either side. From each, a probe is
made whose two limits hold that line with the scatter of all about it::

    t0, t3 = T -+ (scatter + |offset - line|)        t1 = t2 = T + offset

so that T and the offset can be read back, a single bad offset tells little, and the bound that follows is
the scatter. A constant asymmetry of the network is not in it: nothing in the file shows it.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import minimum_filter1d

from drivers.bus.messages import PROBE

Floats = NDArray[np.float64]

REACH_S = 60.0
"""Neighbours of an offset, to either side: crystals wander over longer times."""

MOST_NEIGHBOURS = 48

LEAST_NS = 10_000
"""No exchange of messages between programs tells an offset better."""

UNTOLD_NS = 5_000_000
"""Taken for the scatter where there are too few offsets to show one."""

FEWEST = 4
"""Offsets that show a scatter."""

STEP_S = 0.005
"""A lasting change of the offset by more, between two neighbours, is a step of a clock."""

FARTHEST_S = 4e9
"""A time of a clock: UNIX time until 2096, and twice as much still fits 64 bits of ns."""

SHOW_STEP = 3
"""Offsets between two steps, or a step and the end: fewer are left out, for recorders write bad last ones."""

ABSURD_S = 1.0
"""An offset that is so far from its neighbours' line is left out."""

LONGEST_S = 3600.0
"""An offset taken so long before the first sample or after the last is left out."""

LATE = 0.75
"""All further rows must be late by this part of a period for a gap."""

LUMPS = 60
"""Rows over which the period is first looked for."""

EVIDENCE_S = 0.5
EVIDENCE = 16
"""Rows looked at to either side of a gap: so many, or those of half a second."""


def offset_probes(
    times_s: Floats, offsets_s: Floats, span_s: tuple[float, float]
) -> tuple[NDArray[np.void], int]:
    """Turn clock offsets into probes.

    Args:
        times_s: (P,) the sender's clock, s.
        offsets_s: (P,) recorder's clock less the sender's, s.
        span_s: first and last stamp of the stream, s.

    Returns:
        (Q,) of PROBE, Q <= P, t0 and t3 on the sender's clock, in order; and the scatter, ns: 0 for none.
    """
    near = (
        (times_s >= span_s[0] - LONGEST_S)
        & (times_s <= span_s[1] + LONGEST_S)
        & (np.abs(offsets_s) < FARTHEST_S)
    )
    times, at = np.unique(times_s[near], return_index=True)
    offsets = offsets_s[near][at]
    left = np.full(len(times), np.inf)
    for start, stop in _segments(times, offsets):
        if stop - start >= SHOW_STEP or len(times) < 2 * SHOW_STEP:
            left[start:stop] = _residuals(times[start:stop], offsets[start:stop])
    good = np.abs(left) <= ABSURD_S
    times, offsets, left = times[good], offsets[good], np.abs(left[good]) * 1e9
    if not len(times):
        return np.empty(0, PROBE), 0
    scatter = LEAST_NS + 3 * 1.4826 * float(np.median(left)) if len(times) >= FEWEST else UNTOLD_NS
    half = np.rint(scatter + left).astype(np.int64)
    asked = nanoseconds(times)
    probes = np.empty(len(times), PROBE)
    probes["t0"], probes["t3"] = asked - half, asked + half
    probes["t1"] = probes["t2"] = asked + nanoseconds(offsets)
    return probes, round(scatter)


def nanoseconds(seconds: Floats) -> NDArray[np.int64]:
    """Return times (N,), s, as ns, to what a double holds."""
    whole = np.floor(seconds)
    return whole.astype(np.int64) * 1_000_000_000 + np.rint((seconds - whole) * 1e9).astype(np.int64)


def _segments(times: Floats, offsets: Floats) -> list[tuple[int, int]]:
    """Cut where the offset changes for good."""
    change = np.diff(offsets)
    if len(change) < 2:
        return [(0, len(times))]
    usual = float(np.median(change / np.diff(times)))
    jump = np.abs(change - usual * np.diff(times))
    limit = max(STEP_S, 8 * 1.4826 * float(np.median(jump)))
    cuts = [
        i + 1
        for i in np.flatnonzero(jump > limit).tolist()
        if abs(np.median(offsets[i + 1 : i + 6]) - np.median(offsets[max(i - 4, 0) : i + 1])) > limit
    ]
    return list(itertools.pairwise([0, *cuts, len(times)]))


def _residuals(times: Floats, offsets: Floats) -> Floats:
    """Return how far each offset (P,) is from the line through its neighbours, after Theil and Sen."""
    left = np.zeros(len(times))
    first = np.searchsorted(times, times - REACH_S)
    last = np.searchsorted(times, times + REACH_S, side="right")
    for i, (start, stop) in enumerate(zip(first.tolist(), last.tolist(), strict=True)):
        start, stop = min(start, max(i - FEWEST, 0)), max(stop, min(i + FEWEST + 1, len(times)))
        near = np.unique(np.linspace(start, stop - 1, min(stop - start, MOST_NEIGHBOURS)).astype(int))
        x, y = times[near] - times[i], offsets[near]
        a, b = np.triu_indices(len(near), 1)
        slope = float(np.median((y[b] - y[a]) / (x[b] - x[a]))) if len(a) else 0.0
        left[i] = offsets[i] - float(np.median(y - slope * x))
    return left


def number_stamps(stamps_ns: NDArray[np.int64], rate_hz: float) -> tuple[NDArray[np.int64], float]:
    """Number the rows of a stream that samples evenly, by its stamps: a gap is a lasting jump of them.

    Args:
        stamps_ns: (N,) in the order of the file.
        rate_hz: nominal rate, > 0.

    Returns:
        (N,) numbers, rising from 0, and the rate found, Hz.
    """
    seq = np.arange(len(stamps_ns))
    if len(seq) < 3:
        return seq, rate_hz
    # Rows may come in lumps: over a multiple of many sizes of lumps, a difference is a whole number of them.
    lag = LUMPS if len(seq) > 4 * LUMPS else max(len(seq) // 2, 1)
    period = float(np.median(stamps_ns[lag:] - stamps_ns[:-lag])) / lag
    for _ in range(4):
        if period <= 0:
            return np.arange(len(stamps_ns)), rate_hz
        found = _numbers(stamps_ns, period)
        period = _period(stamps_ns, found)
        if np.array_equal(found, seq):
            break
        seq = found
    return seq, 1e9 / period if period > 0 else rate_hz


def _period(stamps_ns: NDArray[np.int64], seq: NDArray[np.int64]) -> float:
    """Return the mean of the middle half of the slopes between rows half a recording apart."""
    half = len(seq) // 2
    slopes = np.sort((stamps_ns[half:] - stamps_ns[:-half]) / (seq[half:] - seq[:-half]))
    quarter = len(slopes) // 4
    return float(np.mean(slopes[quarter : len(slopes) - quarter]))


def _numbers(stamps_ns: NDArray[np.int64], period: float) -> NDArray[np.int64]:
    """Number rows (N,) that come each ``period`` ns."""
    index = np.arange(len(stamps_ns))
    reach = min(max(EVIDENCE, int(EVIDENCE_S * 1e9 / period)), max(len(index) // 2, 1))
    late = (stamps_ns - stamps_ns[:1]) - index * period
    # The least of the rows before and after: rows that merely came late say nothing.
    before = np.concatenate(([0.0], minimum_filter1d(late, reach, origin=(reach - 1) // 2)[:-1]))
    after = minimum_filter1d(late, reach, origin=-(reach // 2))
    missing = np.zeros(len(late), np.int64)
    gone = seen = 0
    removed = np.zeros(len(late))
    for i in (
        np.flatnonzero((np.diff(late) > 0.5 * period) & ((after - before)[1:] > LATE * period)) + 1
    ).tolist():
        removed[seen:i], seen = gone * period, i
        past = late[max(i - reach, 0) : i] - removed[max(i - reach, 0) : i]
        shift = (float(after[i]) - gone * period - float(past.min())) / period
        if shift > LATE:
            missing[i] = max(round(shift), 1)
            gone += int(missing[i])
    return index + np.cumsum(missing)
