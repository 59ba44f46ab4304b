"""The live engine: samples in, poses out, each stage in a thread of its own, none ever queueing pictures.

::

    feed(message) --> builder <------- vision threads, one a camera <-- newest picture only, skipped ones
    (receive thread)     |                                              counted
                    fuse thread, a tick of 60 Hz at a time --> network step --> sinks, a thread each

A tick is fused as soon as every stream that is waited for has passed it, and at the latest when its rows
usually are there (:mod:`fusion.tracking.waiting`): what comes later counts from the next tick on, with its
age. Where nothing is late the poses are those that :func:`fusion.tracking.sequential.run_recording` gives
for the same samples. Ticks keep step with when pictures are ready (:mod:`fusion.tracking.lead`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from drivers.base import Batch
from drivers.bus.messages import LOST, Announcement, Ended, Event, Failed, Message
from drivers.errors import ChorusError
from fusion.features import FeatureBuilder
from fusion.features.offline import decode
from fusion.tracking.arrivals import Arrivals
from fusion.tracking.crowd import Crowd
from fusion.tracking.lead import Lead
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Fuser, Pose
from fusion.tracking.sinks import Picture, Sink
from fusion.tracking.steady import steady
from fusion.tracking.turn import Turns
from fusion.tracking.waiting import Waiting
from fusion.vision.base import FrontEnd
from fusion.vision.several import FrontEnds

log = logging.getLogger(__name__)

_SECOND = 1_000_000_000

_OVERLOAD_S = 0.25
"""Behind by this and the patience the engine leaves ticks out: an old pose is worth less than a gap."""


@dataclasses.dataclass(frozen=True)
class Timing:
    """How long the engine waits, and whether others wait for it.

    Attributes:
        patience_s: a tick waits for streams that usually come within this time, as long as they usually take.
        first: the threads that see and fuse ask for real-time priority, see :mod:`fusion.tracking.turn`.
    """

    patience_s: float = 0.002
    first: bool = False


class _Camera:
    """One camera's pictures on their way through its front end: the newest waits, older ones are skipped."""

    def __init__(self, name: str, eyes: FrontEnd, lock: threading.Lock) -> None:
        self.name, self.eyes = name, eyes
        self.changed = threading.Condition(lock)
        self.picture: tuple[int, bytes | NDArray[Any]] | None = None
        self.arrived = 0
        self.busy = self.ended = False

    @property
    def idle(self) -> bool:
        """Whether nothing waits or is being looked at."""
        return self.picture is None and not self.busy


class LiveEngine:
    """Runs vision and fusion on messages as they come.

    Args:
        builder: of the session's streams.
        fuser: the network; a crowd, where several people are followed through the builder's only camera.
        eyes: the vision front ends, or one for one camera; None where no camera takes part.
        sinks: where poses go; they must not block.
        now: session time, ns.
        meter: counts.
        timing: how long to wait.
        on_pose: called with each pose, of several people the first, in the fuse thread.
    """

    def __init__(
        self,
        builder: FeatureBuilder,
        fuser: Fuser | Crowd,
        eyes: FrontEnd | FrontEnds | None,
        sinks: Sequence[Sink],
        *,
        now: Callable[[], int],
        meter: Meter,
        timing: Timing | None = None,
        on_pose: Callable[[Pose], None] | None = None,
    ) -> None:
        self.error: BaseException | None = None
        self._builder, self._fuser, self._sinks = builder, fuser, sinks
        self._crowd = fuser if isinstance(fuser, Crowd) else None
        self._eyes = FrontEnds(eyes) if isinstance(eyes, FrontEnd) else eyes
        self._now, self._meter, self._on_pose = now, meter, on_pose
        timing = timing or Timing()
        self._waiting, self._turns = Waiting(timing.patience_s), Turns(timing.first)
        self._patience = self._waiting.patience
        self._lead = Lead(round(_SECOND / builder.spec.rate_hz))
        self._frames_seen, self._rows_seen = Arrivals(), Arrivals()
        self._lock = threading.Lock()  # over builder, newest pictures and flags
        # Whoever waits is told of what it waits for alone: some 700 messages a second would wake them all.
        self._ripe, self._seen = threading.Condition(self._lock), threading.Condition(self._lock)
        self._awaited: set[str] | None = None  # streams that keep the next tick; None: it is not known yet
        self._until = (0, 0)  # how far they have to come: the tick, and when it is due
        self._cameras: dict[str, _Camera] = {}
        self._stopping = False
        self._threads = [threading.Thread(target=self._guard, args=(self._fuse,), name="fuse", daemon=True)]
        self._started = False
        self._steady = contextlib.ExitStack()
        if isinstance(fuser, Fuser):
            fuser.prepare(builder.sights.together)
        self._watch()

    @property
    def crowd(self) -> Crowd | None:
        """Who follows several people, if there are to be several."""
        return self._crowd

    def start(self) -> None:
        """Start the threads."""
        self._started = True
        self._steady.enter_context(steady())
        for thread in self._threads:
            thread.start()

    def feed(self, message: Message) -> None:
        """Take a message of the bus; never waits for a stage."""
        with self._lock:
            if isinstance(message, Batch):
                self._take(message)
                return
            if isinstance(message, Announcement):
                if (
                    message.info.kind != "camera"
                    or self._eyes is None
                    or len(self._cameras) < self._eyes.most
                ):
                    self._builder.add([message.info])
                    self._watch()
            elif isinstance(message, Ended | Failed):
                self._end(message.stream)
            elif isinstance(message, Event) and message.kind == LOST:
                self._waiting.gone(message.source)
            self._wake_all()

    def finished(self) -> bool:
        """Return whether every stream ended and was fused to its end, or a stage failed."""
        with self._lock:
            return self.error is not None or not self._threads[0].is_alive()

    def stop(self) -> None:
        """Stop at once, and wait until the stages have ended.

        Raises:
            BaseException: what a stage failed with.
        """
        with self._lock:
            self._stopping = True
            self._wake_all()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()
        self._steady.close()
        if self.error is not None:
            raise self.error

    def wait(self, timeout_s: float) -> bool:
        """Wait until :meth:`finished`; return whether it is."""
        self._threads[0].join(timeout_s)
        return self.finished()

    def wait_seen(self, timeout_s: float) -> bool:
        """Wait until no picture waits to be looked at; return whether none does."""
        with self._lock:
            return self._seen.wait_for(
                lambda: self._stopping or all(camera.idle for camera in self._cameras.values()), timeout_s
            )

    # Receiving.

    def _watch(self) -> None:
        """Have a thread for each camera whose pictures take part."""
        if self._eyes is None:
            return
        for info in self._builder.cameras:
            if info.kind != "camera" or info.name in self._cameras:
                continue
            camera = _Camera(info.name, self._eyes.of(len(self._cameras)), self._lock)
            self._cameras[info.name] = camera
            thread = threading.Thread(
                target=self._guard, args=(self._look, camera), name=f"vision {info.name}", daemon=True
            )
            self._threads.append(thread)
            if self._started:
                thread.start()

    def _take(self, batch: Batch) -> None:
        camera = self._cameras.get(batch.stream)
        if not len(batch):
            return
        if camera is None:
            self._builder.push(batch)
            times, now = batch.stamps["time"], self._now()
            self._waiting.came(batch.stream, int(times[0]), int(times[-1]), len(times), now)
            if batch.stream in self._builder.slots:
                self._rows_seen.note(int(times[-1]), now)
            self._stir(batch.stream)
            return
        skipped = len(batch) - 1 + (camera.picture is not None)
        if skipped:
            self._meter.looked(camera.name, 0, skipped)
        camera.picture = (int(batch.stamps["time"][-1]), batch.data[-1])
        camera.arrived = self._now()
        camera.changed.notify()

    def _end(self, stream: str) -> None:
        camera = self._cameras.get(stream)
        if camera is not None:
            camera.ended = True
        if camera is None or camera.idle:
            self._builder.end(stream)

    # Seeing.

    def _look(self, camera: _Camera) -> None:
        self._go_first(cores=1)
        while True:
            with self._lock:
                camera.busy = False
                self._seen.notify_all()
                if camera.ended and camera.idle:
                    self._builder.end(camera.name)
                    self._ripe.notify()
                camera.changed.wait_for(lambda: camera.picture is not None or self._stopping)
                if self._stopping or camera.picture is None:
                    return
                time, encoded = camera.picture
                camera.picture, camera.busy = None, True
                arrived = camera.arrived
                self._builder.expect_frame(time, camera.name)
                shown = self._builder.shown == camera.name
                self._stir(camera.name)
            image = self._decoded(encoded, camera.name)
            if image is None:
                continue
            people = camera.eyes(image, time)
            look = None if self._crowd is None else self._crowd.look(time, people, image)
            for sink in self._sinks if shown else ():
                if sink.wants_pictures:
                    sink.picture(time, image)
                sink.people(time, people)
            with self._lock:
                self._meter.looked(camera.name)
                if look is not None and self._crowd is not None:
                    self._crowd.push(look)
                self._builder.push_people(time, people, camera.name)
                now = self._now()
                self._waiting.came(camera.name, time, time, 1, now)
                self._lead.ready(self._builder.next_time or 0, now)
                self._frames_seen.note(time, arrived)
                self._stir(camera.name)

    def _decoded(self, encoded: bytes | NDArray[Any], camera: str) -> Picture | None:
        try:
            return decode(encoded)
        except ChorusError as error:  # one broken picture does not end a session
            log.warning("%s", error)
            self._meter.looked(camera, 0, 1)
            return None

    # Fusing.

    def _fuse(self) -> None:
        self._go_first(cores=0)
        while True:
            with self._lock:
                while (tick := self._due()) is None:
                    if self._stopping or self._finished_all():
                        return
                    self._ripe.wait(self._nap())
                if self._stopping:
                    return
                features = self._builder.step(tick)
                frames, rows = self._frames_seen.seen(tick), self._rows_seen.seen(tick)
                turns = [] if self._crowd is None else self._crowd.turns(features)
            if isinstance(self._fuser, Crowd):
                poses = self._fuser.poses(turns)
            else:
                poses = [self._fuser(features)]
            for sink in self._sinks:
                sink.poses(poses)
            now = self._now()
            self._meter.pose(poses[0], now)
            self._meter.used(frames, rows, now)
            if self._on_pose is not None:
                self._on_pose(poses[0])

    def _finished_all(self) -> bool:
        return bool(self._builder.used) and self._builder.exhausted

    def _due(self) -> int | None:
        """Return the tick to fuse now, or None to wait."""
        builder, now = self._builder, self._now()
        tick = builder.next_time
        if tick is None or builder.exhausted:
            return None
        marks, due = builder.marks(), tick - self._lead.now
        if now < due:
            return tick if builder.ready(tick) else None
        behind = self._waiting.behind(marks, due, now)
        if behind and now <= self._waiting.until(behind, due):
            return None
        if behind and self._waiting.late(behind, marks, due):
            self._meter.late_ticks += 1
        return self._catch_up(tick, now)

    def _catch_up(self, tick: int, now: int) -> int:
        if now - tick <= self._patience + _OVERLOAD_S * _SECOND:
            return tick
        grid = self._builder.grid
        goal = grid.at_or_after(now - self._patience)
        if (
            not self._builder.marks()
        ):  # all streams ended: beyond the last sample there is nothing to leave out
            goal = max(grid.at_or_after(tick), min(goal, grid.at_or_after(self._builder.last_time + 1) - 1))
        self._meter.skipped_ticks += goal - grid.at_or_after(tick)
        return grid.time(goal)

    def _nap(self) -> float | None:
        """Return how long nothing but a message can make a tick due, s; :meth:`_stir` knows which."""
        tick, now = self._builder.next_time, self._now()
        self._awaited = None
        if tick is None:
            return None
        due = tick - self._lead.now
        behind = self._waiting.behind(self._builder.marks(), due, max(now, due))
        self._awaited, self._until = set(behind), (tick, due)
        return max(0.0005, (self._waiting.until(behind, due) - now) / _SECOND)

    def _stir(self, stream: str) -> None:
        """Wake the thread that fuses where, now that a stream has come further, it waits for nothing more."""
        if self._awaited is None:
            self._ripe.notify()
            return
        mark, (tick, due) = self._builder.mark(stream), self._until
        if stream in self._awaited and mark >= due:
            self._awaited.discard(stream)
            if not self._awaited:
                self._ripe.notify()
        elif mark >= tick and self._builder.ready(tick):
            self._ripe.notify()

    def _wake_all(self) -> None:
        for changed in (self._ripe, self._seen, *(camera.changed for camera in self._cameras.values())):
            changed.notify_all()

    def _go_first(self, cores: int) -> None:
        with self._lock:
            self._turns.take(cores)
            self._meter.first_threads = self._turns.first

    def _guard(self, stage: Callable[..., None], *about: Any) -> None:
        try:
            stage(*about)
        except BaseException as error:  # handed to who called stop()
            with self._lock:
                self.error = self.error or error
                self._stopping = True
                self._wake_all()
