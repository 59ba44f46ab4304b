"""Several people in one camera's pictures -> the vision features of each, at each tick.

::

    picture -> {number: Person} --push--> a reader each --> records by time --move(tick)--> who is there now
    features of the tick + one of them --of_person--> features of that person

Everything is causal, as in :class:`fusion.features.FeatureBuilder`: a tick sees pictures of its time or
before, whenever they came.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.features.spec import MAX_AGE_S, FeatureSpec
from fusion.features.vision import VisionFrame, VisionReader, keypoints_of
from fusion.skeletons import BODY20
from fusion.vision.base import Person

Features = dict[str, NDArray[Any]]

_SENSED = ("inertial", "inertial_present", "audio", "audio_present", "stature", "bones")
"""What belongs to who wears the sensors, and is zero for all others."""


@dataclasses.dataclass(frozen=True)
class Seen:
    """One person at one picture.

    Attributes:
        frame: what the picture tells; nothing where the person is taken to be there unseen.
        box: (3,) of the features, the newest known.
        since: session time at which the person was first found, ns.
        found: and last.
    """

    frame: VisionFrame
    box: NDArray[np.float32]
    since: int
    found: int

    @property
    def flat(self) -> bool:
        """Whether the front end tells no depth."""
        return not bool((self.frame.vision[:, 8] > 0.5).any())

    def joints(self) -> NDArray[np.float64]:
        """Return (20, 3) joints in camera axes, NaN where unknown: m from the pelvis.

        Where the front end tells no depth they are those of the picture, in sizes of the person's box.
        """
        if not self.flat:
            known = self.frame.vision[:, 8] > 0.5
            return np.where(known[:, None], self.frame.world.astype(np.float64), np.nan)
        flat = np.concatenate([self.frame.vision[:, :2], np.zeros((len(BODY20), 1))], axis=1)
        return np.where(self.frame.present[:, None] > 0.5, flat, np.nan)


@dataclasses.dataclass(frozen=True)
class Found:
    """One person in a picture as a tracker tells it: None is there unseen; first and last found, ns."""

    person: Person | None
    since: int
    last: int


@dataclasses.dataclass(frozen=True)
class Record:
    """Everybody who is there at one picture, by number; ``time`` is when it was taken, ns."""

    time: int
    people: Mapping[int, Seen]


class Everybody:
    """The people of one camera, picture by picture.

    Args:
        skeleton: joint names of the front end.
        spec: choices.
    """

    def __init__(self, skeleton: Sequence[str], spec: FeatureSpec) -> None:
        self._skeleton, self._spec = tuple(skeleton), spec
        self._readers: dict[int, VisionReader] = {}
        self._last: dict[int, Seen] = {}
        self._records: collections.deque[Record] = collections.deque()
        self._now = Record(0, {})

    def push(self, time: int, people: Mapping[int, Found], size: tuple[int, int]) -> None:
        """Take who is there in a picture.

        Args:
            time: session time of capture, ns; after the last one's.
            people: by number.
            size: width and height of the picture, px.
        """
        for number in set(self._readers) - set(people):
            del self._readers[number]
            self._last.pop(number, None)
        seen: dict[int, Seen] = {}
        for number, found in people.items():
            person = found.person
            if number not in self._readers:
                self._readers[number] = VisionReader(self._skeleton, size, self._spec)
            reader = self._readers[number]
            frame = (
                reader.nobody(time)
                if person is None
                else reader(time, keypoints_of(person), np.asarray(person.peaks))
            )
            before = self._last.get(number)
            nowhere = np.zeros(3, np.float32) if before is None else before.box
            box = nowhere if frame.box is None else frame.box
            seen[number] = Seen(frame, box, found.since, found.last)
        self._last = seen
        self._records.append(Record(time, seen))

    def move(self, tick: int) -> list[Record]:
        """Go on to a tick, ns; return the records that were reached on the way, the newest last."""
        reached: list[Record] = []
        while self._records and self._records[0].time <= tick:
            reached.append(self._records.popleft())
        if reached:
            self._now = reached[-1]
        return reached

    @property
    def now(self) -> Record:
        """The newest picture at the tick; nobody, and time 0, before the first."""
        return self._now

    def of_person(
        self, features: Features, seen: Seen | None, box: NDArray[np.float32], *, wears: bool
    ) -> Features:
        """Return the features of one person.

        Args:
            features: of the tick; they stay as they are.
            seen: the person; None for one whom the camera does not see.
            box: (3,) of one who is not seen: where they were last, or zeros.
            wears: whether sensors, microphone and stature are theirs.
        """
        out = dict(features)
        for name in ("vision", "vision_present", "vision_world"):
            out[name] = np.zeros_like(features[name])
        out["box"] = box if seen is None else seen.box
        if seen is not None:
            age = (int(features["time"]) - seen.frame.time) / 1e9
            out["vision_age"] = np.array(min(age, MAX_AGE_S), np.float32)
            if age <= self._spec.vision_hold_s:
                out["vision"], out["vision_present"] = seen.frame.vision, seen.frame.present
                out["vision_world"] = seen.frame.world
        if not wears:
            for name in _SENSED:
                out[name] = np.zeros_like(features[name])
            for name in ("inertial_age", "audio_age"):
                out[name] = np.full_like(features[name], MAX_AGE_S)
        return out
