"""PoseNet and MoveNet graphs on LiteRT, told apart by their outputs.

* PoseNet (several people): heatmaps, short and mid-range offsets, read by :mod:`fusion.vision.personlab`.
* MoveNet single pose: (1, 1, 17, 3) rows of y, x, score in [0, 1] of the input.
* MoveNet multipose: (1, 6, 56): 17 such rows, the box's corners and the person's score, for six people.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from drivers.errors import ConfigError, WeightsError
from fusion.skeletons import COCO17
from fusion.vision import heatmaps, region
from fusion.vision.base import FrontEnd, Heatmaps, Pauses, Person, check_picture
from fusion.vision.graph import PictureGraph
from fusion.vision.personlab import Pose, decode_poses
from fusion.vision.region import Region

JOINTS = len(COCO17)
MULTIPOSE_SIDE = 256
"""Px: the longer side of MoveNet multipose's input, which takes any multiple of 32."""
CLOSER = 1.5
"""MoveNet single pose: side of the next region over the box around the joints."""
CELL = 0.05
"""Standard deviation told of MoveNet's joints, which come without heatmaps, of the person's longer side."""


class PoseNet(FrontEnd):
    """``posenet``: PoseNet, or MoveNet, whichever the file is.

    Args:
        weights: the .tflite.
        threads: CPU threads.
        max_people: how many at most; MoveNet single pose sees one.
        threshold: smallest score of a person.
        heatmaps: keep the heatmaps with each person (PoseNet).

    Raises:
        ConfigError: a value makes no sense.
        WeightsError: the file is missing, or neither of both.
        MissingDependency: LiteRT is not installed.
    """

    name = "posenet"
    skeleton = COCO17

    def __init__(
        self,
        weights: str = "",
        threads: int = 1,
        max_people: int = 1,
        threshold: float | None = None,
        heatmaps: bool = True,
    ) -> None:
        if not weights:
            raise ConfigError(
                "posenet: no weights are named",
                mend="Give posenet:FILE.tflite; `chorus weights list` says where they come from",
            )
        if max_people < 1 or threads < 1 or not 0 < (threshold or 0.5) < 1:
            raise ConfigError(
                f"posenet: max_people={max_people}, threads={threads}, threshold={threshold} make no sense",
                mend="Give at least 1 person, at least 1 thread and a threshold between 0 and 1",
            )
        path = Path(weights)
        if not path.is_file():
            raise WeightsError(f"there is no weights file {path}", mend="Name an existing .tflite")
        self._graph = PictureGraph(path, threads)
        self._max_people, self._keep_heatmaps = max_people, heatmaps
        if not self._graph.fixed:
            self._graph.resize(MULTIPOSE_SIDE, MULTIPOSE_SIDE)
        shapes = self._graph.shapes
        if shapes == [(1, 1, JOINTS, 3)]:
            self._kind, usual = "movenet", 0.2
        elif len(shapes) == 1 and shapes[0][0] == 1 and shapes[0][2:] == (56,):
            self._kind, usual = "multipose", 0.2
        elif _posenet_outputs(shapes) is not None:
            self._kind, usual = "posenet", 0.25
        else:
            raise WeightsError(
                f"{path.name} gives {shapes}: neither PoseNet's maps and offsets for {JOINTS} joints "
                "nor MoveNet's joints",
                mend="Name a graph of PoseNet or MoveNet without a decoder of its own",
            )
        if self._kind == "movenet" and max_people > 1:
            raise ConfigError(
                f"{path.name} looks for one person only",
                mend="Use MoveNet multipose or PoseNet, or --people=1",
            )
        self._threshold = threshold or usual
        self.reset()

    def reset(self) -> None:
        self._followed: Region | None = None
        self._paused = Pauses()

    def __call__(self, image: NDArray[np.uint8], time_ns: int) -> list[Person]:
        check_picture(image)
        if self._paused(time_ns):
            self._followed = None
        people = {"posenet": self._posenet, "movenet": self._movenet, "multipose": self._multipose}[
            self._kind
        ](image)
        return people[: self._max_people]

    def _cut(
        self, image: NDArray[np.uint8], size: tuple[int, int], place: Region | None = None
    ) -> tuple[list[NDArray[np.float32]], NDArray[np.float64]]:
        """Run the graph on the picture, or a place in it, without distorting it.

        Returns:
            the outputs, and the (2, 3) affine from px of the input to picture px.
        """
        height, width = image.shape[:2]
        if place is None:
            scale = max(width / size[0], height / size[1])
            middle = ((width - 1) / 2, (height - 1) / 2)
        else:
            scale, middle = place.side / max(size), (place.x, place.y)
        first = [m - scale * (side - 1) / 2 for m, side in zip(middle, size, strict=True)]
        to_picture = np.array([[scale, 0, first[0]], [0, scale, first[1]]])
        small = cv2.warpAffine(image, to_picture, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
        rgb = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB), np.uint8)
        return self._graph(rgb), to_picture

    def _posenet(self, image: NDArray[np.uint8]) -> list[Person]:
        outputs, to_picture = self._cut(image, self._graph.size)
        order = _posenet_outputs([one.shape for one in outputs])
        assert order is not None
        scores, short, *mid = (outputs[number][0] for number in order)
        forward, backward = np.split(mid[0], 2, axis=2) if len(mid) == 1 else mid
        poses = decode_poses(
            scores,
            short,
            forward,
            backward,
            size=self._graph.size,
            max_people=self._max_people,
            threshold=self._threshold,
        )
        rows, columns = scores.shape[:2]
        stride = np.array(
            [(side - 1) / (n - 1) for side, n in zip(self._graph.size, (columns, rows), strict=True)]
        )
        cells = to_picture.copy()
        cells[:, :2] *= stride
        evidence = np.ascontiguousarray(expit(scores).transpose(2, 0, 1)).astype(np.float32)
        return [self._posed(pose, evidence, cells) for pose in poses]

    def _posed(self, pose: Pose, evidence: NDArray[np.float32], cells: NDArray[np.float64]) -> Person:
        points = region.apply(cells, pose.points)
        spread = heatmaps.statistics(evidence, pose.points, window=5)
        low, high = points.min(0), points.max(0)
        return Person(
            keypoints=points.astype(np.float32),
            score=pose.score.astype(np.float32),
            variance=region.apply_covariance(cells, spread.variance).astype(np.float32),
            box=(*low.tolist(), *(high - low).tolist()),
            heatmaps=Heatmaps(evidence, cells) if self._keep_heatmaps else None,
        )

    def _movenet(self, image: NDArray[np.uint8]) -> list[Person]:
        for place in (self._followed, None) if self._followed is not None else (None,):
            outputs, to_picture = self._cut(image, self._graph.size, place)
            rows = outputs[0].reshape(JOINTS, 3)
            if float(rows[:, 2].mean()) >= self._threshold:
                person = _person(rows, self._graph.size, to_picture)
                x, y, width, height = person.box
                following = Region(x + width / 2, y + height / 2, CLOSER * max(width, height))
                self._followed = following if following.sane else None
                return [person]
        self._followed = None
        return []

    def _multipose(self, image: NDArray[np.uint8]) -> list[Person]:
        height, width = image.shape[:2]
        scale = MULTIPOSE_SIDE / max(height, width)
        size = self._graph.size
        if not self._graph.fixed:
            size = (_grid(width * scale), _grid(height * scale))
            self._graph.resize(*size)
        outputs, to_picture = self._cut(image, size)
        found = sorted(outputs[0][0], key=lambda row: -row[55])
        return [
            _person(row[:51].reshape(JOINTS, 3), size, to_picture)
            for row in found
            if row[55] >= self._threshold
        ]


def _grid(side: float) -> int:
    return max(32, -(-round(side) // 32) * 32)


def _person(rows: NDArray[np.float32], size: tuple[int, int], to_picture: NDArray[np.float64]) -> Person:
    """Return a person of MoveNet's rows (17, 3) of y, x, score."""
    points = region.apply(to_picture, rows[:, 1::-1].astype(np.float64) * size - 0.5)
    score = rows[:, 2].clip(0, 1)
    sure = points[score >= 0.2] if (score >= 0.2).any() else points
    low, high = sure.min(0), sure.max(0)
    variance = np.zeros((JOINTS, 3), np.float32)
    variance[:, (0, 2)] = ((CELL * float((high - low).max())) ** 2 / np.maximum(score, 0.05))[:, None]
    return Person(
        keypoints=points.astype(np.float32),
        score=score.astype(np.float32),
        variance=variance,
        box=(*low.tolist(), *(high - low).tolist()),
    )


def _posenet_outputs(shapes: list[tuple[int, ...]]) -> tuple[int, ...] | None:
    """Return the numbers of scores, short offsets and mid-range offsets (in one, or forward and backward)."""
    if not all(len(shape) == 4 and shape[0] == 1 and shape[1:3] == shapes[0][1:3] for shape in shapes):
        return None
    if min(shapes[0][1:3]) < 2:
        return None
    depths = [shape[3] for shape in shapes]
    if sorted(depths) == [17, 34, 64]:
        return depths.index(17), depths.index(34), depths.index(64)
    if sorted(depths) == [17, 32, 32, 34]:
        first = depths.index(32)
        return depths.index(17), depths.index(34), first, depths.index(32, first + 1)
    return None
