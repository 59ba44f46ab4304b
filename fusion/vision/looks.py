"""Several looks at each person instead of one: slower, and steadier, for what need not be live.

A network that sees a person a little smaller, turned or in the mirror errs a little differently each time.
The mean of its looks errs less, and how far they lie apart tells how sure it is of each joint.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.skeletons import BLAZEPOSE33
from fusion.vision.base import FrontEnd, Person
from fusion.vision.blazepose import BlazePose
from fusion.vision.region import Region

LOOKS: tuple[tuple[float, float, bool], ...] = (
    (0.0, 1.0, False),
    (0.0, 0.85, False),
    (0.0, 1.0, True),
    (-15.0, 0.85, True),
    (10.0, 1.0, False),
    (0.0, 1.15, False),
    (15.0, 0.85, True),
    (-10.0, 1.0, False),
)
"""Turn in degrees, size, and whether in the mirror; the first ones tell most."""


class SeveralLooks(FrontEnd):
    """Follows people with BlazePose, and looks at each several times.

    Args:
        eyes: the network.
        looks: how often, 1 to 8; time grows with it.
    """

    def __init__(self, eyes: BlazePose, looks: int = 4) -> None:
        if not 1 <= looks <= len(LOOKS):
            raise ConfigError(f"{looks} looks are not possible", mend=f"Give 1 to {len(LOOKS)}")
        self.name, self.skeleton = eyes.name, eyes.skeleton
        self._eyes, self._looks = eyes, LOOKS[:looks]
        swapped = [_other_side(name) for name in BLAZEPOSE33]
        self._mirror = np.array([BLAZEPOSE33.index(name) for name in swapped])

    def reset(self) -> None:
        self._eyes.reset()

    def close(self) -> None:
        self._eyes.close()

    def __call__(self, image: NDArray[np.uint8], time_ns: int) -> list[Person]:
        people = self._eyes(image, time_ns)
        if len(self._looks) == 1 or not people:
            return people
        mirrored = np.ascontiguousarray(image[:, ::-1])
        return [
            self._again(person, place, image, mirrored)
            for person, place in zip(people, self._eyes.followed, strict=True)
        ]

    def _again(
        self, person: Person, place: Region, image: NDArray[np.uint8], mirrored: NDArray[np.uint8]
    ) -> Person:
        points, scores = [], []
        last = image.shape[1] - 1
        for degrees, size, mirror in self._looks:
            x, angle = (last - place.x, -place.angle) if mirror else (place.x, place.angle)
            seen = self._eyes.look(
                mirrored if mirror else image,
                Region(x, place.y, place.side * size, angle + math.radians(degrees)),
            )
            if seen is None:
                continue
            where, score = seen.keypoints.astype(np.float64), seen.score
            if mirror:
                where = np.column_stack([last - where[:, 0], where[:, 1]])[self._mirror]
                score = score[self._mirror]
            points.append(where)
            scores.append(score)
        if len(points) < 2:
            return person
        spread = np.stack(points) - np.mean(points, axis=0)
        variance = np.stack(
            [(spread[..., a] * spread[..., b]).mean(0) for a, b in ((0, 0), (0, 1), (1, 1))], axis=-1
        )
        return dataclasses.replace(
            person,
            keypoints=np.mean(points, axis=0).astype(np.float32),
            score=np.mean(scores, axis=0).astype(np.float32),
            variance=variance.astype(np.float32),
            heatmaps=None,
        )


def _other_side(name: str) -> str:
    for side, other in (("left", "right"), ("right", "left")):
        if name.startswith(side):
            return other + name.removeprefix(side)
    return name
