"""Rate, time stamps, rows that come twice and values that are cut off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fusion.calibrate.axes.verdict import Mistake
from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]

RATE_OFF = 0.1
"""A rate that is off by more was told wrongly."""
_POWERS = (1e3, 1e6, 1e9)
TWICE = 0.2
"""Share of rows that repeat the one before while the sensor turns: more are duplicates."""
CUT_ROWS = 5
"""As many rows in a row at one and the same largest value are cut off."""
ROUND = 0.02
"""Share of the largest value within which the top of a true peak lies."""


def true_step_s(trace: ImuTrace) -> float:
    """Return the time from row to row, s: by its time stamps, unless their unit is wrong."""
    step = trace.step_s
    if trace.rate_hz and _power(step * trace.rate_hz):
        return 1.0 / trace.rate_hz
    return step


def check_timing(trace: ImuTrace, step_s: float) -> list[Mistake]:
    """Return what is wrong with rate, time stamps and values of a trace."""
    out: list[Mistake] = []
    if trace.rate_hz and len(trace) > 20:
        rows = len(trace) if trace.seq is None else int(trace.seq[-1] - trace.seq[0]) + 1
        seen = (rows - 1) / max(1e-9, float(trace.time[-1] - trace.time[0]))
        ratio = trace.rate_hz / seen
        if power := _power(ratio):
            out.append(Mistake("time_unit", f"time stamps are in the wrong unit, off by {power:g}"))
        elif abs(ratio - 1) > RATE_OFF:
            words = f"the rate is wrong: {trace.rate_hz:g} Hz was told, rows come at {seen:.4g} Hz"
            out.append(Mistake("sample_rate", words))
    if not any(one.code == "time_unit" for one in out):
        out += _device_clock(trace)
    share = _repeated(trace)
    if share > TWICE:
        times = 1 / max(1e-6, 1 - share)
        out.append(Mistake("duplicated", f"rows are duplicated: each comes {times:.1f} times"))
    out += _cut(trace, share)
    return out


def _power(ratio: float) -> float:
    """Return the power of a thousand, or its inverse, that a ratio is within 30 % of; 0: none."""
    for power in _POWERS:
        for one in (power, 1 / power):
            if 0.7 < ratio / one < 1.4:
                return one
    return 0.0


def _device_clock(trace: ImuTrace) -> list[Mistake]:
    """Compare the device's clock with the session's."""
    if trace.time_device is None or len(trace) < 20:
        return []
    passed = float(trace.time_device[-1] - trace.time_device[0]) * 1e-9
    ratio = passed / max(1e-9, float(trace.time[-1] - trace.time[0]))
    power = _power(abs(ratio)) if ratio else 0.0
    if power:
        return [Mistake("time_unit", f"the device's time stamps are in the wrong unit, off by {power:g}")]
    return []


def _repeated(trace: ImuTrace) -> float:
    """Return the share of rows that repeat the one before, of those in which the sensor turns."""
    rows = np.hstack([trace.force, trace.rate])
    same = (rows[1:] == rows[:-1]).all(axis=1)
    size = np.linalg.norm(trace.rate, axis=1)[1:]
    lively = size > 0.3 * np.quantile(size, 0.98)
    return float(same[lively].mean()) if lively.sum() > 20 else 0.0


def _cut(trace: ImuTrace, share: float) -> list[Mistake]:
    """Look for values that stay at one and the same largest one while others change."""
    least = round(CUT_ROWS / max(0.1, 1 - share))
    for name, unit, values in (("gyroscope", "rad/s", trace.rate), ("accelerometer", "m/s²", trace.force)):
        for axis in range(3):
            column = values[:, axis]
            if (np.diff(column) != 0).mean() < 0.5 * (1 - share):
                continue  # too smooth to tell
            for top in (column.max(), column.min()):
                others = np.delete(values, axis, axis=1)
                at = column == top
                changes = np.concatenate([[False], (others[1:] != others[:-1]).any(axis=1)])
                # A true peak is round: more values lie just below it than at it.
                below = (np.abs(column) > (1 - ROUND) * abs(top)) & (column * top > 0) & ~at
                flat = at.sum() > 2 * below.sum()
                if flat and abs(top) > 1e-6 and _longest(at) >= least and (at & changes).sum() >= least:
                    words = f"{name} saturates at {abs(top):.4g} {unit} on its {'xyz'[axis]} axis"
                    return [Mistake("saturated", words)]
    return []


def _longest(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return int((edges[1::2] - edges[::2]).max(initial=0))
