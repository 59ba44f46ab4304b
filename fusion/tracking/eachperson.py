"""A sink for each person, made as they come: for outputs of which one tells of one person."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fusion.tracking.crowd import UNSEEN
from fusion.tracking.pose import Pose
from fusion.tracking.sinks import Sink

GONE_S = 8.0
"""After so long nobody comes back under their number, and their output is finished."""


class EachPerson(Sink):
    """Hands each person's poses to a sink of their own.

    Args:
        name: for messages and counts.
        make: returns the sink of a person, given the number and the session time of the run's first pose, ns.
    """

    def __init__(self, name: str, make: Callable[[int, int], Sink]) -> None:
        self.name = name
        self._make = make
        self._open: dict[int, tuple[Sink, int]] = {}
        self._done: set[int] = set()
        self._start: int | None = None

    def pose(self, pose: Pose) -> None:
        """Take one person's pose."""
        self.poses([pose])

    def poses(self, poses: Sequence[Pose]) -> None:
        """Take everybody's poses of a tick."""
        now = poses[0].time
        self._start = now if self._start is None else self._start
        for pose in poses:
            if pose.person in self._done or not (pose.fed or pose.person in self._open):
                continue  # who was never seen nor felt
            sink = self._open[pose.person][0] if pose.person in self._open else None
            if sink is None:
                sink = self._make(pose.person, self._start)
            sink.pose(pose)
            self._open[pose.person] = sink, now
        for person, (sink, last) in list(self._open.items()):
            if person != UNSEEN and now - last > GONE_S * 1e9:
                del self._open[person]
                self._done.add(person)
                sink.close()

    def close(self) -> None:
        """Finish all of them."""
        for sink, _ in self._open.values():
            sink.close()
        self._open.clear()
