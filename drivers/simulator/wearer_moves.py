"""What a wearer turns by how much in each step: the tables of :mod:`drivers.simulator.wearer`."""

from __future__ import annotations

SIDES = (("left", 1.0), ("right", -1.0))
"""Sides, and which way y points."""

MOVES: dict[str, tuple[tuple[str, float, tuple[str, ...]], ...]] = {
    "arms_forward": (("{side}_forward", 85.0, ("{side}_abduct", "{side}_axial", "{side}_flex")),),
    "elbows": (("{side}_flex", 110.0, ("{side}_twist", "{side}_forward", "{side}_abduct")),),
    "arm_turns": (("{side}_axial", 50.0, ("{side}_abduct", "{side}_forward", "{side}_flex")),),
    "twists": (("{side}_twist", 110.0, ("{side}_flex", "{side}_abduct", "{side}_forward")),),
    "bows": (
        ("pelvis", 35.0, ("pelvis_roll", "pelvis_yaw", "chest_roll", "chest_yaw")),
        ("chest", 25.0, ("chest_roll", "chest_yaw", "head_roll", "head_yaw")),
        ("head", 10.0, ("head_roll", "head_yaw")),
    ),
    "left_knee": (
        ("left_thigh", -60.0, ("left_thigh_roll", "left_thigh_yaw")),
        ("left_shin", 20.0, ("left_shin_roll",)),
        ("left_foot", 30.0, ("left_foot_roll",)),
    ),
    "right_knee": (
        ("right_thigh", -60.0, ("right_thigh_roll", "right_thigh_yaw")),
        ("right_shin", 20.0, ("right_shin_roll",)),
        ("right_foot", 30.0, ("right_foot_roll",)),
    ),
    "squats": (
        ("{side}_thigh", -65.0, ("{side}_thigh_roll", "{side}_thigh_yaw")),
        ("{side}_shin", 30.0, ("{side}_shin_roll",)),
        ("pelvis", 25.0, ("pelvis_roll", "pelvis_yaw")),
        ("chest", 12.0, ("chest_roll", "chest_yaw")),
        ("head", -20.0, ("head_roll",)),
        ("{side}_forward", 60.0, ("{side}_abduct",)),
    ),
    "left_heel": (
        ("left_shin", 85.0, ("left_shin_roll", "left_thigh_yaw")),
        ("left_foot", 85.0, ("left_foot_roll",)),
        ("left_thigh", 8.0, ()),
    ),
    "right_heel": (
        ("right_shin", 85.0, ("right_shin_roll", "right_thigh_yaw")),
        ("right_foot", 85.0, ("right_foot_roll",)),
        ("right_thigh", 8.0, ()),
    ),
    "nods": (("head", 40.0, ("head_roll", "head_yaw")),),
    "march": (("pelvis_yaw", 0.0, ()),),
    "still": (("pelvis_yaw", 0.0, ()),),
    "side_bends": (
        ("chest_roll", 28.0, ("chest", "chest_yaw")),
        ("pelvis_roll", 10.0, ("pelvis", "pelvis_yaw")),
    ),
    "arms_sideways": (("{side}_abduct", 85.0, ("{side}_forward", "{side}_axial", "{side}_flex")),),
}
"""What each step, and each that people confuse with one, turns by how many degrees, and what goes with it."""

NEAREST: dict[str, str] = {"pelvis": "pelvis", "chest": "neck", "head": "head"}
"""The joint that stands in for where a sensor sits."""
for _side, _ in SIDES:
    NEAREST |= {
        f"{_side}_upper_arm": f"{_side}_elbow",
        f"{_side}_forearm": f"{_side}_wrist",
        f"{_side}_hand": f"{_side}_hand",
        f"{_side}_thigh": f"{_side}_knee",
        f"{_side}_shin": f"{_side}_ankle",
        f"{_side}_foot": f"{_side}_foot",
    }

_ARM = ("abduct", "forward", "axial", "up", "flex", "twist", "hand")
_LEG = ("thigh", "thigh_roll", "thigh_yaw", "shin", "shin_roll", "foot", "foot_roll")
FREEDOMS: tuple[str, ...] = (
    *(f"{part}{end}" for part in ("pelvis", "chest", "head") for end in ("", "_roll", "_yaw")),
    *(f"{side}_{name}" for side, _ in SIDES for name in (*_ARM, *_LEG)),
)
"""Degrees; pitches without an ending. Arms: out, forward, about itself; ``up``: forearm out of the hinge."""
