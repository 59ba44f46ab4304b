"""What the simulated body does and when: segments of actions, steps of the feet, impacts.

A plan grows as far as it is asked for; its beginning never depends on how far it was planned.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from drivers.errors import ConfigError
from drivers.simulator.actions import ACTIONS, Segment
from drivers.simulator.anatomy import BodyShape

BLEND_S = 0.7
"""Two actions blend into one another over this long, around the instant where the label changes."""

AREA_M = 0.9
"""The body walks within this distance of the origin in x and y."""


@dataclasses.dataclass(frozen=True)
class Step:
    """One foot's way through the air. Places are (x, y, yaw): m, m, rad, world frame."""

    foot: int  # 0 left, 1 right
    lift: float  # s
    land: float
    origin: tuple[float, float, float]
    target: tuple[float, float, float]
    height: float  # m


@dataclasses.dataclass(frozen=True)
class Impact:
    """Something that can be heard and felt: ``kind`` is ``step``, ``land`` or ``clap``."""

    time: float  # s of body time
    kind: str
    strength: float  # about 1
    side: str  # left, right or both


class Plan:
    """Segments, steps and impacts in order of time, drawn from ``seed``.

    Args:
        seed: everything random comes from it.
        script: names of actions, done in turn and over again; empty: all, in random order, without end.
        shape: sizes of the body.
        heading: where the body looks at first, rad around world z from +x (the camera's side).

    Raises:
        ConfigError: the script names an action that does not exist.
    """

    def __init__(
        self, seed: int = 0, script: Sequence[str] = (), shape: BodyShape | None = None, heading: float = 0.0
    ) -> None:
        for name in script:
            if name not in ACTIONS:
                raise ConfigError(
                    f"the simulator knows no action {name!r}", mend=f"Use one of: {', '.join(ACTIONS)}."
                )
        self.script = tuple(script)
        self.shape = shape or BodyShape()
        self.segments: list[Segment] = []
        self.steps: tuple[list[Step], list[Step]] = ([], [])
        self.impacts: list[Impact] = []
        self._rng = np.random.default_rng((seed, 1))
        self._half = 1.1 * self.shape.hip_half_width
        self._centre = np.zeros(2)
        self._yaw = heading
        self._feet = [self._beside(foot) for foot in (0, 1)]
        self.start_feet = tuple(self._feet)
        self._deck: list[str] = []
        self.end = 0.0

    def extend(self, until: float) -> bool:
        """Plan at least as far as ``until`` s; return whether anything was added."""
        grown = False
        while self.end < until:
            self._next()
            grown = True
        return grown

    def _next(self) -> None:
        rng = self._rng
        if self.script:
            action = self.script[len(self.segments) % len(self.script)]
        else:
            if not self._deck:  # every action once before any comes again
                last = self.segments[-1].action if self.segments else ""
                self._deck = [str(name) for name in rng.permutation(ACTIONS)]
                if self._deck[0] == last:
                    self._deck.append(self._deck.pop(0))
            action = self._deck.pop(0)
        segment = getattr(self, f"_plan_{action}")(self.end)
        self.segments.append(segment)
        self.end = segment.stop

    def _beside(self, foot: int) -> tuple[float, float, float]:
        """Return where ``foot`` stands when the body stands at its centre."""
        way = 1.0 if foot == 0 else -1.0
        x, y = self._centre + way * self._half * np.array([-math.sin(self._yaw), math.cos(self._yaw)])
        return float(x), float(y), float(self._yaw + way * 0.12)

    def _step(
        self, foot: int, lift: float, land: float, height: float, strength: float, kind: str = "step"
    ) -> None:
        target = self._beside(foot)
        self.steps[foot].append(Step(foot, lift, land, self._feet[foot], target, height))
        self._feet[foot] = target
        side = ("left", "right")[foot]
        self.impacts.append(Impact(land, kind, strength, side))

    def _plan_stand(self, start: float) -> Segment:
        return Segment("stand", start, start + float(self._rng.uniform(2.0, 4.0)))

    def _plan_walk(self, start: float) -> Segment:
        """Walk to places drawn within the area, then turn roughly back to the camera's side."""
        rng = self._rng
        period = float(rng.uniform(0.45, 0.62))
        length = float(rng.uniform(0.65, 1.0)) * 0.55 * self.shape.leg
        strength = float(rng.uniform(0.7, 1.2))
        walking_s = float(rng.uniform(4.0, 8.0))
        foot = int(rng.integers(2))
        first, lift = foot, start + BLEND_S / 2
        goal = rng.uniform(-AREA_M, AREA_M, 2)
        final = float(rng.uniform(-1.0, 1.0))
        while True:
            way = goal - self._centre
            distance = float(np.hypot(*way))
            if lift - start < walking_s:
                if distance < 0.25:
                    goal = rng.uniform(-AREA_M, AREA_M, 2)
                    continue
                wanted = math.atan2(way[1], way[0])
            else:
                distance, wanted = 0.0, final
            turn = math.remainder(wanted - self._yaw, 2 * math.pi)
            if distance == 0.0 and abs(turn) < 1e-6:
                break
            self._yaw += max(-0.6, min(0.6, turn))
            forward = min(length * max(0.0, math.cos(2 * turn)) if abs(turn) < 0.8 else 0.0, distance)
            self._centre = self._centre + forward * np.array([math.cos(self._yaw), math.sin(self._yaw)])
            self._step(foot, lift, lift + 0.78 * period, 0.07 + 0.08 * forward, strength)
            foot, lift = 1 - foot, lift + period
        self._step(foot, lift, lift + 0.78 * period, 0.07, 0.8 * strength)  # the other foot closes up
        stop = lift + period + BLEND_S / 2
        side = ("left", "right")[first]
        amount = length / (0.55 * self.shape.leg)
        return Segment("walk", start, stop, period, start + BLEND_S / 2, amount, side)

    def _plan_march(self, start: float) -> Segment:
        rng = self._rng
        period = float(rng.uniform(0.45, 0.65))
        height = float(rng.uniform(0.14, 0.30)) * self.shape.leg / 0.86
        steps = 2 * int(rng.integers(3, 6))
        first = int(rng.integers(2))
        lift = start + BLEND_S / 2
        for number in range(steps):
            self._step((first + number) % 2, lift, lift + 0.85 * period, height, float(rng.uniform(0.9, 1.4)))
            lift += period
        side = ("left", "right")[first]
        return Segment("march", start, lift + BLEND_S / 2, period, start + BLEND_S / 2, 0.7 + height, side)

    def _repeated(self, action: str, start: float, period: float, times: int, **drawn: object) -> Segment:
        """Return ``times`` whole repetitions between two half blends."""
        stop = start + BLEND_S + times * period
        return Segment(action, start, stop, period, start + BLEND_S / 2, **drawn)  # type: ignore[arg-type]

    def _side(self) -> str:
        return "left" if self._rng.random() < 0.5 else "right"

    def _plan_wave(self, start: float) -> Segment:
        rng = self._rng
        return self._repeated(
            "wave",
            start,
            period=float(rng.uniform(0.5, 1.0)),
            times=int(rng.integers(4, 7)),
            amount=float(rng.uniform(0.5, 1.1)),
            side=self._side(),
            target=(0.0, 0.0, float(rng.uniform(-1.0, 1.0))),
        )

    def _plan_squat(self, start: float) -> Segment:
        rng = self._rng
        period, times = float(rng.uniform(1.8, 3.0)), int(rng.integers(2, 4))
        return self._repeated("squat", start, period, times, amount=float(rng.uniform(0.6, 1.0)))

    def _plan_clap(self, start: float) -> Segment:
        rng = self._rng
        period, times = float(rng.uniform(0.5, 0.9)), int(rng.integers(4, 9))
        segment = self._repeated(
            "clap",
            start,
            period,
            times,
            amount=float(rng.uniform(0.6, 1.0)),
            target=(0.0, 0.0, float(rng.uniform(-1.0, 1.0))),
            midline=-(self.shape.shoulder_half_width - 0.075) / self.shape.arm,
        )
        for number in range(times + 1):
            strength = float(rng.uniform(0.8, 1.4))
            self.impacts.append(Impact(segment.phase + number * period, "clap", strength, "both"))
        return segment

    def _plan_jump(self, start: float) -> Segment:
        rng = self._rng
        period, times = float(rng.uniform(1.2, 1.6)), int(rng.integers(2, 5))
        segment = self._repeated("jump", start, period, times, amount=float(rng.uniform(0.6, 1.1)))
        for number in range(times):
            begin = segment.phase + number * period
            for foot in (0, 1):
                height = 0.22 * segment.amount * self.shape.leg
                lift, land = begin + 0.40 * period, begin + 0.65 * period
                self._step(foot, lift, land, height, 1.5 + float(rng.uniform(0.0, 0.5)), "land")
        return segment

    def _plan_reach(self, start: float) -> Segment:
        rng = self._rng
        up, around = float(rng.uniform(-0.7, 1.0)), float(rng.uniform(-0.3, 1.4))
        far = 0.95 / math.hypot(1.0, up)
        return self._repeated(
            "reach",
            start,
            period=float(rng.uniform(1.8, 2.8)),
            times=int(rng.integers(1, 3)),
            side=self._side(),
            target=(far * math.cos(around), far * math.sin(around), far * up),
        )
