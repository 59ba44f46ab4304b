"""Pictures now and then, as files that are called by their time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.errors import RecordingError

Picture = NDArray[np.uint8]

QUALITY = 88
"""Of the JPEG."""
SHORTEST_NS = 20_000_000
"""From one picture to the next: names tell hundredths of a second."""
MOST = 60
"""When there are more, every other one goes and the interval doubles."""


class Screenshots:
    """Writes a picture each so many seconds: ``000012.50s.jpg``.

    Usage::

        if shots.due(time_ns):
            canvas, scale = shots.canvas(image)  # draw on it: x_canvas = (x + 0.5) * scale - 0.5
            shots.write(time_ns, canvas)

    Args:
        folder: that is made.
        every_s: seconds from one to the next; 0: only the last picture is kept.
        width: larger pictures are made so wide, px.

    Attributes:
        files: that there are.
        every_ns: from one to the next, now.
    """

    def __init__(self, folder: Path, every_s: float, width: int = 1280) -> None:
        self._folder, self._width = folder, width
        self.every_ns = max(round(every_s * 1e9), SHORTEST_NS) if every_s else 0
        self._due: int | None = None
        self.files: list[Path] = []
        folder.mkdir(parents=True, exist_ok=False)

    def due(self, time: int) -> bool:
        """Whether it is time for the next picture, ns."""
        return self._due is None or time >= self._due

    def canvas(self, image: Picture) -> tuple[Picture, float]:
        """Return a copy of a picture to draw on, not wider than the width, and its scale."""
        return fitted(image, self._width)

    def write(self, time: int, canvas: Picture) -> None:
        """Write a picture of a time, ns.

        Raises:
            RecordingError: it cannot be written.
        """
        self._due = time + self.every_ns
        if not self.every_ns and self.files:
            self.files.pop().unlink()
        path = self._folder / f"{time / 1e9:09.2f}s.jpg"
        write_jpeg(path, canvas)
        self.files.append(path)
        if len(self.files) > MOST:
            for path in self.files[1::2]:
                path.unlink()
            self.files = self.files[::2]
            self.every_ns *= 2


def fitted(image: Picture, width: int) -> tuple[Picture, float]:
    """Return a copy of a picture (H, W, 3), not wider than ``width`` px, and its scale."""
    scale = min(1.0, width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
    return np.ascontiguousarray(canvas, np.uint8), scale


@contextlib.contextmanager
def or_nothing(path: Path) -> Iterator[None]:
    """Remove a file again that could not be written to its end."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        raise


def write_jpeg(path: Path, image: Picture) -> None:
    """Write a picture (H, W, 3) BGR.

    Raises:
        RecordingError: it cannot be written.
    """
    jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    try:
        with or_nothing(path):
            path.write_bytes(jpeg)
    except OSError as error:
        raise RecordingError(
            f"{path} cannot be written: {error.strerror}", mend="Free some space, or give another folder"
        ) from error
