"""From degrees of freedom and steps to joints: trunk and head forward, arms and legs by two bones."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers.places import PLACES
from drivers.simulator.actions import F
from drivers.simulator.anatomy import JOINT, JOINTS, BodyShape
from drivers.simulator.rotations import matmul, matvec, rpy
from drivers.simulator.script import Step

Array = NDArray[np.float64]

_REACH = 0.985  # of a stretched leg, so that the knee's angle stays differentiable
_SOFT = 60.0  # 1/m, sharpness of the soft minimum that keeps the pelvis within the legs' reach
_PELVIS_NODES = ((-0.27, 0.12), (-0.135, 0.23), (0.0, 0.30), (0.135, 0.23), (0.27, 0.12))


@dataclasses.dataclass(frozen=True)
class Pose:
    """The body at T instants.

    Attributes:
        times: (T,) s of body time.
        joints: (T, 20, 3) m in the world, in the order of :data:`~drivers.simulator.anatomy.JOINTS`.
        orientations: (T, 16, 3, 3) rotation of each place's segment and sensor to the world, in the
            order of :data:`drivers.places.PLACES`. In upright stance looking along world x every
            one is near identity: x forward, y left, z up along the segment. ``unspecified`` is the
            right forearm's.
        sensors: (T, 16, 3) m, where a sensor worn there sits.
        contacts: (T, 2) bool, left and right foot on the ground and at rest.
    """

    times: Array
    joints: Array
    orientations: Array
    sensors: Array
    contacts: NDArray[np.bool_]


def smoothstep(u: ArrayLike) -> Array:
    """Return the quintic 0 to 1 step (C2) of ``u``, flat outside 0..1."""
    u = np.clip(np.asarray(u, float), 0.0, 1.0)
    return u * u * u * (10.0 + u * (6.0 * u - 15.0))


class Foot:
    """Where one ankle's spot on the floor is: constant between steps, C2 within them."""

    def __init__(self, steps: Sequence[Step], start: tuple[float, float, float]) -> None:
        self.lift = np.array([-1e9, *(s.lift for s in steps)])
        self.duration = np.array([1.0, *(s.land - s.lift for s in steps)])
        self.origin = np.array([start, *(s.origin for s in steps)])
        self.way = np.array([start, *(s.target for s in steps)]) - self.origin
        self.height = np.array([0.0, *(s.height for s in steps)])

    def at(self, times: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        """Return (T, 3) x, y, yaw; (T,) height of the spot over the floor, m; (T,) at rest."""
        k = np.searchsorted(self.lift, times, "right") - 1
        u = np.clip((times - self.lift[k]) / self.duration[k], 0.0, 1.0)
        place = self.origin[k] + smoothstep(u)[:, None] * self.way[k]
        height = self.height[k] * 64.0 * (u * (1.0 - u)) ** 3
        return place, height, (u <= 0.0) | (u >= 1.0)


def _unit(v: Array) -> Array:
    return v / np.sqrt(np.einsum("...i,...i->...", v, v))[..., None]


def _soft_limit(r: Array, low: float, high: float, sharp: float) -> Array:
    """Return ``r`` kept smoothly within low..high."""
    r = -np.logaddexp(-sharp * r, -sharp * high) / sharp
    return np.logaddexp(sharp * r, sharp * low) / sharp


def _two_bones(
    root: Array, end: Array, pole: Array, upper: float, lower: float, way: float
) -> tuple[Array, Array, Array]:
    """Return the middle joint (T, 3) of a limb and the frames (T, 3, 3) of its two segments.

    ``pole`` is where the middle joint points; ``way`` +1 if it points forward (knee), -1 backward.
    Frames: z up along the segment, y the hinge's axis to the left.
    """
    reach = end - root
    distance = np.sqrt(np.einsum("ti,ti->t", reach, reach))
    along = reach / distance[:, None]
    across = _unit(pole - np.einsum("ti,ti->t", pole, along)[:, None] * along)
    a = (upper**2 - lower**2 + distance**2) / (2 * distance)
    b = np.sqrt(np.maximum(upper**2 - a**2, 1e-12))
    middle = root + a[:, None] * along + b[:, None] * across
    hinge = way * np.cross(across, along)
    frames = []
    for top, bottom, length in ((root, middle, upper), (middle, end, lower)):
        z = (top - bottom) / length
        frames.append(np.stack([np.cross(hinge, z), hinge, z], axis=-1))
    return middle, frames[0], frames[1]


class Kinematics:
    """Forward kinematics of trunk and head, two-bone solutions of arms and legs."""

    def __init__(self, shape: BodyShape, feet: Sequence[Foot], freedoms: Array, times: Array) -> None:
        self.shape = shape
        self.times = times
        self.q = freedoms
        self.feet = [foot.at(times) for foot in feet]
        middle = np.zeros((len(times), 3))
        for offset, weight in _PELVIS_NODES:
            for foot in feet:
                middle += 0.5 * weight * foot.at(times + offset)[0]
        self.middle = middle  # x, y, yaw between the feet, smoothed over a step
        self.joints = np.empty((len(times), len(JOINTS), 3))
        self.frames: dict[str, Array] = {}

    def pose(self) -> Pose:
        self._pelvis_and_legs()
        self._trunk_and_arms()
        self.frames["unspecified"] = self.frames["right_forearm"]
        orientations = np.stack([self.frames[place] for place in PLACES], axis=1)
        contacts = np.stack([self.feet[0][2], self.feet[1][2]], axis=1)
        return Pose(self.times, self.joints, orientations, self._sensors(orientations), contacts)

    def _column(self, name: str) -> Array:
        return self.q[:, F[name]]

    def _angles(self, part: str) -> Array:
        c = self._column
        return rpy(c(f"{part}_roll"), c(f"{part}_pitch"), c(f"{part}_yaw"))

    def _pelvis_and_legs(self) -> None:
        s, c, count = self.shape, self._column, len(self.times)
        zero = np.zeros(count)
        yaw = self.middle[:, 2]
        heading = rpy(zero, zero, yaw)
        pelvis_frame = matmul(heading, self._angles("pelvis"))
        shift = np.stack([c("shift_x"), c("shift_y"), zero], axis=-1)
        pelvis = matvec(heading, shift)
        pelvis[:, :2] += self.middle[:, :2]
        wanted = s.ankle_height + s.leg * (1.0 - c("drop") + c("rise"))
        hips, ankles, limits = [], [], [-_SOFT * wanted]
        for foot, way in ((0, 1.0), (1, -1.0)):
            place, height, _ = self.feet[foot]
            ankle = np.column_stack([place[:, :2], height + s.ankle_height])
            hip = matvec(pelvis_frame, np.array([0.0, way * s.hip_half_width, 0.0]))
            level = np.sum((pelvis[:, :2] + hip[:, :2] - ankle[:, :2]) ** 2, axis=-1)
            room = np.sqrt(np.maximum((_REACH * s.leg) ** 2 - level, 0.01))
            limits.append(-_SOFT * (ankle[:, 2] - hip[:, 2] + room))
            hips.append(hip)
            ankles.append(ankle)
        pelvis[:, 2] = -np.logaddexp.reduce(limits, axis=0) / _SOFT
        self.pelvis_frame = self.frames["pelvis"] = pelvis_frame
        self.joints[:, JOINT["pelvis"]] = pelvis
        for foot, side in ((0, "left"), (1, "right")):
            place, height, _ = self.feet[foot]
            hip, ankle = pelvis + hips[foot], ankles[foot]
            pitch = 2.5 * height * s.foot / 0.15
            foot_frame = rpy(zero, 0.6 * np.tanh(pitch), place[:, 2])
            forward = pelvis_frame[..., 0] + foot_frame[..., 0]
            knee, thigh, shin = _two_bones(hip, ankle, forward, s.thigh, s.shin, 1.0)
            ball = ankle + matvec(foot_frame, np.array([s.foot, 0.0, -0.65 * s.ankle_height]))
            for name, value in (("hip", hip), ("knee", knee), ("ankle", ankle), ("foot", ball)):
                self.joints[:, JOINT[f"{side}_{name}"]] = value
            self.frames |= {f"{side}_thigh": thigh, f"{side}_shin": shin, f"{side}_foot": foot_frame}

    def _trunk_and_arms(self) -> None:
        s, j, c = self.shape, self.joints, self._column
        chest = matmul(self.pelvis_frame, self._angles("chest"))
        head = matmul(chest, self._angles("head"))
        spine = j[:, 0] + s.pelvis_to_spine * self.pelvis_frame[..., 2]
        neck = spine + s.spine_to_neck * chest[..., 2]
        j[:, JOINT["spine"]], j[:, JOINT["neck"]] = spine, neck
        j[:, JOINT["head"]] = neck + matvec(head, np.array([0.15, 0.0, 1.0]) * s.neck_to_head)
        self.frames |= {"chest": chest, "head": head}
        for side, way in (("left", 1.0), ("right", -1.0)):
            at = F[f"{side}_wrist_x"]
            mirror = np.array([1.0, way, 1.0])
            target = self.q[:, at : at + 3] * mirror
            length = np.sqrt(np.sum(target**2, axis=-1))
            target = target * (_soft_limit(length, 0.25, 0.97, 60.0) / length * s.arm)[:, None]
            at_chest = np.array([0.0, way * s.shoulder_half_width, s.spine_to_shoulder])
            shoulder = spine + matvec(chest, at_chest)
            wrist = shoulder + matvec(chest, target)
            pole = matvec(chest, self.q[:, at + 3 : at + 6] * mirror)
            elbow, upper, fore = _two_bones(shoulder, wrist, pole, s.upper_arm, s.forearm, -1.0)
            zero = np.zeros(len(wrist))
            fore = matmul(fore, rpy(zero, zero, way * c(f"{side}_twist")))
            hand_frame = matmul(fore, rpy(zero, c(f"{side}_hand_pitch"), zero))
            hand = wrist - s.hand * hand_frame[..., 2]
            for name, value in (("shoulder", shoulder), ("elbow", elbow), ("wrist", wrist), ("hand", hand)):
                j[:, JOINT[f"{side}_{name}"]] = value
            self.frames |= {
                f"{side}_upper_arm": upper,
                f"{side}_forearm": fore,
                f"{side}_hand": hand_frame,
            }

    def _sensors(self, orientations: Array) -> Array:
        """Return (T, 16, 3): on the skin over the segment, fixed to it."""
        out = np.empty((len(self.times), len(PLACES), 3))
        for index, place in enumerate(PLACES):
            joint, offset = MOUNTS[place]
            out[:, index] = self.joints[:, JOINT[joint]] + matvec(orientations[:, index], np.array(offset))
        return out


MOUNTS: dict[str, tuple[str, tuple[float, float, float]]] = {
    "pelvis": ("pelvis", (-0.11, 0.0, 0.06)),  # over the sacrum
    "chest": ("spine", (0.11, 0.0, 0.20)),  # on the breastbone
    "head": ("head", (0.10, 0.0, 0.06)),  # on the forehead
    "unspecified": ("right_wrist", (0.0, -0.03, 0.04)),
}
"""Joint and offset in the segment's frame (m) of the sensor at each place."""
for _side, _way in (("left", 1.0), ("right", -1.0)):
    MOUNTS |= {
        f"{_side}_upper_arm": (f"{_side}_elbow", (0.0, _way * 0.05, 0.14)),
        f"{_side}_forearm": (f"{_side}_wrist", (0.0, _way * 0.03, 0.04)),
        f"{_side}_hand": (f"{_side}_hand", (0.0, _way * 0.02, 0.0)),
        f"{_side}_thigh": (f"{_side}_knee", (0.0, _way * 0.07, 0.18)),
        f"{_side}_shin": (f"{_side}_ankle", (0.03, _way * 0.04, 0.16)),
        f"{_side}_foot": (f"{_side}_ankle", (0.08, 0.0, 0.0)),
    }
