"""Pictures side by side, one for each run, as a film or as pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.pose.frame import Seen
from fusion.pose.outputs import FAILURES, failed
from fusion.vision.film import Film
from fusion.vision.overlay import draw_skeleton
from fusion.vision.screenshots import write_jpeg

GAP = 6
"""Px between two."""


def beside(
    image: NDArray[np.uint8], found: list[tuple[str, tuple[str, ...], list[Seen]]], width: int
) -> NDArray[np.uint8]:
    """Return the picture once for each run (name, joints, people), names above, ``width`` px each at most."""
    scale = min(1.0, width / image.shape[1])
    size = (max(2, round(image.shape[1] * scale)), max(2, round(image.shape[0] * scale)))
    panels = []
    for name, skeleton, people in found:
        panel = np.ascontiguousarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        for one in people:
            points = (one.keypoints.astype(np.float64) + 0.5) * scale - 0.5
            draw_skeleton(panel, points, skeleton, score=one.score)
        head = np.full((28, size[0], 3), 32, np.uint8)
        cv2.putText(head, name, (6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 1, cv2.LINE_AA)
        panels.append(np.concatenate([head, panel]))
        panels.append(np.full((size[1] + 28, GAP, 3), 255, np.uint8))
    return np.concatenate(panels[:-1], axis=1)


class SideBySide:
    """Writes ``side_by_side.mp4`` of a film, and ``<picture>.jpg`` of pictures that stand alone.

    Args:
        folder: for them; it exists.
        name: of the source, where there are several.
        width: of each panel, px.
    """

    def __init__(self, folder: Path, name: str, width: int) -> None:
        self._folder, self._width, self._name = folder, width, name
        self._film: Film | None = None

    def take(
        self,
        name: str,
        time: int | None,
        image: NDArray[np.uint8],
        found: list[tuple[str, tuple[str, ...], list[Seen]]],
    ) -> None:
        """Write a picture: ``time`` is None of one that stands alone.

        Raises:
            RecordingError: it cannot be written.
        """
        canvas = beside(image, found, self._width)
        if time is None:
            write_jpeg(self._folder / f"{name}.jpg", canvas)
            return
        try:
            if self._film is None:
                self._film = Film(self._folder / f"{self._name}.mp4", canvas.shape[1])
            drawn, _ = self._film.canvas(canvas)
            self._film.write(time, drawn)
        except FAILURES as error:
            raise failed(self._folder, f"{self._name}.mp4", error) from error

    def close(self) -> None:
        """Finish the film.

        Raises:
            RecordingError: it cannot be finished.
        """
        if self._film is None:
            return
        try:
            self._film.close()
        except FAILURES as error:
            raise failed(self._folder, f"{self._name}.mp4", error) from error
