"""A recording beside a session that runs already: it joins the hub, records, and leaves.

::

    hub of chorus live ──> Subscriber (complete: gaps are filled) ──> SessionWriter ──> FILE.h5

Drivers and hub belong to somebody else and go on. Each stream's account is closed with what is known of it
when the recording leaves: all of its rows from the first that was seen to the last are stored, or lost for a
reason.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.base import Batch, StreamInfo
from drivers.bus import Subscriber
from drivers.bus.messages import Announcement, Ended, Event, Failed, Message, Missed, Probes
from drivers.errors import RecordingError
from drivers.private import forbid_dumps
from drivers.rig import Rig
from recordings.continuity import Continuity
from recordings.programs import Worker
from recordings.recorder import attributes_of
from recordings.run import h264_of
from recordings.status import StreamStatus
from recordings.writer import DiskFull, SessionWriter

STATUS_S = 0.5
SETTLE_S = 2.0
"""How long what is under way at the end may take to come."""
WORKER_S = 10.0
"""How long a program beside it may take to finish its work at the end."""
MOUTHFUL = 256

OnStatus = Callable[[float, Sequence[StreamStatus]], None]


def record_beside(
    address: str,
    rig: Rig,
    output: Path | str,
    *,
    stop: threading.Event,
    workers: Sequence[Callable[[str], Worker]] = (),
    on_status: OnStatus | None = None,
    start_s: float = 30.0,
) -> list[str]:
    """Record all streams of a running session until ``stop`` is set or the hub closes.

    Args:
        address: of the hub.
        rig: that runs there: what it says of storing and of required streams holds.
        output: the file; never overwritten.
        stop: set it to end in order.
        workers: each is called with the hub's address and starts a program, as
            :func:`recordings.recorder.record`.
        on_status: called about twice a second with the seconds so far and the streams.
        start_s: how long required streams may take to send their first row.

    Returns:
        what went wrong with required streams, a line each; the file is closed in good order either way.

    Raises:
        RecordingExists: the output is there already.
        RecordingError: a required stream sends nothing, and nothing was kept; or the disk is full, and what
            was recorded is safe.
        BusUnreachable: nobody answers at the address.
    """
    if rig.private:
        forbid_dumps()
    with contextlib.ExitStack() as stack:
        subscriber = stack.enter_context(Subscriber(address))
        writer = stack.enter_context(SessionWriter(output, attributes_of(rig, subscriber.session)))
        joined = _Joined(rig, subscriber, writer, stop, on_status)
        programs = [worker(address) for worker in workers]
        try:
            joined.start(start_s, programs)
            joined.record()
        except DiskFull:
            raise
        except BaseException:
            if not joined.started:
                writer.discard()
            raise
        finally:
            joined.leave(programs)
    return joined.problems


class _Joined:
    def __init__(
        self,
        rig: Rig,
        subscriber: Subscriber,
        writer: SessionWriter,
        stop: threading.Event,
        on_status: OnStatus | None,
    ) -> None:
        self.started = 0.0
        self.problems: list[str] = []
        self._rig, self._subscriber, self._writer, self._stop = rig, subscriber, writer, stop
        self._continuity = Continuity(writer)
        self._alive: set[str] = set()
        self._on_status, self._status_due = on_status, 0.0
        self._rows: dict[str, int] = {}
        self._rows_at = time.monotonic()

    def start(self, start_s: float, programs: Sequence[Worker]) -> None:
        """Wait until each required stream, and what programs make of it, has sent a row.

        Raises:
            RecordingError: one does not.
        """
        deadline = time.monotonic() + start_s
        while waiting := self._waiting(programs):
            broken = [program for program in programs if program.poll()]
            over = self._stop.is_set() or time.monotonic() > deadline or self._subscriber.hub_closed
            if broken or over:
                why = getattr(broken[0], "error", "") if broken else ""
                raise RecordingError(
                    f"nothing was recorded: {why.rstrip('.') or f'{waiting[0]} sends nothing'}",
                    mend=f"Look why, or set streams.{waiting[0]}.required: false to record without it",
                )
            self._step()
        self.started = time.monotonic()
        self._writer.mark(start_ns=self._now())

    def record(self) -> None:
        """Record until it is to stop, or nothing more comes."""
        while not self._stop.is_set() and not self._subscriber.hub_closed and self._alive:
            self._step()

    def leave(self, programs: Sequence[Worker]) -> None:
        """Take what is under way, let the programs beside it finish, and close every stream's account."""
        stop_ns = self._now()
        if self.started and not self._writer.closed:
            self._writer.mark(stop_ns=stop_ns)
        there = set(self._alive)
        enders = [threading.Thread(target=_end, args=(program,), daemon=True) for program in programs]
        for ender in enders:
            ender.start()
        deadline = time.monotonic() + (WORKER_S if enders else SETTLE_S)
        while not self._writer.closed and time.monotonic() < deadline:
            under_way = [name for name in there & self._alive if self._last_ns(name) < stop_ns]
            if not (any(ender.is_alive() for ender in enders) or under_way) or self._subscriber.hub_closed:
                break
            self._step()
        for ender in enders:
            ender.join()
        if not self._writer.closed:
            for name in sorted(self._alive & self._writer.streams.keys()):
                self._writer.left(name)

    def _waiting(self, programs: Sequence[Worker]) -> list[str]:
        """Return required streams, and those made of required cameras, of which no row is there."""
        required = {name for name, stream in self._rig.streams.items() if stream.required}
        missing = [name for name in required if not self._stored(name) and name not in self._problem_streams]
        for program in programs:
            for of, made in getattr(program, "feeds", {}).items():
                camera = self._stored(of) and self._writer.streams[of].info.kind == "camera"
                if of in required and camera and not self._stored(made):
                    missing.append(of)
        return missing

    @property
    def _problem_streams(self) -> set[str]:
        return {problem.partition(":")[0] for problem in self.problems}

    def _stored(self, name: str) -> int:
        stream = self._writer.streams.get(name)
        return 0 if stream is None else stream.ledger.stored

    def _last_ns(self, name: str) -> int:
        stream = self._writer.streams.get(name)
        return 0 if stream is None or stream.last_ns is None else stream.last_ns

    def _now(self) -> int:
        return time.monotonic_ns() - self._subscriber.session.epoch_ns

    def _step(self) -> None:
        for number in range(MOUTHFUL):
            message = self._subscriber.receive(0.0 if number else 0.05)
            if message is None:
                break
            self._take(message)
        self._writer.poll()
        if self._on_status is not None and time.monotonic() >= self._status_due:
            self._status_due = time.monotonic() + STATUS_S
            self._on_status(time.monotonic() - self.started if self.started else 0.0, self._status())

    def _take(self, message: Message) -> None:
        match message:
            case Batch():
                self._append(message)
            case Announcement(info):
                self._announced(info)
            case Missed():
                self._writer.missed(message)
            case Ended(stream):
                self._writer.ended(message)
                self._alive.discard(stream)
            case Failed(stream):
                self._continuity.broke_off(stream, message.error)
                self._writer.failed(message)
                self._fail(stream, message.error)
            case Probes():
                self._writer.probes(message)
            case Event():
                self._writer.event(message)
        if not isinstance(message, Batch):
            self._continuity.passed(self._subscriber.position)

    def _append(self, batch: Batch) -> None:
        with self._continuity.contained(batch, self._fail):
            self._continuity.begins(batch, self._subscriber.position)
            self._writer.append(batch, self._subscriber.position)

    def _announced(self, info: StreamInfo) -> None:
        self._alive.add(info.name)
        stream = self._rig.streams.get(info.name)
        if info.name in self._writer.streams:
            self._writer.announced_again(info)
            return
        self._writer.add_stream(
            info,
            withheld=stream is not None and stream.store == "none",
            required=stream is not None and stream.required,
            latency_ns=round(stream.latency_ms * 1e6) if stream is not None else 0,
            h264=h264_of(stream, info),
        )

    def _fail(self, stream: str, error: str) -> None:
        self._alive.discard(stream)
        entry = self._rig.streams.get(stream)
        if entry is not None and entry.required and error not in self.problems:
            self.problems.append(error)
        if not self._writer.closed:
            self._writer.event(Event(self._now(), "device", error, stream))

    def _status(self) -> list[StreamStatus]:
        now = time.monotonic()
        since, self._rows_at = max(now - self._rows_at, 1e-3), now
        told = []
        for name, stream in self._writer.streams.items():
            rows = stream.ledger.stored
            told.append(
                StreamStatus(
                    name,
                    "running" if name in self._alive else "ended",
                    rows=rows,
                    rate_hz=(rows - self._rows.get(name, 0)) / since,
                    nominal_rate_hz=stream.info.rate_hz,
                    lost=sum(stream.ledger.lost.values()),
                    bytes=stream.bytes,
                    kind=stream.info.kind,
                )
            )
            self._rows[name] = rows
        return told


def _end(program: Worker) -> None:
    """Tell a program that nothing more will come, and wait for its end."""
    try:
        program.wait(WORKER_S)
    except Exception:
        program.terminate()
        program.wait(WORKER_S)
