"""Which channels a network with part confidence maps and part affinity fields gives."""

from __future__ import annotations

import dataclasses

from fusion.skeletons import OPENPOSE18, OPENPOSE25


@dataclasses.dataclass(frozen=True)
class PartLayout:
    """Which channels a network gives.

    Attributes:
        name: of the layout.
        skeleton: (J) names of the parts, in the maps' order; a map of the background follows them.
        limbs: (L) pairs of parts.
        fields: (L) number k of each limb's field: its x is channel ``2 k`` of the fields, its y ``2 k + 1``.
    """

    name: str
    skeleton: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    fields: tuple[int, ...]


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in (pair.split("-") for pair in text.split()))


COCO18 = PartLayout(
    "coco18",
    OPENPOSE18,
    _pairs(
        "1-2 1-5 2-3 3-4 5-6 6-7 1-8 8-9 9-10 1-11 11-12 12-13 1-0 0-14 14-16 0-15 15-17 2-16 5-17",
    ),
    (6, 10, 7, 8, 11, 12, 0, 1, 2, 3, 4, 5, 14, 15, 17, 16, 18, 9, 13),
)
"""OpenPose's COCO model: 19 maps, 19 fields."""

BODY25 = PartLayout(
    "body25",
    OPENPOSE25,
    _pairs(
        "1-8 1-2 1-5 2-3 3-4 5-6 6-7 8-9 9-10 10-11 8-12 12-13 13-14 1-0 0-15 15-17 0-16 16-18 2-17 5-18 "
        "14-19 19-20 14-21 11-22 22-23 11-24",
    ),
    (0, 7, 11, 8, 9, 12, 13, 3, 1, 2, 4, 5, 6, 15, 16, 18, 17, 19, 10, 14, 20, 21, 22, 23, 24, 25),
)
"""OpenPose's BODY_25: 26 maps, 26 fields."""

LAYOUTS: tuple[PartLayout, ...] = (BODY25, COCO18)
"""Layouts that are told apart by their numbers of channels; both as in OpenPose's poseParameters.cpp."""
