"""The rotated square of the picture that a network looks at.

Geometry of MediaPipe's pose graphs (``AlignmentPointsRectsCalculator``, ``RectTransformationCalculator``,
``ImageToTensorCalculator``, Apache-2.0): a square centred on the middle of the hips, turned so that
the body's axis points up, 1.25 times as large as the circle around the whole person.
"""

from __future__ import annotations

import dataclasses
import math

import cv2
import numpy as np
from numpy.typing import NDArray

MARGIN = 1.25
"""Side of the region over the diameter of the circle around the person (MediaPipe's pose graphs)."""
MIN_SIDE_PX = 16.0
"""A smaller region shows nobody that could be recognised."""


@dataclasses.dataclass(frozen=True, slots=True)
class Region:
    """A rotated square.

    Attributes:
        x, y: centre, px.
        side: px.
        angle: rad, by which the region is turned clockwise as seen in the picture (y down).
    """

    x: float
    y: float
    side: float
    angle: float = 0.0

    def to_picture(self, cells: int) -> NDArray[np.float64]:
        """Return the (2, 3) affine from ``cells`` x ``cells`` coordinates of the region to picture px.

        The coordinate 0 is the region's upper left edge, ``cells`` its lower right one.
        """
        scale = self.side / cells
        cos, sin = math.cos(self.angle) * scale, math.sin(self.angle) * scale
        half = cells / 2
        return np.array(
            [
                [cos, -sin, self.x - half * (cos - sin)],
                [sin, cos, self.y - half * (sin + cos)],
            ]
        )

    def crop(self, image: NDArray[np.uint8], cells: int, *, border: int) -> NDArray[np.uint8]:
        """Return the region as a (cells, cells, 3) picture; ``border`` is OpenCV's border mode."""
        return cv2.warpAffine(  # pyright: ignore[reportReturnType]
            image,
            self.to_picture(cells),
            (cells, cells),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=border,
        )

    @property
    def sane(self) -> bool:
        """Whether the region is finite and large enough to show a person."""
        return (
            all(math.isfinite(v) for v in (self.x, self.y, self.side, self.angle))
            and self.side >= MIN_SIDE_PX
        )


def whole(width: int, height: int) -> Region:
    """Return the smallest square around the whole picture."""
    return Region(width / 2, height / 2, max(width, height))


def tiles(width: int, height: int, part: float = 0.5) -> list[Region]:
    """Return overlapping squares, ``part`` as large as a picture is long, that cover it: for small people."""
    side = max(width, height) * part
    places = []
    for length in (width, height):
        count = math.ceil(max(length - side, 0) / (side / 2)) + 1
        low, high = (side / 2, length - side / 2) if count > 1 else (length / 2, length / 2)
        places.append(np.linspace(low, high, count))
    return [Region(float(x), float(y), side) for y in places[1] for x in places[0]]


def around(hips: NDArray[np.floating], rim: NDArray[np.floating]) -> Region:
    """Return the region of a person.

    Args:
        hips: (2,) px, the middle of the hips.
        rim: (2,) px, the point of the circle around the whole body that lies above the head.
    """
    dx, dy = float(rim[0] - hips[0]), float(rim[1] - hips[1])
    angle = math.pi / 2 - math.atan2(-dy, dx)
    return Region(
        float(hips[0]),
        float(hips[1]),
        2 * math.hypot(dx, dy) * MARGIN,
        math.remainder(angle, 2 * math.pi),
    )


def apply(affine: NDArray[np.floating], points: NDArray[np.floating]) -> NDArray[np.float64]:
    """Map (..., 2) points by a (2, 3) affine."""
    return points @ affine[:, :2].T + affine[:, 2]


def apply_covariance(affine: NDArray[np.floating], variance: NDArray[np.floating]) -> NDArray[np.float64]:
    """Map (..., 3) covariances (var_x, cov_xy, var_y) by the linear part of a (2, 3) affine."""
    (a, b), (c, d) = affine[:, :2]
    xx, xy, yy = np.moveaxis(np.asarray(variance, np.float64), -1, 0)
    return np.stack(
        [
            a * a * xx + 2 * a * b * xy + b * b * yy,
            a * c * xx + (a * d + b * c) * xy + b * d * yy,
            c * c * xx + 2 * c * d * xy + d * d * yy,
        ],
        axis=-1,
    )
