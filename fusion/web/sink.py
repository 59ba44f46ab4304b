"""The sink that hands the newest pose, picture and health to the page's server, a process of its own.

Nothing here ever waits for the server: it gets what is newest when it is ready for more, and what it was too
slow for is let go. Pictures are handed over only while somebody looks, and never in privacy mode.
"""

from __future__ import annotations

import collections
import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch
from drivers.bus.messages import Message
from drivers.errors import BusError
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Pose
from fusion.tracking.sinks import Picture, Sink
from fusion.vision.base import Person
from fusion.web.config import PageConfig
from fusion.web.frames import write_frame
from fusion.web.gathered import Gathered

RATE_HZ = 20.0
"""Messages to the server while somebody looks."""
IDLE_HZ = 4.0
"""And while nobody does: history goes on."""
WIDTH = 640
"""Pictures are shown at most so wide, px."""
WAITING = 8
"""Pictures that wait for their pose at most."""
MESSAGES = 4096
"""Messages of the bus that wait at most: with a server that hangs, the oldest are let go."""
START_S = 30.0
STOP_S = 5.0
SAME_NS = 2_000
"""Ages are float32 seconds: the time of a frame is known to a fraction of 2 us."""


class WebSink(Sink):
    """Starts the page's server and feeds it.

    Args:
        config: of the page, with what is tracked.
        say: prints a line: where the page is.
        meter: of the run, for rates and latency.
        now: session time, ns.

    Raises:
        BusError: the server does not start: its port is taken, say.
    """

    name = "page"

    def __init__(
        self, config: PageConfig, say: Callable[[str], None], meter: Meter, now: Callable[[], int]
    ) -> None:
        assert config.live is not None
        self._meter, self._now = meter, now
        self._pictures_allowed = not config.live.private
        # What other threads hand over is one assignment or one append each, which needs no lock: they never
        # wait for the sender, not even for the moment in which it is not scheduled.
        self._pose: Pose | None = None
        self._firsts: collections.deque[Pose] = collections.deque(maxlen=WAITING)  # of each picture
        self._waiting: collections.deque[tuple[int, Picture]] = collections.deque(maxlen=WAITING)
        self._messages: collections.deque[Message] = collections.deque(maxlen=MESSAGES)
        self._end_of_feed = threading.Event()
        self._frame: int | None = None
        self._people: tuple[int, Sequence[Person]] | None = None
        self._gathered = Gathered()
        self._told: collections.deque[tuple[str, Any]] = collections.deque(maxlen=64)
        self._wants = {"viewers": False, "pictures": False, "heatmaps": False}
        self._gone = self._started = False
        self._process = subprocess.Popen(
            [sys.executable, "-m", "fusion.web.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the engine, which closes the pipe when it is done
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._pipe = self._process.stdin
        with contextlib.suppress(OSError):  # it is gone: what it said tells why
            self._pipe.write(msgspec.json.encode(config) + b"\n")
            self._pipe.flush()
        try:
            self.url = self._await_url()
        except BaseException:
            self._end()
            raise
        say(f"page at {self.url}")
        self._listener = threading.Thread(target=self._listen, name="page-wants", daemon=True)
        self._sender = threading.Thread(target=self._send, name="page-feed", daemon=True)
        self._started = True
        self._listener.start()
        self._sender.start()

    @property
    def wants_pictures(self) -> bool:  # type: ignore[override]
        """Whether somebody looks at the camera's pictures now; never in privacy mode."""
        return self._pictures_allowed and self._wants["pictures"] and not self._gone

    @property
    def pid(self) -> int:
        """Process id of the server."""
        return self._process.pid

    def pose(self, pose: Pose) -> None:
        """Keep the newest pose, and the first that each picture gave."""
        self._pose = pose
        if pose.frame_time is not None and pose.frame_time != self._frame:
            self._frame = pose.frame_time
            self._firsts.append(pose)

    def picture(self, time: int, image: Picture) -> None:
        """Keep a picture until its pose comes."""
        self._waiting.append((time, image))

    def people(self, time: int, people: Sequence[Person]) -> None:
        """Keep what was seen in the newest picture, for its heatmaps."""
        if self._wants["heatmaps"]:
            self._people = (time, people)

    def take(self, message: Message) -> None:
        """Take note of a message of the bus: rates, ages, losses, and the rows that traces are drawn of."""
        if self._gone:
            return
        if isinstance(message, Batch) and isinstance(
            message.data, tuple
        ):  # pictures: their stamps are enough
            message = Batch(message.stream, message.stamps, (b"",) * len(message.data), message.lost)
        self._messages.append(message)

    def tell(self, topic: str, value: Any) -> None:
        """Show something else on the page, newest only: ``value`` is plain data for the panel ``topic``.

        ``posture`` is one: {"angles": [{"name", "deg", "sd"}], "feedback": [{"words", "level"}],
        "counts": [{"name", "value"}]}.
        """
        self._told.append((topic, value))

    def close(self) -> None:
        """End the page; can be called twice."""
        self._end_of_feed.set()
        self._sender.join(STOP_S)  # it may hang in a write to a server that hangs
        self._end()
        self._listener.join(STOP_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    # The server process.

    def _await_url(self) -> str:
        assert self._process.stdout is not None
        timer = threading.Timer(START_S, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline()
        finally:
            timer.cancel()
        told = json.loads(line) if line.strip() else {}
        if "url" in told:
            return str(told["url"])
        raise BusError(
            told.get("what") or "the page's server did not start",
            mend=told.get("mend") or "See what it printed",
        )

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            with contextlib.suppress(ValueError, AttributeError):
                wants = json.loads(line).get("want", {})
                for name in self._wants:
                    self._wants[name] = bool(wants.get(name, self._wants[name]))
        self._gone = True

    def _end(self) -> None:
        with contextlib.suppress(OSError):
            self._pipe.close()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None and not self._started:
            self._process.stdout.close()

    # Feeding.

    def _send(self) -> None:
        while not self._end_of_feed.wait(1.0 / (RATE_HZ if self._wants["viewers"] else IDLE_HZ)):
            if self._gone:
                return
            message = self._news()
            if (view := self._view()) is not None:
                message["view"] = _view_message(*view)
                if self._people is not None and self._wants["heatmaps"]:
                    message["heat"] = heat_message(*self._people)
            try:
                write_frame(self._pipe, message)  # type: ignore[arg-type]
            except (OSError, ValueError):
                self._gone = True

    def _news(self) -> dict[str, Any]:
        """Return what is new but pictures."""
        for _ in range(len(self._messages)):
            self._gathered.take(self._messages.popleft())
        message = self._gathered.swap().message()
        told = dict(self._told.popleft() for _ in range(len(self._told)))
        pose, self._pose = self._pose, None
        message["told"], message["now"] = told, self._now()
        if pose is not None:
            message["pose"] = pose_message(pose)
            message["meter"] = self._meter_message()
        return message

    def _view(self) -> tuple[int, Picture, Pose] | None:
        """Return the newest picture that a pose came of, with that pose, once; older ones are let go."""
        poses = [self._firsts.popleft() for _ in range(len(self._firsts))]
        pictures = list(self._waiting)
        if not self.wants_pictures:
            self._waiting.clear()
            return None
        found = None
        for pose in poses:
            for at, image in pictures:
                if pose.frame_time is not None and abs(at - pose.frame_time) <= SAME_NS:
                    found = (at, image, pose)
        while found is not None and self._waiting and self._waiting[0][0] <= found[0]:
            self._waiting.popleft()
        return found

    def _meter_message(self) -> dict[str, Any]:
        rate, frame, sample = self._meter.recent()
        return {
            "poses_per_s": rate,
            "frame_ms": frame.p50_ms,
            "sample_ms": sample.p50_ms,
            "skipped_frames": self._meter.frames_skipped,
            "skipped_ticks": self._meter.skipped_ticks,
        }


def pose_message(pose: Pose) -> dict[str, Any]:
    """Return a pose as plain data: px, m, probabilities; a place that is not known is None."""
    best = int(np.argmax(pose.action)) if len(pose.action) else -1
    return {
        "time": pose.time,
        "frame_time": pose.frame_time,
        "sample_time": pose.sample_time,
        "fed": pose.fed,
        "action": [best, round(float(pose.action[best]), 3) if best >= 0 else 0.0],
        "people": [
            {
                "keypoints": keypoints(pose),
                "joints": _rounded([pose.joints, np.sqrt(pose.joints_var)], 4),
                "contact": _rounded([pose.contact], 2),
            }
        ],
    }


def keypoints(pose: Pose) -> list[list[float] | None]:
    """Return (x, y, score) of each joint in px of the camera's picture, None where it is not known."""
    known = np.asarray(np.isfinite(pose.keypoints).all(axis=1))
    rows = _rounded([pose.keypoints, pose.score], 2)
    return [row if there else None for row, there in zip(rows, known, strict=True)]


def _rounded(columns: Sequence[NDArray[np.float32]], digits: int) -> list[Any]:
    """Return columns side by side as lists of few digits: as double precision, or there are many again."""
    table = columns[0] if len(columns) == 1 else np.column_stack(columns)
    return np.round(table.astype(np.float64), digits).tolist()


def _view_message(time_ns: int, image: Picture, pose: Pose) -> dict[str, Any]:
    height, width = image.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return {
        "time": time_ns,
        "size": [width, height],
        "shape": image.shape[:2],
        "pixels": np.ascontiguousarray(image).data.cast("B"),
        "people": [keypoints(pose)],
    }


def heat_message(time_ns: int, people: Sequence[Person]) -> dict[str, Any]:
    """Return the strongest evidence of any joint, each person a map (h, w) uint8 and its affine to the
    picture."""
    maps = []
    for person in people:
        if person.heatmaps is None:
            continue
        strongest: NDArray[np.float32] = person.heatmaps.values.max(axis=0)
        cells = (np.clip(strongest, 0.0, 1.0) * 255).astype(np.uint8)
        maps.append(
            {
                "shape": cells.shape,
                "cells": cells.tobytes(),
                "to_picture": person.heatmaps.to_picture.tolist(),
            }
        )
    return {"time": time_ns, "maps": maps}
