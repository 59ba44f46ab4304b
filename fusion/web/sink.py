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

import msgspec

from drivers.base import Batch
from drivers.bus.messages import Message
from drivers.errors import BusError
from fusion.tracking.crowd import Crowd
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Pose
from fusion.tracking.sinks import Picture, Sink
from fusion.vision.base import Person
from fusion.web.config import PageConfig
from fusion.web.frames import write_frame
from fusion.web.gathered import Gathered
from fusion.web.messages import heat_message, pose_message, view_message

RATE_HZ = 20.0
"""Messages to the server while somebody looks."""
IDLE_HZ = 4.0
"""And while nobody does: history goes on."""
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
        self._poses: Sequence[Pose] = ()
        self._firsts: collections.deque[Sequence[Pose]] = collections.deque(maxlen=WAITING)  # of each picture
        self._crowd: Crowd | None = None
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

    @property
    def feeder(self) -> threading.Thread:
        """Thread that hands everything over: what the page costs this process."""
        return self._sender

    def follow(self, crowd: Crowd | None) -> None:
        """Let viewers say who of a crowd wears the sensors; None: one person is followed."""
        self._crowd = crowd

    def pose(self, pose: Pose) -> None:
        """Keep the newest pose, and the first that each picture gave."""
        self.poses([pose])

    def poses(self, poses: Sequence[Pose]) -> None:
        """Keep everybody's newest poses, and the first that each picture gave."""
        self._poses = poses
        if poses[0].frame_time is not None and poses[0].frame_time != self._frame:
            self._frame = poses[0].frame_time
            self._firsts.append(poses)

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
                told = json.loads(line)
                if "wearer" in told and self._crowd is not None:
                    self._crowd.choose(told["wearer"])
                wants = told.get("want", {})
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
                message["view"] = view_message(*view)
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
        poses, self._poses = self._poses, ()
        message["told"], message["now"] = told, self._now()
        if poses:
            message["pose"] = pose_message(
                poses, chosen=self._crowd is not None and self._crowd.chosen is not None
            )
            message["meter"] = self._meter_message()
        return message

    def _view(self) -> tuple[int, Picture, Sequence[Pose]] | None:
        """Return the newest picture that poses came of, with those poses, once; older ones are let go."""
        poses = [self._firsts.popleft() for _ in range(len(self._firsts))]
        pictures = list(self._waiting)
        if not self.wants_pictures:
            self._waiting.clear()
            return None
        found = None
        for everybody in poses:
            frame_time = everybody[0].frame_time
            for at, image in pictures:
                if frame_time is not None and abs(at - frame_time) <= SAME_NS:
                    found = (at, image, everybody)
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
