"""One constant from the matched events of two streams, and what is unsure about it."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from recordings.latency.events import Array


@dataclasses.dataclass(frozen=True)
class Constant:
    """A location and how sure it is, all in the unit of the differences.

    Attributes:
        value: the constant.
        spread: robust standard deviation of the differences about it.
        uncertainty: half width of its 95 % confidence interval; infinite for a single difference.
        used: (K,) bool, the differences that were not outliers.
    """

    value: float
    spread: float
    uncertainty: float
    used: NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Fit:
    """Instants of events, fitted.

    Attributes:
        time: (E,) s; the first guess where an event can't be fitted.
        sure: (E,) bool, whether it was fitted, and not to the edge of what was looked through: where
            nothing happened, no instant is the best.
        doubt_s: by how much all would move together with other shapes of the event that explain it about
            as well; one standard deviation.
    """

    time: Array
    sure: NDArray[np.bool_]
    doubt_s: float = 0.0


def constant(differences: Array) -> Constant:
    """Return the constant in differences (K,), K >= 1: the mean of those near their median.

    Near is within three spreads, 1.4826 times the median absolute deviation, and twice as far for five
    differences, whose spread is itself unsure: a false pair counts for nothing, and all true ones count.
    At least half of the differences are always used.
    """
    d = np.asarray(differences, np.float64)
    away = np.abs(d - np.median(d))
    spread = 1.4826 * float(np.median(away))
    used = away <= max((3.0 + 15.0 / len(d)) * spread, float(np.sort(away)[len(d) // 2]))
    inner = d[used]
    if len(inner) < 2:
        return Constant(float(inner.mean()), spread, float("inf"), used)
    # A few may lie closely together by chance: neither measure of spread is believed below the other.
    spread = max(spread, float(inner.std(ddof=1)))
    quantile = float(stdtrit(len(inner) - 1, 0.975))
    return Constant(float(inner.mean()), spread, quantile * spread / np.sqrt(len(inner)), used)


def vertex(costs: Array, best: NDArray[np.intp]) -> Array:
    """Return by what part of a step (E,) the lowest point of a parabola through three lies off the middle."""
    last = costs.shape[1] - 1
    rows = np.arange(len(costs))
    middle = np.clip(best, 1, last - 1)
    a, b, c = (costs[rows, middle + k] for k in (-1, 0, 1))
    bend = a - 2 * b + c
    inner = (best > 0) & (best < last) & (bend > 1e-12)
    return np.where(inner, 0.5 * (a - c) / np.where(bend > 1e-12, bend, 1.0), 0.0)
