"""Several looks at each person instead of one: slower, and steadier, for what need not be live.

A network that sees a person a little smaller, turned or in the mirror errs a little differently each time.
The mean of its looks errs less, and how far they lie apart tells how sure it is of each joint.

Where front and back look alike (a face that is hidden or far away), a network calls the left side right in
one look and not in the next, or puts joints in between. So looks are first brought to the same sides, and
those that still lie elsewhere are left out; the mean of a body and its mirror image would be neither.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.skeletons import BLAZEPOSE33, other_sides
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
APART = 0.03
"""Looks that are farther apart than this, over all joints and of the region's side, saw something else. Looks
that agree are about 0.01 apart, a body and its mirror image 0.1 and more."""


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
        self._mirror = other_sides(BLAZEPOSE33)

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
        where, score, variance = agreed(np.stack(points), np.stack(scores), self._mirror, APART * place.side)
        return dataclasses.replace(
            person,
            keypoints=where.astype(np.float32),
            score=score.astype(np.float32),
            variance=variance.astype(np.float32),
            heatmaps=None,
        )


def agreed(
    points: NDArray[np.floating], scores: NDArray[np.floating], mirror: NDArray[np.intp], apart_px: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return what most looks agree on: key points (J, 2), scores (J), and (J, 3) px² how far looks lie apart.

    Args:
        points: (K, J, 2) px.
        scores: (K, J).
        mirror: (J) index of each joint's counterpart on the other side.
        apart_px: looks whose joints are farther apart on average don't agree.
    """
    as_named = np.linalg.norm(points[:, None] - points[None], axis=-1).mean(-1)
    other = np.linalg.norm(points[:, mirror][:, None] - points[None], axis=-1).mean(-1)
    distance = np.minimum(as_named, other)  # (K, K)
    centre = int(np.argmin(np.minimum(distance, 2 * apart_px).sum(0)))
    swapped = other[:, centre] < as_named[:, centre]
    points = np.where(swapped[:, None, None], points[:, mirror], points)
    scores = np.where(swapped[:, None], scores[:, mirror], scores)
    near = distance[:, centre] <= apart_px
    # Which side is left is put to the vote; the first look, which is that of the live system, decides a draw.
    votes, of = int(swapped[near].sum()), int(near.sum())
    if 2 * votes > of or (2 * votes == of and near[0] and swapped[0]):
        points, scores = points[:, mirror], scores[:, mirror]
    mean = points[near].mean(0)
    spread = (
        points[near] if of > 1 else points
    ) - mean  # one that is alone is as unsure as the others are far
    variance = np.stack([(spread[..., a] * spread[..., b]).mean(0) for a, b in ((0, 0), (0, 1), (1, 1))], -1)
    return mean, scores[near].mean(0), variance
