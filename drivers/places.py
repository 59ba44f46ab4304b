"""Places on the body where a sensor is worn: the one vocabulary for ``worn_on``."""

from __future__ import annotations

PLACES: tuple[str, ...] = (
    "pelvis",
    "chest",
    "head",
    "left_upper_arm",
    "left_forearm",
    "left_hand",
    "right_upper_arm",
    "right_forearm",
    "right_hand",
    "left_thigh",
    "left_shin",
    "left_foot",
    "right_thigh",
    "right_shin",
    "right_foot",
    "unspecified",
)
"""``unspecified`` is a worn sensor whose place is unknown or must not be told to a model."""
