"""What BlazePose finds in the films of CHORUS_DATA, as they are and made darker or blurred, kept in a folder.

Darkness is made in linear light: the picture is divided by 2 ** stops, then gets the shot noise of a sensor
whose pixels hold 3000 electrons and a reading noise of 6. Blur is the mean along a line, as while a camera
moves.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.features.vision import KEYPOINT_COLUMNS, keypoints_of
from fusion.vision.base import front_end

DARK_STOPS = (4, 5, 6)
BLUR_PX = (12, 30, 60)
_FULL_ELECTRONS, _READING_ELECTRONS = 3000.0, 6.0

Picture = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Found:
    """What was found in one film.

    Attributes:
        frame: (N,) number of the picture of each detection, not decreasing.
        rows: (N, 33, 11): the columns of a stream of key points, then the peak.
        count: pictures of the film.
        rate_hz: pictures per second.
    """

    frame: NDArray[np.int64]
    rows: NDArray[np.float64]
    count: int
    rate_hz: float


def darker(stops: int) -> Callable[[Picture, np.random.Generator], Picture]:
    """Return what makes a picture darker by so many stops."""

    def change(picture: Picture, rng: np.random.Generator) -> Picture:
        light = (picture / 255.0).astype(np.float32) ** 2.2 * 2.0**-stops
        spread = np.sqrt(light / _FULL_ELECTRONS + (_READING_ELECTRONS / _FULL_ELECTRONS) ** 2)
        light += spread * rng.standard_normal(light.shape, dtype=np.float32)
        return np.rint(np.clip(light, 0, 1) ** (1 / 2.2) * 255).astype(np.uint8)

    return change


def blurred(length_px: int) -> Callable[[Picture, np.random.Generator], Picture]:
    """Return what blurs a picture along a line of so many px, 17 degrees off the rows."""
    size = length_px | 1
    kernel = np.zeros((size, size), np.float32)
    reach = size // 2 * np.array([np.cos(0.3), np.sin(0.3)])
    ends = [tuple(int(v) for v in np.rint(size // 2 + way * reach)) for way in (-1, 1)]
    cv2.line(kernel, ends[0], ends[1], 1.0)
    kernel /= kernel.sum()

    def change(picture: Picture, rng: np.random.Generator) -> Picture:
        return np.asarray(cv2.filter2D(picture, -1, kernel), np.uint8)

    return change


def changes() -> dict[str, Callable[[Picture, np.random.Generator], Picture] | None]:
    """Return every change by its name; "plain" is none."""
    out: dict[str, Callable[[Picture, np.random.Generator], Picture] | None] = {"plain": None}
    out |= {f"dark{stops}": darker(stops) for stops in DARK_STOPS}
    return out | {f"blur{length}": blurred(length) for length in BLUR_PX}


def look(film: Path, change: str, folder: Path, people: int = 1, most: int = 0) -> Found:
    """Return what BlazePose finds in a film; taken from ``folder`` where it was looked at before.

    Args:
        film: the file.
        change: one of :func:`changes`.
        folder: to keep results in.
        people: how many to follow.
        most: pictures to look at; 0: all.
    """
    kept = folder / f"{film.parent.name}_{film.stem}_{change}_{people}_{most}.npz"
    if kept.is_file():
        with np.load(kept) as values:
            return Found(values["frame"], values["rows"], int(values["count"]), float(values["rate_hz"]))
    how, rng = changes()[change], np.random.default_rng(0)
    source = cv2.VideoCapture(str(film))
    rate = source.get(cv2.CAP_PROP_FPS) or 30.0
    frames, rows, count = [], [], 0
    with front_end("blazepose", max_people=people, heatmaps=False) as network:
        while not most or count < most:
            there, picture = source.read()
            if not there:
                break
            image = np.asarray(picture, np.uint8)
            for person in network(image if how is None else how(image, rng), round(count * 1e9 / rate)):
                frames.append(count)
                rows.append(np.c_[keypoints_of(person), person.peaks])
            count += 1
    shape = (len(rows), 33, len(KEYPOINT_COLUMNS) + 1)
    found = Found(np.array(frames, np.int64), np.array(rows, np.float64).reshape(shape), count, rate)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(kept, **dataclasses.asdict(found))
    return found
