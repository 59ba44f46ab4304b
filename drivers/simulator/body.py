"""One moving virtual body as a pure function of time.

World frame: x to the camera's side, y to the left of a body that looks along x, z up; m,
right-handed. Body time is in s from the session's epoch. The same seed gives the same motion.

Usage::

    body = Body(seed=3)
    pose = body.pose(np.arange(0, 60, 1 / 60))       # joints, orientations, sensors, contacts
    inertial = body.inertial(times, places=("pelvis", "left_shin"))
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.places import PLACES
from drivers.simulator.actions import ACTIONS, F, Segment, freedoms
from drivers.simulator.anatomy import BodyShape
from drivers.simulator.kinematics import Foot, Kinematics, Pose, smoothstep
from drivers.simulator.rotations import matmul, matvec, rotation_vector
from drivers.simulator.script import BLEND_S, Impact, Plan

Array = NDArray[np.float64]

GRAVITY = 9.80665
"""Standard gravity, m/s²."""

_DIFFERENCE_S = 1e-3  # step of the central differences; their error is below 1e-3 m/s²


@dataclasses.dataclass(frozen=True)
class Inertial:
    """What ideal sensors worn at P places measure, in each sensor's own frame.

    Attributes:
        specific_force: (T, P, 3) m/s², gravity in: +9.81 along the upward axis at rest.
        angular_rate: (T, P, 3) rad/s.
        orientations: (T, P, 3, 3) sensor to world.
    """

    specific_force: Array
    angular_rate: Array
    orientations: Array


class Body:
    """A body of one shape that performs a script.

    Args:
        seed: of everything random.
        script: names of actions, done in turn and over again; empty: drawn at random.
        shape: sizes; default 1.75 m tall. ``BodyShape.random(rng)`` draws one.
        sway: size of the idle movement of all freedoms; 0 stands like a statue.
        heading: where the body looks at first, rad around z from world x.

    Raises:
        ConfigError: the script names an action that does not exist.
    """

    def __init__(
        self,
        seed: int = 0,
        script: Sequence[str] = (),
        shape: BodyShape | None = None,
        sway: float = 1.0,
        heading: float = 0.0,
    ) -> None:
        self.shape = shape or BodyShape()
        self.plan = Plan(seed, script, self.shape, heading)
        rng = np.random.default_rng((seed, 2))
        size = (3, len(F))
        self._sway_rate = 2 * np.pi * rng.uniform(0.07, 0.5, size)
        self._sway_phase = rng.uniform(0, 2 * np.pi, size)
        self._sway_size = sway * rng.uniform(0.2, 1.0, size) * _sway_scale()
        self._feet: list[Foot] = []
        self._starts = np.zeros(0)

    def segments(self, start: float, stop: float) -> list[Segment]:
        """Return the segments that overlap [start, stop) s, in order."""
        self._extend(stop)
        return [s for s in self.plan.segments if s.start < stop and s.stop > start]

    def actions(self, times: ArrayLike) -> NDArray[np.int64]:
        """Return (T,) indices into :data:`~drivers.simulator.actions.ACTIONS`."""
        times = np.atleast_1d(np.asarray(times, float))
        self._extend(float(times.max(initial=0.0)))
        codes = np.array([ACTIONS.index(s.action) for s in self.plan.segments])
        return codes[np.clip(np.searchsorted(self._starts, times, "right") - 1, 0, None)]

    def impacts(self, start: float, stop: float) -> list[Impact]:
        """Return the steps, landings and claps in [start, stop) s, in order of time."""
        self._extend(stop)
        return sorted((i for i in self.plan.impacts if start <= i.time < stop), key=lambda i: i.time)

    def pose(self, times: ArrayLike) -> Pose:
        """Return the body at ``times`` (T,) s."""
        times = np.atleast_1d(np.asarray(times, float))
        self._extend(float(times.max(initial=0.0)))
        return Kinematics(self.shape, self._feet, self._freedoms(times), times).pose()

    def inertial(self, times: ArrayLike, places: Sequence[str] = PLACES) -> Inertial:
        """Return what ideal sensors at ``places`` measure at ``times`` (T,) s.

        Central differences of the smooth motion over 1 ms, not of a sampled one.
        """
        times = np.atleast_1d(np.asarray(times, float))
        slots = [PLACES.index(place) for place in places]
        h, count = _DIFFERENCE_S, len(times)
        pose = self.pose(np.concatenate([times - h, times, times + h]))
        before, now, after = (slice(i * count, (i + 1) * count) for i in range(3))
        position = pose.sensors[:, slots]
        force = (position[before] - 2 * position[now] + position[after]) / h**2
        force[..., 2] += GRAVITY
        rotation = pose.orientations[:, slots]
        back = np.swapaxes(rotation[now], -1, -2)
        turn = matmul(np.swapaxes(rotation[before], -1, -2), rotation[after])
        return Inertial(matvec(back, force), rotation_vector(turn) / (2 * h), rotation[now])

    def _extend(self, until: float) -> None:
        if not self._feet or until + 5.0 > self.plan.end:
            self.plan.extend(until + 30.0)
            starts = self.plan.start_feet
            self._feet = [Foot(self.plan.steps[foot], starts[foot]) for foot in (0, 1)]
            self._starts = np.array([segment.start for segment in self.plan.segments])

    def _freedoms(self, times: Array) -> Array:
        """Return (T, len(FREEDOMS)): the blended actions and the idle sway."""
        total = np.zeros((len(times), len(F)))
        low, high = float(times.min(initial=0.0)), float(times.max(initial=0.0))
        segments = self.plan.segments
        for number, segment in enumerate(segments):
            if segment.start - BLEND_S / 2 > high or segment.stop + BLEND_S / 2 < low:
                continue
            inside = (times > segment.start - BLEND_S / 2) & (times < segment.stop + BLEND_S / 2)
            if number == 0:
                inside |= times <= segment.start
            at = times[inside]
            weight = 1.0 - smoothstep((at - segment.stop) / BLEND_S + 0.5)
            if number > 0:
                weight *= smoothstep((at - segment.start) / BLEND_S + 0.5)
            total[inside] += weight[:, None] * freedoms(segment, at)
        for rate, phase, size in zip(self._sway_rate, self._sway_phase, self._sway_size, strict=True):
            if size.any():
                total += size * np.sin(np.outer(times, rate) + phase)
        return total


def _sway_scale() -> Array:
    """Return how far each freedom sways, in its own unit."""
    scale = np.full(len(F), 0.015)
    for name, index in F.items():
        if "pole" in name:
            scale[index] = 0.03
        elif name.startswith("shift"):
            scale[index] = 0.006
        elif name in ("drop", "rise"):
            scale[index] = 0.002
        elif name.startswith("head"):
            scale[index] = 0.04
    return scale
