"""Where people are in a picture: upright boxes for networks that look at one person at a time."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.vision import region
from fusion.vision.detector import Detector
from fusion.vision.region import MARGIN, MIN_SIDE_PX
from fusion.weights import get_weights

Boxes = Literal["detector", "whole"]
"""Where the boxes come from: BlazePose's person detector, or one box that is the whole picture."""
CLOSE_UP = 0.4
"""Smallest score of a detection in a part of the picture, where several people are looked for."""
JOINTS_MARGIN = 0.1
"""A person's box goes beyond the joints by this much of its longer side: head and feet are no joints."""


class Box(NamedTuple):
    """An upright box. Attributes: x, y of its centre, width, height, px."""

    x: float
    y: float
    width: float
    height: float

    def shaped(self, ratio: float, padding: float) -> Box:
        """Return the smallest box of that width over height around this one, ``padding`` times as large."""
        width = max(self.width, self.height * ratio) * padding
        return Box(self.x, self.y, width, width / ratio)

    @property
    def sane(self) -> bool:
        """Whether it is finite and large enough to show a person."""
        return bool(np.isfinite(self).all()) and min(self.width, self.height) >= MIN_SIDE_PX


def around(points: NDArray[np.floating]) -> Box:
    """Return the box of a person whose joints are at (N, 2) px."""
    low, high = points.min(0), points.max(0)
    more = JOINTS_MARGIN * float((high - low).max())
    width, height = high - low + 2 * more
    x, y = (low + high) / 2
    return Box(float(x), float(y), float(width), float(height))


class People:
    """Finds the boxes of people in a whole picture.

    Args:
        where: see :data:`Boxes`; the detector's weights are obtained as BlazePose's are.
        several: look for small people, too, in closer looks at parts of the picture.

    Raises:
        WeightsError: the detector could not be obtained.
    """

    def __init__(self, where: Boxes, several: bool, threads: int = 1, threshold: float = 0.5) -> None:
        self._several = several
        self._detector = (
            Detector(get_weights("blazepose")["detector"].read_bytes(), threads, threshold)
            if where == "detector"
            else None
        )
        self._next = 0

    def reset(self) -> None:
        """Forget which part of the picture was looked at last."""
        self._next = 0

    def __call__(self, image: NDArray[np.uint8]) -> list[Box]:
        """Return where people may be, the most certain first; the same person may be there twice."""
        height, width = image.shape[:2]
        if self._detector is None:
            return [Box((width - 1) / 2, (height - 1) / 2, width, height)]
        found = self._detector(image)
        tiles = region.tiles(width, height)
        if self._several:
            tiles += region.tiles(width, height, 1 / 3)
        if self._several or not found:
            # Of a film's first picture all parts are looked at; then one at a time.
            for _ in range(len(tiles) if self._next == 0 else 1):
                tile = tiles[self._next % len(tiles)]
                self._next += 1
                found += (
                    self._detector(image, tile, CLOSE_UP) if self._several else self._detector(image, tile)
                )
        boxes = []
        for one in sorted(found, key=lambda one: -one.score):
            side = one.region.side / MARGIN
            boxes.append(Box(one.region.x, one.region.y, side, side))
        return boxes
