"""Several people at once: who is who, who wears the sensors, and a pose of each.

::

    people of a picture --> PeopleTracker --> Everybody --+--> features of each --> the network, a state each
    sensors of a tick --> WearerFinder: whose are they? --+                                 |
                                                                            poses, the wearer's first

A state follows its person. The sensors feed the state of the wearer alone; who hands them over goes on by
sight, and who takes them over goes on from where they were seen. A wearer whom the camera loses goes on by
the sensors; whoever then comes into view and moves as they say is the same person.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fusion.features.everybody import Everybody, Found, Record, Seen
from fusion.features.spec import FeatureSpec
from fusion.model.stepper import Network, Runtime, Stepper, stepper
from fusion.tracking.eased import Easing
from fusion.tracking.people import LOST_S, PeopleTracker
from fusion.tracking.pose import LEVEL_UP, Pose, pose_of
from fusion.tracking.wearer import WearerFinder
from fusion.vision.base import Person

Features = dict[str, NDArray[Any]]

UNSEEN = 0
"""Who wears the sensors and was never seen; and who stands in while nobody is there at all."""


@dataclasses.dataclass(frozen=True)
class Look:
    """Who is there in a picture, by number."""

    time: int
    people: Mapping[int, Found]
    size: tuple[int, int]


@dataclasses.dataclass(frozen=True)
class Turn:
    """One person's features of a tick; ``otherwise``: as if no sensors had come or gone, where they did."""

    person: int
    features: Features
    wears: bool
    otherwise: Features | None = None


class Crowd:
    """Follows everybody in one camera's pictures.

    Usage::

        look = crowd.look(time, eyes(image, time), image)     as pictures come
        crowd.push(look)
        poses = crowd.poses(crowd.turns(builder.step(tick)))  tick by tick

    :meth:`look` may run beside the others; :meth:`push` and :meth:`turns` may not run at the same time.

    Args:
        net: the network.
        skeleton: joint names of the front end.
        spec: choices behind the features.
        runtime: of the network's step.

    Attributes:
        wearer: who wears the sensors; None before there are any.
        chosen: who was said to wear them; None: it is found.
    """

    def __init__(
        self, net: Network, skeleton: Sequence[str], spec: FeatureSpec, runtime: Runtime = "auto"
    ) -> None:
        self.wearer: int | None = None
        self.chosen: int | None = None
        self._tracker = PeopleTracker(skeleton)
        self._everybody = Everybody(skeleton, spec)
        self._finder = WearerFinder()
        self._fresh: Stepper = stepper(net, 1, runtime)
        self._steps: dict[int, Stepper] = {}
        self._names: dict[int, int] = {}  # who comes back to the sensors, by the tracker's number
        self._last: dict[int, Seen] = {}  # of everybody who has a state, and was seen
        self._wore: dict[int, bool] = {}  # at the last tick
        self._easing: dict[int, Easing] = {}
        self._size = (0, 0)
        self._up = LEVEL_UP.astype(np.float64)

    def choose(self, person: int | None) -> None:
        """Say who wears the sensors, or None: find it; may be called from any thread.

        :data:`UNSEEN`: none of those in view. It holds until another is chosen.
        """
        self.chosen = person

    # Pictures.

    def look(self, time: int, people: Sequence[Person], image: NDArray[np.uint8]) -> Look:
        """Return who is there in a picture (H, W, 3) BGR of session time ``time`` ns."""
        tracked = self._tracker(time, people, image)
        found = {each.number: Found(each.person, each.since, each.seen) for each in tracked}
        return Look(time, found, (image.shape[1], image.shape[0]))

    def see(self, time: int, people: Sequence[Person], image: NDArray[np.uint8]) -> None:
        """Look at a picture and take the look."""
        self.push(self.look(time, people, image))

    def push(self, look: Look) -> None:
        """Take a look."""
        self._size = look.size
        self._everybody.push(look.time, look.people, look.size)

    # Ticks.

    def turns(self, features: Features) -> list[Turn]:
        """Return everybody's features of a tick, the wearer first, then by number; at least one."""
        time = int(features["time"])
        if self.wearer is None and bool((features["inertial_present"] > 0.5).any()):
            self.wearer = UNSEEN
        self._finder.feel(time, features["inertial"], features["inertial_present"])
        for record in self._everybody.move(time):
            self._judge(record)
        now = self._everybody.now
        there = self._by_person(now) if time - now.time <= LOST_S * 1e9 else {}
        shown = sorted({*there, *(() if self.wearer is None else (self.wearer,))}) or [UNSEEN]
        for gone in set(self._steps) - set(shown):
            del self._steps[gone]
            self._last.pop(gone, None)
        self._last |= there
        alone = self.wearer is None and len(shown) == 1  # then sound can be nobody else's
        turns, wore = [], {}
        for person in shown:
            wears = person == self.wearer
            box = self._last[person].box if person in self._last else np.zeros(3, np.float32)
            fed = wears or alone
            mine = self._everybody.of_person(features, there.get(person), box, wears=fed)
            otherwise = None
            if self._wore.get(person, fed) != fed:
                otherwise = self._everybody.of_person(features, there.get(person), box, wears=not fed)
            turns.append(Turn(person, mine, wears, otherwise))
            wore[person] = fed
        self._wore = wore
        return sorted(turns, key=lambda turn: not turn.wears)

    def poses(self, turns: Sequence[Turn]) -> list[Pose]:
        """Return the pose of each, in their order."""
        poses = []
        for turn in turns:
            if turn.person not in self._steps:
                self._steps[turn.person] = self._fresh.fork()
            poses.append(dataclasses.replace(self._pose(turn), person=turn.person, wears=turn.wears))
        self._easing = {person: each for person, each in self._easing.items() if person in self._steps}
        up = np.mean([pose.up for pose in poses], axis=0)
        self._up = up / max(float(np.linalg.norm(up)), 1e-6)
        return poses

    def _pose(self, turn: Turn) -> Pose:
        """Step a person's state; where sensors come or go the pose glides."""
        step, easing = self._steps[turn.person], self._easing.get(turn.person)
        before = None
        if turn.otherwise is not None:
            before = pose_of(turn.otherwise, step.twin()(turn.otherwise), self._size)
            before = easing(before) if easing is not None else before
        pose = pose_of(turn.features, step(turn.features), self._size)
        if before is not None:
            easing = self._easing[turn.person] = Easing(before, pose)
        if easing is None or easing.over(pose.time):
            return pose
        return easing(pose)

    # Who wears the sensors.

    def _by_person(self, record: Record) -> dict[int, Seen]:
        return {self._names.get(number, number): seen for number, seen in record.people.items()}

    def _judge(self, record: Record) -> None:
        """Give the sensors to whom they belong as far as a picture tells."""
        there = self._by_person(record)
        seen = {name: each for name, each in there.items() if each.frame.present.any()}
        flat = any(each.flat for each in seen.values())
        people = {name: each.joints() for name, each in seen.items()}
        belief = self._finder.see(record.time, people, self._up, flat=flat)
        if self.wearer is None:
            return
        if self.chosen is not None:
            self._give(self.chosen, there)
        elif belief.wearer is not None:
            self._give(belief.wearer, there)
        elif belief.away and self.wearer in there:
            self._give(UNSEEN, there)

    def _give(self, person: int, there: Mapping[int, Seen]) -> None:
        """Hand the sensors over, unless who had them was out of view and comes back as this person."""
        before = self.wearer
        if person == before or (person != UNSEEN and person not in there):
            return
        last = None if before is None else there.get(before) or self._last.get(before)
        if before is not None and last is not None and person != UNSEEN and there[person].since > last.found:
            self._finder.rename(person, before)
            for number in [n for n, name in self._names.items() if name == person] or [person]:
                self._names[number] = before
            if self.chosen == person:
                self.chosen = before
            return
        self.wearer = person
