"""What a front end is worth against annotated people: missed, invented, PCK@0.2, PCKh@0.5, OKS-AP.

PCK@0.2: share of the annotated joints within 0.2 of the longer side of the person's box (Yang and Ramanan
2013; joints of people who were missed count as wrong). PCKh@0.5: within half the head's size (Andriluka et
al. 2014), where the set tells it or annotates head and neck. Joints for which the front end's set has no
stand-in are left out.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fusion.evaluate.keypoint_ap import KeypointAP
from fusion.pose.frame import Seen
from fusion.skeletons import mapping
from recordings.importers.annotated import AnnotatedPerson

WITHIN = 0.2
FEWEST = 5
"""Annotated joints; of people with fewer it is not asked whether they were found."""
SAME = 0.5
"""Part of the joints that must lie within :data:`WITHIN` for a guess to be of a person."""


@dataclasses.dataclass
class Worth:
    """Counts over pictures.

    Attributes:
        people, missed, invented: people annotated, not found, and found where nobody is annotated.
        joints, right: annotated joints, and those within 0.2 of the box.
        heads, head_right: joints of people whose head is known, and those within half of it.
        precision: OKS-AP.
    """

    precision: KeypointAP
    people: int = 0
    missed: int = 0
    invented: int = 0
    joints: int = 0
    right: int = 0
    heads: int = 0
    head_right: int = 0

    @property
    def pck(self) -> float:
        """PCK@0.2; NaN without joints."""
        return self.right / self.joints if self.joints else float("nan")

    @property
    def pckh(self) -> float:
        """PCKh@0.5; NaN without heads."""
        return self.head_right / self.heads if self.heads else float("nan")

    @property
    def ap(self) -> float:
        """OKS-AP; NaN without people."""
        return float(self.precision.precisions().mean())


class Judge:
    """Compares what a front end finds with annotated people.

    Args:
        source: joints of the front end.
        target: joints that are annotated.
    """

    def __init__(self, source: tuple[str, ...], target: tuple[str, ...]) -> None:
        self._source, self._target = source, tuple(_named(name) for name in target)
        self._shared = mapping(source, self._target).known
        self.worth = Worth(KeypointAP([n for n, s in zip(self._target, self._shared, strict=True) if s]))

    def take(self, found: Sequence[Seen], truth: Sequence[AnnotatedPerson]) -> None:
        """Add one picture: those found, and everybody annotated in it."""
        worth, shared = self.worth, self._shared
        carried = [one.carried(self._source, self._target) for one in found]
        count = len(self._target)
        guesses = np.array([one.keypoints for one in carried], np.float64).reshape(-1, count, 2)[:, shared]
        scores = np.array([one.score[shared].mean() for one in carried])
        points = np.array([one.points for one in truth], np.float64).reshape(-1, count, 2)[:, shared]
        known = np.array([one.visibility > 0 for one in truth], bool).reshape(-1, count)[:, shared]
        boxes = np.array([one.box for one in truth], np.float64).reshape(-1, 4)
        crowd = np.array([one.crowd for one in truth], bool)
        areas = np.array([one.area for one in truth], np.float64)
        worth.precision.update(guesses, scores, points, known, areas, boxes, crowd)
        apart = np.linalg.norm(guesses[:, None] - points[None], axis=3)
        near = (apart <= WITHIN * boxes[:, 2:].max(1, initial=0)[None, :, None]) & known[None]
        part = near.sum(2) / np.maximum(known.sum(1), 1)
        pairs = dict(zip(*reversed(linear_sum_assignment(-part)), strict=True)) if part.size else {}
        pairs = {person: guess for person, guess in pairs.items() if part[guess, person] >= SAME}
        for person, one in enumerate(truth):
            if crowd[person] or known[person].sum() < FEWEST:
                continue
            guess = pairs.get(person)
            worth.people += 1
            worth.missed += guess is None
            worth.joints += int(known[person].sum())
            worth.right += 0 if guess is None else int(near[guess, person].sum())
            head = one.head_px or _head(one, self._target)
            if head > 0:
                worth.heads += int(known[person].sum())
                if guess is not None:
                    worth.head_right += int(((apart[guess, person] <= head / 2) & known[person]).sum())
        for guess in set(range(len(found))) - set(pairs.values()):
            worth.invented += not _excused(carried[guess], truth, known, pairs)


def _named(name: str) -> str:
    """JHMDB and others say belly where the table says spine."""
    return {"belly": "spine"}.get(name, name)


def _head(one: AnnotatedPerson, joints: tuple[str, ...]) -> float:
    for top in ("head_top", "head"):
        if top in joints and "neck" in joints:
            a, b = joints.index(top), joints.index("neck")
            if one.visibility[a] and one.visibility[b]:
                return float(np.linalg.norm(one.points[a] - one.points[b]))
    return 0.0


def _excused(
    guess: Seen, truth: Sequence[AnnotatedPerson], known: NDArray[np.bool_], pairs: dict[int, int]
) -> bool:
    """Whether a guess is of somebody whose joints are not annotated: a crowd, or a small person's box."""
    middle = np.nanmedian(guess.keypoints, axis=0)
    for person, one in enumerate(truth):
        x, y, width, height = one.box
        inside = x <= middle[0] <= x + width and y <= middle[1] <= y + height
        if inside and person not in pairs and (one.crowd or known[person].sum() < FEWEST):
            return True
    return False
