"""People in a picture, or recorded key points, to the vision columns of the features."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import StreamInfo
from drivers.errors import ConfigError
from drivers.joints import KEYPOINT_COLUMNS
from fusion.features.box import BoxFilter, box_of
from fusion.features.spec import SHAPES, FeatureSpec
from fusion.skeletons import BODY20, to_body20
from fusion.vision.base import Person


@dataclasses.dataclass(frozen=True)
class VisionFrame:
    """What one frame says, ready for every tick it serves.

    Attributes:
        time: session time of capture, ns.
        vision: (20, 9) float32, see :data:`fusion.features.spec.SHAPES`.
        present: (20,) float32.
        world: (20, 3) float32 m from the pelvis.
        box: (3,) float32 in units of picture width, or None where nobody was seen.
    """

    time: int
    vision: NDArray[np.float32]
    present: NDArray[np.float32]
    world: NDArray[np.float32]
    box: NDArray[np.float32] | None


def keypoints_of(person: Person) -> NDArray[np.float32]:
    """Return a person as rows (J, 10) of :data:`KEYPOINT_COLUMNS`: what a key-point stream stores."""
    rows = np.zeros((len(person.keypoints), len(KEYPOINT_COLUMNS)), np.float32)
    rows[:, 0:2] = person.keypoints
    rows[:, 2] = person.score
    rows[:, 3:6] = person.variance
    if person.world is not None:
        rows[:, 6:9] = person.world
        rows[:, 9] = 1.0
    return rows


class VisionReader:
    """Maps key points of one front end to BODY20, box-normalised, frame by frame and causally.

    Args:
        skeleton: (J) joint names of the front end.
        size: picture width and height, px.
        spec: choices.
    """

    def __init__(self, skeleton: Sequence[str], size: tuple[int, int], spec: FeatureSpec) -> None:
        matrix, mask = to_body20(tuple(skeleton))
        self._matrix = np.asarray(matrix, np.float64)
        self._mask = np.asarray(mask, bool)
        self._uses = self._matrix != 0
        self._size = size
        self._spec = spec
        self._box = BoxFilter()

    def nobody(self, time: int) -> VisionFrame:
        """Return the frame in which nobody was seen."""
        return VisionFrame(
            time,
            np.zeros(SHAPES["vision"], np.float32),
            np.zeros(SHAPES["vision_present"], np.float32),
            np.zeros(SHAPES["vision_world"], np.float32),
            None,
        )

    def __call__(
        self,
        time: int,
        rows: NDArray[np.floating[Any]] | None,
        peaks: NDArray[np.floating[Any]] | None = None,
    ) -> VisionFrame:
        """Return the frame of key points.

        Args:
            time: session time of capture, ns.
            rows: (J, 10) of :data:`KEYPOINT_COLUMNS`, px of the picture; None for nobody.
            peaks: (J,) heights of the heatmaps' peaks; None: as the scores.
        """
        if rows is None:
            return self.nobody(time)
        rows = np.asarray(rows, np.float64)
        score = np.where(np.isfinite(rows).all(axis=1), rows[:, 2], 0.0)
        rows = np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)
        peak = score if peaks is None else np.nan_to_num(np.asarray(peaks, np.float64))
        visible = self._least(score)
        present = self._mask & (visible >= self._spec.min_score)
        if int(present.sum()) < self._spec.min_joints:
            return self.nobody(time)
        xy = self._matrix @ rows[:, 0:2]
        variance = (self._matrix**2) @ rows[:, 3:6]  # errors of different joints taken as independent
        box = self._box(box_of(xy, present), time)
        world, known = self._world(rows, present)
        out = np.zeros(SHAPES["vision"])
        out[:, 0:2] = (xy - box[:2]) / box[2]
        out[:, 2] = self._least(peak)
        out[:, 3:6] = variance / box[2] ** 2
        out[:, 6] = visible
        out[:, 7] = world[:, 2]
        out[:, 8] = known
        out[~present] = 0.0
        width, height = self._size
        relative = np.array([(box[0] - width / 2) / width, (box[1] - height / 2) / width, box[2] / width])
        return VisionFrame(
            time,
            out.astype(np.float32),
            present.astype(np.float32),
            world.astype(np.float32),
            relative.astype(np.float32),
        )

    def _least(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return for each BODY20 joint the least (20,) of the values (J,) of the joints it is made of."""
        return np.where(self._mask, np.min(np.where(self._uses, values[None], np.inf), axis=1), 0.0)

    def _world(
        self, rows: NDArray[np.float64], present: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        known = present & (self._least(rows[:, 9]) > 0.5)
        if not known[0]:  # no pelvis, nothing to measure from
            return np.zeros((len(BODY20), 3)), np.zeros(len(BODY20), bool)
        world = self._matrix @ rows[:, 6:9]
        return np.where(known[:, None], world - world[0], 0.0), known


def best_person(people: Sequence[Person]) -> Person | None:
    """Return the person that is seen best: largest box times mean score; None where nobody is."""
    if not people:
        return None
    return max(people, key=lambda p: float(p.box[2] * p.box[3]) * float(np.mean(p.score)))


def skeleton_of(info: StreamInfo) -> tuple[str, ...]:
    """Return the joint names of a stream of key points.

    Raises:
        ConfigError: the stream does not name them.
    """
    names = info.properties.get("skeleton", "")
    if not names:
        raise ConfigError(
            f"{info.name}: the key points do not say which joints they are",
            mend="Record them with chorus record, which stores the property 'skeleton'",
        )
    return tuple(name.strip() for name in names.strip("[]").replace('"', "").split(","))


def picture_size(info: StreamInfo) -> tuple[int, int]:
    """Return width and height in px of the pictures of a camera, or that key points were found in.

    Raises:
        ConfigError: the stream does not say.
    """
    if info.kind == "camera" and len(info.shape) >= 2:
        return info.shape[1], info.shape[0]
    try:
        return int(info.properties["width"]), int(info.properties["height"])
    except (KeyError, ValueError):
        raise ConfigError(
            f"{info.name}: the size of the pictures is unknown",
            mend="Record the stream with properties width and height",
        ) from None
