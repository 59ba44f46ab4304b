"""Names of joints, where they are needed before any model: the simulated body's and the importers'.

``fusion.skeletons`` holds the other joint sets and the mappings between all of them.
"""

from __future__ import annotations

_LIMBS = (
    *("left_shoulder", "left_elbow", "left_wrist", "left_hand"),
    *("right_shoulder", "right_elbow", "right_wrist", "right_hand"),
    *("left_hip", "left_knee", "left_ankle", "left_foot"),
    *("right_hip", "right_knee", "right_ankle", "right_foot"),
)

BODY20: tuple[str, ...] = ("pelvis", "spine", "neck", "head", *_LIMBS)
"""The body that features, network and simulator speak of.

``pelvis`` lies midway between the hip centres, ``neck`` midway between the shoulders, ``spine`` on the line
between them, ``head`` at the middle of the skull, hands and feet at the middle of the hand and of the toes.
"""

KINECT20: tuple[str, ...] = ("head", "neck", "spine", "pelvis", *_LIMBS)
"""Kinect v1 in the order of UTD-MHAD; ``neck`` is its shoulder_center, ``pelvis`` its hip_center."""
