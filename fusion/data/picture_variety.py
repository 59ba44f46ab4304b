"""Pictures of people varied to learn from: place, turn, mirror, what covers them, blur, darkness."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.vision.region import Region

Picture = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class PictureVariety:
    """How far training crops are varied.

    Attributes:
        scale: smallest and largest side of a crop over the usual one, drawn evenly in its logarithm.
        shift: of its middle, part of its side, each way.
        turn_deg: of the crop, each way.
        turned: probability that it is turned at all.
        mirrored: probability.
        covered: probability that boxes cover parts.
        cover: largest side of a box over the crop's.
        blurred: probability that it is blurred, out of focus or by movement.
        blur_px: largest spread or length.
        dark: probability that it is dark and noisy, as by night.
        darkest: least part of the light.
        colour: spread of brightness and contrast of all crops.
    """

    scale: tuple[float, float] = (0.75, 1.35)
    shift: float = 0.06
    turn_deg: float = 40.0
    turned: float = 0.6
    mirrored: float = 0.5
    covered: float = 0.4
    cover: float = 0.35
    blurred: float = 0.25
    blur_px: float = 3.0
    dark: float = 0.25
    darkest: float = 0.05
    colour: float = 0.15


def varied_place(place: Region, variety: PictureVariety, draw: np.random.Generator) -> Region:
    """Return a region elsewhere, larger or smaller, turned."""
    low, high = np.log(variety.scale)
    side = place.side * float(np.exp(draw.uniform(low, high)))
    x, y = draw.uniform(-variety.shift, variety.shift, 2) * side
    turn = draw.uniform(-variety.turn_deg, variety.turn_deg) if draw.random() < variety.turned else 0.0
    return Region(place.x + float(x), place.y + float(y), side, float(np.radians(turn)))


def varied_picture(crop: Picture, variety: PictureVariety, draw: np.random.Generator) -> Picture:
    """Return a crop (h, w, 3) covered, blurred and darkened by chance; joints stay where they are."""
    crop = crop.copy()
    if draw.random() < variety.covered:
        _cover(crop, variety, draw)
    if draw.random() < variety.blurred:
        crop = _blur(crop, draw.uniform(0.5, variety.blur_px), draw)
    light = crop.astype(np.float32) * draw.uniform(1 - variety.colour, 1 + variety.colour)
    light += 255.0 * draw.uniform(-variety.colour, variety.colour) / 2
    if draw.random() < variety.dark:
        # Less light, then the sensor's noise: shot noise grows with the root of the light, and some stays.
        light = np.clip(light, 0, 255) * np.exp(draw.uniform(np.log(variety.darkest), np.log(0.6)))
        noise = np.sqrt(np.maximum(light, 0.0)) * draw.uniform(0.2, 1.0) + draw.uniform(0.0, 2.0)
        light = light + draw.normal(0.0, 1.0, light.shape).astype(np.float32) * noise
    return np.clip(light, 0, 255).astype(np.uint8)


def _cover(crop: Picture, variety: PictureVariety, draw: np.random.Generator) -> None:
    """Put boxes of one colour, of noise, or of another part of the crop over it."""
    height, width = crop.shape[:2]
    for _ in range(draw.integers(1, 4)):
        high = max(2, int(height * draw.uniform(0.05, variety.cover)))
        wide = max(2, int(width * draw.uniform(0.05, variety.cover)))
        row, column = draw.integers(0, height - high + 1), draw.integers(0, width - wide + 1)
        kind = draw.integers(0, 3)
        if kind == 0:
            patch = np.broadcast_to(draw.integers(0, 256, 3), (high, wide, 3))
        elif kind == 1:
            patch = draw.integers(0, 256, (high, wide, 3))
        else:
            top, left = draw.integers(0, height - high + 1), draw.integers(0, width - wide + 1)
            patch = crop[top : top + high, left : left + wide].copy()
        crop[row : row + high, column : column + wide] = patch


def _blur(crop: Picture, size: float, draw: np.random.Generator) -> Picture:
    if draw.random() < 0.5:
        return cv2.GaussianBlur(crop, (0, 0), size).astype(np.uint8)
    length = 2 * round(size) + 1
    kernel = np.zeros((length, length), np.float32)
    angle, middle = draw.uniform(0, np.pi), length // 2
    reach = middle * np.array([np.cos(angle), np.sin(angle)])
    ends = [tuple(int(v) for v in np.rint(middle + sign * reach)) for sign in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)  # type: ignore[call-overload]
    return cv2.filter2D(crop, -1, kernel / kernel.sum()).astype(np.uint8)
