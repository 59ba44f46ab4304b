"""Pictures with annotated people: what COCO, MPII and sets like them become."""

from __future__ import annotations

import dataclasses
import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError

UNKNOWN, HIDDEN, SEEN = 0, 1, 2
"""Visibility of a joint, as COCO counts it: not annotated; annotated, though something hides it; seen."""

FILLED = 0.53
"""Part of a person's box that the person fills: stands for the segment's area where a set has none."""


@dataclasses.dataclass(frozen=True, slots=True)
class AnnotatedPerson:
    """One person in one picture.

    Attributes:
        picture: the file.
        points: (J, 2) float32 px, (0, 0) at the centre of the first pixel; 0 where not annotated.
        visibility: (J,) uint8, :data:`UNKNOWN`, :data:`HIDDEN` or :data:`SEEN`.
        box: x, y, width, height, px.
        area: of the person in the picture, px².
        head_px: size of the head by which PCKh measures, 0 where the set does not tell.
        crowd: the box holds a crowd, not a person.
    """

    picture: Path
    points: NDArray[np.float32]
    visibility: NDArray[np.uint8]
    box: tuple[float, float, float, float]
    area: float
    head_px: float = 0.0
    crowd: bool = False

    @property
    def known(self) -> int:
        """How many joints are annotated."""
        return int((self.visibility > UNKNOWN).sum())


@dataclasses.dataclass(frozen=True)
class AnnotatedSet:
    """One annotation file and its pictures.

    Attributes:
        file: of the annotations.
        joints: (J) names.
        people: all that are annotated, crowds and people without a key point too.
        pictures: every picture that the file names, where it is or should be.
        sizes: width and height in px that the file tells of some of them.
        faults: what is wrong with single annotations, a line each; those are not among ``people``.
        about: what the file says of itself.
        licences: how many pictures have which, where the file tells.
    """

    file: Path
    joints: tuple[str, ...]
    people: list[AnnotatedPerson]
    pictures: list[Path]
    sizes: dict[Path, tuple[int, int]]
    faults: list[str]
    about: str = ""
    licences: dict[str, int] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def by_picture(self) -> dict[Path, list[AnnotatedPerson]]:
        """The people of each picture that somebody is annotated in."""
        found: dict[Path, list[AnnotatedPerson]] = {}
        for one in self.people:
            found.setdefault(one.picture, []).append(one)
        return found

    @property
    def absent(self) -> list[Path]:
        """Pictures that are named and not there."""
        return [path for path in self.pictures if not path.is_file()]

    def sound(self) -> AnnotatedSet:
        """Return this set.

        Raises:
            DataError: an annotation is wrong.
        """
        if self.faults:
            more = f" and {len(self.faults) - 1} more" if len(self.faults) > 1 else ""
            raise DataError(
                f"{self.file.name}: {self.faults[0]}{more}", mend="chorus data check FOLDER tells all of them"
            )
        return self


def leads_out(name: str) -> bool:
    """Return whether a picture's name leads out of the folder that it is in."""
    place = Path(name)
    return place.is_absolute() or ".." in place.parts


def pictures_folder(annotations: Path, names: list[str], given: str | Path | None = None) -> Path:
    """Return the folder in which most of some pictures are, among those where sets have them.

    Args:
        annotations: the file that names them.
        names: as it does.
        given: by the user; it is taken as it is.

    Raises:
        DataError: ``given`` is no folder.
    """
    if given is not None:
        folder = Path(given).expanduser()
        if not folder.is_dir():
            raise DataError(f"there is no folder {given}", mend="Name the folder of the pictures")
        return folder
    split = annotations.stem.rpartition("_")[2]
    near = annotations.absolute().parents[:3]
    places = [
        base / part
        for base in near
        for part in ("images", split, f"images/{split}", "", "train2017", "val2017")
    ]
    probe = names[:: max(1, len(names) // 20)]
    return max(places, key=lambda place: sum((place / name).is_file() for name in probe))


def around(points: NDArray[np.floating], more: float = 0.15) -> tuple[float, float, float, float]:
    """Return the box around points (N, 2) px, wider by a part of its longer side each way.

    Joints lie within the body: heads, hands and feet reach beyond them.
    """
    low, high = points.min(axis=0), points.max(axis=0)
    edge = max(more * float((high - low).max()), 1.0)
    (x, y), (width, height) = low - edge, high - low + 2 * edge
    return float(x), float(y), float(width), float(height)
