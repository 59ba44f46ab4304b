"""Row numbers and the true period for data that was stored with arrival times and no counter.

A sensor that samples without pause is one clock, even where only stretches of it were kept (the trials of a
session). So the least arrivals of all stretches lie on one line

    arrival >= phase + period * number

and over an hour that line shows the period to a part in a million, where one stretch of seconds shows it to a
part in a thousand. A row's number is then the largest that its own arrival, and that of all rows after it,
allow: a stall that is caught up with is a delay, and one that is not is a gap.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SEARCH_PPM = 300.0
"""The true period is looked for so far about the nominal one."""

EARLY = 0.25
"""A row may come before the line by this part of a period: the line is known no better."""

EVIDENCE = 16
"""Rows that must stay late before a stall is taken for a gap."""

COHERENT = 0.7
"""Resultant length of the phases above which the stretches are taken for one clock. By chance 50 phases reach
0.45 over the whole search; 2 ms of scatter in a period of 32 ms leave 0.93."""

RESTART = 0.02
"""Growth of the mean resultant length for which a restart of the sensor is taken for granted."""

FEWEST = 4
"""Stretches that show a restart, on either side of it."""

_LEAST = 0.05  # quantile of the arrivals of a stretch that stands for its least

Ns = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Line:
    """The clock of a sensor: row k is due at ``phase_ns + period_ns * k``.

    Attributes:
        phase_ns: in the clock of the arrivals, ns.
        period_ns: ns.
        coherence: how well all stretches lie on it: 1 perfectly; below :data:`COHERENT` each has a line of
            its own, and the period is the nominal one.
        scatter_ns: by how much the least arrivals of the stretches miss it: standard deviation, robust.
    """

    phase_ns: float
    period_ns: float
    coherence: float
    scatter_ns: float

    @property
    def coherent(self) -> bool:
        """All stretches lie on this line."""
        return self.coherence >= COHERENT


def common_lines(stretches: Sequence[Ns], period_ns: float) -> list[Line]:
    """Find the line on which the least arrivals of each stretch lie, and those of its neighbours.

    A sensor that was switched off in between goes on with its period and another phase.

    Args:
        stretches: (N_i,) arrivals of each, ns, rising or level, N_i >= 1, in the order of time.
        period_ns: nominal period.

    Returns:
        a line for each stretch; where no common one is found, of the nominal period and coherence < COHERENT.
    """
    if not stretches:
        return []
    first = int(stretches[0][0])
    at = np.array([_due(stretch - first, period_ns) for stretch in stretches])
    period = _best_period(at, period_ns) if len(at) > 2 else period_ns
    pieces = _pieces(at, period)
    # A restart tilts the line over all: fit the longest piece, and cut again by its period.
    for _ in range(4):
        longest = max(pieces, key=lambda piece: piece.stop - piece.start)
        period = _refined(at[longest], period)
        pieces = _pieces(at, period)
    lines = []
    for piece in pieces:
        own, turning = at[piece], np.exp(2j * np.pi * at[piece] / period)
        coherence = float(np.abs(turning.mean())) if len(own) > 2 else 0.0
        left = _left(own, period)
        line = Line(
            phase_ns=first + _phase(own, period) + float(np.median(left)),
            period_ns=period if coherence >= COHERENT else period_ns,
            coherence=coherence,
            scatter_ns=1.4826 * float(np.median(np.abs(left - np.median(left)))),
        )
        lines += [line] * len(own)
    return lines


def _best_period(at: NDArray[np.float64], period_ns: float) -> float:
    """Search for the period by which all instants have one phase."""
    span = float(np.ptp(at)) + period_ns
    tries = max(int(2 * SEARCH_PPM * 1e-6 * span / period_ns * 2 * np.pi / 0.5), 16)  # half a radian apart
    periods = period_ns * (1 + np.linspace(-SEARCH_PPM, SEARCH_PPM, min(tries, 20_000)) * 1e-6)
    return max(periods.tolist(), key=lambda p: abs(np.exp(2j * np.pi * at / p).mean()))


def _refined(at: NDArray[np.float64], period: float) -> float:
    """Add to the period what is left of a slope in the phases of instants (N,)."""
    left = _left(at, period)
    turns = np.rint((at - _phase(at, period)) / period)
    keep = np.abs(left) <= 3 * max(float(np.median(np.abs(left))), 1.0)
    if np.ptp(turns[keep]) == 0:
        return period
    return period + float(np.polyfit(turns[keep], left[keep], 1)[0])


def _pieces(at: NDArray[np.float64], period: float, start: int = 0) -> list[slice]:
    """Cut where the phase changes for good."""
    sums = np.concatenate(([0], np.cumsum(np.exp(2j * np.pi * at / period))))
    cuts = np.arange(FEWEST, len(at) - FEWEST + 1)
    whole = slice(start, start + len(at))
    if not len(cuts):
        return [whole]
    both = np.abs(sums[cuts]) + np.abs(sums[-1] - sums[cuts])
    cut = int(cuts[np.argmax(both)])
    if both.max() - np.abs(sums[-1]) < RESTART * len(at):
        return [whole]
    return _pieces(at[:cut], period, start) + _pieces(at[cut:], period, start + cut)


def _phase(at: NDArray[np.float64], period: float) -> float:
    return float(np.angle(np.exp(2j * np.pi * at / period).mean())) / (2 * np.pi) * period


def _left(at: NDArray[np.float64], period: float) -> NDArray[np.float64]:
    """What is left of instants (N,) beside their common phase, within half a period."""
    left = at - _phase(at, period)
    return left - np.rint(left / period) * period


def number_rows(arrivals: Ns, line: Line) -> NDArray[np.int64]:
    """Number the rows (N,) of one stretch, rising; what is skipped was never delivered.

    Args:
        arrivals: (N,) ns, rising or level.
        line: the sensor's clock; where it is not coherent, only its period counts.
    """
    if not len(arrivals):
        return np.empty(0, np.int64)
    index = np.arange(len(arrivals))
    phase = line.phase_ns
    if not line.coherent:
        phase = float(arrivals[0]) + _due(arrivals - arrivals[0], line.period_ns)
    latest = np.floor((arrivals - phase) / line.period_ns + EARLY).astype(np.int64) - index
    allowed = np.minimum.accumulate(latest[::-1])[::-1]
    # The last rows may all be late: they show no gap.
    allowed[-EVIDENCE:] = allowed[max(len(allowed) - EVIDENCE, 0)]
    return index + allowed


def _due(arrivals: NDArray[np.int64], period_ns: float) -> float:
    """When the middle row was due, by the least delay of all."""
    late = arrivals - (np.arange(len(arrivals)) - len(arrivals) // 2) * period_ns
    return float(np.quantile(late, _LEAST))
