"""The rate a stream really had."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray


def effective_rate(seq: NDArray[np.uint64], time: NDArray[np.int64]) -> float:
    """Return rows per second: the median slope over all pairs half a recording apart.

    Rows that were lost do not lower it, since ``seq`` counts them; neither do outliers or a device
    that restarted its count. After Theil (1950) and Sen (1968), with n/2 pairs in place of all.

    Args:
        seq: (N,) numbers of the stamped rows.
        time: (N,) their corrected times, ns.

    Returns:
        Hz; 0 where fewer than two stamps tell.
    """
    half = max(len(time) // 2, 1)
    rows = (seq[half:] - seq[:-half]).astype(np.int64).astype(np.float64)
    seconds = (time[half:] - time[:-half]) * 1e-9
    usable = (rows > 0) & (seconds > 0)
    if not usable.any():
        return 0.0
    return float(1.0 / np.median(seconds[usable] / rows[usable]))


def local_rates(seq: NDArray[np.uint64], time: NDArray[np.int64], parts: int) -> NDArray[np.float64]:
    """Return the effective rate (P,), Hz, of up to ``parts`` equal parts of a stream.

    Parts too short to tell, of fewer than 8 stamps, are left out.

    Args:
        seq: (N,) numbers of the stamped rows.
        time: (N,) their corrected times, ns.
        parts: how many.
    """
    cuts = np.linspace(0, len(time), parts + 1).astype(int)
    pieces = [slice(a, b) for a, b in itertools.pairwise(cuts.tolist()) if b - a >= 8]
    rates = np.array([effective_rate(seq[piece], time[piece]) for piece in pieces], np.float64)
    return rates[rates > 0]
