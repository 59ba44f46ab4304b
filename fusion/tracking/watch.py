"""A sink that watches: joint angles as a stream of the bus, events beside it, and tables of both."""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.messages import Ended, Event
from drivers.bus.publisher import Publisher
from fusion.posture.reading import UNITS, Reading
from fusion.posture.rules import Rules
from fusion.tracking.events import SOURCE, Noted, Watcher, events_of, feedback_event, segment_events
from fusion.tracking.pose import Pose
from fusion.tracking.sinks import RESEND_BYTES, Sink

Told = Callable[[Noted | None, list[Event]], None]
"""Takes what was noted beside a pose, None at the end, and the events."""

CHANNELS: tuple[str, ...] = tuple(UNITS)
"""Names of the values of a row of angles."""


def angle_row(reading: Reading) -> np.ndarray:
    """Return (N,) float32 of :data:`CHANNELS`; NaN where a value cannot be told."""
    return np.array([float(reading[name]) for name in CHANNELS], np.float32)


class WatchSink(Sink):
    """Watches poses, tells what it notes, and keeps ``events.csv`` and ``posture.json``.

    Args:
        folder: of the run.
        actions: names of the network's actions.
        rules: of posture, or None.
        told: called with what was noted beside each pose and its events, in this sink's thread.
    """

    name = "events"

    def __init__(
        self,
        folder: Path,
        actions: Sequence[str],
        rules: Rules | None = None,
        told: Told | None = None,
    ) -> None:
        self.watcher = Watcher(actions, rules)
        self._told = told
        self._folder = folder
        self._file = (folder / "events.csv").open("x", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file, lineterminator="\n")
        self._writer.writerow(("time_ns", "kind", "label", "source"))

    def pose(self, pose: Pose) -> None:
        """Watch a pose."""
        noted = self.watcher(pose)
        events = events_of(noted)
        self._write(events)
        if self._told is not None:
            self._told(noted, events)

    def close(self) -> None:
        """Write what ends with the run, and the review."""
        segments, feedback = self.watcher.close()
        events = [event for segment in segments for event in segment_events(segment)]
        events += [feedback_event(each) for each in feedback]
        self._write(events)
        self._file.close()
        if self._told is not None:
            self._told(None, events)
        if self.watcher.coach is not None:
            with (self._folder / "posture.json").open("x", encoding="utf-8") as file:
                json.dump(_plain(self.watcher.coach), file, indent=2)

    def _write(self, events: Sequence[Event]) -> None:
        self._writer.writerows((event.time, event.kind, event.label, event.source) for event in events)


class AnglesToBus:
    """Publishes what a :class:`WatchSink` notes: rows of angles, and the events in their order.

    Args:
        address: of the hub.
        rate_hz: ticks per second.
    """

    STREAM = "fused_angles"

    def __init__(self, address: str, rate_hz: float) -> None:
        self._publisher = Publisher(address, self.info(rate_hz), resend_bytes=RESEND_BYTES)
        self._count = 0

    @classmethod
    def info(cls, rate_hz: float) -> StreamInfo:
        """Return the announcement."""
        return StreamInfo(
            name=cls.STREAM,
            kind="features",
            shape=(len(CHANNELS),),
            channels=CHANNELS,
            units=tuple(UNITS.values()),
            rate_hz=rate_hz,
            device="chorus live",
            properties={"convention": "ISB; docs/live.md", "events": SOURCE},
        )

    def __call__(self, noted: Noted | None, events: list[Event]) -> None:
        """Publish."""
        if noted is not None:
            self._row(noted)
        for event in events:
            self._publisher.event(event)

    def _row(self, noted: Noted) -> None:
        stamps = np.zeros(1, STAMP)
        stamps["time"], stamps["time_device"] = noted.time, noted.time
        stamps["time_host"], stamps["seq"] = time.monotonic_ns(), self._count
        self._publisher.publish(Batch(self.STREAM, stamps, angle_row(noted.reading)[None]))
        self._count += 1

    def close(self) -> None:
        """End the stream in good order."""
        self._publisher.end(Ended(self.STREAM, self._count, {}))
        self._publisher.close()


def _plain(coach: Any) -> dict[str, Any]:
    """Return the review as plain values; what is not known as null."""
    review = coach.review()
    return {
        "name": review.name,
        "seconds": round(review.seconds, 3),
        "summary": str(review),
        "broken": dict(review.broken),
        "broken_s": {name: round(value, 3) for name, value in review.broken_s.items()},
        "worst": {name: round(value, 4) for name, value in review.worst.items()},
        "repetitions": [
            {
                "number": each.number,
                "start_ns": each.start,
                "stop_ns": each.stop,
                "broken": list(each.broken),
                "extremes": {
                    name: [round(v, 4) if math.isfinite(v) else None for v in pair]
                    for name, pair in each.extremes.items()
                },
            }
            for each in review.repetitions
        ],
    }
