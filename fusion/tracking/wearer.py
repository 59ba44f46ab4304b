"""Who wears the sensors: whose limbs, as the camera sees them, move as the sensors say.

Heading and camera are not known to one another, so only what needs neither is compared, limb by limb: how far
it is from the vertical, and by what angle it has turned since :data:`SPAN_S` ago. Both are known of a segment
whose orientation an IMU tells, and of the line between two joints. Differences give a log-likelihood for each
person; it is added up with forgetting, as neighbouring pictures err alike, and the wearer may change.

Beside it there is whether a person moves as the sensors do at all (:mod:`fusion.tracking.likeness`), as the
wearer may be out of view while others are in it. Stillness tells nothing there: a picture on the wall is
still, too. So who sits still goes on to be taken for what they were.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.places import PLACES
from fusion.skeletons import BODY20
from fusion.tracking.likeness import Likeness, Verdict

SPAN_S = 0.3
"""Turns are compared over so long, s."""
FORGET_S = 2.5
"""Time constant of forgetting, s."""
ALIKE_S = 0.4
"""Errors of pictures nearer to one another than this are taken as the same error, s."""
LEAN_SD, TURN_SD, TURN_SHARE = math.radians(16.0), math.radians(9.0), 0.3
"""Standard deviations of the difference: of a limb's lean, and of its turn: a floor and a share of it."""
_WORST = 4.0
"""One difference counts as no more than so many variances: a joint seen wrongly decides nothing."""
SURE, SWITCH = 1.0, 2.0
"""Nats by which somebody must lead to be taken as the wearer, and to replace another."""
FITS, STRANGE, AWAY = 8.0, 7.0, 10.0
"""Nats from which somebody moves as the sensors do; from which nobody is taken for the wearer only because
others are less alike; from which somebody moves otherwise."""

_LINES: dict[str, tuple[str, str]] = {
    "pelvis": ("neck", "pelvis"),
    "chest": ("neck", "pelvis"),
    "head": ("head", "neck"),
    **{
        f"{side}_{place}": (f"{side}_{upper}", f"{side}_{lower}")
        for side in ("left", "right")
        for place, upper, lower in (
            ("upper_arm", "shoulder", "elbow"),
            ("forearm", "elbow", "wrist"),
            ("thigh", "hip", "knee"),
            ("shin", "knee", "ankle"),
        )
    },
}
"""Joints at the upper and lower end of the segments whose axis is a line between joints."""

_SLOTS = [PLACES.index(place) for place in _LINES]
_UPPER = [BODY20.index(upper) for upper, _ in _LINES.values()]
_LOWER = [BODY20.index(lower) for _, lower in _LINES.values()]
_STIFF = np.array([2.0 if place in ("pelvis", "chest", "head") else 1.0 for place in _LINES])
"""Trunk and head bend on the way: their lines err twice as much."""

Array = NDArray[np.float64]

_UP: Array = np.array([0.0, 0.0, 1.0])


@dataclasses.dataclass(frozen=True)
class Belief:
    """Who is believed to wear the sensors.

    Attributes:
        time: session time of the picture, ns.
        wearer: number of the person; None while nobody leads clearly.
        probability: of each person in the picture, from the evidence so far.
        away: nobody in the picture wears them, though somebody was taken to.
    """

    time: int
    wearer: int | None
    probability: Mapping[int, float]
    away: bool = False


@dataclasses.dataclass
class _Candidate:
    evidence: float = 0.0
    turned: collections.deque[tuple[Array, Array]] = dataclasses.field(default_factory=collections.deque)
    leans: Likeness = dataclasses.field(default_factory=lambda: Likeness(len(_SLOTS)))
    turns: Likeness = dataclasses.field(default_factory=lambda: Likeness(len(_SLOTS)))
    verdict: Verdict = dataclasses.field(default_factory=Verdict)
    seen: int = 0
    lines: collections.deque[tuple[int, Array]] = dataclasses.field(default_factory=collections.deque)


class WearerFinder:
    """Takes what sensors tell at each tick and the people of each picture, in order of time."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._axes: list[Array] = []  # (S, 3) in the levelled world; NaN where no sensor is
        self._people: dict[int, _Candidate] = {}
        self._time: int | None = None
        self._named = False
        self.wearer: int | None = None

    def rename(self, number: int, other: int) -> None:
        """Know a person by another number from now on."""
        if number in self._people:
            self._people[other] = self._people.pop(number)
        if self.wearer == number:
            self.wearer = other

    def feel(
        self, time: int, inertial: NDArray[np.floating[Any]], present: NDArray[np.floating[Any]]
    ) -> None:
        """Take the sensors of a tick.

        Args:
            time: session time, ns.
            inertial: (16, 12) of the features, of which columns 6 to 12 are the orientation.
            present: (16,).
        """
        six = np.asarray(inertial[_SLOTS, 6:], np.float64)
        axis = np.cross(six[:, :3], six[:, 3:])  # z of the segment, upwards along it
        length = np.linalg.norm(axis, axis=1, keepdims=True)
        there = (np.asarray(present)[_SLOTS] > 0.5)[:, None] & (length > 0.1)
        axis = np.where(there, axis / np.where(length > 0, length, 1.0), np.nan)
        self._times.append(time)
        self._axes.append(axis)
        if len(self._times) > 240:
            del self._times[:60], self._axes[:60]

    def see(
        self,
        time: int,
        people: Mapping[int, NDArray[np.floating[Any]]],
        up: NDArray[np.floating[Any]] | None = None,
        *,
        flat: bool = False,
    ) -> Belief:
        """Take the people of a picture, and return who is believed to wear the sensors.

        Args:
            time: session time of the picture, ns; sensors of that time should have been felt.
            people: (20, 3) joints by number, any right-handed axes that do not turn; NaN where unknown.
            up: (3,) the vertical in those axes; by default that of a camera that stands level.
            flat: depth is not known and zero: people are compared, but how well one fits is not told.
        """
        vertical = np.array([0.0, -1.0, 0.0]) if up is None else np.asarray(up, np.float64)
        passed = 0.0 if self._time is None else max(0.0, (time - self._time) / 1e9)
        self._time = time
        axes, before = self._axes_at(time), self._axes_at(time - round(SPAN_S * 1e9))
        for number in list(self._people):
            candidate = self._people[number]
            candidate.evidence *= math.exp(-passed / FORGET_S)
            if number not in people and time - candidate.seen > 4 * FORGET_S * 1e9:
                del self._people[number]
        scores: dict[int, float] = {}
        share = min(1.0, max(passed, 1.0 / 120.0) / ALIKE_S)
        for number, joints in people.items():
            candidate = self._people.setdefault(number, _Candidate())
            candidate.seen = time
            line = np.asarray(joints, np.float64)[_UPPER] - np.asarray(joints, np.float64)[_LOWER]
            length = np.linalg.norm(line, axis=1, keepdims=True)
            line = np.divide(line, length, out=np.full_like(line, np.nan), where=length > 0.02)
            candidate.lines.append((time, line))
            while len(candidate.lines) > 2 and candidate.lines[1][0] <= time - round(SPAN_S * 1e9):
                candidate.lines.popleft()
            if axes is not None:
                scores[number] = self._score(candidate, line, axes, before, vertical, time)
                if before is not None and not flat:
                    self._liken(candidate, line, axes, before, vertical, min(passed, ALIKE_S))
        if scores:
            # What all of them share tells nothing of who it is.
            mean = float(np.mean(list(scores.values())))
            for number, score in scores.items():
                self._people[number].evidence += share * (score - mean)
        return self._belief(time, people, flat)

    def _axes_at(self, time: int) -> Array | None:
        at = bisect.bisect_right(self._times, time) - 1
        if at < 0 or time - self._times[at] > 0.25e9:
            return None
        return self._axes[at]

    @staticmethod
    def _score(
        candidate: _Candidate, line: Array, axes: Array, before: Array | None, up: Array, time: int
    ) -> float:
        """Return the log-likelihood that a person's limbs are those of the sensors."""
        lean = _angle(line, up) - _angle(axes, _UP)
        cost = np.minimum((lean / (LEAN_SD * _STIFF)) ** 2, _WORST)
        total = float(np.nansum(cost))
        then, old = candidate.lines[0]
        if before is not None and time - then > 0.5 * SPAN_S * 1e9:
            seen, felt = _angle(line, old), _angle(axes, before)
            spread = np.hypot(TURN_SD * _STIFF, TURN_SHARE * felt)
            total += float(np.nansum(np.minimum(((seen - felt) / spread) ** 2, _WORST)))
        return -0.5 * total

    @staticmethod
    def _liken(
        candidate: _Candidate, line: Array, axes: Array, before: Array, up: Array, passed_s: float
    ) -> None:
        """Take note of how alike a person's limbs and the sensors moved: up and down, and ever faster."""
        _, old = candidate.lines[0]
        felt, seen = _angle(axes, before), _angle(line, old)
        candidate.turned.append((felt, seen))
        then_felt, then_seen = candidate.turned[0]
        told = candidate.leans.add((axes - before) @ _UP, (line - old) @ up, passed_s)
        told += candidate.turns.add(felt - then_felt, seen - then_seen, passed_s)
        candidate.verdict.add(told, passed_s)
        while len(candidate.turned) >= len(candidate.lines):
            candidate.turned.popleft()

    def _belief(self, time: int, people: Mapping[int, Any], flat: bool) -> Belief:
        evidence = {number: self._people[number].evidence for number in people}
        if self.wearer not in self._people:
            self.wearer = None
        if not evidence:
            return Belief(time, self.wearer, {})
        top = max(evidence.values())
        weights = {number: math.exp(value - top) for number, value in evidence.items()}
        whole = sum(weights.values())
        best = max(evidence, key=lambda number: evidence[number])
        others = [value for number, value in evidence.items() if number != best]
        lead = math.inf if not others else evidence[best] - max(others)
        newly = None if flat else self._newly(people)
        away = False
        if self.wearer is not None and self.wearer in people:
            mine, other = self._people[self.wearer], self._people[best]
            if other is not mine and other.evidence - mine.evidence >= SWITCH and other.verdict.alien < AWAY:
                self.wearer = best
            elif mine.verdict.alien >= AWAY:
                self.wearer, away = newly, newly is None
        elif self._named and not flat:
            leads = self.wearer is None and bool(others) and lead >= SWITCH
            if newly is None and leads and self._people[best].verdict.alien < STRANGE:
                newly = best
            self.wearer = newly if newly is not None else self.wearer
        elif lead >= SURE and self._people[best].verdict.alien < AWAY:
            self.wearer = best
        self._named |= self.wearer is not None
        return Belief(time, self.wearer, {number: w / whole for number, w in weights.items()}, away)

    def _newly(self, people: Mapping[int, Any]) -> int | None:
        """Return who of the people moves as the sensors do, and more so than all others."""
        fits = {number: self._people[number].verdict.fits for number in people}
        best = max(fits, key=lambda number: fits[number])
        others = [value for number, value in fits.items() if number != best]
        return best if fits[best] >= FITS and all(fits[best] - value >= SURE for value in others) else None


def _angle(a: Array, b: Array) -> Array:
    """Return (S,) rad between unit vectors (S, 3) and (S, 3) or (3,)."""
    b = np.broadcast_to(b, a.shape)
    return np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), np.sum(a * b, axis=-1))
