"""Estimate a recording's times again, from its raw times and probes: ``chorus resync``.

While recording, a time has to be told at once, from what came before it. Here all is known::

    time_host, time_device, seq ── drivers.clock.device.smooth ──> host time of capture
    probes ── drivers.clock.host.smooth ── session time - latency  ->  time, time_bound

Raw times, rows, probes, the ledger and labels stay as they were; ``time``, ``time_bound``, their
checksums and the effective rate are written anew, into a new file. Latencies that ``chorus calibrate
latency`` found are taken off. Events keep their times: no raw time of theirs is stored.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import json
import os
import shutil
import time as clock
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.clock import device
from drivers.errors import RecordingError, RecordingExists
from recordings import layout
from recordings.latency import Latency
from recordings.rates import effective_rate
from recordings.reader import Recording, open_recording
from recordings.returns import returns_of
from recordings.stream_reader import StreamReader
from recordings.sync_clocks import HostClocks

ATTRIBUTE = "resync"
"""Attribute of the file and of each stream that says how its times were estimated again: a JSON object."""

Ns = NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class StreamResync:
    """What became of one stream.

    Attributes:
        method: how its times were estimated.
        moved_ms: how far they moved, RMS.
        moved_max_ms: the farthest.
        bound_before_ms, bound_ms: median bound on their error, before and now.
        latency_ms: constant latency taken off now that was found in this recording.
    """

    method: str
    moved_ms: float
    moved_max_ms: float
    bound_before_ms: float
    bound_ms: float
    latency_ms: float = 0.0


@dataclasses.dataclass(frozen=True)
class ResyncReport:
    """What ``chorus resync`` did.

    Attributes:
        path: the recording.
        output: the new file.
        streams: by name.
    """

    path: Path
    output: Path
    streams: dict[str, StreamResync]


@dataclasses.dataclass(frozen=True)
class NewTimes:
    """Times of one stream, estimated again.

    Attributes:
        time: (N,) corrected session time, rising, ns.
        bound: (N,) bound on its error, ns.
        method: how.
        latency_ns: constant latency that is taken off now; None where that is as it was.
    """

    time: Ns
    bound: Ns
    method: str
    latency_ns: int | None = None


def default_output(path: Path) -> Path:
    """Return ``walk.resynced.h5`` for ``walk.h5``."""
    return path.with_name(f"{path.stem}.resynced{path.suffix}")


def resync(path: Path | str, output: Path | str | None = None) -> ResyncReport:
    """Write a recording with times estimated again; the original is never touched.

    Args:
        path: the recording; one whose recorder was killed will do.
        output: the new file, by default :func:`default_output`.

    Raises:
        RecordingExists: the output is there already.
        RecordingUnreadable: the recording can't be opened, or a stamp in it is damaged.
        RecordingError: the output can't be written.
    """
    path = Path(path)
    output = default_output(path) if output is None else Path(output)
    if output.exists():
        raise RecordingExists(
            f"{output} exists already and is not overwritten", mend="give another name with --output"
        )
    with open_recording(path) as recording:
        times = estimate(recording)
        before = {name: recording.all_streams[name].stamps for name in times}
        found = {name: recording.all_streams[name].latency for name in times}
    report = {
        name: _compare(new, before[name]["time"].astype(np.int64), before[name]["time_bound"], found[name])
        for name, new in times.items()
    }
    part = output.with_name(f".{output.name}.part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, part)
        with h5py.File(part, "r+") as file:
            _write(file, path, times, report)
        with part.open("rb") as written:
            os.fsync(written.fileno())
        part.rename(output)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RecordingError(
            f"{output} can't be written ({reason})",
            mend="give a name on a disk with room for it with --output",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return ResyncReport(path, output, report)


def estimate(recording: Recording) -> dict[str, NewTimes]:
    """Estimate the times of all streams again; streams without rows are left out.

    Raises:
        RecordingUnreadable: a stamp is damaged.
    """
    clocks = HostClocks(recording)
    streams = {name: stream for name, stream in recording.all_streams.items() if len(stream.stamps)}
    followers = {name for name in streams if _source(streams, name) is not None}
    own = {name: stream for name, stream in streams.items() if name not in followers}
    times = {name: _own_times(recording, clocks, stream) for name, stream in own.items()}
    for name in followers:
        source = _source(streams, name)
        assert source is not None
        times[name] = _followed_times(streams[name], streams[source], times[source])
    return {name: times[name] for name in streams}


def _own_times(recording: Recording, clocks: HostClocks, stream: StreamReader) -> NewTimes:
    stamps, info = stream.stamps, stream.info
    raw = [np.ascontiguousarray(stamps[name]) for name in ("seq", "time_host", "time_device")]
    track = clocks.track(info.host)
    if track is None:
        kept = stamps["time"].astype(np.int64), stamps["time_bound"].astype(np.int64)
        return NewTimes(*kept, "as recorded: no probe tells the clock of its host")
    # A device that was away began its clock anew.
    edges = [0, *returns_of(recording, stream).stamps.tolist(), len(stamps)]
    parts = [
        device.smooth(raw[0][start:stop], raw[1][start:stop], raw[2][start:stop], info)
        for start, stop in itertools.pairwise(edges)
    ]
    host, host_bound = (np.concatenate(values) for values in zip(*parts, strict=True))
    session, bound = track.to_session(host)
    latency = stream.latency_ns + (stream.latency.latency_ns if stream.latency is not None else 0)
    shifted = session - latency
    rising = _rising(shifted)
    method = "device clock" if clocks.is_session(info.host) else "device clock and probes"
    bound = host_bound + bound + (rising - shifted)
    return NewTimes(rising, bound, f"{method}, both directions of time", latency)


def _source(streams: dict[str, StreamReader], name: str) -> str | None:
    """The camera that a stream of features was computed from, whose stamps it has."""
    info = streams[name].info
    camera = info.properties.get("camera", "")
    return camera if info.kind == "features" and camera in streams and camera != name else None


def _followed_times(stream: StreamReader, source: StreamReader, times: NewTimes) -> NewTimes:
    """Rows computed from another stream's rows keep its stamps, now as then."""
    old = source.stamps["time"].astype(np.int64)
    mine = stream.stamps["time"].astype(np.int64)
    moved = np.interp((mine - old[0]).astype(np.float64), (old - old[0]).astype(np.float64), times.time - old)
    nearest = np.clip(np.searchsorted(old, mine), 0, len(old) - 1)
    time = _rising(mine + np.rint(moved).astype(np.int64))
    return NewTimes(time, times.bound[nearest], f"as {source.info.name}")


def _rising(time: Ns) -> Ns:
    """Lift times that would not rise, by as little as can be."""
    numbers = np.arange(len(time))
    return np.maximum.accumulate(time - numbers) + numbers


def _compare(new: NewTimes, time: Ns, bound: Ns, found: Latency | None) -> StreamResync:
    moved = np.abs(new.time - time).astype(np.float64) * 1e-6
    return StreamResync(
        method=new.method,
        moved_ms=float(np.sqrt(np.mean(moved**2))),
        moved_max_ms=float(np.max(moved)),
        bound_before_ms=float(np.median(bound)) * 1e-6,
        bound_ms=float(np.median(new.bound)) * 1e-6,
        latency_ms=found.latency_ms if found is not None and new.latency_ns is not None else 0.0,
    )


def _write(
    file: h5py.File, source: Path, times: dict[str, NewTimes], report: dict[str, StreamResync]
) -> None:
    about = {"software": layout.software(), "utc_ns": clock.time_ns(), "source": source.name}
    file.attrs[ATTRIBUTE] = json.dumps(about, sort_keys=True)
    for folder in (layout.STREAMS, layout.FEATURES):
        if folder not in file:
            continue
        for name, group in layout.subgroup(file, folder).items():
            if name in times:
                _write_stream(group, times[name])
                group.attrs[ATTRIBUTE] = json.dumps(dataclasses.asdict(report[name]), sort_keys=True)
                _seal(group)
    _seal(file)


def _seal(group: h5py.Group) -> None:
    if layout.SEAL in group.attrs:
        layout.seal(group)


def _write_stream(group: h5py.Group, new: NewTimes) -> None:
    for name, values in (("time", new.time), ("time_bound", new.bound)):
        column = layout.dataset(group, name)
        column[: len(values)] = values
        sums = layout.dataset(group, f"{layout.INTEGRITY}/{name}")
        rows_per_chunk = int((column.chunks or (len(column),))[0])
        entries = sums[:]
        for number, entry in enumerate(entries):
            start = number * rows_per_chunk
            entry["xxh3_64"] = layout.checksum(column[start : start + int(entry["rows"])])
        sums[:] = entries
    if new.latency_ns is not None:
        group.attrs["latency_ns"] = new.latency_ns
        if layout.LATENCY in group:  # it is taken off: no longer in ``time``
            del group[layout.LATENCY]
    if group.attrs["rate_effective_hz"]:
        seq = layout.dataset(group, "seq")[: len(new.time)]
        group.attrs["rate_effective_hz"] = effective_rate(seq, new.time)
