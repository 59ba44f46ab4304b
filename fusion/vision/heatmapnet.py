"""A HeatmapNet of one's own as a front end: follows one person through pictures or depth maps.

::

    picture -> region -> crop -> network -> heatmaps -> key points
                 ^                                          |
                 +------- region of the next picture -------+     all of the picture, where nobody is followed

Depth maps are (H, W) uint16 mm, 0 where unknown.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.heatmapnet.checkpoint import load_heatmapnet
from fusion.heatmapnet.crops import around_points, cell_affine, cut, of_colour, of_depth
from fusion.vision import heatmaps, region
from fusion.vision.base import FrontEnd, Heatmaps, Pauses, Person, check_picture

MARGIN = 1.4
"""Side of the next region over the box around the joints that were found."""


class HeatmapNetEnd(FrontEnd):
    """Follows one person; see :class:`fusion.vision.base.FrontEnd`.

    Args:
        weights: file that `train.py` wrote.
        threads: CPU threads of the network.
        confident: smallest mean height of the heatmaps' peaks at which there is a person.
        near_m: depth: nearer is nobody.
        far_m: depth: farther is nobody.
        heatmaps: keep the heatmaps with each person.

    Raises:
        WeightsError: the file is no HeatmapNet's.
        ConfigError: no file is named, or a value makes no sense.
    """

    name = "heatmapnet"

    def __init__(
        self,
        weights: str = "",
        threads: int = 1,
        confident: float = 0.25,
        near_m: float = 0.3,
        far_m: float = 6.0,
        heatmaps: bool = True,
    ) -> None:
        if not weights:
            raise ConfigError(
                "heatmapnet: no weights are named",
                mend="Train some (configs/experiment/heatmap_coco.yaml) and give heatmapnet:FILE",
            )
        if threads < 1 or not 0 < confident < 1 or not 0 <= near_m < far_m:
            raise ConfigError(
                f"heatmapnet: threads={threads}, confident={confident}, near_m={near_m}, far_m={far_m} "
                "make no sense",
                mend="Give at least 1 thread, a confidence between 0 and 1 and near_m below far_m",
            )
        self._net = load_heatmapnet(weights)
        config = self._net.config
        self.skeleton = config.joints
        self._size = config.width, config.height
        self.takes_depth = config.input == "depth"
        self._threads, self._confident, self._keep_heatmaps = threads, confident, heatmaps
        self._range_mm = round(1e3 * near_m), round(1e3 * far_m)
        self.reset()

    def reset(self) -> None:
        self._followed: region.Region | None = None
        self._middle_m = 0.0
        self._paused = Pauses()

    def __call__(self, image: NDArray[Any], time_ns: int) -> list[Person]:
        if not self.takes_depth:
            check_picture(image)
        elif image.ndim != 2 or image.dtype != np.uint16:
            raise ValueError(f"expected a (H, W) uint16 depth map, received {image.shape} {image.dtype}")
        if self._paused(time_ns):
            self._followed = None
        if self.takes_depth:
            image = np.where((image >= self._range_mm[0]) & (image <= self._range_mm[1]), image, 0)
        for place, middle in self._places(image):
            person = self._look(image, place, middle)
            if person is not None:
                return [person]
        self._followed = None
        return [] if self.takes_depth else self._anywhere(image)

    def _anywhere(self, image: NDArray[np.uint8]) -> list[Person]:
        """Look for somebody in the whole picture and in its parts: crops of training show a person each."""
        height, width = image.shape[:2]
        found = []
        for place in (region.whole(width, height), *region.tiles(width, height)):
            person = self._look(image, place, 0.0)
            if person is not None:
                found.append((float(person.score.mean()), person, self._followed))
        if not found:
            self._followed = None
            return []
        _, person, around = max(found, key=lambda one: one[0])
        # Once more, now that it is known where: a part may have shown no more than half of somebody.
        again = None if around is None else self._look(image, around, 0.0)
        if again is None:
            self._followed = around
        return [again or person]

    def _places(self, image: NDArray) -> list[tuple[region.Region, float]]:
        """Return where to look, and the depth of the person there: who is followed first, then anybody."""
        places = [] if self._followed is None else [(self._followed, self._middle_m)]
        if not self.takes_depth:
            return places
        return [*places, *((around, middle) for around, middle in _blobs(image))]

    def _look(self, image: NDArray, place: region.Region, middle_m: float) -> Person | None:
        crop = cut(image, place, self._size)
        values = of_depth(crop, middle_m) if self.takes_depth else of_colour(crop)
        threads = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            with torch.inference_mode():
                evidence = self._net(torch.from_numpy(values)[None])[0].sigmoid().numpy()
        finally:
            torch.set_num_threads(threads)
        found = heatmaps.statistics(evidence, confident=self._confident)
        if float(found.peak.mean()) < self._confident:
            return None
        to_picture = cell_affine(place, self._size)
        points = region.apply(to_picture, found.points)
        sure = points[found.peak >= self._confident]
        following = around_points(sure, MARGIN, self._size[0] / self._size[1])
        if not following.sane:
            return None
        self._followed = following
        if self.takes_depth:
            self._middle_m = _depth_at(image, sure) or middle_m
        low, high = points.min(axis=0), points.max(axis=0)
        return Person(
            keypoints=points.astype(np.float32),
            score=found.peak.astype(np.float32),
            variance=region.apply_covariance(to_picture, found.variance).astype(np.float32),
            box=(float(low[0]), float(low[1]), float(high[0] - low[0]), float(high[1] - low[1])),
            heatmaps=Heatmaps(evidence, to_picture) if self._keep_heatmaps else None,
        )


def _depth_at(depth: NDArray[np.uint16], points: NDArray[np.floating]) -> float:
    """Return the median of the depth at points (N, 2) px, m; 0 where none is known."""
    height, width = depth.shape
    column, row = np.rint(points).astype(int).T
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    values = depth[row[inside], column[inside]]
    values = values[values > 0]
    return float(np.median(values)) * 1e-3 if len(values) else 0.0


def _blobs(depth: NDArray[np.uint16], step_mm: int = 600, most: int = 3) -> list[tuple[region.Region, float]]:
    """Return what stands out in depth, the largest first: regions, and their depths in m.

    Pixels of a slice of depth that touch each other belong together.
    """
    found: list[tuple[int, region.Region, float]] = []
    known = depth[depth > 0]
    if not len(known):
        return []
    for start in range(int(np.percentile(known, 1)), int(known.max()) + 1, step_mm // 2):
        within = (depth >= start) & (depth < start + step_mm) & (depth > 0)
        count, labels, boxes, _ = cv2.connectedComponentsWithStats(within.astype(np.uint8), connectivity=8)
        for number in range(1, count):
            x, y, width, height, area = (int(v) for v in boxes[number])
            if height < depth.shape[0] / 8 or height < 0.8 * width:
                continue
            corners = np.array([[x, y], [x + width - 1, y + height - 1]], np.float64)
            middle = float(np.median(depth[labels == number])) * 1e-3
            found.append((area, around_points(corners, MARGIN), middle))
    found.sort(key=lambda one: -one[0])
    return [(place, middle) for _, place, middle in found[:most]]
