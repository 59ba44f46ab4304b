"""Which impacts of two streams are the same ones, and by how much one stream is late.

The nearest event is no answer: steps, doors and swinging arms are events too. A lag is believed for
a *run* of events: of n neighbours in one stream, k are met in the other within a tolerance, while
chance would meet each with probability p, by how dense the other's events are just there. The lag and
the run that chance explains least win, ``P(Binomial(n, p) >= k)`` times the number of lags and runs
that were tried (Bonferroni). Runs let five claps stand beside minutes of walking; the strongest events of
each stream are tried apart as well, as claps are louder than most.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc

from recordings.latency.events import Array, Events

FEWEST = 3
"""Pairs that make a match."""
CHANCE = 1e-3
"""A match that chance makes more often than this is none."""
RUNS = (3, 4, 5, 6, 8, 10, 14, 20, 32, 64)
"""Lengths of runs that are tried, events; and the whole."""
STRONGEST = (8, 16, 40, 120, 300)
"""How many of each stream's strongest events are tried apart."""
_LAGS = 600  # most lags tried of one choice of events


@dataclasses.dataclass(frozen=True)
class Match:
    """Events of two streams that are the same.

    Attributes:
        lag_s: the other stream is late by about this.
        reference, other: (K,) times of the matched events in each stream, s.
        chance: probability that chance alone makes a match as good.
    """

    lag_s: float
    reference: Array
    other: Array
    chance: float


def match(
    reference: Events,
    other: Events,
    *,
    max_lag_s: float = 0.3,
    tolerances_s: tuple[float, ...] = (0.004, 0.008, 0.016),
    ways: int = 1,
) -> Match | None:
    """Return the match of two streams' events that chance explains least, or None where chance explains all.

    Args:
        reference, other: impacts of the two streams, on one time axis.
        max_lag_s: latencies beyond this are not considered.
        tolerances_s: how well two streams' instants may agree; all are tried.
        ways: how many other choices of events the caller tries for the same stream: chance has as many more.
    """
    best: tuple[float, Events, Events, float, float, slice] | None = None
    tried: set[tuple[int, int]] = set()
    for mine in STRONGEST:
        for theirs in STRONGEST:
            a, b = reference.strongest(mine), other.strongest(theirs)
            if (len(a), len(b)) in tried or min(len(a), len(b)) < FEWEST:
                continue
            tried.add((len(a), len(b)))
            for tolerance in tolerances_s:
                found = _best_run(a.time, b.time, max_lag_s, tolerance)
                if found is not None and (best is None or found[0] < best[0]):
                    best = (found[0], a, b, found[1], tolerance, found[2])
    if best is None:
        return None
    chance = best[0] + np.log(len(tolerances_s)) + np.log(ways)
    if chance > np.log(CHANCE):
        return None
    _, a, b, lag, tolerance, run = best
    rows, columns = pairs(a.time[run], b.time, lag, tolerance)
    met, theirs = a.time[run][rows], b.time[columns]
    return Match(float(np.median(theirs - met)), met, theirs, float(np.exp(chance)))


def pairs(
    reference: Array, other: Array, lag_s: float, tolerance_s: float
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return which events (K,), (K,) meet at a lag, each once, the nearest first."""
    if not len(reference) or not len(other):
        return np.zeros(0, np.intp), np.zeros(0, np.intp)
    nearest = _nearest(other, reference + lag_s)
    error = np.abs(other[nearest] - reference - lag_s)
    kept: dict[int, int] = {}
    for row in np.argsort(error, kind="stable"):
        if error[row] <= tolerance_s:
            kept.setdefault(int(nearest[row]), int(row))
    order = sorted(kept.items(), key=lambda item: item[1])
    return np.array([r for _, r in order], np.intp), np.array([c for c, _ in order], np.intp)


def _nearest(sorted_times: Array, wanted: Array) -> NDArray[np.intp]:
    right = np.clip(np.searchsorted(sorted_times, wanted), 1, max(len(sorted_times) - 1, 1))
    right = np.minimum(right, len(sorted_times) - 1)
    left = np.maximum(right - 1, 0)
    closer = np.abs(sorted_times[left] - wanted) <= np.abs(sorted_times[right] - wanted)
    return np.where(closer, left, right)


def _best_run(a: Array, b: Array, max_lag: float, tolerance: float) -> tuple[float, float, slice] | None:
    """Return log of chance, lag and run of ``a`` that chance explains least."""
    lags = _lags(a, b, max_lag, tolerance)
    if not len(lags):
        return None
    wanted = a[None, :] + lags[:, None]
    met = np.abs(b[_nearest(b, wanted)] - wanted) <= tolerance
    hits = np.concatenate([np.zeros((len(lags), 1), int), np.cumsum(met, axis=1)], axis=1)
    tries = np.log(max(1.0, max_lag / tolerance)) + np.log(len(a))
    best: tuple[float, float, slice] | None = None
    for length in sorted({min(run, len(a)) for run in (*RUNS, len(a))}):
        if length < FEWEST:
            continue
        starts = np.arange(len(a) - length + 1)
        k = hits[:, length:] - hits[:, : len(starts)]
        low, high = a[starts] - max_lag, a[starts + length - 1] + max_lag
        dense = (np.searchsorted(b, high) - np.searchsorted(b, low)) / (high - low)
        p = -np.expm1(-2 * tolerance * dense)
        usable = k >= FEWEST
        if not usable.any():
            continue
        with np.errstate(divide="ignore"):  # what chance never makes has no logarithm
            chance = np.log(np.where(usable, bdtrc(k - 1, length, np.clip(p, 1e-12, 1.0)[None, :]), 1.0))
        lag, start = np.unravel_index(int(chance.argmin()), chance.shape)
        value = float(chance[lag, start]) + tries
        if best is None or value < best[0]:
            best = (value, float(lags[lag]), slice(int(start), int(start) + length))
    return best


def _lags(a: Array, b: Array, max_lag: float, tolerance: float) -> Array:
    """Return the lags to try: those around which differences of pairs are dense."""
    first = np.searchsorted(b, a - max_lag)
    last = np.searchsorted(b, a + max_lag, side="right")
    differences = [b[i:j] - t for i, j, t in zip(first, last, a, strict=True)]
    d = np.sort(np.concatenate(differences)) if differences else np.zeros(0)
    if len(d) < FEWEST:
        return np.zeros(0)
    # A lag is tried in the middle of those within twice the tolerance from each difference on.
    ends = np.searchsorted(d, d + 2 * tolerance, side="right")
    counts = ends - np.arange(len(d))
    total = np.concatenate([[0.0], np.cumsum(d)])
    middles = (total[ends] - total[:-1]) / counts
    dense = np.argsort(-counts, kind="stable")[:_LAGS]
    return middles[dense][counts[dense] >= FEWEST]
