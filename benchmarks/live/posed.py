"""Bodies whose joint angles are commanded: squats, a desk, raised arms, with faults planted at known times.

Angles are turned into rotations by scipy's Euler angles in the axes of segments, and into joints by the
project's forward kinematics: another way than :mod:`fusion.posture.angles` goes back.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.simulator.anatomy import BodyShape
from fusion.segments import SEGMENTS
from fusion.virtual.motion import Motion, Skeleton

Array = NDArray[np.float64]
RATE_HZ = 60.0


@dataclasses.dataclass(frozen=True)
class Planted:
    """A fault: which rule should name it, from when to when, s."""

    rule: str
    start: float
    stop: float


@dataclasses.dataclass(frozen=True)
class Posed:
    """What a body was told to do.

    Attributes:
        motion: the body.
        truth: (T,) degrees of each commanded angle, by its name in :data:`fusion.posture.ANGLES`.
        planted: faults.
        repetitions: how many there are.
    """

    motion: Motion
    truth: dict[str, Array]
    planted: tuple[Planted, ...]
    repetitions: int


def turn(z: Array | float, x: Array | float = 0.0, y: Array | float = 0.0, rows: int = 1) -> Array:
    """Return (T, 3, 3) of angles about the ISB's z, x and y in turn, degrees, in a segment's own axes."""
    angles = np.stack([np.broadcast_to(np.asarray(v, float), rows) for v in (-np.asarray(z), x, y)], axis=-1)
    return Rotation.from_euler("YXZ", angles, degrees=True).as_matrix()


def body_of(truth: dict[str, Array], shape: BodyShape, clip: str, yaw: float = 0.0, tilt: Array | float = 0.0,
            list_: Array | float = 0.0) -> Motion:  # fmt: skip
    """Return a body of angles by name, degrees; those that are not named are 0.

    Args:
        truth: (T,) each.
        shape: sizes.
        clip: its name.
        yaw: where it looks, degrees.
        tilt: of the pelvis, forward, degrees; or of each row.
        list_: of the pelvis, to the right, degrees.
    """
    rows = len(next(iter(truth.values())))

    def a(name: str) -> Array:
        return truth.get(name, np.zeros(rows))

    frames: dict[str, Array] = {}
    heading = Rotation.from_euler("Z", yaw, degrees=True).as_matrix()
    frames["pelvis"] = heading @ turn(-np.asarray(tilt), list_, 0.0, rows)
    frames["chest"] = frames["pelvis"] @ turn(
        -a("trunk_flexion"), a("trunk_bending"), a("trunk_rotation"), rows
    )
    frames["head"] = frames["chest"] @ turn(-a("neck_flexion"), a("neck_bending"), a("neck_rotation"), rows)
    for side, way in (("left", -1.0), ("right", 1.0)):

        def s(name: str, side: str = side) -> Array:
            return a(f"{side}_{name}")

        hip = turn(s("hip_flexion"), way * s("hip_adduction"), way * s("hip_rotation"), rows)
        knee = turn(-s("knee_flexion"), 0.0, 0.0, rows)
        ankle = turn(s("ankle_dorsiflexion"), way * s("ankle_inversion"), way * s("ankle_rotation"), rows)
        frames[f"{side}_thigh"] = frames["pelvis"] @ hip
        frames[f"{side}_shin"] = frames[f"{side}_thigh"] @ knee
        frames[f"{side}_foot"] = frames[f"{side}_shin"] @ ankle
        about = np.stack(
            [way * s("shoulder_plane"), -way * s("shoulder_elevation"), way * s("shoulder_rotation")], -1
        )
        arm = Rotation.from_euler("ZXZ", about, degrees=True).as_matrix()
        frames[f"{side}_upper_arm"] = frames["chest"] @ arm
        fore = turn(s("elbow_flexion"), 0.0, way * s("forearm_pronation"), rows)
        frames[f"{side}_forearm"] = frames[f"{side}_upper_arm"] @ fore
        hand = turn(s("wrist_radial"), way * s("wrist_flexion"), 0.0, rows)
        frames[f"{side}_hand"] = frames[f"{side}_forearm"] @ hand
    rotations = torch.from_numpy(np.stack([frames[name] for name in SEGMENTS], axis=1).astype(np.float32))
    motion = Motion(
        clip=clip, source="simulator", licence="Apache-2.0", subject=clip, rate_hz=RATE_HZ,
        skeleton=Skeleton.of_shape(shape), rotations=rotations, root=torch.zeros(rows, 3),
        girdle=torch.zeros(rows, 3, 3), contacts=torch.ones(rows, 2, dtype=torch.bool),
    )  # fmt: skip
    root = torch.zeros(rows, 3)
    root[:, 2] = -motion.soles[..., 2].flatten(1).min(dim=1).values
    return dataclasses.replace(motion, root=root)


def _sway(rng: np.random.Generator, rows: int, size: float) -> Array:
    """Return (T,) idle movement of some degrees, below 0.5 Hz."""
    times = np.arange(rows) / RATE_HZ
    out = np.zeros(rows)
    for _ in range(3):
        out += np.sin(2 * np.pi * rng.uniform(0.05, 0.5) * times + rng.uniform(0, 2 * np.pi))
    return size * out / 3.0


def _bumps(times: Array, centres: Array, widths: Array) -> Array:
    """Return (R, T): each repetition's course from 0 to 1 and back."""
    u = (times[None] - centres[:, None]) / widths[:, None]
    return np.where(np.abs(u) < 0.5, 0.5 + 0.5 * np.cos(2 * np.pi * u), 0.0)


SQUAT_FAULTS = (
    "too_shallow",
    "knee_passes_toes",
    "knees_cave_in",
    "leans_forward",
    "heel_lifts",
    "one_sided",
)


def squats(seed: int, seconds: float = 60.0, faults: bool = True) -> Posed:
    """Squat at one's own pace; with faults, each second repetition has one, all kinds in turn."""
    rng = np.random.default_rng((seed, 5))
    shape = BodyShape.random(rng)
    rows = round(seconds * RATE_HZ)
    times = np.arange(rows) / RATE_HZ
    centres, widths, at = [], [], 3.0
    while True:
        width = rng.uniform(2.0, 3.2)
        if at + width > seconds - 1.0:
            break
        centres.append(at + width / 2)
        widths.append(width)
        at += width + rng.uniform(0.4, 1.5)
    count = len(centres)
    course = _bumps(times, np.array(centres), np.array(widths))
    depth = rng.uniform(88.0, 100.0, count)
    shin, lean = rng.uniform(12.0, 20.0, count), rng.uniform(22.0, 34.0, count)
    cave, heel, uneven = np.zeros(count), np.zeros(count), np.zeros(count)
    planted = []
    for number in range(1, count, 2) if faults else ():
        kind = SQUAT_FAULTS[(number // 2 + seed) % len(SQUAT_FAULTS)]
        if kind == "too_shallow":
            depth[number], shin[number], lean[number] = rng.uniform(55, 64), 12.0, 20.0
        elif kind == "knee_passes_toes":
            shin[number] = rng.uniform(46.0, 52.0)
        elif kind == "knees_cave_in":
            cave[number] = rng.uniform(24.0, 28.0)
        elif kind == "leans_forward":
            lean[number] = rng.uniform(66.0, 75.0)
        elif kind == "heel_lifts":
            heel[number] = rng.uniform(22.0, 30.0)
        else:
            uneven[number] = rng.uniform(28.0, 36.0)
        half = widths[number] / 2
        planted.append(Planted(kind, centres[number] - half, centres[number] + half))
    deep, phi, bow = depth @ course, shin @ course, lean @ course
    pelvis, back = 0.65 * bow + _sway(rng, rows, 1.5), 0.35 * bow + _sway(rng, rows, 1.5)
    truth: dict[str, Array] = {
        "trunk_flexion": back,
        "trunk_bending": _sway(rng, rows, 1.5),
        "trunk_rotation": _sway(rng, rows, 2.0),
        "neck_flexion": -0.5 * bow + _sway(rng, rows, 3.0),
    }
    for side, way in (("left", -0.5), ("right", 0.5)):
        bent = way * (uneven @ course)
        thigh, lower = deep + bent, phi + _sway(rng, rows, 0.7)
        truth |= {
            f"{side}_hip_flexion": thigh + pelvis,
            f"{side}_knee_flexion": np.maximum(thigh + lower, 0.0),
            f"{side}_ankle_dorsiflexion": lower - heel @ course,
            f"{side}_hip_adduction": -4.0 + 0.0 * times,
            f"{side}_hip_rotation": 1.0 * (cave @ course),
            f"{side}_shoulder_plane": 75.0 + _sway(rng, rows, 4.0),
            f"{side}_shoulder_elevation": 14.0 + 60.0 * np.clip(course.sum(0), 0, 1) + _sway(rng, rows, 2.0),
            f"{side}_elbow_flexion": 12.0 + _sway(rng, rows, 3.0),
        }
    return Posed(
        body_of(truth, shape, f"squat{seed}", rng.uniform(-40, 40), pelvis), truth, tuple(planted), count
    )


DESK_FAULTS = ("neck_bent", "slouched", "leans_aside", "shoulders_uneven", "arm_raised")


def desk(seed: int, seconds: float = 180.0, faults: bool = True) -> Posed:
    """Sit and type; with faults, one of each kind in turn, held for some 15 s."""
    rng = np.random.default_rng((seed, 6))
    shape = BodyShape.random(rng)
    rows = round(seconds * RATE_HZ)
    times = np.arange(rows) / RATE_HZ
    planted: list[Planted] = []
    at, number = 8.0, seed
    while faults and at + 25.0 < seconds:
        stop = at + rng.uniform(14.0, 18.0)
        planted.append(Planted(DESK_FAULTS[number % len(DESK_FAULTS)], at, stop))
        at, number = stop + rng.uniform(8.0, 12.0), number + 1

    def during(rule: str, size: float) -> Array:
        out = np.zeros(rows)
        for fault in planted:
            if fault.rule == rule:
                rise = np.clip((times - fault.start) / 1.5, 0, 1) - np.clip(
                    (times - fault.stop + 1.5) / 1.5, 0, 1
                )
                out += size * rise * rise * (3 - 2 * rise)
        return out

    slouch, aside, uneven = (
        during("slouched", 26.0),
        during("leans_aside", 15.0),
        during("shoulders_uneven", 15.0),
    )
    tilt = 2.0 + 0.6 * slouch + _sway(rng, rows, 2.0)
    truth: dict[str, Array] = {
        "trunk_flexion": 4.0 + 0.4 * slouch * 1.6 + _sway(rng, rows, 2.0),
        "trunk_bending": 0.75 * aside + uneven + _sway(rng, rows, 1.5),
        "trunk_rotation": _sway(rng, rows, 4.0),
        "neck_flexion": 10.0 + during("neck_bent", 26.0) + _sway(rng, rows, 5.0),
        "neck_bending": _sway(rng, rows, 4.0),
        "neck_rotation": _sway(rng, rows, 20.0),
    }
    for side in ("left", "right"):
        arm = during("arm_raised", 50.0) if side == "right" else np.zeros(rows)
        truth |= {
            f"{side}_hip_flexion": 88.0 + tilt,
            f"{side}_knee_flexion": 85.0 + _sway(rng, rows, 2.0),
            f"{side}_ankle_dorsiflexion": np.zeros(rows),
            f"{side}_shoulder_plane": 75.0 + _sway(rng, rows, 5.0),
            f"{side}_shoulder_elevation": 22.0 + arm + _sway(rng, rows, 4.0),
            f"{side}_shoulder_rotation": 10.0 + np.zeros(rows),
            f"{side}_elbow_flexion": 80.0 + _sway(rng, rows, 6.0),
            f"{side}_forearm_pronation": 60.0 + _sway(rng, rows, 6.0),
        }
    lean = 0.5 * aside - 0.3 * uneven
    return Posed(
        body_of(truth, shape, f"desk{seed}", rng.uniform(-40, 40), tilt, lean), truth, tuple(planted), 0
    )


ARM_FAULTS = ("not_high_enough", "not_alike", "elbow_bent", "leans_aside")


def arms(seed: int, seconds: float = 60.0, faults: bool = True) -> Posed:
    """Raise and lower both arms; with faults, each second repetition has one."""
    rng = np.random.default_rng((seed, 7))
    shape = BodyShape.random(rng)
    rows = round(seconds * RATE_HZ)
    times = np.arange(rows) / RATE_HZ
    widths = rng.uniform(2.4, 3.4, 200)
    centres = 2.0 + np.cumsum(widths + 1.0) - widths / 2
    count = int((centres + widths / 2 < seconds - 1.0).sum())
    course = _bumps(times, centres[:count], widths[:count])
    height = rng.uniform(92.0, 115.0, count)
    part = {name: np.zeros(count) for name in ("not_alike", "elbow_bent", "leans_aside")}
    planted = []
    for number in range(1, count, 2) if faults else ():
        kind = ARM_FAULTS[(number // 2 + seed) % len(ARM_FAULTS)]
        if kind == "not_high_enough":
            height[number] = rng.uniform(46.0, 56.0)
        else:
            part[kind][number] = {"not_alike": 32.0, "elbow_bent": 65.0, "leans_aside": 20.0}[kind]
        half = widths[number] / 2
        planted.append(Planted(kind, centres[number] - half, centres[number] + half))
    up, aside = height @ course, part["leans_aside"] @ course
    truth: dict[str, Array] = {"trunk_bending": 0.6 * aside + _sway(rng, rows, 1.5)}
    for side in ("left", "right"):
        less = part["not_alike"] @ course if side == "left" else np.zeros(rows)
        truth |= {
            f"{side}_shoulder_plane": 20.0 + _sway(rng, rows, 5.0),
            f"{side}_shoulder_elevation": 13.0 + up - less + _sway(rng, rows, 2.0),
            f"{side}_elbow_flexion": 12.0 + part["elbow_bent"] @ course + _sway(rng, rows, 3.0),
            f"{side}_hip_adduction": -3.0 + np.zeros(rows),
        }
    return Posed(
        body_of(truth, shape, f"arms{seed}", rng.uniform(-40, 40), 0.0, 0.6 * aside),
        truth,
        tuple(planted),
        count,
    )
