"""Pictures with skeletons on them: the film, pictures that stand alone, and screenshots of a film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fusion.pose.frame import Frame
from fusion.pose.writer import Image, Looker, Writer
from fusion.vision.base import Person
from fusion.vision.film import Film, Sound
from fusion.vision.overlay import draw_name, draw_skeleton
from fusion.vision.screenshots import MOST, Screenshots, fitted, write_jpeg

MIN_SCORE = 0.1
"""Joints with a smaller score are not drawn."""


class _Drawing(Writer):
    wants_pictures = True

    def __init__(self, source: tuple[str, ...], skeleton: tuple[str, ...], people: int) -> None:
        self._source, self._skeleton, self._numbered = source, skeleton, people > 1

    def _draw(self, canvas: Image, scale: object, frame: Frame) -> None:
        for seen in frame.people:
            one = seen.carried(self._source, self._skeleton)
            points = (one.keypoints.astype(np.float64) + 0.5) * np.asarray(scale) - 0.5
            draw_skeleton(canvas, points, self._skeleton, score=one.score, threshold=MIN_SCORE)
            if self._numbered:
                sure = np.where((one.score >= MIN_SCORE)[:, None], points, np.nan)
                draw_name(canvas, sure, one.number, wears=False)


class OverlayFilm(_Drawing):
    """Writes ``overlay.mp4``: every picture at its time, with the sound.

    Args:
        path: file to create.
        source: joints of the front end.
        skeleton: joints that are drawn.
        people: how many are looked for; numbers are drawn where several are.
        width: larger pictures are made so wide, px.
        sound: that is heard with it.
    """

    name = "overlay"

    def __init__(
        self,
        path: Path,
        source: tuple[str, ...],
        skeleton: tuple[str, ...],
        people: int,
        width: int,
        sound: Sound | None,
    ) -> None:
        super().__init__(source, skeleton, people)
        self._film = Film(path, width, sound)

    def take(self, frame: Frame, image: Image | None) -> None:
        """Write a picture."""
        assert image is not None
        assert frame.time is not None
        canvas, scale = self._film.canvas(image)
        self._draw(canvas, scale, frame)
        self._film.write(frame.time, canvas)

    def close(self) -> None:
        """Finish the film."""
        self._film.close()


class OverlayPictures(_Drawing):
    """Writes ``overlay/<picture>.jpg`` of pictures that stand alone; the arguments are the film's."""

    name = "overlay"

    def __init__(
        self, folder: Path, source: tuple[str, ...], skeleton: tuple[str, ...], people: int, width: int
    ) -> None:
        super().__init__(source, skeleton, people)
        self._folder, self._width = folder, width
        folder.mkdir()

    def take(self, frame: Frame, image: Image | None) -> None:
        """Write a picture."""
        assert image is not None
        canvas, scale = fitted(image, self._width)
        self._draw(canvas, scale, frame)
        write_jpeg(self._folder / f"{frame.name}.jpg", canvas)


class ScreenshotWriter(_Drawing, Looker):
    """Writes ``screenshots/000012.50s.jpg`` now and then; the arguments are the film's.

    A picture is held until its people are smoothed, so that a film need not be read again for it.

    Args:
        every_s: seconds from one to the next; see :class:`fusion.vision.screenshots.Screenshots`.
    """

    name = "screenshots"
    wants_pictures = False

    def __init__(
        self,
        folder: Path,
        source: tuple[str, ...],
        skeleton: tuple[str, ...],
        people: int,
        width: int,
        every_s: float,
    ) -> None:
        super().__init__(source, skeleton, people)
        self._shots = Screenshots(folder, every_s, width)
        self._every_ns, self._due = self._shots.every_ns, 0
        self._held: dict[int, tuple[Image, float]] = {}

    def look(self, frame: Frame, people: Sequence[tuple[int, Person]], image: Image) -> None:
        """Hold a picture if it is time to."""
        assert frame.time is not None
        if frame.time < self._due:
            return
        self._due = frame.time + self._every_ns
        self._held[frame.number] = self._shots.canvas(image)
        if len(self._held) > MOST:
            for number in list(self._held)[1::2]:
                del self._held[number]
            self._every_ns *= 2

    def take(self, frame: Frame, image: Image | None) -> None:
        """Write the picture if it was held."""
        held = self._held.pop(frame.number, None)
        if held is not None:
            assert frame.time is not None
            self._draw(*held, frame)
            self._shots.write(frame.time, held[0])
            self._every_ns = max(self._every_ns, self._shots.every_ns)
