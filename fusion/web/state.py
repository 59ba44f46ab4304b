"""What is live now, as the engine's process told it last, and the little history that the page draws.

One thread writes (what the engine sends), the server's loop reads. Whoever reads gets the newest: nothing
waits for a reader, and history is bounded.
"""

from __future__ import annotations

import collections
import itertools
import threading
import time
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np

QUALITY = 72
"""Of the JPEG pictures, 1..100."""
TRACE_ROWS = 500
"""Of each stream: 10 s at 50 Hz."""
TIMELINE_ROWS = 1200
TIMELINE_S = 0.1
"""The action timeline: 2 min at 10 Hz."""
EVENT_ROWS = 200
RATE_S = 3.0
"""Rates are of the last seconds."""
SILENT_S = 1.0
"""A stream whose newest stamp is older than this may have stopped: its rate falls."""


class Ring:
    """The newest rows, numbered, so that each reader goes on where it was."""

    def __init__(self, size: int) -> None:
        self._rows: collections.deque[tuple[int, Any]] = collections.deque(maxlen=size)
        self._numbers = itertools.count(1)

    def add(self, rows: Iterable[Any]) -> None:
        """Add rows."""
        self._rows.extend((next(self._numbers), row) for row in rows)

    def since(self, number: int) -> tuple[int, list[Any]]:
        """Return the number of the newest row, and the rows after ``number``."""
        rows = list(self._rows)
        last = rows[-1][0] if rows else number
        fresh = last - number
        return last, [
            row for _, row in (rows[-fresh:] if 0 < fresh < len(rows) else rows if fresh > 0 else [])
        ]


class View:
    """A picture and the people that were tracked in it; its JPEG is made once, for whoever looks first."""

    def __init__(self, number: int, told: dict[str, Any]) -> None:
        self.number = number
        self.about = {"id": number, "time": told["time"], "size": told["size"], "people": told["people"]}
        height, width = told["shape"]
        self._pixels = np.frombuffer(told["pixels"], np.uint8).reshape(height, width, 3)
        self._lock = threading.Lock()
        self._jpeg: bytes | None = None

    def jpeg(self) -> bytes:
        """Return the picture; takes some milliseconds the first time."""
        with self._lock:
            if self._jpeg is None:
                ok, made = cv2.imencode(".jpg", self._pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
                self._jpeg = made.tobytes() if ok else b""
            return self._jpeg


class _Health:
    """Totals of one stream, and its rate over the last seconds of its own time."""

    def __init__(self) -> None:
        self.rows = self.lost = 0
        self.time = self.bound = -1
        self.error, self.ended = "", False
        self._beats: collections.deque[tuple[int, int]] = collections.deque()

    def take(self, told: dict[str, Any]) -> None:
        self.rows += told["rows"]
        self.lost += told["missed"] + sum(told["lost"].values())
        if told["time"] >= 0:
            self.time, self.bound = told["time"], told["bound"]
            self.error, self.ended = "", False
            self._beats.append((self.time, self.rows))
        self.error = told["error"] or self.error
        self.ended = told["ended"] or self.ended

    def rate_hz(self, now_ns: int) -> float:
        """Return rows per second between the newest stamps; it falls as nothing more comes."""
        while len(self._beats) > 1 and self._beats[-1][0] - self._beats[0][0] > RATE_S * 1e9:
            self._beats.popleft()
        if len(self._beats) < 2:
            return 0.0
        (first, before), (last, rows) = self._beats[0], self._beats[-1]
        if now_ns - last > SILENT_S * 1e9:
            last = now_ns
        return (rows - before) / max((last - first) / 1e9, 1e-3)


class LiveState:
    """What is live now.

    Attributes:
        number: of the newest update; a reader that has seen it has seen all.
        pose: the newest pose as plain data, or None.
        view: the newest picture, or None.
        heat: the newest heatmaps, or None.
        told: other panels of the page by topic, newest only.
        ended: the engine is gone.
    """

    def __init__(self) -> None:
        self.number = 0
        self.pose: dict[str, Any] | None = None
        self.pose_number = 0
        self.view: View | None = None
        self.heat: dict[str, Any] | None = None
        self.heat_number = 0
        self.told: dict[str, Any] = {}
        self.told_number = 0
        self.meter: dict[str, Any] = {}
        self.ended = False
        self.timeline = Ring(TIMELINE_ROWS)
        self.events = Ring(EVENT_ROWS)
        self._traces: dict[str, Ring] = {}
        self._health: dict[str, _Health] = {}
        self._now_ns, self._at = 0, time.monotonic()
        self._timeline_due = 0
        self._lock = threading.Lock()

    def update(self, message: dict[str, Any]) -> None:
        """Take what the engine's process sent."""
        with self._lock:
            self._now_ns, self._at = int(message.get("now", 0)), time.monotonic()
            for name, told in message.get("streams", {}).items():
                self._health.setdefault(name, _Health()).take(told)
                if told["trace"]:
                    self._traces.setdefault(name, Ring(TRACE_ROWS)).add(told["trace"])
            self.events.add(message.get("events", ()))
            if "view" in message:
                self.view = View(self.number + 1, message["view"])
            if "heat" in message:
                self.heat, self.heat_number = message["heat"], self.number + 1
            if message.get("told"):
                self.told, self.told_number = {**self.told, **message["told"]}, self.number + 1
            if "pose" in message:
                self._take_pose(message["pose"], message.get("meter", {}))
            self.number += 1

    def _take_pose(self, pose: dict[str, Any], meter: dict[str, Any]) -> None:
        self.pose, self.pose_number, self.meter = pose, self.number + 1, meter
        if pose["time"] >= self._timeline_due:
            self._timeline_due = pose["time"] + round(TIMELINE_S * 1e9)
            self.timeline.add([[round(pose["time"] / 1e9, 2), *pose["action"]]])

    def now_ns(self) -> int:
        """Return the session time now, ns."""
        return self._now_ns + round((time.monotonic() - self._at) * 1e9)

    def traces_since(self, seen: dict[str, int]) -> dict[str, list[Any]]:
        """Return new rows of each trace, and note in ``seen`` how far that is."""
        fresh: dict[str, list[Any]] = {}
        with self._lock:
            for name, ring in self._traces.items():
                seen[name], rows = ring.since(seen.get(name, 0))
                if rows:
                    fresh[name] = rows
        return fresh

    def health(self) -> dict[str, dict[str, Any]]:
        """Return rate (Hz), age and bound (ms), loss (rows and share) of each stream."""
        now_ns = self.now_ns()
        with self._lock:
            return {
                name: {
                    "rate_hz": round(one.rate_hz(now_ns), 1),
                    "age_ms": round((now_ns - one.time) / 1e6, 1) if one.time >= 0 else None,
                    "bound_ms": round(one.bound / 1e6, 3) if one.time >= 0 else None,
                    "rows": one.rows,
                    "lost": one.lost,
                    "state": "failed" if one.error else "ended" if one.ended else "running",
                    "error": one.error,
                }
                for name, one in self._health.items()
            }
