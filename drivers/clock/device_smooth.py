"""A whole recording of a regularly sampled device, corrected at once: the same line in both directions.

::

    rows ─> segments without steps ─> lowest of each quarter second ─> a line about every ten seconds,
    fitted to the minute before and the minute after ─> what joins the lines
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drivers.clock.device_line import ASYMMETRY, FLOOR_NS, Floats, fit_line, lower_edge
from drivers.clock.device_regular import ABSURD_NS, TOLERANCE, DeviceClock, Times
from drivers.clock.device_segment import BUCKET_S
from drivers.clock.device_step import Waits

KNOT_S = 10.0  # between two lines
SIDE_S = 60.0  # to each side of a knot; beyond that a rate has wandered
CHUNK_S = 0.1  # of arrivals, in which steps are looked for


def smooth_count(
    count: NDArray[np.int64],
    time_host: NDArray[np.int64],
    unit: float,
    rate_hz: float,
    *,
    tolerance: float = TOLERANCE,
    stamped: bool = False,
) -> Times:
    """Correct all rows of a device.

    Args:
        count: (N,) row numbers, or another count.
        time_host: (N,) arrivals, ns.
        unit: nominal ns of one count.
        rate_hz: nominal rows per second.
        tolerance, stamped: see :class:`DeviceClock`.

    Returns:
        host time of capture plus the least delay (N,), rising, and a bound on its error (N,), ns.
    """
    times = np.empty(len(count), np.int64)
    bounds = np.empty(len(count), np.int64)
    for start, stop, pace in _segments(count, time_host, unit, rate_hz, tolerance, stamped):
        piece = slice(start, stop)
        x0, y0 = int(count[start]), int(time_host[start])
        nominal: Floats = (count[piece] - x0).astype(np.float64) * (unit * pace)
        z: Floats = (time_host[piece] - y0) - nominal
        excess, bound = _track(nominal * 1e-9, z, time_host[piece], pace / rate_hz, tolerance, stamped)
        ahead = np.clip(excess - z, -ABSURD_NS, ABSURD_NS)
        times[piece] = time_host[piece] + np.rint(ahead).astype(np.int64)
        bounds[piece] = np.ceil(np.minimum(bound, 2 * ABSURD_NS)).astype(np.int64)
    steps = np.arange(len(times))
    rising = np.maximum.accumulate(times - steps) + steps if len(times) else times
    return rising, bounds + (rising - times)


def _segments(
    count: NDArray[np.int64],
    time_host: NDArray[np.int64],
    unit: float,
    rate_hz: float,
    tolerance: float,
    stamped: bool,
) -> list[tuple[int, int, float]]:
    """Return (start, stop, pace) of stretches without steps, as the online clock finds them."""
    clock = DeviceClock(rate_hz, tolerance=tolerance, stamped=stamped)
    chunk = ((time_host - (time_host[0] if len(time_host) else 0)) // int(CHUNK_S * 1e9)).astype(np.int64)
    cuts = np.concatenate(([0], np.flatnonzero(np.diff(chunk) != 0) + 1, [len(count)]))
    begins: list[tuple[int, float]] = []
    seen = 0
    for start, stop in zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True):
        if stop == start:
            continue
        clock.update_nominal(time_host[start:stop], count[start:stop], unit)
        if clock.segments != seen:
            seen = clock.segments
            begins.append((max(start - clock.late_rows, begins[-1][0] + 1 if begins else 0), clock.pace))
    ends = [begin for begin, _ in begins[1:]] + [len(count)]
    return [(begin, end, pace) for (begin, pace), end in zip(begins, ends, strict=True) if end > begin]


def _track(
    x: Floats, z: Floats, y: NDArray[np.int64], period: float, tolerance: float, stamped: bool
) -> tuple[Floats, Floats]:
    """Return the excess (N,) of capture plus the least delay, and its bound (N,), ns."""
    _, first = np.unique(np.floor((x - x[0]) / KNOT_S), return_index=True)
    knots = np.unique(np.concatenate((x[first], x[-1:])))
    level, level_sd = np.full(len(knots), float(np.median(z))), np.zeros(len(knots))
    points_x, points_z, above = x, z, z
    for _ in range(2):  # a bucket's lowest row depends on the slope, hence twice
        picked = _lowest(x, z - np.interp(x, knots, level), max(BUCKET_S, 4 * period), stamped)
        points_x, points_z = x[picked], z[picked]
        fit = None
        for k, knot in enumerate(knots.tolist()):
            near = slice(*np.searchsorted(points_x, (knot - SIDE_S, knot + SIDE_S + 1e-9)))
            if near.stop - near.start < 2:
                near = slice(0, len(points_x))
            asymmetry = 0.5 if stamped else ASYMMETRY
            fit = fit_line(
                points_x[near],
                points_z[near],
                knot,
                asymmetry=asymmetry,
                tolerance=tolerance * 1e9,
                start=fit,
            )
            level[k] = float(fit(np.array([knot]))[0])
            level_sd[k] = float(np.hypot(fit.level_sd, fit.slope_sd * (knot - fit.at)))
        above = points_z - np.interp(points_x, knots, level)
    edge, edge_error = (0.0, 0.0) if stamped else lower_edge(above)
    waits = Waits(period)
    newest = slice(max(0, len(x) - 1000), None)
    waits.add(x[newest].tolist(), z[newest].tolist(), y[newest].tolist())
    hidden = 0.0 if stamped else waits.hidden(lambda at: np.interp(at, knots, level))
    bound = 3 * np.interp(x, knots, level_sd) + edge_error + hidden + FLOOR_NS
    return np.interp(x, knots, level) + edge, bound


def _lowest(x: Floats, above: Floats, length: float, stamped: bool) -> NDArray[np.intp]:
    """Return the index of the lowest row, or the median one, of each bucket, in the order of x."""
    bucket = np.floor((x - x[0]) / length).astype(np.int64)
    order = np.lexsort((above, bucket))
    first = np.flatnonzero(np.concatenate(([True], np.diff(bucket[order]) > 0)))
    if not stamped:
        return order[first]
    return order[(first + np.concatenate((first[1:], [len(order)]))) // 2]
