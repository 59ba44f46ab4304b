"""Who is told what a run notes: the bus, the page, or several at once."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Any

import numpy as np

from drivers.bus.messages import Event
from fusion.tracking.events import Noted
from fusion.tracking.watch import Told

SHOWN: tuple[str, ...] = (
    "trunk_inclination", "neck_flexion", "shoulder_tilt", "left_hip_flexion", "right_hip_flexion",
    "left_knee_flexion", "right_knee_flexion", "left_shoulder_elevation", "right_shoulder_elevation",
    "left_elbow_flexion", "right_elbow_flexion",
)  # fmt: skip
"""Angles that the page shows."""
_EVERY_NS = 200_000_000
_SAID_NS = 6_000_000_000
"""Words stay on the page for so long."""


class Listeners:
    """Hands on to all that were added; none by default."""

    def __init__(self) -> None:
        self._told: list[Told] = []

    def add(self, told: Told) -> None:
        """Add one, before the first pose."""
        self._told.append(told)

    def __call__(self, noted: Noted | None, events: list[Event]) -> None:
        """Tell all."""
        for told in self._told:
            told(noted, events)


class PageNotes:
    """Tells the page angles, feedback and counts, five times a second.

    Args:
        tell: of :class:`fusion.web.sink.WebSink`.
    """

    def __init__(self, tell: Callable[[str, Any], None]) -> None:
        self._tell = tell
        self._next = 0
        self._said: collections.deque[tuple[int, str]] = collections.deque(maxlen=4)
        self._counts: dict[str, str] = {}

    def __call__(self, noted: Noted | None, events: list[Event]) -> None:
        """Take what was noted beside a pose."""
        if noted is None:
            return
        for word in noted.feedback:
            if word.what != "ends":
                self._said.append((noted.time, word.say))
        if noted.repetition is not None:
            self._counts["repetitions"] = str(noted.repetition.number)
        if noted.gait is not None:
            self._counts["steps"] = str(noted.gait.steps)
            if np.isfinite(noted.gait.cadence):
                self._counts["cadence, steps/min"] = f"{noted.gait.cadence:.0f}"
        if noted.time < self._next:
            return
        self._next = noted.time + _EVERY_NS
        while self._said and noted.time - self._said[0][0] > _SAID_NS:
            self._said.popleft()
        angles = [(name, float(noted.reading[name])) for name in SHOWN]
        self._tell(
            "posture",
            {
                "angles": [
                    {"name": name.replace("_", " "), "deg": value}
                    for name, value in angles
                    if np.isfinite(value)
                ],
                "feedback": [{"words": words, "level": "warning"} for _, words in self._said],
                "counts": [{"name": name, "value": value} for name, value in self._counts.items()],
            },
        )
