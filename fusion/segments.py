"""The rigid segments of a body and what hangs on them: tables without torch, for all that reads poses.

See :mod:`fusion.virtual.kinematics` for the body that they make up.
"""

from __future__ import annotations

from drivers.joints import BODY20
from drivers.places import PLACES

SEGMENTS: tuple[str, ...] = PLACES[:-1]
"""The rigid segments in the order of :data:`drivers.places.PLACES`, which adds ``unspecified``."""

SEGMENT: dict[str, int] = {name: index for index, name in enumerate(SEGMENTS)}
JOINT: dict[str, int] = {name: index for index, name in enumerate(BODY20)}

SPINE_FRACTION = 0.4
"""Of the line from pelvis to neck; as ``fusion.skeletons`` takes it for joint sets without a spine."""

HANGS: dict[str, tuple[str, str]] = {
    "spine": ("pelvis", "pelvis"),
    "neck": ("chest", "spine"),
    "head": ("head", "neck"),
    **{f"{side}_shoulder": ("chest", "spine") for side in ("left", "right")},
    **{f"{side}_hip": ("pelvis", "pelvis") for side in ("left", "right")},
    **{
        f"{side}_{joint}": (f"{side}_{segment}", f"{side}_{parent}")
        for side in ("left", "right")
        for joint, segment, parent in (
            ("elbow", "upper_arm", "shoulder"),
            ("wrist", "forearm", "elbow"),
            ("hand", "hand", "wrist"),
            ("knee", "thigh", "hip"),
            ("ankle", "shin", "knee"),
            ("foot", "foot", "ankle"),
        )
    },
}
"""Segment in whose frame each row of a skeleton's offsets is given, and the row that it is an offset from.

Row ``spine`` of the offsets is where the trunk bends (the joint ``spine`` itself is defined by others), row
``neck`` where the neck stands on the chest. The pelvis has none.
"""

BEGINS = {"pelvis": "pelvis", "chest": "spine", "head": "neck"} | {
    f"{side}_{segment}": f"{side}_{joint}"
    for side in ("left", "right")
    for segment, joint in (
        ("upper_arm", "shoulder"),
        ("forearm", "elbow"),
        ("hand", "wrist"),
        ("thigh", "hip"),
        ("shin", "knee"),
        ("foot", "ankle"),
    )
}
"""Row of the offsets at which each segment begins: its end nearer to the pelvis."""

GIRDLE: tuple[str, ...] = ("neck", "left_shoulder", "right_shoulder")
"""Rows that slide in the chest, in the order of ``girdle``."""

OFFSET_SEGMENTS: tuple[int, ...] = tuple(SEGMENT[HANGS[name][0]] if name in HANGS else 0 for name in BODY20)
"""(20,) number of the segment in whose frame each row of the offsets is given."""
