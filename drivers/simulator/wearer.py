"""A person who follows the steps of ``chorus calibrate pose``, about as well as people do.

The bones, their frames and sizes are those of the virtual body (:mod:`drivers.simulator.kinematics`); the
movements are given as joint angles, so that limbs can be straight. Standing upright with hanging arms every
bone's frame is x forward, y left, z up. A wearer stands in for :class:`drivers.simulator.body.Body` wherever
only :meth:`Wearer.inertial` and :meth:`Wearer.impacts` are asked for.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.places import PLACES
from drivers.simulator.anatomy import JOINT, JOINTS, BodyShape
from drivers.simulator.body import GRAVITY, Inertial
from drivers.simulator.kinematics import smoothstep
from drivers.simulator.rotations import matmul, matvec, rotation_vector, rpy
from drivers.simulator.script import Impact
from drivers.simulator.wearer_moves import FREEDOMS, MOVES, NEAREST, SIDES

Array = NDArray[np.float64]

STEPS: tuple[str, ...] = (
    "n_pose",
    "t_pose",
    "arms_forward",
    "elbows",
    "arm_turns",
    "twists",
    "bows",
    "left_knee",
    "right_knee",
    "left_heel",
    "right_heel",
    "nods",
    "squats",
    "march",
)
"""What a wearer can be told to do."""

MOVE_S = 1.4
"""From one pose to another, s."""

_DIFFERENCE_S = 1e-3


@dataclasses.dataclass(frozen=True)
class Task:
    """One step from ``start`` to ``stop``, s; ``does`` is what the wearer does instead of what was asked."""

    name: str
    start: float
    stop: float
    does: str = ""
    size: float = 1.0  # of the movement against a full one
    bent_deg: float = 0.0  # elbows bent during a pose, upwards
    restless_deg: float = 0.0  # a pose that is not held


@dataclasses.dataclass(frozen=True)
class Habits:
    """How far a wearer is from what was asked for; all in degrees or per unit, one standard deviation.

    Attributes:
        t_pose_deg: (low, high): each arm is off by as much in a random direction.
        hang_deg: hanging arms, forward and outward.
        palm_deg: of the palms about the forearm, all the time.
        bent_deg: (low, high) of the elbows in poses.
        lean_deg: of trunk and pelvis and of the legs, in both directions.
        knee_deg: of bent knees while standing.
        repeat_deg: how well a pose is taken again.
        coupling: turning about the other axes that goes with a movement, per unit of it.
        tremor_deg: at 4 to 8 Hz, while moving and in poses a tenth of it.
    """

    t_pose_deg: tuple[float, float] = (5.0, 10.0)
    hang_deg: float = 4.0
    palm_deg: float = 3.0
    bent_deg: tuple[float, float] = (2.0, 12.0)
    lean_deg: float = 1.0
    knee_deg: float = 2.0
    repeat_deg: float = 2.0
    coupling: float = 0.035
    tremor_deg: float = 0.5


EXACT = Habits((0.0, 0.0), 0.0, 0.0, (0.0, 0.0), 0.0, 0.0, 0.0, 0.0, 0.0)
"""Does exactly as told."""


class Wearer:
    """One person and one run through the steps.

    Args:
        tasks: in order of time; between them the arms hang.
        seed: of everything random.
        shape: sizes; by default drawn.
        habits: imperfections.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        seed: int = 0,
        shape: BodyShape | None = None,
        habits: Habits | None = None,
    ) -> None:
        rng = np.random.default_rng((seed, 11))
        self.shape = shape or BodyShape.random(rng)
        self.tasks = list(tasks)
        self.habits = habits or Habits()
        self._rng = rng
        self._curves = [self._curve(task, rng) for task in self.tasks]
        self._stand = self._standing(rng)
        self._tremor = [(float(rng.uniform(4, 8)), float(rng.uniform(0, 6.28))) for _ in range(64)]

    def impacts(self, start: float, stop: float) -> list[Impact]:
        """Return no impacts: the steps are gentle."""
        return []

    def add(self, task: Task) -> None:
        """Begin another step, in the future."""
        self._curves = [*self._curves, self._curve(task, self._rng)]
        self.tasks = [*self.tasks, task]

    def palm_deg(self, side: str) -> float:
        """Return by how much this wearer's palm is turned, degrees about the forearm's z."""
        return float(self._stand[f"{side}_twist"][0]) * (1.0 if side == "left" else -1.0)

    def orientations(self, times: ArrayLike) -> Array:
        """Return (T, 16, 3, 3): each place's bone to the world, in the order of ``PLACES``."""
        frames = self._frames(np.atleast_1d(np.asarray(times, float)))
        return np.stack([frames[place] for place in PLACES], axis=1)

    def inertial(self, times: ArrayLike, places: Sequence[str] = PLACES) -> Inertial:
        """Return what ideal sensors measure that are mounted along the bones at ``places``."""
        times = np.atleast_1d(np.asarray(times, float))
        h, count = _DIFFERENCE_S, len(times)
        frames = self._frames(np.concatenate([times - h, times, times + h]))
        joints = self._joints(frames)
        slots = [place if place != "unspecified" else "right_forearm" for place in places]
        rotation = np.stack([frames[place] for place in slots], axis=1)
        position = np.stack([joints[:, JOINT[NEAREST[place]]] for place in slots], axis=1)
        before, now, after = (slice(i * count, (i + 1) * count) for i in range(3))
        force = (position[before] - 2 * position[now] + position[after]) / h**2
        force[..., 2] += GRAVITY
        back = np.swapaxes(rotation[now], -1, -2)
        turn = matmul(np.swapaxes(rotation[before], -1, -2), rotation[after])
        return Inertial(matvec(back, force), rotation_vector(turn) / (2 * h), rotation[now])

    def _standing(self, rng: np.random.Generator) -> dict[str, Array]:
        """Return the constant errors of standing, degrees."""
        h = self.habits
        knee = abs(rng.normal(0, h.knee_deg))
        out = {part: rng.normal(0, h.lean_deg, 2) for part in ("pelvis", "chest", "head")}
        for side, _ in SIDES:
            lean = rng.normal(0, h.lean_deg, 2)
            out[f"{side}_thigh"] = lean + np.array([0, -knee / 2])
            out[f"{side}_shin"] = lean + np.array([0, knee / 2])
            out[f"{side}_foot"] = np.zeros(2)
            out[f"{side}_hang"] = rng.normal(0, h.hang_deg, 2)
            out[f"{side}_bent"] = np.array([rng.uniform(*h.bent_deg)])
            out[f"{side}_twist"] = np.array([rng.normal(0, h.palm_deg)])
            around = rng.uniform(0, 2 * np.pi)
            out[f"{side}_t"] = rng.uniform(*h.t_pose_deg) * np.array([np.cos(around), np.sin(around)])
        return out

    def _curve(self, task: Task, rng: np.random.Generator) -> dict[str, Array]:
        """Draw how this wearer does this step: couplings and errors of repetition by name."""
        h = self.habits
        return {
            "couple": rng.normal(0, h.coupling, (2, 8)),
            "again": rng.normal(0, h.repeat_deg, (2, 4)),
            "period": np.array([rng.uniform(1.7, 2.4)]),
            "amount": np.array([rng.uniform(0.85, 1.1)]),
        }

    def _angles(self, times: Array) -> dict[str, Array]:
        """Return each freedom (T,) in degrees."""
        angles = {name: np.zeros(len(times)) for name in FREEDOMS}
        stand = self._stand
        for side, _ in SIDES:
            angles[f"{side}_abduct"] += stand[f"{side}_hang"][0] + 4 * (self.habits.hang_deg > 0)
            angles[f"{side}_forward"] += stand[f"{side}_hang"][1]
            angles[f"{side}_flex"] += stand[f"{side}_bent"][0]
            angles[f"{side}_twist"] += stand[f"{side}_twist"][0]
            for part in ("thigh", "shin"):
                angles[f"{side}_{part}_roll"] += stand[f"{side}_{part}"][0]
                angles[f"{side}_{part}"] += stand[f"{side}_{part}"][1]
        for part in ("pelvis", "chest", "head"):
            angles[f"{part}_roll"] += stand[part][0]
            angles[f"{part}"] += stand[part][1]
        moving = np.zeros(len(times))
        for task, curve in zip(self.tasks, self._curves, strict=False):
            self._do(task, curve, times, angles, moving)
        size = self.habits.tremor_deg * (0.1 + moving)
        for (rate, phase), name in zip(self._tremor, angles, strict=False):
            if not name.endswith(("foot", "foot_roll")):
                angles[name] += size * np.sin(2 * np.pi * rate * times + phase)
        return angles

    def _do(
        self, task: Task, curve: dict[str, Array], times: Array, angles: dict[str, Array], moving: Array
    ) -> None:
        """Add one step to the angles (T,) in place."""
        name = task.does or task.name
        rise = smoothstep((times - task.start) / MOVE_S) - smoothstep((times - task.stop + MOVE_S) / MOVE_S)
        again = curve["again"]
        if name in ("n_pose", "t_pose"):
            restless = task.restless_deg * np.sin(2 * np.pi * 0.45 * (times - task.start))
            for index, (side, _) in enumerate(SIDES):
                off = again[index]
                angles[f"{side}_abduct"] += rise * (off[0] + restless)
                angles[f"{side}_forward"] += rise * (off[1] + 0.7 * restless)
                angles[f"{side}_twist"] += rise * off[2]
                if name == "t_pose":
                    error = self._stand[f"{side}_t"]
                    hang = self._stand[f"{side}_hang"] + [4 * (self.habits.hang_deg > 0), 0]
                    angles[f"{side}_abduct"] += rise * (90 + error[0] - hang[0])
                    angles[f"{side}_forward"] += rise * (error[1] - hang[1])
                    angles[f"{side}_up"] += rise * task.bent_deg
                else:
                    angles[f"{side}_flex"] += rise * task.bent_deg
            lean = 0.3 * again[0]
            for part, at in (("pelvis", 0), ("chest", 1)):
                angles[part] += rise * (lean[at] + 0.4 * restless)
            if task.restless_deg:
                for side, _ in SIDES:
                    for part in ("thigh", "shin"):
                        angles[f"{side}_{part}"] += rise * 0.3 * restless
            np.maximum(moving, np.abs(np.gradient(rise, times)) if len(times) > 1 else 0, out=moving)
            return
        wave = _repeat(times, task.start, task.stop, float(curve["period"][0]))
        wave = wave * task.size * float(curve["amount"][0])
        np.maximum(moving, np.abs(wave) > 0.02, out=moving, casting="unsafe")
        couple = curve["couple"]
        for main, degrees, others in MOVES[name]:
            for index, side in enumerate(("left", "right")):
                if "{side}" not in main and index:
                    continue
                amount = degrees * wave
                angles[main.format(side=side)] += amount
                for at, other in enumerate(others):
                    angles[other.format(side=side)] += couple[index, at] * amount
        if name == "arm_turns":
            for side, _ in SIDES:
                angles[f"{side}_flex"] += 85 * rise
        if name == "march":
            phase = _alternate(times, task.start, task.stop) * task.size
            for sign, side in ((1, "left"), (-1, "right")):
                up = np.clip(sign * phase, 0, None) ** 2
                self._lift(angles, side, up, couple[0])

    @staticmethod
    def _lift(angles: dict[str, Array], side: str, up: Array, couple: Array) -> None:
        angles[f"{side}_thigh"] -= 55 * up
        angles[f"{side}_shin"] += 12 * up
        angles[f"{side}_foot"] += 22 * up
        angles[f"{side}_thigh_roll"] += couple[0] * 55 * up
        angles[f"{side}_thigh_yaw"] += couple[1] * 55 * up
        angles[f"{side}_foot_roll"] += couple[2] * 22 * up

    def _frames(self, times: Array) -> dict[str, Array]:
        a = {name: np.radians(value) for name, value in self._angles(times).items()}
        zero = np.zeros(len(times))
        frames: dict[str, Array] = {}
        frames["pelvis"] = rpy(a["pelvis_roll"], a["pelvis"], a["pelvis_yaw"])
        frames["chest"] = matmul(frames["pelvis"], rpy(a["chest_roll"], a["chest"], a["chest_yaw"]))
        frames["head"] = matmul(frames["chest"], rpy(a["head_roll"], a["head"], a["head_yaw"]))
        for side, way in SIDES:
            c = {name.removeprefix(f"{side}_"): value for name, value in a.items() if name.startswith(side)}
            frames[f"{side}_thigh"] = rpy(c["thigh_roll"], c["thigh"], c["thigh_yaw"])
            frames[f"{side}_shin"] = rpy(c["shin_roll"], c["shin"], c["thigh_yaw"])
            frames[f"{side}_foot"] = rpy(c["foot_roll"], c["foot"], zero)
            shoulder = matmul(frames["chest"], rpy(way * c["abduct"], zero, zero))
            shoulder = matmul(shoulder, rpy(zero, -c["forward"], zero))
            upper = matmul(shoulder, rpy(zero, zero, way * c["axial"]))
            fore = matmul(upper, rpy(way * c["up"], zero, zero))
            fore = matmul(matmul(fore, rpy(zero, -c["flex"], zero)), rpy(zero, zero, way * c["twist"]))
            frames[f"{side}_upper_arm"], frames[f"{side}_forearm"] = upper, fore
            frames[f"{side}_hand"] = matmul(fore, rpy(zero, c["hand"], zero))
        frames["unspecified"] = frames["right_forearm"]
        return frames

    def _joints(self, frames: dict[str, Array]) -> Array:
        """Return (T, 20, 3) m; the pelvis stands over the longer leg."""
        s = self.shape
        j = np.zeros((len(frames["pelvis"]), len(JOINTS), 3))
        reach = np.stack(
            [
                s.thigh * frames[f"{x}_thigh"][:, 2, 2] + s.shin * frames[f"{x}_shin"][:, 2, 2]
                for x, _ in SIDES
            ]
        )
        j[:, 0, 2] = s.ankle_height + np.logaddexp.reduce(200 * reach, axis=0) / 200
        spine = j[:, 0] + s.pelvis_to_spine * frames["pelvis"][..., 2]
        neck = spine + s.spine_to_neck * frames["chest"][..., 2]
        j[:, JOINT["spine"]], j[:, JOINT["neck"]] = spine, neck
        j[:, JOINT["head"]] = neck + matvec(frames["head"], np.array([0.15, 0.0, 1.0]) * s.neck_to_head)
        for side, way in SIDES:
            at = j[:, 0] + matvec(frames["pelvis"], np.array([0.0, way * s.hip_half_width, 0.0]))
            for joint, bone, length in (("knee", "thigh", s.thigh), ("ankle", "shin", s.shin)):
                at = at - length * frames[f"{side}_{bone}"][..., 2]
                j[:, JOINT[f"{side}_{joint}"]] = at
            j[:, JOINT[f"{side}_foot"]] = at + s.foot * frames[f"{side}_foot"][..., 0]
            shoulder = np.array([0.0, way * s.shoulder_half_width, s.spine_to_shoulder])
            at = spine + matvec(frames["chest"], shoulder)
            chain = (
                ("elbow", "upper_arm", s.upper_arm),
                ("wrist", "forearm", s.forearm),
                ("hand", "hand", s.hand),
            )
            for joint, bone, length in chain:
                at = at - length * frames[f"{side}_{bone}"][..., 2]
                j[:, JOINT[f"{side}_{joint}"]] = at
        return j


def _repeat(times: Array, start: float, stop: float, period: float) -> Array:
    """Return movements there and back, 0 to 1 to 0, as many as fit with half a second of rest around."""
    span = stop - start - 1.0
    count = max(1, round(span / period))
    u = np.clip((times - start - 0.5) / span, 0, 1) * count
    return 0.5 - 0.5 * np.cos(2 * np.pi * u)


def _alternate(times: Array, start: float, stop: float) -> Array:
    """Return left (+) and right (-) steps, C1 at the ends."""
    span = stop - start - 1.0
    count = max(1, round(span / 1.3))
    u = np.clip((times - start - 0.5) / span, 0, 1) * count
    return np.sin(2 * np.pi * u)
