"""Who is who from picture to picture: identities by motion and appearance of people's boxes.

::

    people of a picture --+--> cost of each pair: where (Kalman), how large, joints, clothes --> assignment
    tracks, moved on -----+                                                                       |
                                            matched, lost for a while, new, gone <----------------+

Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016, for the Kalman filter over boxes and the
assignment by Hungarian algorithm; Wojke et al., "DeepSORT", ICIP 2017, for the gate by Mahalanobis distance,
noise in proportion to the box and the memory of appearance. Appearance is the colour of the clothes here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fusion.vision.appearance import clothes, likeness
from fusion.vision.base import Person

_POSITION, _VELOCITY = 1 / 20, 1 / 4
"""Standard deviations, of the box's size: of a measured centre, and of how its velocity changes in 1 s."""
_GATE = 16.3
"""Squared Mahalanobis distance of three values that one in a thousand exceeds (chi-square)."""
_CERTAIN = 3
"""A new person counts from the third picture on; one of the first picture at once."""
LOST_S, _FORGOTTEN_S = 0.5, 4.0
"""A person who is not found is still counted for the first time, and may come back within the second."""
_DEAREST = 1.0
_WHERE, _JOINTS, _CLOTHES = 0.35, 0.4, 0.45
_MEMORY = 0.9
_REAPPEAR = 0.35  # largest distance in appearance of somebody who comes back after a while

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Tracked:
    """One person at one picture.

    Attributes:
        number: identity, from 1; never given to anybody else.
        person: as found in this picture; None where the person is taken to be still there, unseen.
        box: (x, y, width, height) px, as found or as expected.
        since: session time at which the person was first seen, ns.
        seen: session time at which the person was last found, ns.
    """

    number: int
    person: Person | None
    box: tuple[float, float, float, float]
    since: int
    seen: int


class _Track:
    """Kalman filter of centre and size (x, y, log size) with velocities."""

    def __init__(self, number: int, person: Person, look: Array | None, time: int) -> None:
        self.number, self.since, self.seen, self.time = number, time, time, time
        self.person, self.look, self.found = person, look, 1
        self.x = np.concatenate([_place(person.box), np.zeros(3)])
        size = np.exp(self.x[2])
        spread = np.array([_POSITION * size, _POSITION * size, 0.1, 0.5 * size, 0.5 * size, 0.3])
        self.p = np.diag(spread**2)
        self.certain = False

    def move(self, time: int) -> None:
        """Predict to a time."""
        dt = max(0.0, (time - self.time) / 1e9)
        self.time = time
        step = np.eye(6)
        step[:3, 3:] = dt * np.eye(3)
        size = np.exp(self.x[2])
        push = np.array([_VELOCITY * size * 4, _VELOCITY * size * 4, 0.5])
        noise = np.zeros((6, 6))
        for axis in range(3):
            q = push[axis] ** 2
            noise[axis, axis] = q * dt**3 / 3
            noise[axis, axis + 3] = noise[axis + 3, axis] = q * dt**2 / 2
            noise[axis + 3, axis + 3] = q * dt
        self.x = step @ self.x
        self.x[3:] *= np.exp(-dt / 1.0)  # nobody goes on for long unseen
        self.p = step @ self.p @ step.T + noise

    def _innovation(self, person: Person) -> tuple[Array, Array]:
        size = np.exp(self.x[2])
        noise = np.diag([(_POSITION * size) ** 2, (_POSITION * size) ** 2, 0.1**2])
        return _place(person.box) - self.x[:3], np.asarray(self.p[:3, :3] + noise, np.float64)

    def distance(self, person: Person) -> float:
        """Return the squared Mahalanobis distance of a person's box."""
        off, spread = self._innovation(person)
        return float(off @ np.linalg.solve(spread, off))

    def take(self, person: Person, look: Array | None, time: int) -> None:
        """Correct with the person found."""
        off, spread = self._innovation(person)
        gain = np.linalg.solve(spread, self.p[:3]).T
        self.x = self.x + gain @ off
        self.p = self.p - gain @ self.p[:3]
        self.person, self.seen, self.found = person, time, self.found + 1
        if look is not None:
            self.look = look if self.look is None else _MEMORY * self.look + (1 - _MEMORY) * look

    @property
    def box(self) -> tuple[float, float, float, float]:
        """As last found, moved to where it is expected."""
        centre = _place(self.person.box)
        scale = float(np.exp(self.x[2] - centre[2]))
        width, height = self.person.box[2] * scale, self.person.box[3] * scale
        return float(self.x[0] - width / 2), float(self.x[1] - height / 2), width, height


class PeopleTracker:
    """Gives people their numbers, picture by picture.

    Usage::

        for time, image in pictures:
            tracked = tracker(time, eyes(image, time), image)

    Args:
        skeleton: joint names of the front end; by default BlazePose's.
    """

    def __init__(self, skeleton: Sequence[str] | None = None) -> None:
        self._skeleton = None if skeleton is None else tuple(skeleton)
        self._tracks: list[_Track] = []
        self._next = 1
        self._pictures = 0

    def __call__(
        self, time: int, people: Sequence[Person], image: NDArray[np.uint8] | None = None
    ) -> list[Tracked]:
        """Return everybody who is there, by number.

        Args:
            time: session time of the picture, ns; not before the last.
            people: found in it.
            image: (H, W, 3) BGR, for the appearance; None: by motion alone.
        """
        self._pictures += 1
        for track in self._tracks:
            track.move(time)
        self._tracks = [t for t in self._tracks if time - t.seen <= _FORGOTTEN_S * 1e9]
        looks = [None if image is None else clothes(image, person, self._skeleton) for person in people]
        left = set(range(len(people)))
        # Who was there a moment ago goes first; then those who were lost.
        for recent in (True, False):
            tracks = [t for t in self._tracks if (time - t.seen <= LOST_S * 1e9) == recent and t.time != -1]
            tracks = [t for t in tracks if t.seen != time]
            for track, number in self._assigned(tracks, people, looks, sorted(left), time):
                track.take(people[number], looks[number], time)
                left.discard(number)
        for number in sorted(left):
            self._tracks.append(_Track(self._next, people[number], looks[number], time))
            self._next += 1
        out = []
        for track in self._tracks:
            track.certain |= track.found >= _CERTAIN or (self._pictures == 1 and track.found > 0)
            here = track.seen == time
            if track.certain and time - track.seen <= LOST_S * 1e9:
                box = track.person.box if here else track.box
                person = track.person if here else None
                out.append(Tracked(track.number, person, box, track.since, track.seen))
        self._tracks = [t for t in self._tracks if t.certain or time == t.seen]
        return sorted(out, key=lambda each: each.number)

    @staticmethod
    def _assigned(
        tracks: Sequence[_Track],
        people: Sequence[Person],
        looks: Sequence[Array | None],
        left: Sequence[int],
        time: int,
    ) -> list[tuple[_Track, int]]:
        if not tracks or not left:
            return []
        cost = np.full((len(tracks), len(left)), 10.0)
        for row, track in enumerate(tracks):
            for column, number in enumerate(left):
                cost[row, column] = _cost(track, people[number], looks[number], time)
        rows, columns = linear_sum_assignment(cost)
        return [(tracks[r], left[c]) for r, c in zip(rows, columns, strict=True) if cost[r, c] <= _DEAREST]


def _cost(track: _Track, person: Person, look: Array | None, time: int) -> float:
    """Return what it costs to take a person for a track's: 0 the same, above :data:`_DEAREST` impossible."""
    away = (time - track.seen) / 1e9
    far = track.distance(person)
    unlike = 0.5 if look is None or track.look is None else 1.0 - likeness(look, track.look)
    if away > LOST_S:
        # Who was away may be anywhere; clothes decide, and where they were lost among those who look alike.
        if look is None or track.look is None:
            return 10.0
        moved = float(np.linalg.norm(_place(person.box)[:2] - _place(track.person.box)[:2]))
        return unlike / _REAPPEAR + 0.1 * min(1.0, moved / (4.0 * max(track.person.box[2:])))
    if far > _GATE * (1.0 + 10.0 * away):
        return 10.0
    size = max(*person.box[2:], *track.person.box[2:])
    moved = np.array(_place(track.box)[:2] - _place(track.person.box)[:2])
    apart = np.linalg.norm(person.keypoints - track.person.keypoints - moved, axis=1)
    joints = min(1.0, float(np.median(apart)) / (0.25 * size))
    return _WHERE * min(1.0, far / _GATE) + _JOINTS * joints + _CLOTHES * unlike


def _place(box: Sequence[float] | tuple[Any, ...]) -> Array:
    """Return centre x, centre y and the logarithm of the longer side."""
    x, y, width, height = (float(value) for value in box)
    return np.array([x + width / 2, y + height / 2, np.log(max(width, height, 1.0))])
