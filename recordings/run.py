"""One recording from start to stop: what the bus brings goes into the file.

::

    start ── wait for the required streams ── record ── stop ── all that is under way ── summary
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from drivers.base import Batch, StreamInfo
from drivers.bus import Hub, Subscriber
from drivers.bus.messages import FAULTY, MENDED, Announcement, Ended, Event, Failed, Message, Missed, Probes
from drivers.errors import Fault, RecordingError
from drivers.rig import Rig, StreamConfig
from recordings.absences import Absences
from recordings.clock_watch import ClockWatch
from recordings.continuity import Continuity, stopped_for_s
from recordings.encoding import Settings
from recordings.growth import Growth, disk_warning
from recordings.pulse import Pulse
from recordings.restarts import Restarts
from recordings.status import Phase, RecordStatus, RecordSummary, StreamStatus, StreamSummary
from recordings.stream_writer import EncoderFailed
from recordings.writer import DiskFull, SessionWriter

if TYPE_CHECKING:
    from drivers.process import DriverProcesses, Exit

STATUS_S = 0.5
STOP_S = 15.0
"""How long streams may take to end once they were told to."""

WAIT_S = 0.05
MOUTHFUL = 256
"""The longest wait for a message, s, and the most messages taken before looking up."""

SETTLE_S = 0.5
"""Silence on the bus after which nothing more is expected from streams that never said they ended."""


class Worker(Protocol):
    """A program beside the drivers, such as one that turns pictures into features. Like Popen.

    It may have two attributes more: ``feeds``, the streams it makes by the streams of the rig it makes them
    of, whose first rows are waited for if that stream is a required camera; and ``error``, why it failed.
    """

    def poll(self) -> int | None: ...
    def terminate(self) -> None: ...
    def wait(self, timeout: float | None = None) -> int: ...


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
        self._processes: DriverProcesses | None = None
        self._workers: list[Worker] = []
        self._alive: set[str] = set()
        self._over: set[str] = set()  # streams whose end is here
        self._restarts: dict[str, Restarts] = {}
        self._coming_back: set[str] = set()  # streams whose driver was started again and has not said so yet
        self._errors: dict[str, str] = {}
        self._failed: set[str] = set()  # of these, whose drivers said so: they may come back
        self._absences = Absences()
        self._faults = Absences(FAULTY, MENDED)
        self._fed: set[str] = set()  # streams that workers make
        self._clocks = ClockWatch(hub.session.clock)
        self._pulses: dict[str, Pulse] = {}
        self._silent: set[str] = set()
        self._grown = Growth()
        self._disk: tuple[int, int, float | None] = (0, 0, None)
        self._disk_warning = ""
        self._started = self._stopped = 0.0
        self._status_due = 0.0
        self._status_rows = dict(self._before)
        self._status_at = time.monotonic()
        self._cpu = _cpu()

    def start(self, workers: Sequence[Callable[[str], Worker]], start_s: float) -> None:
        """Start all drivers and wait until the required streams are there."""
        if any(not stream.remote for stream in self._rig.streams.values()):
            from drivers.process import DriverProcesses

            self._processes = DriverProcesses(self._rig, self._hub.address)
        self._workers = [worker(self._hub.address) for worker in workers]
        self._fed = {made for worker in self._workers for made in _feeds(worker).values()}
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
                why = self._absences.of(waiting[0]).why
                self._refuse(waiting[0], why or f"{waiting[0]}: sent nothing within {start_s:.0f} s")
            self._step()
            for name in waiting:
                if name in self._errors:
                    self._refuse(name, self._errors[name])
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
        coming = self._alive.union(self._hub.publishers, self._processes.running if self._processes else ())
        coming |= set(self._hub.ending) - self._over  # their last rows may still be on their way
        return bool(coming - self._errors.keys())

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
            while message := self._subscriber.receive(SETTLE_S if self._alive else 0.0):
                self._take(message)
        finally:
            if self._processes is not None:
                self._processes.stop()
            for worker in self._workers:
                _end(worker)

    def _refuse(self, stream: str, error: str) -> None:
        cameras = [of for worker in self._workers for of, made in _feeds(worker).items() if made == stream]
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
        for worker in self._workers:
            for of, made in _feeds(worker).items():
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
            self._check_processes()
            self._check_workers()
            self._check_clocks()
            self._check_silence()
            self._check_disk()
            if self._on_status is not None:
                self._on_status(self._status())

    def _take(self, message: Message) -> None:
        if self._writer.closed:  # the disk is full, or nothing started: only let the drivers end
            if isinstance(message, Ended | Failed):
                self._over.add(message.stream)
                self._alive.discard(message.stream)
            return
        match message:
            case Batch():
                self._append(message)
            case Announcement(info):
                self._announced(info)
            case Missed(stream):
                self._writer.missed(message)
                self._silent.discard(stream)  # it did send: that was lost on its way
            case Ended(stream):
                self._writer.ended(message)
                if self.phase == "recording" and not self._stop.is_set():
                    self._silent.discard(stream)  # it ended by itself, in order
                self._over.add(stream)
                self._alive.discard(stream)
                self._clocks.over(stream)
                self._absences.over(stream)
            case Failed(stream):
                self._continuity.broke_off(stream, message.error)
                self._writer.failed(message)
                if stream in self._coming_back:  # it is the run before that has no end
                    self._clocks.over(stream)
                else:
                    self._fail(stream, message.error)
                    self._failed.add(stream)
            case Probes(host):
                self._writer.probes(message)
                self._clocks.probed(host, time.monotonic())
            case Event(kind=kind):
                self._writer.event(message)
                self._absences.told(message)
                self._faults.told(message)
                if kind == "clock":
                    self._clocks.told(message, time.monotonic())
        if not isinstance(message, Batch):
            self._continuity.passed(self._subscriber.position)

    def _append(self, batch: Batch) -> None:
        try:
            if batch.stream in self._failed and len(batch):
                self._is_back(batch)
            self._continuity.begins(batch, self._subscriber.position)
            self._writer.append(batch, self._subscriber.position)
            self._pulses[batch.stream].take(batch, time.monotonic())
        except DiskFull:
            raise
        except RecordingError as error:  # one stream's fault must not end the others
            reason = "encoder" if isinstance(error, EncoderFailed) else "other"
            self._writer.missed(Missed(batch.stream, len(batch), reason))
            self._fail(batch.stream, str(error))

    def _is_back(self, batch: Batch) -> None:
        """Go on with a stream that was given up: it was out of reach, or its driver was started again."""
        name = batch.stream
        self._failed.discard(name)
        self._errors.pop(name, None)
        info = self._writer.streams[name].info
        self._writer.announced_again(info)
        self._alive.add(name)
        self._over.discard(name)
        self._clocks.announced(info, time.monotonic())
        self._writer.event(Event(int(batch.stamps["time"][0]), "device", f"{name}: sends again", name))

    def _announced(self, info: StreamInfo) -> None:
        self._alive.add(info.name)
        self._over.discard(info.name)
        self._coming_back.discard(info.name)
        self._clocks.announced(info, time.monotonic())
        self._pulses.setdefault(info.name, Pulse(info, time.monotonic()))
        stream = self._rig.streams.get(info.name)
        h264 = self._h264(stream, info)
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

    @staticmethod
    def _h264(stream: StreamConfig | None, info: StreamInfo) -> Settings | None:
        if stream is None or stream.store != "h264" or info.kind != "camera":
            return None
        return Settings(stream.h264.preset, stream.h264.crf)

    def _fail(self, stream: str, error: str) -> None:
        self._alive.discard(stream)
        self._clocks.over(stream)
        if stream in self._errors:
            return
        self._errors[stream] = error
        if not self._writer.closed:
            self._writer.event(Event(self._now(), "device", error, stream))

    def _check_processes(self) -> None:
        """Take note of drivers that are over without having said so on the bus, and see to a spare."""
        if self._processes is not None and self.phase == "recording" and not self._coming_back:
            self._processes.prepare()
        for over in self._processes.check() if self._processes is not None else ():
            if over.stream in self._errors or self._comes_back(over):
                continue
            never = over.stream not in self._writer.streams
            if over.code != 0 or never:
                error = over.error or f"{over.stream}: its driver ended without sending anything"
                if not never and not self._writer.closed:
                    self._writer.failed(Failed(over.stream, Fault.FAILED, error))
                self._fail(over.stream, error)

    def _comes_back(self, over: Exit) -> bool:
        """Start a driver again whose process was killed; whether that is so, or will be."""
        if over.code >= 0 or self.phase != "recording" or self._writer.closed:
            return False
        now, restarts = time.monotonic(), self._restarts.setdefault(over.stream, Restarts())
        if restarts.due_s is None:
            if not restarts.died(now):
                return False
            self._writer.event(
                Event(self._now(), "device", f"{over.error}; it is started again", over.stream)
            )
        if restarts.take(now):
            assert self._processes is not None
            self._hub.release(over.stream)
            self._coming_back.add(over.stream)
            self._processes.restart(over.stream)
        return True

    def _check_workers(self) -> None:
        """Take note of workers that failed."""
        for worker in self._workers:
            if code := worker.poll():
                error = (
                    getattr(worker, "error", "") or f"a program beside the drivers ended with status {code}"
                )
                self._fail_made(_feeds(worker).values(), error)

    def _fail_made(self, made: Collection[str], error: str) -> None:
        """Give up on the streams that a worker made, and those named after them."""
        coming = self._alive.union(self._hub.publishers)
        also = {name for name in coming for of in made if name.startswith(f"{of}_")}
        for name in {*made, *also} - self._errors.keys():
            if name in self._writer.streams and not self._writer.closed:
                self._writer.failed(Failed(name, Fault.FAILED, error))
            self._fail(name, error)

    def _check_clocks(self) -> None:
        """Note in the file when the clock of another host ceases to be compared, and when it is again."""
        for streams, words in self._clocks.news(time.monotonic()):
            if not self._writer.closed:
                self._writer.event(Event(self._now(), "clock", words, streams))

    def _check_silence(self) -> None:
        """Note in the file when a stream that should send falls silent, and when it is back."""
        if self.phase != "recording" or self._writer.closed:
            return
        for name, pulse in self._pulses.items():
            watched = name in self._alive and not self._absences.of(name).why
            silent_s = pulse.silent_s(time.monotonic()) if watched else 0.0
            if bool(silent_s) != (name in self._silent):
                words = f"{name}: silent since {silent_s:.1f} s" if silent_s else f"{name}: sends again"
                if silent_s or watched:
                    self._writer.event(Event(self._now(), "device", words, name))
                self._silent ^= {name}

    def _check_disk(self) -> None:
        """Note in the file, once, that the disk will not last."""
        now = time.monotonic()
        self._disk = self._grown.told(self._writer.path, now)
        left_s = None if self._duration is None else max(self._duration - (now - self._started), 0.0)
        before, self._disk_warning = self._disk_warning, ""
        if self.phase == "recording" and not self._writer.closed:
            self._disk_warning = disk_warning(self._writer.path, self._disk[2], left_s)
            if self._disk_warning and not before:
                self._writer.event(Event(self._now(), "disk", self._disk_warning, ""))

    def _now(self) -> int:
        return time.monotonic_ns() - self._hub.session.epoch_ns

    def _status(self) -> RecordStatus:
        now = time.monotonic()
        names = [*self._rig.streams, *(n for n in self._writer.streams if n not in self._rig.streams)]
        streams = tuple(self._stream_status(name, now - self._status_at) for name in names)
        self._status_rows = {stream.name: stream.rows for stream in streams}
        self._status_at = now
        elapsed = now - self._started if self._started else 0.0
        return RecordStatus(
            self.phase,
            self._hub.address,
            self._writer.path,
            elapsed,
            self._duration,
            streams,
            (*self._clocks.warnings(now), *([self._disk_warning] if self._disk_warning else [])),
            *self._disk,
        )

    def _stream_status(self, name: str, since_s: float) -> StreamStatus:
        error = self._errors.get(name, "")
        stream = self._writer.streams.get(name)
        required = name in self._rig.streams and self._rig.streams[name].required
        if stream is None or name not in self._pulses:
            return StreamStatus(name, "failed" if error else "waiting", error=error, required=required)
        rows = stream.ledger.stored
        state = "failed" if error else "running" if name in self._alive else "ended"
        if state == "running" and self._absences.of(name).why:
            state, error = "away", self._absences.of(name).why
        elif state == "running" and self._faults.of(name).why:
            state, error = "faulty", self._faults.of(name).why
        return StreamStatus(
            name,
            state,
            rows=rows,
            rate_hz=(rows - self._status_rows.get(name, 0)) / max(since_s, 1e-3),
            nominal_rate_hz=stream.info.rate_hz,
            lost=sum(stream.ledger.lost.values()),
            bytes=stream.bytes,
            error=error,
            required=required,
            kind=stream.info.kind,
            **self._pulse_status(name, state),
        )

    def _pulse_status(self, name: str, state: str) -> dict[str, Any]:
        pulse = self._pulses[name]
        level, unit = pulse.level() or (None, "")
        told: dict[str, Any] = {"level": level, "level_unit": unit}
        if pulse.time_ns is not None:
            told |= {"bound_ms": pulse.bound_ns * 1e-6, "age_s": (self._now() - pulse.time_ns) * 1e-9}
        if state == "running" and self.phase == "recording":
            told["silent_s"] = pulse.silent_s(time.monotonic())
        return told

    def summary(self) -> RecordSummary:
        """Return what came of it."""
        streams = {
            name: StreamSummary(
                rows=stream.ledger.stored,
                lost=dict(stream.ledger.lost),
                unexplained=stream.ledger.unexplained,
                bytes=stream.bytes,
                required=name in self._rig.streams and self._rig.streams[name].required,
                error=self._errors.get(name, ""),
                absences=self._absences.of(name).times,
                away_s=self._absences.of(name).seconds,
                faults=self._faults.of(name).times,
            )
            for name, stream in self._writer.streams.items()
        }
        problems = [
            error
            for name, error in self._errors.items()
            if name in self._fed or (name in self._rig.streams and self._rig.streams[name].required)
        ]
        problems += [
            f"{name}: {stream.unexplained} rows are missing for no known reason"
            for name, stream in streams.items()
            if stream.unexplained
        ]
        problems += [f"{name}: did not say that it ended" for name in sorted(self._alive)]
        problems += [
            f"{name}: did not come back"
            for name in sorted(self._before.keys() - self._pulses.keys() - self._errors.keys())
        ]
        problems += [
            f"{name}: sent nothing any more when the recording was stopped"
            for name in sorted(self._silent)
            if name in self._rig.streams and self._rig.streams[name].required and name not in self._errors
        ]
        problems += [
            self._faults.of(name).why
            for name, stream in self._rig.streams.items()
            if stream.required and self._faults.of(name).why and name not in self._errors
        ]
        problems += self._clocks.problems
        cpu_s, drivers_cpu_s = _cpu()
        return RecordSummary(
            path=self._writer.path,
            session_id=self._hub.session.id,
            duration_s=self._stopped - self._started,
            streams=streams,
            cpu_s=cpu_s - self._cpu[0],
            drivers_cpu_s=drivers_cpu_s - self._cpu[1],
            problems=tuple(problems),
        )


def _feeds(worker: Worker) -> dict[str, str]:
    return getattr(worker, "feeds", {})


def _end(worker: Worker) -> None:
    """Wait for a program that saw the bus stop; end it if it did not."""
    try:
        worker.wait(5.0)
    except Exception:
        worker.terminate()
        worker.wait(5.0)


def _cpu() -> tuple[float, float]:
    """Processor seconds of this program, and of those it started that have ended."""
    used = os.times()
    return used.user + used.system, used.children_user + used.children_system
