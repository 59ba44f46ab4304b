"""What is known of one picture: who is in it, and where their joints are."""

from __future__ import annotations

import dataclasses

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.skeletons import SKELETONS, mapping
from fusion.vision.base import Person

Joints = NDArray[np.float32]

ALIASES = {"h36m17": "human36m17"}
"""Further names of joint sets."""


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """One person in one picture.

    Attributes:
        number: from 1; the same person keeps it through a film.
        keypoints: (J, 2) px; NaN where unknown. (0, 0) is the centre of the first pixel.
        score: (J,) in [0, 1]; 0 where unknown.
        world: (J, 3) m from the middle of the hips, camera axes (x right, y down, z forward), NaN where
            unknown; None where the front end gives no depth.
        box: (x, y, width, height) px.
    """

    number: int
    keypoints: Joints
    score: Joints
    world: Joints | None
    box: tuple[float, float, float, float]

    @classmethod
    def of(cls, number: int, person: Person) -> Seen:
        """Return what a front end found, without what it did not find."""
        known = np.isfinite(person.keypoints).all(1) & (person.score > 0)
        return cls(
            number,
            np.where(known[:, None], person.keypoints, np.nan).astype(np.float32),
            np.where(known, person.score, 0.0).astype(np.float32),
            None if person.world is None else np.asarray(person.world, np.float32),
            person.box,
        )

    def carried(self, source: tuple[str, ...], target: tuple[str, ...]) -> Seen:
        """Return the person with the joints of another set; see :mod:`fusion.skeletons`."""
        if source == target:
            return self
        way = mapping(source, target)
        score = way.scores(self.score)
        missing = (score <= 0)[:, None]
        keypoints = np.where(missing, np.nan, way.points(np.nan_to_num(self.keypoints)))
        world = None
        if self.world is not None:
            world = np.where(missing, np.nan, way.points(np.nan_to_num(self.world))).astype(np.float32)
        return Seen(self.number, keypoints.astype(np.float32), score, world, self.box)


@dataclasses.dataclass(frozen=True, slots=True)
class Frame:
    """One picture.

    Attributes:
        number: from 0.
        name: names it among all; no ending.
        file: the picture's own file, or the film's, or the camera.
        time: from the first picture, ns; None of a picture that stands alone.
        size: width and height, px.
        people: by number.
    """

    number: int
    name: str
    file: str
    time: int | None
    size: tuple[int, int]
    people: tuple[Seen, ...]


def joint_set(name: str) -> tuple[str, ...]:
    """Return the joints of a set by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    known = SKELETONS | {alias: SKELETONS[of] for alias, of in ALIASES.items()}
    if name not in known:
        raise ConfigError(
            f"no joint set is called '{name}'", mend=f"--skeleton is one of: {', '.join(sorted(known))}"
        )
    return known[name]
