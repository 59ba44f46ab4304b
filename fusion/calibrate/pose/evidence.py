"""What a sensor shows of the steps: up while a pose is held, the axis of turning while something moves."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

from fusion.calibrate.pose.steps import STEP, Expectation
from fusion.calibrate.rest import stillest
from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]

POSE_S = 2.0
"""A pose is read where it is held best for so long."""
STILL_DEG_S = 5.0
"""More scatter of the angular rate, tremor left out, is no held pose: people sway by 1 to 3 deg/s."""
LOW_PASS_HZ = 2.5
"""Movements are slower, the wobble of soft tissue and tremor are faster."""
SMALL = 0.5
"""Of the turn that a step should make: less is too small."""
ONE_AXIS = 0.75
"""Of the squared angular rate that is about the axis: less is no turning about one axis."""


@dataclasses.dataclass(frozen=True)
class Evidence:
    """One direction that was seen in the sensor's frame.

    Attributes:
        expected: of which step, and what it is in the bone's frame.
        seen: (3,) unit vector in the sensor's frame.
        turn_deg: how far it turned; 0 of a pose.
        one_axis: share of the squared angular rate about the axis; 1 of a pose.
        drift_deg: angle between the axis of the first and second half; 0 of a pose.
        still_deg_s: scatter of the angular rate; 0 of a movement.
    """

    expected: Expectation
    seen: Array
    turn_deg: float = 0.0
    one_axis: float = 1.0
    drift_deg: float = 0.0
    still_deg_s: float = 0.0

    @property
    def step(self) -> str:
        """Name of the step."""
        return self.expected.step


def evidence_of(trace: ImuTrace, expected: Expectation, bias: Array) -> Evidence | None:
    """Return what the rows of one step show, or None where there are too few.

    Args:
        trace: the rows of that step alone.
        bias: (3,) of the gyroscope, rad/s.
    """
    if STEP[expected.step].hold:
        rest = stillest(trace, POSE_S)
        size = float(np.linalg.norm(rest.force)) if rest is not None else 0.0
        if rest is None or size < 1.0:
            return None
        return Evidence(expected, rest.force / size, still_deg_s=rest.unrest_deg_s)
    return _movement(trace, expected, bias)


def _movement(trace: ImuTrace, expected: Expectation, bias: Array) -> Evidence | None:
    step_s = trace.step_s
    if len(trace) < 20 or LOW_PASS_HZ * step_s * 2 > 0.9:
        return None
    filter_ = butter(2, LOW_PASS_HZ, fs=1 / step_s, output="sos")
    rate = sosfiltfilt(filter_, trace.rate - bias, axis=0, padlen=min(30, len(trace) - 1))
    share, axes = np.linalg.eigh(rate.T @ rate)
    axis = axes[:, 2]
    angle = np.cumsum(rate @ axis) * step_s
    edge = max(3, round(0.3 / step_s))
    base = 0.5 * (angle[:edge].mean() + angle[-edge:].mean())
    low, high = np.quantile(angle, [0.03, 0.97])
    if abs(low - base) > abs(high - base):
        axis = -axis
    half = len(rate) // 2
    halves = [np.linalg.eigh(part.T @ part)[1][:, 2] for part in (rate[:half], rate[half:])]
    return Evidence(
        expected,
        axis,
        turn_deg=float(np.degrees(high - low)),
        one_axis=float(share[2] / max(share.sum(), 1e-12)),
        drift_deg=float(np.degrees(np.arccos(min(1.0, abs(float(halves[0] @ halves[1])))))),
    )
