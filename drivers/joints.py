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

MPII16: tuple[str, ...] = (
    *("right_ankle", "right_knee", "right_hip", "left_hip", "left_knee", "left_ankle"),
    *("pelvis", "neck", "upper_neck", "head_top"),
    *("right_wrist", "right_elbow", "right_shoulder", "left_shoulder", "left_elbow", "left_wrist"),
)
"""MPII, and what was trained on it; ``neck`` is its thorax, midway between the shoulders."""

OPENPOSE18: tuple[str, ...] = (
    *("nose", "neck"),
    *("right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
)
"""OpenPose, COCO body model."""

OPENPOSE25: tuple[str, ...] = (
    *("nose", "neck"),
    *("right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
    *("pelvis", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
    *("right_eye", "left_eye", "right_ear", "left_ear"),
    *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
)
"""OpenPose, BODY_25."""

KEYPOINT_COLUMNS: tuple[str, ...] = (
    "x", "y", "score", "var_x", "cov_xy", "var_y", "world_x", "world_y", "world_z", "known",
)  # fmt: skip
"""Columns of one joint in a recorded stream of key points."""

KEYPOINT_UNITS: tuple[str, ...] = ("px", "px", "1", "px^2", "px^2", "px^2", "m", "m", "m", "1")
"""Their units."""
