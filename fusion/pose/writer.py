"""What every output is: it takes pictures with who is in them, in order, and is closed at the end."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from fusion.pose.frame import Frame
from fusion.vision.base import Person

Image = NDArray[np.uint8]


class Writer(abc.ABC):
    """An output.

    Attributes:
        name: as ``--write`` calls it.
        wants_pictures: whether ``take`` is to be given them.
        note: what it left out and why, told at the end; empty: nothing.
    """

    name: str
    wants_pictures = False
    note = ""

    @abc.abstractmethod
    def take(self, frame: Frame, image: Image | None) -> None:
        """Take the next picture with who is in it, smoothed; joints are the front end's.

        Raises:
            OSError: it cannot be written.
        """

    def close(self) -> None:
        """Finish the output."""
        return


class Looker(abc.ABC):
    """An output of what a front end saw, as it saw it."""

    name: str
    note = ""

    @abc.abstractmethod
    def look(self, frame: Frame, people: Sequence[tuple[int, Person]], image: Image) -> None:
        """Take the people of a picture by their numbers, with their heatmaps."""
