"""Is a session sound? ``chorus check``.

Everything is read: every checksum, every stamp, the ledger, and a sample of the pictures. What is
wrong is a problem; what a user should know but can live with is a note.
"""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from drivers.bus.messages import FAULTY
from drivers.errors import RecordingError
from recordings import layout
from recordings.rates import effective_rate
from recordings.reader import Recording, open_recording
from recordings.returns import Returns, returns_of
from recordings.stream_reader import StreamReader, decode
from recordings.sync import StreamSync
from recordings.sync_clocks import ClockSync, HostClocks
from recordings.sync_measure import measure_stream, shared_events

STALL_S = 1.0
"""A stream that is silent for longer, and for longer than 20 of its periods, has stalled."""

LOSS_PROBLEM = 0.01
"""More than this share of a stream lost is a problem, even if each loss has its reason."""

PICTURES_DECODED = 20
"""Pictures decoded of each stream, evenly spread."""


@dataclasses.dataclass(frozen=True)
class StreamCheck:
    """What was found of one stream.

    Attributes:
        samples: rows stored.
        lost: rows lost for known reasons.
        unexplained: rows missing for none.
        rate_hz: effective rate, by a robust slope over corrected times.
        duration_s: from the first row to the end of the last.
        time_bound_ms: bound on the error of time that 95 % of the stamps keep.
        sync: how well its times hold together.
    """

    samples: int
    lost: int
    unexplained: int
    rate_hz: float
    duration_s: float
    time_bound_ms: float
    sync: StreamSync = dataclasses.field(default_factory=StreamSync)


@dataclasses.dataclass(frozen=True)
class CheckReport:
    """What ``chorus check`` found; ``to_dict`` is its JSON.

    Attributes:
        path: the file.
        problems: what is wrong, a line each.
        notes: what one should know, a line each.
        streams: figures of each stream.
        clocks: figures of each host whose clock is not the session's.
        readable: the file could be opened.
    """

    path: str
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    streams: dict[str, StreamCheck] = dataclasses.field(default_factory=dict)
    clocks: dict[str, ClockSync] = dataclasses.field(default_factory=dict)
    readable: bool = True

    @property
    def ok(self) -> bool:
        """No problem was found."""
        return not self.problems

    @property
    def exit_code(self) -> int:
        """0 sound, 1 problems found, 2 unreadable."""
        return 2 if not self.readable else int(bool(self.problems))

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON."""
        return {
            "ok": self.ok,
            "readable": self.readable,
            "path": self.path,
            "problems": list(self.problems),
            "notes": list(self.notes),
            "streams": {name: dataclasses.asdict(stream) for name, stream in self.streams.items()},
            "clocks": {host: dataclasses.asdict(clock) for host, clock in self.clocks.items()},
        }

    @classmethod
    def from_dict(cls, report: dict[str, Any]) -> CheckReport:
        """Make a report from what :meth:`to_dict` gave."""
        streams = {
            name: StreamCheck(**{**stream, "sync": StreamSync(**stream["sync"])})
            for name, stream in report["streams"].items()
        }
        return cls(
            report["path"],
            tuple(report["problems"]),
            tuple(report["notes"]),
            streams,
            {host: ClockSync(**clock) for host, clock in report["clocks"].items()},
            readable=report["readable"],
        )


def check(path: Path | str) -> CheckReport:
    """Read a whole session and judge it; never raises for what a file may hold.

    It happens in a process of its own, because the HDF5 library itself can crash on a damaged file.
    """
    command = [sys.executable, "-m", "recordings.check", str(path)]
    with tempfile.TemporaryFile() as errors:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, check=False)
    try:
        return CheckReport.from_dict(json.loads(done.stdout))
    except ValueError:
        how = f"signal {-done.returncode}" if done.returncode < 0 else f"exit {done.returncode}"
        problem = f"{path} is damaged so that the HDF5 library crashes on it ({how}). Restore it from a copy"
        return CheckReport(str(path), (problem,), readable=False)


def examine(path: Path | str) -> CheckReport:
    """Do what :func:`check` does in this process: faster, for a file that was just written."""
    try:
        recording = open_recording(path)
    except RecordingError as error:
        return CheckReport(str(path), (str(error),), readable=False)
    problems: list[str] = []
    notes: list[str] = []
    streams: dict[str, StreamCheck] = {}
    with recording:
        clocks = HostClocks(recording)
        _check_session(recording, problems, notes)
        for name, stream in recording.all_streams.items():
            try:
                streams[name] = _check_stream(recording, clocks, stream, problems, notes)
            except RecordingError as error:
                problems.append(str(error))
                streams[name] = StreamCheck(len(stream), 0, stream.ledger.unexplained, 0.0, 0.0, 0.0)
        _add_shared_events(recording, streams)
        host_clocks = _check_clocks(clocks, problems)
    return CheckReport(str(path), tuple(problems), tuple(notes), streams, host_clocks)


def _add_shared_events(recording: Recording, streams: dict[str, StreamCheck]) -> None:
    try:
        found = shared_events(recording)
    except RecordingError:  # damaged rows, told already
        return
    for name, fields in found.items():
        if name in streams:
            sync = dataclasses.replace(streams[name].sync, **fields)
            streams[name] = dataclasses.replace(streams[name], sync=sync)


def _check_clocks(clocks: HostClocks, problems: list[str]) -> dict[str, ClockSync]:
    try:
        problems += clocks.problems()
        return {host: clocks.figures(host) for host in clocks.others}
    except RecordingError:  # damaged stamps, told already
        return {}


def _check_session(recording: Recording, problems: list[str], notes: list[str]) -> None:
    problems += recording.damaged.values()
    if not recording.session.closed:
        problems.append(
            "the file was not closed in good order: the recorder was killed, or its disk full; it reads "
            "up to its last flush, and chorus repair makes a closed copy of that"
        )
    for name in recording.session.expected:
        if name not in recording.all_streams and name not in recording.damaged:
            problems.append(f"{name}: the rig names this stream, the file has none of it")
    if not recording.all_streams:
        notes.append("the file holds no streams")


def _check_stream(
    recording: Recording,
    clocks: HostClocks,
    stream: StreamReader,
    problems: list[str],
    notes: list[str],
) -> StreamCheck:
    name = stream.info.name
    damaged = False
    for part, column in stream.columns.items():
        for chunk in column.faults():
            problems.append(f"{name}: chunk {chunk} of {part} is damaged (its checksum does not match)")
            damaged = True
    found = StreamCheck(
        samples=len(stream),
        lost=sum(stream.ledger.lost.values()),
        unexplained=stream.ledger.unexplained if recording.session.closed else 0,
        rate_hz=0.0,
        duration_s=0.0,
        time_bound_ms=0.0,
    )
    if damaged:
        return found
    returns = returns_of(recording, stream)
    problems += _loss_problems(stream, found, returns)
    if len(returns.stamps):
        notes.append(
            f"{name}: its device was away {_times(len(returns.stamps))}, {returns.seconds:.1f} s in all; "
            f"{returns.rows} rows are on the ledger for it"
        )
    for event in recording.events:
        if event.kind == FAULTY and event.source == name:
            words = f"{event.label} (at {event.time * 1e-9:.1f} s)"
            (problems if stream.required else notes).append(words)
    if stream.ended == layout.INTERRUPTED:
        notes.append(f"{name}: {stream.ended}; what was not flushed before is not in this file")
    else:
        (problems if stream.required else notes).extend(_end_problems(recording, stream))
    if not len(stream):
        problems.append(f"{name}: holds no rows")
        return found
    seq, time = stream.stamps["seq"], stream.stamps["time"]
    backwards = int((np.diff(time) < 0).sum())
    if backwards:
        problems.append(f"{name}: time goes backwards {backwards} times")
    rate = effective_rate(seq, time)
    problems += _stalls(recording, stream, rate, returns)
    problems += _undecodable(stream)
    period = 1.0 / rate if rate > 0 else 0.0
    rows_at_end = len(stream) - int(stream.block_rows[-2])
    return dataclasses.replace(
        found,
        rate_hz=rate,
        duration_s=float(time[-1] - time[0]) * 1e-9 + period * rows_at_end,
        time_bound_ms=float(np.percentile(stream.stamps["time_bound"], 95)) * 1e-6,
        sync=measure_stream(clocks, stream),
    )


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _loss_problems(stream: StreamReader, found: StreamCheck, returns: Returns) -> list[str]:
    problems = []
    if found.unexplained:
        problems.append(f"{stream.info.name}: {found.unexplained} rows are missing for no known reason")
    if found.samples != stream.ledger.stored and not found.unexplained and stream.ledger.stored:
        missing = stream.ledger.stored - found.samples
        problems.append(f"{stream.info.name}: {missing} rows of the ledger are not in the file")
    lost = max(found.lost - returns.rows, 0)  # while the device was there
    produced = found.samples + lost
    if produced and lost > LOSS_PROBLEM * produced:
        reasons = ", ".join(f"{reason} {rows}" for reason, rows in stream.ledger.lost.items())
        problems.append(f"{stream.info.name}: {100 * lost / produced:.1f} % was lost ({reasons})")
    return problems


def _end_problems(recording: Recording, stream: StreamReader) -> list[str]:
    if stream.ended == "ended" or not recording.session.closed:
        return []
    if not stream.ended:
        return [f"{stream.info.name}: its driver never said that it ended"]
    return [f"{stream.info.name}: its driver failed: {stream.ended}"]


def _stalls(recording: Recording, stream: StreamReader, rate: float, returns: Returns) -> list[str]:
    """Find silences within the stream, and between it and the ends of the session.

    Those of a device that was away, and is told to have been, are none.
    """
    info = stream.info
    if not info.rate_hz or not rate:
        return []
    time = stream.stamps["time"].astype(np.int64)
    session = recording.session
    # A file that ended by itself, in order, may end early; nothing may start late.
    ends = [session.stop_ns] if session.stop_ns >= 0 and stream.ended != "ended" else []
    starts = [min(session.start_ns, int(time[0]))] if session.start_ns >= 0 else []
    edges = np.concatenate([starts, time, [max(end, int(time[-1])) for end in ends]]).astype(np.int64)
    rows_per_stamp = len(stream) / len(time)
    limit_ns = max(STALL_S, 20 * rows_per_stamp / rate) * 1e9
    away = np.zeros(len(edges) - 1, bool)
    away[returns.stamps + len(starts) - 1] = True
    found = np.flatnonzero((np.diff(edges) > limit_ns) & ~away)
    return [
        f"{info.name}: silent for {(edges[i + 1] - edges[i]) * 1e-9:.1f} s from {edges[i] * 1e-9:.1f} s on"
        for i in found
    ]


def _undecodable(stream: StreamReader) -> list[str]:
    if "packets" not in stream.columns:
        return []
    bad = []
    for index in np.unique(np.linspace(0, len(stream) - 1, PICTURES_DECODED).astype(int)):
        image = stream.image(int(index)) if stream.codec else decode(stream.picture(int(index)))
        if image is None or image.shape != stream.info.shape:
            bad.append(str(index))
    return [f"{stream.info.name}: pictures {', '.join(bad)} do not decode as announced"] if bad else []


def info(path: Path | str) -> dict[str, Any]:
    """Return what a session holds, without reading its data: ``chorus info --json``.

    Raises:
        RecordingUnreadable: it can't be opened.
    """
    with open_recording(path) as recording:
        session = dataclasses.asdict(recording.session)
        return {
            "path": str(path),
            "bytes": Path(path).stat().st_size,
            "session": session,
            "duration_s": recording.duration_s,
            "streams": {name: _describe(stream) for name, stream in recording.all_streams.items()},
            "events": len(recording.events),
            "markers": [dataclasses.asdict(event) for event in recording.events if event.kind == "mark"],
            "labels": [dataclasses.asdict(label) for label in recording.labels],
            "clock_probes": {host: len(probes) for host, probes in recording.probes.items()},
        }


def _describe(stream: StreamReader) -> dict[str, Any]:
    one = stream.info
    return {
        "kind": one.kind,
        "encoding": one.encoding,
        "dtype": one.dtype,
        "shape": list(one.shape),
        "channels": list(one.channels),
        "units": list(one.units),
        "device": one.device,
        "worn_on": one.worn_on,
        "rows": len(stream),
        "nominal_rate_hz": one.rate_hz,
        "rate_hz": stream.rate_effective_hz,
        "required": stream.required,
        "withheld": stream.withheld,
        "latency_ms": stream.latency_ns * 1e-6,
        "ended": stream.ended,
        "ledger": {
            "produced": stream.ledger.produced,
            "stored": stream.ledger.stored,
            "lost": stream.ledger.lost,
            "unexplained": stream.ledger.unexplained,
        },
    }


if __name__ == "__main__":
    print(json.dumps(examine(sys.argv[1]).to_dict()))
