"""Skeletons drawn on pictures, so that one sees what was found."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.skeletons import bones

LEFT, RIGHT, MIDDLE = (255, 160, 40), (40, 140, 255), (90, 230, 120)
"""BGR: the person's left is blue, the right orange, the middle green."""
UNSURE = (128, 128, 128)
"""BGR towards which a colour fades as the score falls to zero."""
_SHIFT = 4
"""Binary digits of OpenCV's fixed-point coordinates: joints move smoothly, not by whole px."""


def colour(name: str, score: float) -> tuple[int, int, int]:
    """Return the BGR colour of a joint by its side and score."""
    sure = LEFT if name.startswith("left_") else RIGHT if name.startswith("right_") else MIDDLE
    weight = min(max(score, 0.0), 1.0)
    blue, green, red = (round(s * weight + u * (1 - weight)) for s, u in zip(sure, UNSURE, strict=True))
    return blue, green, red


def draw_skeleton(
    image: NDArray[np.uint8],
    keypoints: NDArray[np.floating],
    skeleton: tuple[str, ...],
    *,
    score: NDArray[np.floating] | None = None,
    variance: NDArray[np.floating] | None = None,
    threshold: float = 0.1,
    thickness: int | None = None,
) -> NDArray[np.uint8]:
    """Draw a skeleton onto the picture, in place, and return the picture.

    Args:
        image: (H, W, 3) uint8 BGR, contiguous.
        keypoints: (J, 2) px; rows that are not finite are left out.
        skeleton: (J) joint names; they give bones and colours.
        score: (J,) in [0, 1]; fades the colour.
        variance: (J, 3) px² var_x, cov_xy, var_y: one-sigma ellipses are drawn where given.
        threshold: joints with a smaller score are left out.
        thickness: of the lines, px; by default it grows with the picture.
    """
    size = max(image.shape[:2])
    width = thickness or max(1, round(size / 400))
    certainty = np.ones(len(skeleton)) if score is None else np.asarray(score, np.float64)
    points = np.asarray(keypoints, np.float64)
    drawn = np.isfinite(points).all(1) & (np.abs(points) < 16 * size).all(1) & (certainty >= threshold)
    places = [(int(x), int(y)) for x, y in np.where(drawn[:, None], points, 0) * (1 << _SHIFT)]
    for a, b in bones(skeleton):
        if drawn[a] and drawn[b]:
            side = skeleton[a] if skeleton[a].split("_")[0] == skeleton[b].split("_")[0] else ""
            bgr = colour(side, float(min(certainty[a], certainty[b])))
            cv2.line(image, places[a], places[b], bgr, width, cv2.LINE_AA, _SHIFT)
    radius = (width + 1) << _SHIFT
    for j in np.flatnonzero(drawn):
        bgr = colour(skeleton[j], float(certainty[j]))
        if variance is not None:
            _ellipse(image, points[j], np.asarray(variance[j], np.float64), bgr)
        cv2.circle(image, places[j], radius, bgr, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    return image


def draw_name(
    image: NDArray[np.uint8], keypoints: NDArray[np.floating], person: int, *, wears: bool
) -> NDArray[np.uint8]:
    """Write a person's number above the highest key point (J, 2) px, in the person's colour, in place.

    Args:
        image: (H, W, 3) uint8 BGR.
        keypoints: (J, 2) px; rows that are not finite are left out.
        person: the number.
        wears: whether the person wears the sensors: the number is framed then.
    """
    points = np.asarray(keypoints, np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return image
    scale = max(0.5, max(image.shape[:2]) / 1400)
    text, bgr = str(person), person_colour(person)
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, scale, 2)
    top = points[points[:, 1].argmin()]
    left = int(np.clip(top[0] - width / 2, 6, max(6, image.shape[1] - width - 6)))
    base = int(np.clip(top[1] - 10 * scale, height + 8, image.shape[0] - 6))
    corners = (left - 5, base - height - 5), (left + width + 5, base + 5)
    cv2.rectangle(image, *corners, bgr, cv2.FILLED)
    if wears:
        cv2.rectangle(image, *corners, (255, 255, 255), max(2, round(2 * scale)))
    cv2.putText(image, text, (left, base), cv2.FONT_HERSHEY_SIMPLEX, scale, (0, 0, 0), 2, cv2.LINE_AA)
    return image


def person_colour(person: int) -> tuple[int, int, int]:
    """Return the BGR colour of a person: neighbouring numbers differ by the golden angle in hue."""
    hue = round((person * 0.381966 % 1.0) * 180) % 180
    blue, green, red = cv2.cvtColor(np.array([[[hue, 150, 255]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0].tolist()
    return blue, green, red


def _ellipse(
    image: NDArray[np.uint8],
    centre: NDArray[np.float64],
    variance: NDArray[np.float64],
    bgr: tuple[int, int, int],
) -> None:
    xx, xy, yy = variance
    values, vectors = np.linalg.eigh(np.array([[xx, xy], [xy, yy]]))
    axes = 2 * np.sqrt(np.clip(values, 0, None))
    angle = float(np.degrees(np.arctan2(vectors[1, 1], vectors[0, 1])))
    if np.isfinite(axes).all() and axes.max() < max(image.shape):
        cv2.ellipse(
            image,
            ((float(centre[0]), float(centre[1])), (float(axes[1]), float(axes[0])), angle),
            bgr,
            1,
            cv2.LINE_AA,
        )


def contact_sheet(
    images: Sequence[NDArray[np.uint8]], *, columns: int = 4, width: int = 320, gap: int = 4
) -> NDArray[np.uint8]:
    """Return many pictures on one sheet.

    Args:
        images: (H, W, 3) uint8 BGR each, of any sizes.
        columns: pictures in a row.
        width: px of each picture; heights follow, and each row is as high as its highest picture.
        gap: px between pictures.

    Raises:
        ValueError: there are no pictures.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one picture")
    columns = min(columns, len(images))
    rows = []
    for start in range(0, len(images), columns):
        row = [
            cv2.resize(
                image,
                (width, max(1, round(image.shape[0] * width / image.shape[1]))),
                interpolation=cv2.INTER_AREA if width < image.shape[1] else cv2.INTER_LINEAR,
            )
            for image in images[start : start + columns]
        ]
        height = max(image.shape[0] for image in row)
        strip = np.full((height + gap, columns * (width + gap) - gap, 3), 255, np.uint8)
        for i, image in enumerate(row):
            strip[: image.shape[0], i * (width + gap) : i * (width + gap) + width] = image
        rows.append(strip)
    return np.concatenate(rows)[:-gap] if gap else np.concatenate(rows)
