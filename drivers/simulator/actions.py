"""Named actions as smooth curves of the body's degrees of freedom.

Feet are not among them: they follow the steps of :mod:`drivers.simulator.script`, so that a foot
on the ground never slides. Everything here is smooth (C-infinity) in time.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

ACTIONS: tuple[str, ...] = ("stand", "walk", "march", "wave", "squat", "clap", "jump", "reach")
"""All that the body can do; the index is the class number of the simulator's labels."""

_ARM = ("wrist_x", "wrist_y", "wrist_z", "pole_x", "pole_y", "pole_z", "hand_pitch", "twist")
FREEDOMS: tuple[str, ...] = (
    "drop",  # pelvis lowered, in leg lengths
    "rise",  # pelvis raised (jump), in leg lengths
    "shift_x",  # pelvis forward of the feet's middle, m
    "shift_y",  # pelvis to the left, m
    "pelvis_pitch",
    "pelvis_roll",
    "pelvis_yaw",
    "chest_pitch",
    "chest_roll",
    "chest_yaw",
    "head_pitch",
    "head_roll",
    "head_yaw",
    *(f"left_{name}" for name in _ARM),
    *(f"right_{name}" for name in _ARM),
)
"""Angles in rad, forward bend positive. Wrist targets are in the chest's frame, from the shoulder, in
arm lengths, ``y`` outward; ``pole`` is the direction in which the elbow points."""

F: dict[str, int] = {name: index for index, name in enumerate(FREEDOMS)}
NEUTRAL: Array = np.zeros(len(FREEDOMS))
for _side in ("left", "right"):
    NEUTRAL[F[f"{_side}_wrist_x"] : F[f"{_side}_wrist_x"] + 6] = (0.10, 0.14, -0.93, -1.0, 0.35, 0.0)


@dataclasses.dataclass(frozen=True)
class Segment:
    """One action from ``start`` to ``stop``, s of body time, with what was drawn for it."""

    action: str
    start: float
    stop: float
    period: float = 1.0  # s of one repetition (walk, march: of one step)
    phase: float = 0.0  # s of body time at which repetition 0 begins
    amount: float = 1.0  # size of the movement, about 1
    side: str = "right"
    target: tuple[float, float, float] = (0.0, 0.0, 0.0)
    midline: float = -0.33  # where the hands meet: the chest's middle, in arm lengths


def _neutral(times: Array) -> Array:
    return np.broadcast_to(NEUTRAL, (len(times), len(NEUTRAL))).copy()


def _turns(segment: Segment, times: Array) -> Array:
    return 2 * np.pi * (times - segment.phase) / segment.period


def _stand(segment: Segment, times: Array) -> Array:
    return _neutral(times)


def _gait(segment: Segment, times: Array, arm: float, turn: float) -> Array:
    """Arms and trunk against the legs; ``phase`` is the first lift of the ``side`` foot."""
    q = _neutral(times)
    sign = 1.0 if segment.side == "left" else -1.0
    stride = sign * np.sin(_turns(segment, times) / 2)  # > 0: left foot swings
    swing = sign * np.cos(_turns(segment, times) / 2) * segment.amount  # > 0: left foot behind
    for side, way in (("left", 1.0), ("right", -1.0)):
        q[:, F[f"{side}_wrist_x"]] += arm * (0.10 + way * 0.28 * swing)
        q[:, F[f"{side}_wrist_z"]] += arm * (0.05 + 0.05 * (way * swing))
    q[:, F["shift_y"]] = -0.022 * stride
    q[:, F["pelvis_yaw"]] = turn * 0.09 * swing
    q[:, F["chest_yaw"]] = -turn * 0.17 * swing
    q[:, F["head_yaw"]] = turn * 0.06 * swing
    q[:, F["pelvis_roll"]] = 0.03 * stride
    q[:, F["chest_roll"]] = -0.03 * stride
    q[:, F["drop"]] = 0.015 + 0.012 * (1 + np.cos(_turns(segment, times)))
    return q


def _walk(segment: Segment, times: Array) -> Array:
    q = _gait(segment, times, arm=0.8, turn=1.0)
    q[:, F["chest_pitch"]] = 0.05
    return q


def _march(segment: Segment, times: Array) -> Array:
    q = _gait(segment, times, arm=1.5, turn=0.4)
    q[:, F["head_pitch"]] = -0.05
    return q


def _wave(segment: Segment, times: Array) -> Array:
    q = _neutral(times)
    turns, side = _turns(segment, times), segment.side
    at = F[f"{side}_wrist_x"]
    q[:, at] = 0.28 + 0.05 * np.cos(turns)
    q[:, at + 1] = 0.40 + 0.22 * segment.amount * np.sin(turns)
    q[:, at + 2] = 0.50 + 0.1 * segment.target[2]
    q[:, at + 3 : at + 6] = (-0.25, 0.9, -0.55)
    q[:, at + 6] = -0.1
    q[:, at + 7] = 0.4 * np.cos(turns)
    q[:, F["head_roll"]] = (0.06 if side == "left" else -0.06) * np.sin(turns)
    return q


def _squat(segment: Segment, times: Array) -> Array:
    q = _neutral(times)
    depth = segment.amount * (0.5 - 0.5 * np.cos(_turns(segment, times)))
    q[:, F["drop"]] = 0.42 * depth
    q[:, F["shift_x"]] = -0.10 * depth
    q[:, F["pelvis_pitch"]] = 0.45 * depth
    q[:, F["chest_pitch"]] = 0.30 * depth
    q[:, F["head_pitch"]] = -0.35 * depth
    for side in ("left", "right"):
        at = F[f"{side}_wrist_x"]
        q[:, at] += 0.75 * depth
        q[:, at + 2] += 0.95 * depth
        q[:, at + 5] -= 0.6 * depth
    return q


def _clap(segment: Segment, times: Array) -> Array:
    """Hands meet at each whole period; a von Mises bump makes the meeting short."""
    q = _neutral(times)
    together = np.exp(2.0 * (np.cos(_turns(segment, times)) - 1))
    for side in ("left", "right"):
        at = F[f"{side}_wrist_x"]
        q[:, at] = 0.58
        q[:, at + 1] = segment.midline + 0.42 * segment.amount * (1 - together)
        q[:, at + 2] = -0.18 + 0.25 * segment.target[2]
        q[:, at + 3 : at + 6] = (-0.3, 0.75, -0.65)
    return q


def _jump(segment: Segment, times: Array) -> Array:
    """Crouch, fly, land, once a period; the feet leave at 0.40 and land at 0.65 of it."""
    q = _neutral(times)
    u = (times - segment.phase) / segment.period

    def around(centre: float, sharp: float) -> Array:
        return np.exp(sharp * (np.cos(2 * np.pi * (u - centre)) - 1))

    crouch = 0.8 * around(0.22, 5.0) + 0.55 * around(0.80, 6.0)
    flight = around(0.525, 7.0)
    arms = segment.amount * around(0.50, 1.5)
    q[:, F["drop"]] = 0.22 * segment.amount * crouch
    q[:, F["rise"]] = 0.24 * segment.amount * flight
    q[:, F["pelvis_pitch"]] = 0.30 * crouch
    q[:, F["chest_pitch"]] = 0.22 * crouch
    q[:, F["head_pitch"]] = -0.25 * crouch
    q[:, F["shift_x"]] = -0.05 * crouch
    for side in ("left", "right"):
        at = F[f"{side}_wrist_x"]
        q[:, at] += 0.60 * arms - 0.12
        q[:, at + 1] += 0.10 * arms
        q[:, at + 2] += 0.75 * arms
        q[:, at + 5] -= 0.5 * arms
    return q


def _reach(segment: Segment, times: Array) -> Array:
    q = _neutral(times)
    cosine = np.cos(_turns(segment, times))
    reach = 1 / (1 + np.exp(3.0 * (cosine + 0.1)))  # a pulse with a short hold
    at = F[f"{segment.side}_wrist_x"]
    goal = np.array([*segment.target, -0.7, 0.6, -0.4])
    q[:, at : at + 6] += reach[:, None] * (goal - NEUTRAL[at : at + 6])
    way = 1.0 if segment.side == "left" else -1.0
    forward, outward, up = segment.target
    q[:, F["chest_yaw"]] = -way * 0.35 * forward * reach
    q[:, F["chest_roll"]] = -way * 0.20 * outward * reach
    q[:, F["chest_pitch"]] = (0.15 - 0.35 * min(up, 0.0)) * reach
    q[:, F["head_pitch"]] = -0.35 * up * reach
    q[:, F["head_yaw"]] = way * (0.3 * outward + 0.15) * reach
    q[:, F["drop"]] = 0.08 * max(-up, 0.0) * reach
    return q


_CURVES: dict[str, Callable[[Segment, Array], Array]] = {
    "stand": _stand,
    "walk": _walk,
    "march": _march,
    "wave": _wave,
    "squat": _squat,
    "clap": _clap,
    "jump": _jump,
    "reach": _reach,
}


def freedoms(segment: Segment, times: Array) -> Array:
    """Return the (T, len(FREEDOMS)) degrees of freedom of ``segment`` at ``times`` (T,) s."""
    return _CURVES[segment.action](segment, times)
