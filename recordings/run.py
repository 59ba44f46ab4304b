"""One recording from start to stop: what the bus brings goes into the file.

::

    start ── wait for the required streams ── record ── stop ── all that is under way ── summary
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Sequence

from drivers.base import Batch, StreamInfo
from drivers.bus import Hub, Subscriber
from drivers.bus.messages import Announcement, Ended, Event, Failed, Message, Missed, Probes
from drivers.errors import Fault, RecordingError
from drivers.rig import Rig, StreamConfig
from recordings.account import Account
from recordings.continuity import Continuity, stopped_for_s
from recordings.encoding import Settings
from recordings.growth import DiskWatch
from recordings.presence import Presence
from recordings.programs import Programs, Worker
from recordings.status import Phase, RecordStatus, RecordSummary
from recordings.writer import SessionWriter

STATUS_S = 0.5
STOP_S = 15.0
"""How long streams may take to end once they were told to."""

WAIT_S = 0.05
MOUTHFUL = 256
"""The longest wait for a message, s, and the most messages taken before looking up."""

SETTLE_S = 0.5
"""Silence on the bus after which nothing more is expected from streams that never said they ended."""


class Run:
    """One recording from start to stop."""

    def __init__(
        self,
        rig: Rig,
        hub: Hub,
        subscriber: Subscriber,
        writer: SessionWriter,
        continuity: Continuity,
        duration: float | None,
        on_status: Callable[[RecordStatus], None] | None,
        stop: threading.Event,
    ) -> None:
        self.phase: Phase = "starting"
        self._rig = rig
        self._hub = hub
        self._subscriber = subscriber
        self._writer = writer
        self._continuity = continuity
        self._before = {name: stream.ledger.stored for name, stream in writer.streams.items()}
        self._duration = duration
        self._on_status = on_status
        self._stop = stop
        self._programs = Programs(rig, hub)
        self._known = Presence(hub.session.clock)
        self._disk = DiskWatch(writer.path)
        self._account = Account(rig, hub, writer, self._known, self._disk, self._before)
        self._started = self._stopped = 0.0
        self._status_due = 0.0

    def start(self, workers: Sequence[Callable[[str], Worker]], start_s: float) -> None:
        """Start all drivers and wait until the required streams are there."""
        self._programs.start(workers)
        if self._before:
            words = f"the recording goes on after {stopped_for_s(self._writer, self._now()):.1f} s"
            self._writer.event(Event(self._now(), "recorder", words, ""))
        deadline = time.monotonic() + start_s
        while waiting := self._waiting():
            if self._stop.is_set():
                raise RecordingError(
                    f"stopped before {', '.join(waiting)} came; nothing was recorded",
                    mend="start again with chorus record",
                )
            if time.monotonic() > deadline:
                why = self._known.absences.of(waiting[0]).why
                self._refuse(waiting[0], why or f"{waiting[0]}: sent nothing within {start_s:.0f} s")
            self._step()
            for name in waiting:
                if name in self._known.errors:
                    self._refuse(name, self._known.errors[name])
        self.phase = "recording"
        self._started = time.monotonic()
        if self._writer.session.start_ns < 0:
            self._writer.mark(start_ns=self._now())

    def record(self) -> None:
        """Record until the duration is over, somebody stops it, or nothing is left to record."""
        while not self._stop.is_set():
            elapsed = time.monotonic() - self._started
            if self._duration is not None and elapsed >= self._duration:
                return
            if not self._running():
                return
            self._step()

    def _running(self) -> bool:
        """Whether anything is left to come."""
        coming = self._known.alive.union(self._hub.publishers, self._programs.running)
        coming |= set(self._hub.ending) - self._known.over  # their last rows may still be on their way
        return bool(coming - self._known.errors.keys())

    def stop(self) -> None:
        """Tell the drivers to end, and write all that is still under way."""
        self._stopped = time.monotonic()
        if self.phase == "recording" and not self._writer.closed:
            self._writer.mark(stop_ns=self._now())
        self.phase = "stopping"
        self._hub.request_stop()
        try:
            while self._running() and time.monotonic() < self._stopped + STOP_S:
                self._step()
            while message := self._subscriber.receive(SETTLE_S if self._known.alive else 0.0):
                self._take(message)
        finally:
            self._programs.stop()

    def _refuse(self, stream: str, error: str) -> None:
        cameras = [of for of, made in self._programs.feeds if made == stream]
        mend = f"streams.{stream}.required: false to record without it"
        if cameras:
            mend = f"streams.{cameras[0]}.store: default to record its pictures instead"
        what = "nothing more was recorded" if self._before else "nothing was recorded"
        raise RecordingError(f"{what}: {error.rstrip('.')}", mend=f"Or set {mend}")

    def _waiting(self) -> list[str]:
        """Required streams, and those made of required cameras, of which no row is there."""
        there = {
            name
            for name, stream in self._writer.streams.items()
            if stream.ledger.stored > self._before.get(name, 0)
        }
        waiting = [name for name, one in self._rig.streams.items() if one.required and name not in there]
        for of, made in self._programs.feeds:
            camera = of in there and self._writer.streams[of].info.kind == "camera"
            if camera and self._rig.streams[of].required and made not in there:
                waiting.append(made)
        return waiting

    def _step(self) -> None:
        """Take what comes within a moment, and do what is due."""
        for number in range(MOUTHFUL):
            message = self._subscriber.receive(0.0 if number else WAIT_S)
            if message is None:
                break
            self._take(message)
        if not self._writer.closed:
            self._writer.poll()
        if time.monotonic() >= self._status_due:
            self._status_due = time.monotonic() + STATUS_S
            self._check_drivers()
            self._check_workers()
            self._tell_news()
            self._check_disk()
            if self._on_status is not None:
                elapsed_s = time.monotonic() - self._started if self._started else 0.0
                self._on_status(self._account.status(self.phase, elapsed_s, self._duration))

    def _take(self, message: Message) -> None:
        if self._writer.closed:  # the disk is full, or nothing started: only let the drivers end
            if isinstance(message, Ended | Failed):
                self._known.over.add(message.stream)
                self._known.alive.discard(message.stream)
            return
        match message:
            case Batch():
                self._append(message)
            case Announcement(info):
                self._announced(info)
            case Missed(stream):
                self._writer.missed(message)
                self._known.silence.sent(stream)  # that was lost on its way
            case Ended(stream):
                self._writer.ended(message)
                if self.phase == "recording" and not self._stop.is_set():
                    self._known.silence.sent(stream)  # it ended by itself, in order
                self._known.ended(stream)
            case Failed(stream):
                self._continuity.broke_off(stream, message.error)
                self._writer.failed(message)
                if stream in self._programs.coming_back:  # it is the run before that has no end
                    self._known.clocks.over(stream)
                else:
                    self._fail(stream, message.error)
                    self._known.failed.add(stream)
            case Probes(host):
                self._writer.probes(message)
                self._known.clocks.probed(host, time.monotonic())
            case Event():
                self._writer.event(message)
                self._known.told(message, time.monotonic())
        if not isinstance(message, Batch):
            self._continuity.passed(self._subscriber.position)

    def _append(self, batch: Batch) -> None:
        with self._continuity.contained(batch, self._fail):
            if batch.stream in self._known.failed and len(batch):
                self._is_back(batch)
            self._continuity.begins(batch, self._subscriber.position)
            self._writer.append(batch, self._subscriber.position)
            self._known.silence.take(batch, time.monotonic())

    def _is_back(self, batch: Batch) -> None:
        """Go on with a stream that was given up: it was out of reach, or its driver was started again."""
        name = batch.stream
        info = self._writer.streams[name].info
        self._writer.announced_again(info)
        self._known.back(info, time.monotonic())
        self._writer.event(Event(int(batch.stamps["time"][0]), "device", f"{name}: sends again", name))

    def _announced(self, info: StreamInfo) -> None:
        self._known.announced(info, time.monotonic())
        self._programs.coming_back.discard(info.name)
        stream = self._rig.streams.get(info.name)
        h264 = h264_of(stream, info)
        if info.name in self._writer.streams:
            if h264 is not None:
                self._writer.streams[info.name].encode_with(h264)
            self._writer.announced_again(info)
            return
        self._writer.add_stream(
            info,
            withheld=stream is not None and stream.store == "none",
            required=stream is not None and stream.required,
            latency_ns=round(stream.latency_ms * 1e6) if stream is not None else 0,
            h264=h264,
        )

    def _fail(self, stream: str, error: str) -> None:
        if self._known.given_up(stream, error):
            self._note("device", error, stream)

    def _check_drivers(self) -> None:
        """Take note of drivers that are over without having said so on the bus, and see to a spare."""
        if self.phase == "recording":
            self._programs.spare()
        restart = self._note_restart if self.phase == "recording" and not self._writer.closed else None
        for over in self._programs.over(self._known.errors, restart):
            never = over.stream not in self._writer.streams
            if over.code != 0 or never:
                error = over.error or f"{over.stream}: its driver ended without sending anything"
                if not never and not self._writer.closed:
                    self._writer.failed(Failed(over.stream, Fault.FAILED, error))
                self._fail(over.stream, error)

    def _note_restart(self, stream: str, why: str) -> None:
        self._note("device", f"{why}; it is started again", stream)

    def _check_workers(self) -> None:
        """Take note of workers that failed."""
        for made, error in self._programs.failed_workers():
            self._fail_made(made, error)

    def _fail_made(self, made: Collection[str], error: str) -> None:
        """Give up on the streams that a worker made, and those named after them."""
        coming = self._known.alive.union(self._hub.publishers)
        also = {name for name in coming for of in made if name.startswith(f"{of}_")}
        for name in {*made, *also} - self._known.errors.keys():
            if name in self._writer.streams and not self._writer.closed:
                self._writer.failed(Failed(name, Fault.FAILED, error))
            self._fail(name, error)

    def _tell_news(self) -> None:
        """Note when the clock of another host, or a stream, falls silent, and when it is back."""
        for streams, words in self._known.clocks.news(time.monotonic()):
            self._note("clock", words, streams)
        if self.phase == "recording" and not self._writer.closed:
            for stream, words in self._known.silences(time.monotonic()):
                self._note("device", words, stream)

    def _check_disk(self) -> None:
        """Note, once, that the disk will not last."""
        now = time.monotonic()
        left_s = None if self._duration is None else max(self._duration - (now - self._started), 0.0)
        goes_on = self.phase == "recording" and not self._writer.closed
        if warning := self._disk.look(now, left_s, warn=goes_on):
            self._note("disk", warning, "")

    def _note(self, kind: str, words: str, source: str) -> None:
        """Keep in the file, as long as it is open, that something happened now."""
        if not self._writer.closed:
            self._writer.event(Event(self._now(), kind, words, source))

    def _now(self) -> int:
        return time.monotonic_ns() - self._hub.session.epoch_ns

    def summary(self) -> RecordSummary:
        """Return what came of it."""
        made = [made for _, made in self._programs.feeds]
        return self._account.summary(self._stopped - self._started, made)


def h264_of(stream: StreamConfig | None, info: StreamInfo) -> Settings | None:
    """Return how the pictures of a stream are to be encoded as H.264; None where they are not."""
    if stream is None or stream.store != "h264" or info.kind != "camera":
        return None
    return Settings(stream.h264.preset, stream.h264.crf)
