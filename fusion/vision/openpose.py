"""Bottom-up networks with part confidence maps and part affinity fields: OpenPose and its relatives.

::

    picture -> network (OpenCV) -> maps and fields -> fusion.vision.grouping -> people

The weights are the user's: OpenPose's own are for non-commercial use only. BODY_25 (78 channels) and COCO
(57 channels) are told apart by their outputs, as one of all channels, or as maps and fields apart (the
lightweight OpenPose of Osokin 2018).
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError, WeightsError
from fusion.vision import heatmaps, region
from fusion.vision.base import FrontEnd, Heatmaps, Person, check_picture
from fusion.vision.grouping import Grouped, group
from fusion.vision.part_layout import LAYOUTS, PartLayout
from fusion.vision.runtimes import OpenCVRuntime

GRID = 16
"""The input's sides are multiples of so many px."""
LONGEST = 1312
"""Px: wider pictures are looked at smaller than ``height`` says, as wide as this."""


class OpenPose(FrontEnd):
    """Finds everybody in each picture anew.

    Args:
        weights: .caffemodel (with OpenCV 4), .onnx or .pb.
        config: the .prototxt of a .caffemodel; by default the only one beside it.
        height: of the input, px; its width follows the picture. Large values find small people.
        width: of the input, px, where the network takes one size only; 0: it follows the picture.
        max_people: how many at most.
        threshold: smallest value of a joint's map.
        heatmaps: keep the maps around each person.

    Raises:
        ConfigError: a value makes no sense.
        WeightsError: the file is missing, or no such network.
    """

    name = "openpose"

    def __init__(
        self,
        weights: str = "",
        config: str = "",
        height: int = 368,
        width: int = 0,
        max_people: int = 1,
        threshold: float = 0.15,
        heatmaps: bool = True,
    ) -> None:
        if not weights:
            raise ConfigError(
                "openpose: no weights are named",
                mend="Give openpose:FILE.onnx or .caffemodel; `chorus weights list` says where from",
            )
        if not 64 <= height <= LONGEST or not (width == 0 or 64 <= width <= LONGEST):
            raise ConfigError(
                f"openpose: height={height}, width={width} make no sense", mend=f"Give 64 to {LONGEST} px"
            )
        if max_people < 1 or not 0 < threshold < 1:
            raise ConfigError(
                f"openpose: max_people={max_people}, threshold={threshold} make no sense",
                mend="Give at least 1 person and a threshold between 0 and 1",
            )
        path = Path(weights)
        if not path.is_file():
            raise WeightsError(
                f"there is no weights file {path}", mend="Name an existing .caffemodel or .onnx"
            )
        self._run = OpenCVRuntime(path, config=_prototxt(path, config))
        self._height, self._width = height, width
        self._max_people, self._threshold, self._keep_heatmaps = max_people, threshold, heatmaps
        side = width or height // GRID * GRID
        _, _, layout = split_channels(self._run(np.zeros((1, 3, height, side), np.float32)), path.name)
        self._layout, self._file = layout, path.name
        self.skeleton = layout.skeleton

    def __call__(self, image: NDArray[np.uint8], time_ns: int) -> list[Person]:
        check_picture(image)
        size, scale = input_size(image.shape[1], image.shape[0], self._height, self._width)
        # Pixel centres: x_picture + 1/2 = (x_input + 1/2) / scale.
        shift = 0.5 / scale - 0.5
        to_picture = np.array([[1 / scale, 0, shift], [0, 1 / scale, shift]])
        small = cv2.warpAffine(
            image,
            to_picture,
            size,
            flags=(cv2.INTER_AREA if scale < 0.5 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP,
            borderValue=(128, 128, 128),
        )
        values = small.astype(np.float32).transpose(2, 0, 1) / np.float32(256) - np.float32(0.5)
        maps, fields, _ = split_channels(self._run(np.ascontiguousarray(values)[None]), self._file)
        stride_x, stride_y = size[0] / maps.shape[2], size[1] / maps.shape[1]
        cells = np.array(
            [
                [stride_x / scale, 0, (0.5 * stride_x) / scale - 0.5],
                [0, stride_y / scale, (0.5 * stride_y) / scale - 0.5],
            ]
        )
        grouped = group(maps, fields, self._layout, threshold=self._threshold)
        return [self._person(one, maps, cells) for one in grouped[: self._max_people]]

    def _person(self, one: Grouped, maps: NDArray[np.float32], cells: NDArray[np.float64]) -> Person:
        known = one.score > 0
        low, high = one.points[known].min(0), one.points[known].max(0)
        points = np.where(known[:, None], one.points, (low + high) / 2)
        evidence = maps.clip(0, 1)
        spread = heatmaps.statistics(evidence, points)
        kept = None
        if self._keep_heatmaps:
            margin = 4
            x0, y0 = np.maximum(np.floor(low).astype(int) - margin, 0)
            x1, y1 = np.ceil(high).astype(int) + margin + 1
            place = cells.copy()
            place[:, 2] = region.apply(cells, np.array([x0, y0], np.float64))
            kept = Heatmaps(np.ascontiguousarray(evidence[:, y0:y1, x0:x1]), place)
        placed = region.apply(cells, points)
        corners = region.apply(cells, np.stack([low, high]))
        return Person(
            keypoints=placed.astype(np.float32),
            score=one.score.astype(np.float32),
            variance=region.apply_covariance(cells, spread.variance).astype(np.float32),
            box=(*corners[0].tolist(), *(corners[1] - corners[0]).tolist()),
            heatmaps=kept,
        )


def input_size(width: int, height: int, wanted: int, fixed: int = 0) -> tuple[tuple[int, int], float]:
    """Return the (width, height) of the network's input and the picture's scale in it.

    Args:
        width, height: of the picture, px.
        wanted: height of the input.
        fixed: its width; 0: it follows the picture.
    """
    if fixed:
        return (fixed, wanted), min(fixed / width, wanted / height)
    tall = wanted // GRID * GRID
    wide = min(LONGEST, -(-round(width * tall / height) // GRID) * GRID)
    return (wide, tall), min(wide / width, tall / height)


def split_channels(
    outputs: list[NDArray[np.float32]], name: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], PartLayout]:
    """Return the part maps (J, h, w), the fields (2 L, h, w) and the layout of a network's outputs.

    Raises:
        WeightsError: they are no layout that is known.
    """
    arrays = [one[0] for one in outputs if one.ndim == 4 and one.shape[0] == 1]
    for layout in LAYOUTS:
        parts, fields = len(layout.skeleton), 2 * len(layout.limbs)
        whole = [one for one in arrays if len(one) == parts + 1 + fields]
        if whole:
            return whole[-1][:parts], whole[-1][parts + 1 :], layout
        apart = [[one for one in arrays if len(one) == count] for count in (parts + 1, fields)]
        if all(apart) and apart[0][-1].shape[1:] == apart[1][-1].shape[1:]:
            return apart[0][-1][:parts], apart[1][-1], layout
    raise WeightsError(
        f"{name} gives {[one.shape for one in outputs]}: neither BODY_25 (26 maps and 52 of fields) "
        "nor COCO (19 and 38)",
        mend="Name a network of OpenPose's body models",
    )


def _prototxt(path: Path, config: str) -> Path | None:
    if config:
        if not Path(config).is_file():
            raise WeightsError(f"there is no file {config}", mend="Name the network's .prototxt")
        return Path(config)
    if path.suffix != ".caffemodel":
        return None
    beside = sorted(path.parent.glob("*.prototxt"))
    return beside[0] if len(beside) == 1 else None
