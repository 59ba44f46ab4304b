"""The streams of an XDF file with their clocks, rows numbered and in time; nothing is written here."""

from __future__ import annotations

import dataclasses
import io
import mmap
import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from drivers.base import NAME, NO_TIME, StreamInfo
from drivers.clock import device
from drivers.clock.host import HostTrack, smooth
from drivers.errors import DataError, MissingDependency
from recordings.importers.xdf_clock import FARTHEST_S, nanoseconds, number_stamps, offset_probes
from recordings.importers.xdf_guard import Parts, sound_parts
from recordings.importers.xdf_streams import Meaning, meaning, text

BLOCK_S = 0.05
"""Sound has a stamp for each so much."""

LONGEST_S = 7 * 86400.0
"""A stamp that is farther from the median of its stream is none."""

OFF_RATE = 0.05
"""A nominal rate that is farther from the one found is not believed."""

DTYPES = {
    "float32": "<f4",
    "double64": "<f8",
    "int8": "|i1",
    "int16": "<i2",
    "int32": "<i4",
    "int64": "<i8",
}


@dataclasses.dataclass
class ReadStream:
    """One stream as read, with its clock.

    Attributes:
        xdf: as pyxdf gives it.
        means: what it becomes.
        name: of the Chorus stream.
        host: identity of its clock.
        stamps: (R,) of its samples that have a possible time, on its clock, ns.
        keep: of all samples, which these are.
        probes: (P,) of PROBE, from its clock to the recorder's.
        scatter_ns: of the offsets, 0 where there are none.
        info: the Chorus stream; None for marks and where there are no samples.
        seq: (R,) numbers.
        time, bound: (N,) of the stamped rows, on the recorder's clock, ns; see :func:`first_rows`.
        notes: what one should know.
    """

    xdf: dict[str, Any]
    means: Meaning
    name: str
    host: str
    stamps: NDArray[np.int64]
    keep: NDArray[np.bool_]
    probes: NDArray[np.void]
    scatter_ns: int
    info: StreamInfo | None = None
    seq: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    time: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    bound: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.empty(0, np.int64))
    notes: list[str] = dataclasses.field(default_factory=list)


def load(path: Path) -> tuple[list[dict[str, Any]], dict[str, Any], int, str]:
    """Return streams and header as pyxdf gives them, the bytes left out, and a digest of the file.

    Raises:
        MissingDependency: pyxdf is not installed.
        DataError: the file can't be read.
    """
    try:
        from pyxdf import load_xdf
    except ImportError:
        raise MissingDependency(
            "the library pyxdf is not installed", mend="pip install 'chorus-fusion[xdf]'"
        ) from None
    try:
        with path.open("rb") as file:
            if file.read(4) != b"XDF:":
                what = "is compressed (xdfz)" if path.suffix == ".xdfz" else "is no XDF file"
                mend = (
                    "Unpack it with gunzip" if path.suffix == ".xdfz" else "Give a file of LabRecorder (.xdf)"
                )
                raise DataError(f"{path} {what}", mend=mend)
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                digest = xxhash.xxh3_64_hexdigest(data)
                parts, left_out = sound_parts(data)
                streams, header = load_xdf(
                    io.BufferedReader(Parts(data, parts)),
                    synchronize_clocks=False,
                    dejitter_timestamps=False,
                )
    except (ValueError, LookupError, TypeError, SyntaxError, struct.error, MemoryError) as error:
        raise DataError(
            f"{path} can't be read ({type(error).__name__}: {error})",
            mend="Copy it again from where it was recorded",
        ) from error
    except OSError as error:
        raise DataError(
            f"{path} can't be read ({error.strerror or error})", mend="Give a file that is there"
        ) from None
    return streams, header or {}, left_out, digest


def read_all(streams: list[dict[str, Any]], clock: str) -> list[ReadStream]:
    """Return all streams in time.

    Args:
        streams: as pyxdf gives them.
        clock: identity of the recorder's clock.
    """
    names: set[str] = set()
    reads = []
    for stream in streams:
        info = stream["info"]
        name = _name(text(info, "name"), names)
        names.add(name)
        seconds = np.asarray(stream["time_stamps"], np.float64)
        keep = np.isfinite(seconds) & (np.abs(seconds) < FARTHEST_S)
        if keep.any():
            keep &= np.abs(seconds - np.median(seconds[keep])) <= LONGEST_S
        span = (float(seconds[keep].min()), float(seconds[keep].max())) if keep.any() else (0.0, 0.0)
        times, values = (np.asarray(stream[key], np.float64) for key in ("clock_times", "clock_values"))
        probes, scatter = offset_probes(times, values, span)
        host = f"{clock}/{text(info, 'hostname') or 'unknown'}/{info['stream_id']}" if len(probes) else clock
        read = ReadStream(
            stream, meaning(info), name, host, nanoseconds(seconds[keep]), keep, probes, scatter
        )
        if not keep.all():
            read.notes.append(f"{int((~keep).sum())} samples have no possible time")
        if not len(probes):
            read.notes.append("no clock offsets: its stamps are taken for the recorder's")
        _time(read)
        reads.append(read)
    return reads


def _name(told: str, taken: set[str]) -> str:
    """Return a name that Chorus takes and no other stream has."""
    name = re.sub(r"[^a-z0-9]+", "_", told.lower()).strip("_")
    name = (name if name[:1].isalpha() else f"stream_{name}")[:56].strip("_")
    name = name if NAME.match(name) else "stream"
    numbered = (f"{name}_{number}" for number in range(2, len(taken) + 3))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def _time(read: ReadStream) -> None:
    """Number the rows and find their times; samples of sound are cut into blocks later."""
    if not len(read.stamps):
        return
    info = read.xdf["info"]
    track = smooth(read.probes) if len(read.probes) else None
    if read.means.kind == "mark":
        read.time, read.bound = _to_recorder(track, read.stamps)
        return
    nominal = float(text(info, "nominal_srate"))
    dropping = _text_of_synchronization(info, "can_drop_samples").lower() == "true"
    read.seq, rate = np.arange(len(read.stamps)), nominal
    if nominal > 0 and not dropping:
        read.seq, rate = number_stamps(read.stamps, nominal)
    if nominal > 0 and abs(rate / nominal - 1) > OFF_RATE:
        read.notes.append(f"samples come at {rate:.4g} Hz, not at {nominal:.4g} Hz as its header says")
    else:
        rate = nominal
    read.info = _info(read, rate, regular=nominal > 0 and not dropping)
    first = first_rows(read)
    none = np.full(len(first), NO_TIME, np.int64)
    seq = read.seq[first].astype(np.uint64)
    host, host_bound = device.smooth(seq, read.stamps[first], none, read.info)
    time, bound = _to_recorder(track, host)
    steps = np.arange(len(time))
    read.time = np.maximum.accumulate(time - steps) + steps
    read.bound = bound + host_bound + (read.time - time)


def _to_recorder(
    track: HostTrack | None, host: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return track.to_session(host) if track is not None else (host, np.zeros(len(host), np.int64))


def first_rows(read: ReadStream) -> NDArray[np.int64]:
    """Return the rows (N,) that have a stamp: all, or the first of each block of sound; gaps end a block."""
    rows = np.arange(len(read.seq))
    if read.info is None or read.info.stamping == "row":
        return rows
    size = max(1, round(BLOCK_S * read.info.rate_hz))
    cuts = np.flatnonzero(np.diff(read.seq) != 1) + 1
    return np.union1d(rows[::size], cuts)


def _info(read: ReadStream, rate_hz: float, *, regular: bool) -> StreamInfo:
    info, means = read.xdf["info"], read.means
    told = {f"xdf_{key}": text(info, key) for key in ("name", "type", "source_id", "uid", "hostname")}
    properties = {key: value for key, value in told.items() if value}
    if regular:
        properties["seq"] = "inferred from stamps"
    properties["xdf_nominal_srate"] = text(info, "nominal_srate")
    if len(read.probes):
        properties["clock_probes"] = (
            f"made from XDF clock offsets; their scatter, {read.scatter_ns} ns, stands for the round trip"
        )
    if means.converted:
        properties["xdf_units"] = ", ".join(means.told_units)
    dtype = DTYPES[text(info, "channel_format")]
    if means.converted and dtype not in ("<f8", "<f4"):
        dtype = "<f4"
    return StreamInfo(
        name=read.name,
        kind=means.kind,  # pyright: ignore[reportArgumentType]
        dtype=dtype,
        shape=(int(text(info, "channel_count")),),
        channels=means.channels,
        units=means.units,
        rate_hz=rate_hz,
        regular=regular,
        stamping="block" if means.kind == "audio" else "row",
        device=" ".join(filter(None, (text(info, "desc", "manufacturer"), text(info, "name")))),
        host=read.host,
        properties=properties,
    )


def _text_of_synchronization(info: dict[str, Any], key: str) -> str:
    return text(info, "desc", "synchronization", key)
