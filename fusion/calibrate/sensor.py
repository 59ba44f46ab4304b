"""``chorus calibrate imu``: what one sensor's own errors are, and how well that is known."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from drivers.errors import CalibrationError
from drivers.imu.calibration import ImuCalibration, Triad
from fusion.calibrate.rest import Rest, quietest, rests
from fusion.calibrate.trace import ImuTrace
from fusion.calibrate.triads import Fitted, coverage, fit_six, fit_size, missing

Array = NDArray[np.float64]

REST_S = 1.5
"""A position is at rest for at least so long; half a second around it is left out."""
TOTAL_S = 10.0
"""Rests of less in all give no bias that is worth keeping."""
NOISE_FLOOR = np.radians(0.5)
"""Unrest of a sensor that lies still is taken to be at least this, rad/s: quantised gyroscopes read zeros."""
FULL = 9
"""Directions of rest from which cross-axis terms are fitted too; with six, biases and scales alone."""
FIELD_COVER = 0.6
"""Share of the sphere that a magnetometer must have pointed along."""


@dataclasses.dataclass(frozen=True)
class SensorReport:
    """What was found of one sensor.

    Attributes:
        calibration: to be written; triads that could not be found are None.
        rests: how many there were.
        rest_s: their length in all, s.
        gyro_bias_deg_s, gyro_sigma_deg_s: (3,) and its standard deviation.
        gyro_noise: density of the noise as data sheets give it, deg/s per root Hz; of the worst axis.
        gyro_instability_deg_h: least Allan deviation, deg/h, of the worst axis; NaN of less than 60 s at
        rest. force: of the accelerometer, or None.
        field: of the magnetometer, or None.
        turns_deg: root mean square error of turns between rests after the calibration; NaN where none were.
        advice: what is missing or poor, one sentence each; empty of a good calibration.
    """

    calibration: ImuCalibration
    rests: int
    rest_s: float
    gyro_bias_deg_s: Array
    gyro_sigma_deg_s: Array
    gyro_noise: float
    gyro_instability_deg_h: float
    force: Fitted | None
    field: Fitted | None
    turns_deg: float
    advice: tuple[str, ...]

    @property
    def score(self) -> float:
        """Quality, 0 to 1: 1 where all was found and nothing is advised."""
        found = [True, self.force is not None]
        return max(0.0, sum(found) / len(found) - 0.15 * len(self.advice))


def calibrate_sensor(trace: ImuTrace) -> SensorReport:
    """Return the errors of a sensor that lay still in several positions, and was turned in between.

    Raises:
        CalibrationError: it was never at rest long enough.
    """
    still = resting(trace)
    total = sum((rest.last - rest.first) * trace.step_s for rest in still)
    if total < TOTAL_S:
        raise CalibrationError(
            f"{trace.name}: it was at rest for {total:.1f} s in all, and {TOTAL_S:g} s are needed",
            mend="lay it down, let go, and leave it alone for some seconds in each position",
        )
    advice: list[str] = []
    bias, sigma = _bias(trace, still)
    noise, instability = _allan(trace, still)
    if np.degrees(np.abs(bias)).max() > 10:
        advice.append("the gyroscope's bias is above 10 deg/s: was it really at rest?")
    force = _force(still, advice)
    field = _field(trace, advice) if trace.field is not None else None
    rate = Triad(bias, np.eye(3))
    turns = np.nan
    if force is not None:
        rate, turns = _rate_scale(trace, still, rate, force.triad, advice)
    calibration = ImuCalibration(
        force.triad if force else None, rate, field.triad if field is not None else None
    )
    return SensorReport(
        calibration,
        len(still),
        total,
        np.degrees(bias),
        np.degrees(sigma),
        noise,
        instability,
        force,
        field,
        turns,
        tuple(advice),
    )


def resting(trace: ImuTrace) -> list[Rest]:
    """Return the rests of a trace; what is at rest is told from its quietest moments."""
    quiet = quietest(trace)
    threshold = max(NOISE_FLOOR, 4.0 * quiet)
    if quiet > np.radians(5):
        return []  # it never lay still
    return rests(trace, threshold, REST_S)


def _bias(trace: ImuTrace, still: list[Rest]) -> tuple[Array, Array]:
    """Return the mean (3,) of all rests and its standard deviation, by how the rests differ."""
    length = np.array([rest.last - rest.first for rest in still], float)
    means = np.array([rest.rate for rest in still])
    bias = (length[:, None] * means).sum(axis=0) / length.sum()
    within = np.mean([trace.rate[rest.first : rest.last].var(axis=0) for rest in still], axis=0)
    floor = np.sqrt(within / length.sum())
    if len(still) < 3:
        return bias, floor
    weight = length / length.sum()
    between = np.sqrt((weight[:, None] * (means - bias) ** 2).sum(axis=0) / (len(still) - 1))
    return bias, np.maximum(floor, between)


def _allan(trace: ImuTrace, still: list[Rest]) -> tuple[float, float]:
    """Return white noise (deg/s per root Hz) and, of 60 s or more, the least Allan deviation (deg/h)."""
    longest = max(still, key=lambda rest: rest.last - rest.first)
    rate = np.degrees(trace.rate[longest.first : longest.last])
    step = trace.step_s
    noise = float(np.max(np.sqrt(np.mean(np.diff(rate, axis=0) ** 2, axis=0) * step)))
    if len(rate) * step < 60:
        return noise, float("nan")
    least = np.full(3, np.inf)
    for size in np.unique(np.geomspace(1 / step, len(rate) / 5, 12).astype(int)):
        count = len(rate) // size
        means = rate[: count * size].reshape(count, size, 3).mean(axis=1)
        least = np.minimum(least, np.sqrt(0.5 * np.mean(np.diff(means, axis=0) ** 2, axis=0)))
    return noise, float(least.max() * 3600)


def _force(still: list[Rest], advice: list[str]) -> Fitted | None:
    gone = missing(still)
    if gone:
        advice.append(f"sides are missing: {', '.join(gone)}; lay it on all six (accelerometer not changed)")
        return None
    rows = np.array([rest.force for rest in still])
    weight = np.sqrt(np.array([rest.last - rest.first for rest in still], float))
    distinct = _distinct(rows)
    fitted = fit_size(rows, 9.80665, weight) if distinct >= FULL + 3 else fit_six(still)
    scale = np.diag(fitted.triad.matrix)
    if np.abs(scale - 1).max() > 0.15:
        advice.append(
            "the accelerometer's scale is off by more than 15 %: check its unit with chorus calibrate axes"
        )
        return None
    if fitted.residual > 0.05:
        advice.append(
            f"gravity differs by {fitted.worst:.2f} m/s² between positions: it was not at rest in all"
        )
    return fitted


def _distinct(rows: Array, apart_deg: float = 15.0) -> int:
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    kept: list[Array] = []
    for one in unit:
        if all(one @ other < np.cos(np.radians(apart_deg)) for other in kept):
            kept.append(one)
    return len(kept)


def _field(trace: ImuTrace, advice: list[str]) -> Fitted | None:
    assert trace.field is not None
    rows = trace.field[np.isfinite(trace.field).all(axis=1)]
    if len(rows) < 50 or np.ptp(rows, axis=0).min() <= 0:
        advice.append("the magnetometer did not change: it was left as it is")
        return None
    rows = rows[:: max(1, len(rows) // 4000)]
    middle = (rows.max(axis=0) + rows.min(axis=0)) / 2
    covered = coverage(rows - middle)
    if covered < FIELD_COVER:
        advice.append(
            f"the magnetometer pointed to {100 * covered:.0f} % of all directions only: turn it every way "
            "(magnetometer not changed)"
        )
        return None
    size = float(np.median(np.linalg.norm(rows - middle, axis=1)))
    fitted = fit_size(rows, size)
    if fitted.residual > 0.06 * size:
        advice.append("the magnetic field changes from place to place: do it away from iron and currents")
        return None
    return fitted


def _rate_scale(
    trace: ImuTrace, still: list[Rest], rate: Triad, force: Triad, advice: list[str]
) -> tuple[Triad, float]:
    """Refine the gyroscope's scales by gravity before and after each turn between rests."""
    pairs = list(itertools.pairwise(still))
    ups = [(force(a.force), force(b.force)) for a, b in pairs]
    ups = [(a / np.linalg.norm(a), b / np.linalg.norm(b)) for a, b in ups]
    large = [index for index, (a, b) in enumerate(ups) if a @ b < np.cos(np.radians(40))]
    if not large:
        return rate, float("nan")
    turn = _turner(trace, [pairs[index] for index in large], rate.bias)
    targets = np.array([ups[index] for index in large])  # (n, 2, 3)

    def error(scale: Array) -> Array:
        predicted = np.array([one(scale).inv().apply(up[0]) for one, up in zip(turn, targets, strict=True)])
        return (predicted - targets[:, 1]).ravel()

    ones = np.ones(3)
    before = float(np.degrees(np.sqrt(np.mean(np.sum(error(ones).reshape(-1, 3) ** 2, axis=1)))))
    axes = np.abs(np.array([np.cross(a, b) for a, b in targets])).max(axis=0)
    if before > 25:
        advice.append("turns do not agree with gravity: check units and axes with chorus calibrate axes")
        return rate, before
    if len(large) < 5 or axes.min() < 0.6:
        return rate, before
    fit = least_squares(error, ones, x_scale=0.01)
    after = float(np.degrees(np.sqrt(np.mean(np.sum(error(fit.x).reshape(-1, 3) ** 2, axis=1)))))
    if np.abs(fit.x - 1).max() > 0.1 or after > 0.98 * before:
        return rate, before
    return Triad(rate.bias, np.diag(fit.x)), after


def _turner(
    trace: ImuTrace, pairs: list[tuple[Rest, Rest]], bias: Array
) -> list[Callable[[Array], Rotation]]:
    """Return, for each pair of rests, the rotation from one to the other by scales of the gyroscope."""
    step = trace.step_s

    def make(rows: Array) -> Callable[[Array], Rotation]:
        def turned(scale: Array) -> Rotation:
            parts = Rotation.from_rotvec(rows * scale * step)
            while len(parts) > 1:  # pairwise product, in order
                if len(parts) % 2:
                    parts = Rotation.concatenate([parts, Rotation.identity(1)])
                parts = parts[::2] * parts[1::2]
            return parts[0]

        return turned

    out = []
    for a, b in pairs:
        middle = slice((a.first + a.last) // 2, (b.first + b.last) // 2)
        out.append(make(trace.rate[middle] - bias))
    return out
