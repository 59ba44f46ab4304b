"""How well a stream's times hold together: the figures of ``chorus check``.

Pure functions over the stamps of one stream::

    delay    = arrival - corrected time      jitter: its scatter, what correcting took away
    residual = corrected time - line of seq  wander: its scatter;  steps: its jumps;  drift: the line's slope
    seq                                      gaps: numbers that are missing

Figures are finite whatever the stamps are; what can't be known is None.
"""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from numpy.typing import NDArray

from drivers.clock.device import SLOWEST_HZ
from recordings.rates import effective_rate, local_rates

STEP_NS = 5e6
"""The least jump of corrected time against the row count that is a step, ns, or 0.6 of a period."""

STEP_SPAN_NS = 2e9
"""A step stays: the median residual over so much time before and after it differs, ns."""

Ns = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class StreamSync:
    """Sync quality of one stream.

    Attributes:
        bound_ms: bound on the error of time, median over the stamps.
        bound_max_ms: its maximum.
        jitter_ms: arrival less corrected time: standard deviation.
        jitter_p99_ms: 99 % of arrivals are this near to the median delay.
        wander_ms: corrected time about one straight line over ``seq``: RMS; None where not regular.
        drift_ppm: how much too fast the device's clock runs against its nominal rate; None where not regular.
        drift_spread_ppm: half the range of that drift between tenths of the recording; None where not known.
        steps: jumps of corrected time that the row count does not explain, and restarts of the count.
        gaps: places where rows are missing.
        gap_rows: rows missing there.
        cross_modal_ms: by how much events shared with ``cross_modal_reference`` come later here; None where
            nothing is shared.
        cross_modal_spread_ms: scatter of the single events about it.
        cross_modal_events: events compared.
        cross_modal_reference: the stream they are compared with.
    """

    bound_ms: float = 0.0
    bound_max_ms: float = 0.0
    jitter_ms: float = 0.0
    jitter_p99_ms: float = 0.0
    wander_ms: float | None = None
    drift_ppm: float | None = None
    drift_spread_ppm: float | None = None
    steps: int = 0
    gaps: int = 0
    gap_rows: int = 0
    cross_modal_ms: float | None = None
    cross_modal_spread_ms: float | None = None
    cross_modal_events: int = 0
    cross_modal_reference: str = ""


def stream_sync(
    seq: NDArray[np.uint64],
    time: Ns,
    bound: Ns,
    arrival: Ns,
    *,
    rate_hz: float = 0.0,
    regular: bool = False,
    rows_of: NDArray[np.int64] | None = None,
) -> StreamSync:
    """Measure one stream.

    Args:
        seq: (N,) number of the first row of each stamp.
        time: (N,) corrected session time, ns.
        bound: (N,) bound on its error, ns.
        arrival: (N,) session time of arrival, ns.
        rate_hz: nominal rows per second; below 0.001 there is none.
        regular: the device samples on a clock of its own.
        rows_of: (N,) rows each stamp stands for; by default 1.

    Returns:
        the figures; all zero for no stamps.
    """
    if not len(time):
        return StreamSync()
    delay = (arrival - time).astype(np.float64) * 1e-6
    missing = _missing(seq, np.ones(len(seq), np.int64) if rows_of is None else rows_of)
    found = StreamSync(
        bound_ms=float(np.median(bound)) * 1e-6,
        bound_max_ms=float(np.max(bound)) * 1e-6,
        jitter_ms=float(np.std(delay)),
        jitter_p99_ms=float(np.percentile(np.abs(delay - np.median(delay)), 99)),
        gaps=int((missing > 0).sum()),
        gap_rows=int(missing.sum()),
    )
    rate = effective_rate(seq, time)
    if not regular or rate <= 0 or len(time) < 3:
        return found
    residual = line_residual(seq, time)
    local = local_rates(seq, time, 10)
    return dataclasses.replace(
        found,
        wander_ms=float(np.sqrt(np.mean(residual**2))) * 1e-6,
        drift_ppm=(rate / rate_hz - 1) * 1e6 if rate_hz >= SLOWEST_HZ else None,
        drift_spread_ppm=float(np.ptp(local) / 2 / rate * 1e6) if len(local) > 1 else None,
        steps=len(steps(seq, time)),
    )


def line_residual(seq: NDArray[np.uint64], time: Ns) -> NDArray[np.float64]:
    """Return corrected time less the robust line of ``seq`` (N,), ns. Missing rows do not show.

    Where the device begins its count again, so does the line.
    """
    rate = effective_rate(seq, time)
    if rate <= 0:
        return np.zeros(len(time))
    count = seq.astype(np.int64)
    residual = (time - time[0]).astype(np.float64) - (count - count[0]).astype(np.float64) * (1e9 / rate)
    restarts = np.flatnonzero(np.diff(count) <= 0) + 1
    for start, stop in itertools.pairwise([0, *restarts.tolist(), len(time)]):
        residual[start:stop] -= np.median(residual[start:stop])
    return residual


def steps(seq: NDArray[np.uint64], time: Ns) -> NDArray[np.intp]:
    """Return the indices of the stamps (S,) before which corrected time jumps, or the count begins again.

    A jump lasts: a single late stamp is none, nor is a drift. Of more than 1000 jumps the first are judged.
    """
    restarts = np.flatnonzero(np.diff(seq.astype(np.int64)) <= 0) + 1
    rows = np.diff(seq.astype(np.int64))
    if not (rows > 0).any():
        return restarts
    # The usual period between neighbours: a step does not tilt it, as it tilts a line over all.
    period = float(np.median(np.diff(time)[rows > 0] / rows[rows > 0]))
    jump = np.diff(time) - period * rows
    residual = np.concatenate(([0.0], np.cumsum(jump)))
    least = max(STEP_NS, 0.6 * period)
    found = set(restarts.tolist())
    for index in (np.flatnonzero(np.abs(jump) > least) + 1)[:1000].tolist():
        before = residual[np.searchsorted(time, time[index] - STEP_SPAN_NS) : index]
        after = residual[index : np.searchsorted(time, time[index] + STEP_SPAN_NS)]
        if len(before) and len(after) and abs(np.median(after) - np.median(before)) > least:
            found.add(index)
    return np.array(sorted(found), np.intp)


def gaps(seq: NDArray[np.uint64], rows_of: NDArray[np.int64]) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
    """Return the indices of the stamps (G,) before which rows are missing, and how many (G,)."""
    missing = _missing(seq, rows_of)
    where = np.flatnonzero(missing > 0)
    return where + 1, missing[where]


def _missing(seq: NDArray[np.uint64], rows_of: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows missing after each stamp but the last (N - 1,), never negative."""
    return np.maximum(np.diff(seq.astype(np.int64)) - rows_of[:-1], 0)
