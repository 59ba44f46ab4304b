"""What happens in a pose stream, as events: actions with beginning and end, contacts, steps, feedback.

::

    poses --> Watcher --> actions (segments), gait (contacts, steps), readings (angles), coach (feedback)
                 |
                 +--> Noted: all of it beside one pose, for who shows it
                 +--> Event: for the bus and the recording, whose label_start / label_stop become labels
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from drivers.bus.messages import Event
from fusion.gait import Contact, Gait, GaitTracker, Step
from fusion.posture.angles import neutral_of
from fusion.posture.coach import Coach, Feedback, Repetition
from fusion.posture.reading import Reading, read
from fusion.posture.rules import Rules
from fusion.skeletons import BODY20
from fusion.tracking.pose import Pose
from fusion.tracking.segments import ActionSegments, Segment

SOURCE = "fused"
"""Source of the events on the bus."""

LABEL_START, LABEL_STOP, CONTACT, STEP, FEEDBACK, REPETITION = (
    "label_start", "label_stop", "contact", "step", "feedback", "repetition",
)  # fmt: skip
"""Kinds of events. Pairs of the first two become labels of the recording."""

_ANKLES = [BODY20.index("left_ankle"), BODY20.index("right_ankle")]


@dataclasses.dataclass(frozen=True)
class Noted:
    """What there is to show beside a pose.

    Attributes:
        time: session time of the pose, ns.
        reading: joint angles and measures.
        action: the segment that goes on; None while none is sure.
        ended: segments that ended now.
        contacts: feet that came to the ground or left it, settled now.
        steps: steps settled now.
        standing: left and right foot: on the ground, not, or not known.
        gait: how one walks, or walked last; None before the first step.
        feedback: what to say now.
        repetition: one that ended now.
    """

    time: int
    reading: Reading
    action: Segment | None
    ended: tuple[Segment, ...]
    contacts: tuple[Contact, ...]
    steps: tuple[Step, ...]
    standing: tuple[bool | None, bool | None]
    gait: Gait | None
    feedback: tuple[Feedback, ...]
    repetition: Repetition | None


class Watcher:
    """Takes poses in order of time.

    Args:
        actions: names of the network's actions.
        rules: of posture; none by default.
    """

    def __init__(self, actions: Sequence[str], rules: Rules | None = None) -> None:
        self.segments = ActionSegments(actions)
        self.gait = GaitTracker()
        self.coach = Coach(rules) if rules is not None else None

    def __call__(self, pose: Pose) -> Noted:
        """Return what there is to show beside a pose."""
        neutral = None if pose.offsets is None else neutral_of(pose.offsets)
        reading = read(pose.joints, pose.up, pose.rotations, neutral)
        ended = self.segments.update(pose.time, pose.action)
        seen = bool(pose.fed)
        contact = pose.contact if seen else np.full(2, np.nan)
        steps = self.gait.update(pose.time, contact, pose.joints[_ANKLES])
        feedback: list[Feedback] = []
        repetition = None
        if self.coach is not None and seen:
            before = len(self.coach.repetitions)
            feedback = self.coach.update(pose.time, reading)
            if len(self.coach.repetitions) > before:
                repetition = self.coach.repetitions[-1]
        return Noted(
            time=pose.time,
            reading=reading,
            action=self.segments.current,
            ended=tuple(ended),
            contacts=tuple(self.gait.newest),
            steps=tuple(steps),
            standing=self.gait.standing,
            gait=self.gait.gait() if steps else None,
            feedback=tuple(feedback),
            repetition=repetition,
        )

    def close(self) -> tuple[list[Segment], list[Feedback]]:
        """Return the segment that ends with the stream, and the feedback that does."""
        return self.segments.close(), self.coach.close() if self.coach is not None else []


def events_of(noted: Noted) -> list[Event]:
    """Return the events to send, in order of their time."""
    out = [event for segment in noted.ended for event in segment_events(segment)]
    for contact in noted.contacts:
        word = "on" if contact.on else "off"
        out.append(Event(contact.time, CONTACT, f"{contact.side} {word}", SOURCE))
    for step in noted.steps:
        out.append(Event(step.time, STEP, step.side, SOURCE))
    out += [feedback_event(each) for each in noted.feedback]
    if noted.repetition is not None:
        broken = ", ".join(noted.repetition.broken)
        out.append(
            Event(noted.repetition.stop, REPETITION, f"{noted.repetition.number} {broken}".strip(), SOURCE)
        )
    return sorted(out, key=lambda event: event.time)


def segment_events(segment: Segment) -> list[Event]:
    """Return beginning and end of a segment: a label of the recording."""
    return [
        Event(segment.start, LABEL_START, segment.action, SOURCE),
        Event(segment.stop, LABEL_STOP, segment.action, SOURCE),
    ]


def feedback_event(feedback: Feedback) -> Event:
    """Return the event of something that was said."""
    return Event(feedback.time, FEEDBACK, f"{feedback.rule} {feedback.what}: {feedback.say}", SOURCE)
