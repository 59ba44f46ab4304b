"""Joint sets and the mappings between them: the one skeleton table.

A joint set is a tuple of names; left and right are the person's own. Names are shared between the
sets wherever the joints coincide, so that :func:`mapping` can carry any set into any other. Where
they do not coincide the table :data:`RECIPES` says which linear combination stands in:

* ``pelvis`` is the middle of the hips and ``neck`` the middle of the shoulders for sets that detect
  only hips and shoulders. Kinect's ``hip_center`` and ``shoulder_center`` lie higher: by 19 % and
  30 % of the distance between the two middles (median over UTD-MHAD).
* ``spine`` of such sets is 40 % of the way from the hips to the shoulders, where Kinect's is (37 %).
* ``head`` is the middle of the ears, about the centre of the skull.
* ``hand`` is the knuckles, ``foot`` the toes, where a set has them; COCO has neither, and they stay unknown.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from drivers.joints import BODY20, KINECT20, MPII16, OPENPOSE18, OPENPOSE25


def _sides(*names: str) -> tuple[str, ...]:
    """Return each name for the left and then for the right side, alternating."""
    return tuple(f"{side}_{name}" for name in names for side in ("left", "right"))


COCO17: tuple[str, ...] = (
    "nose",
    *_sides("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
)
"""COCO key points."""

BLAZEPOSE33: tuple[str, ...] = (
    "nose",
    *("left_eye_inner", "left_eye", "left_eye_outer"),
    *("right_eye_inner", "right_eye", "right_eye_outer"),
    *_sides("ear", "mouth", "shoulder", "elbow", "wrist", "pinky", "index", "thumb"),
    *_sides("hip", "knee", "ankle", "heel", "foot_index"),
)
"""BlazePose landmarks, in the order of the network's output."""

HUMAN36M17: tuple[str, ...] = (
    "pelvis",
    *("right_hip", "right_knee", "right_ankle"),
    *("left_hip", "left_knee", "left_ankle"),
    *("spine", "neck", "nose", "head_top"),
    *("left_shoulder", "left_elbow", "left_wrist"),
    *("right_shoulder", "right_elbow", "right_wrist"),
)
"""The usual 17 of Human3.6M's 32 joints; ``neck`` is its thorax, ``nose`` its neck/nose."""

SKELETONS: dict[str, tuple[str, ...]] = {
    "body20": BODY20,
    "coco17": COCO17,
    "blazepose33": BLAZEPOSE33,
    "kinect20": KINECT20,
    "human36m17": HUMAN36M17,
    "mpii16": MPII16,
    "openpose18": OPENPOSE18,
    "openpose25": OPENPOSE25,
}
"""Every joint set by name."""

Recipe = dict[str, float]

_HIPS: Recipe = {"left_hip": 0.5, "right_hip": 0.5}
_SHOULDERS: Recipe = {"left_shoulder": 0.5, "right_shoulder": 0.5}
_SPINE: Recipe = {"left_hip": 0.3, "right_hip": 0.3, "left_shoulder": 0.2, "right_shoulder": 0.2}


def _hand(side: str) -> tuple[Recipe, ...]:
    return ({f"{side}_index": 0.5, f"{side}_pinky": 0.5},)


def _foot(side: str) -> tuple[Recipe, ...]:
    return (
        {f"{side}_foot_index": 1.0},
        {f"{side}_big_toe": 0.5, f"{side}_small_toe": 0.5},
    )


RECIPES: dict[str, tuple[Recipe, ...]] = {
    "pelvis": (_HIPS,),
    "spine": (_SPINE, {"pelvis": 0.6, "neck": 0.4}),
    "neck": (_SHOULDERS,),
    "head": (
        {"left_ear": 0.5, "right_ear": 0.5},
        {"nose": 0.5, "head_top": 0.5},
        {"upper_neck": 0.5, "head_top": 0.5},
        {"nose": 1.0},
    ),
    "nose": ({"head": 1.0},),
    "left_hand": _hand("left"),
    "right_hand": _hand("right"),
    "left_foot": _foot("left"),
    "right_foot": _foot("right"),
    "left_foot_index": ({"left_foot": 1.0}, {"left_big_toe": 1.0}),
    "right_foot_index": ({"right_foot": 1.0}, {"right_big_toe": 1.0}),
    "left_big_toe": ({"left_foot_index": 1.0}, {"left_foot": 1.0}),
    "right_big_toe": ({"right_foot_index": 1.0}, {"right_foot": 1.0}),
}
"""What may stand in for a joint that a set does not have: the first recipe whose parts it all has."""


class Mapping(NamedTuple):
    """A linear map between joint sets.

    Attributes:
        matrix: (T, S) float32; ``target = matrix @ source`` for points (S, D). Rows sum to one, or
            are zero where the joint is unknown, so that it maps places as well as differences.
        known: (T,) bool, whether the source has what the target joint needs.
    """

    matrix: NDArray[np.float32]
    known: NDArray[np.bool_]

    def points(self, source: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map (..., S, D) points to (..., T, D)."""
        return np.asarray(self.matrix @ source, np.float32)

    def variances(self, source: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map (..., S, D) variances or covariances of independent joints to (..., T, D)."""
        return np.asarray(np.square(self.matrix) @ source, np.float32)

    def scores(self, source: NDArray[np.floating]) -> NDArray[np.float32]:
        """Map (..., S) scores to (..., T): a joint is as certain as the least certain of its parts."""
        parts = np.where(self.matrix != 0, np.asarray(source)[..., None, :], np.inf).min(-1)
        return np.where(self.known, parts, 0.0).astype(np.float32)


@functools.lru_cache(maxsize=64)
def mapping(source: tuple[str, ...], target: tuple[str, ...] = BODY20) -> Mapping:
    """Return the linear map from one joint set to another, by the joints' names.

    Args:
        source: (S) joint names; any tuple, not only those of :data:`SKELETONS`.
        target: (T) joint names.
    """
    index = {name: i for i, name in enumerate(source)}
    matrix = np.zeros((len(target), len(source)), np.float32)
    for row, name in enumerate(target):
        for recipe in ({name: 1.0}, *RECIPES.get(name, ())):
            if all(part in index for part in recipe):
                for part, weight in recipe.items():
                    matrix[row, index[part]] = weight
                break
    known = np.asarray(matrix.any(axis=1))
    matrix.flags.writeable = known.flags.writeable = False
    return Mapping(matrix, known)


def to_body20(skeleton: tuple[str, ...]) -> Mapping:
    """Return the map (20, J) from a joint set to :data:`BODY20`, and which joints it knows."""
    return mapping(tuple(skeleton), BODY20)


def other_sides(skeleton: Sequence[str]) -> NDArray[np.intp]:
    """Return (J,) for each joint the index of the same joint of the other side; its own where it has none."""
    index = {name: i for i, name in enumerate(skeleton)}
    swapped = {"left": "right", "right": "left"}
    names = [re.sub("left|right", lambda side: swapped[side[0]], name) for name in skeleton]
    return np.array([index.get(name, i) for i, name in enumerate(names)], np.intp)


def _both(*pairs: tuple[str, str]) -> tuple[tuple[str, str], ...]:
    return tuple((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in pairs)


_BONES: tuple[tuple[str, str], ...] = (
    ("pelvis", "spine"),
    ("spine", "neck"),
    ("neck", "head"),
    ("neck", "nose"),
    ("nose", "head_top"),
    ("left_shoulder", "right_shoulder"),
    ("left_hip", "right_hip"),
    *_both(("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle")),
    *_both(("wrist", "hand"), ("wrist", "index"), ("wrist", "pinky"), ("index", "pinky"), ("wrist", "thumb")),
    *_both(("ankle", "foot"), ("ankle", "heel"), ("heel", "foot_index"), ("ankle", "foot_index")),
    *_both(("ankle", "big_toe"), ("big_toe", "small_toe"), ("heel", "big_toe")),
    *_both(("eye", "ear"), ("shoulder", "hip")),
    ("nose", "left_eye"),
    ("nose", "right_eye"),
    ("left_mouth", "right_mouth"),
)


def other_side(names: Sequence[str]) -> list[int]:
    """Return the number of each name's counterpart on the other side; its own where it has no side."""
    swap = {"left": "right", "right": "left"}
    return [names.index(re.sub(r"\b(left|right)(?=_)", lambda side: swap[side[0]], name)) for name in names]


@functools.lru_cache(maxsize=64)
def bones(skeleton: tuple[str, ...]) -> tuple[tuple[int, int], ...]:
    """Return the pairs of joints to join by a line when the joint set is drawn."""
    index = {name: i for i, name in enumerate(skeleton)}
    return tuple((index[a], index[b]) for a, b in _BONES if a in index and b in index)
