"""XDF, as LabRecorder writes it from Lab Streaming Layer: one file, one session. ``chorus import xdf``.

::

    file -> sound parts -> pyxdf -> stamps ──────────────> time_host   (the sender's clock, as stamped)
                                    clock offsets -> probes -> time    (the recorder's clock)
                                    numbers, texts -> streams, events

Stamps are read as they are, neither synchronised nor smoothed by the reader: both are done here as for any
recording, and again by ``chorus resync``.
"""

from __future__ import annotations

import dataclasses
import datetime
import re
from pathlib import Path
from typing import Any

import numpy as np

from drivers.base import NO_TIME, STAMP, Batch
from drivers.bus.messages import PROBE, Ended, Event, Probes
from drivers.errors import DataError, RecordingExists
from recordings.importers.xdf_read import ReadStream, first_rows, load, read_all
from recordings.importers.xdf_streams import text
from recordings.layout import SessionAttributes, software
from recordings.writer import SessionWriter

UTC_UNCERTAINTY_NS = 10_000_000_000
"""The header tells when recording was asked for, to a second."""


@dataclasses.dataclass(frozen=True)
class XdfStream:
    """What became of one stream.

    Attributes:
        xdf_name, xdf_type: in the file.
        became: kind of stream, ``mark``, or ``nothing``.
        name: of the Chorus stream, or the source of the events.
        rows: samples in the session.
        lost: rows that are missing, by what their stamps and the footer tell.
        offsets: clock offsets that were used.
        scatter_ms: of the offsets, with which they bound the error of time.
        note: what one should know of it, or empty.
    """

    xdf_name: str
    xdf_type: str
    became: str
    name: str
    rows: int
    lost: int = 0
    offsets: int = 0
    scatter_ms: float = 0.0
    note: str = ""


@dataclasses.dataclass(frozen=True)
class XdfReport:
    """What was imported: the session, its streams, and what was wrong with the file, a line each."""

    file: Path
    streams: tuple[XdfStream, ...]
    notes: tuple[str, ...]


def import_xdf(path: Path | str, output: Path | str) -> XdfReport:
    """Write an XDF file as a session.

    Args:
        path: the file (.xdf).
        output: the session (.h5), or a folder for it.

    Raises:
        MissingDependency: pyxdf is not installed.
        DataError: it is not there, is no XDF file, or holds no stream that can be read.
        RecordingExists: the session is there already; nothing was written.
    """
    path, output = Path(path), Path(output)
    target = output if output.suffix == ".h5" else output / f"{path.stem}.h5"
    if target.exists():
        raise RecordingExists(f"{target} exists already and is not overwritten", mend="give another --output")
    streams, header, left_out, digest = load(path)
    notes = []
    if left_out:
        notes.append(f"{path.name} is truncated or damaged: {left_out} bytes of it could not be used")
    clock = f"xdf/{digest}"
    reads = read_all(streams, clock)
    if not any(len(read.time) for read in reads):
        raise DataError(
            f"{path} holds no samples that can be read", mend="Copy it again from where it was recorded"
        )
    epoch = min(int(min(read.time[0], read.time.min())) for read in reads if len(read.time))
    utc = _utc(text(header.get("info"), "datetime") if header else "")
    attributes = SessionAttributes(
        id=f"xdf-{digest}",
        epoch_ns=epoch,
        utc_ns=utc or 0,
        utc_uncertainty_ns=UTC_UNCERTAINTY_NS if utc else 0,
        clock=clock,
        software=f"{software()}, imported from XDF",
        expected=tuple(read.name for read in reads if read.info is not None),
    )
    with SessionWriter(target, attributes, sync_s=0) as writer:
        found = [_write(writer, read, epoch) for read in reads]
        data = [read.time - epoch for read in reads if read.info is not None]
        if data:
            writer.mark(start_ns=max(int(t[0]) for t in data), stop_ns=max(int(t[-1]) for t in data))
    return XdfReport(target, tuple(found), tuple(notes))


def _write(writer: SessionWriter, read: ReadStream, epoch: int) -> XdfStream:
    """Write one stream or its marks, and tell what became of it."""
    info = read.xdf["info"]
    if len(read.probes):
        writer.probes(Probes(read.host, np.asarray(read.probes, PROBE)))
    lost: dict[str, int] = {}
    if not len(read.stamps):
        became = "nothing"
        read.notes.append("it has no samples")
    elif read.info is None:
        became = "mark"
        kept = np.flatnonzero(read.keep).tolist()
        for time, number in zip((read.time - epoch).tolist(), kept, strict=True):
            writer.event(Event(time, "mark", _words(read.xdf["time_series"][number]), read.name))
    else:
        became = read.info.kind
        lost = _lost(read)
        writer.add_stream(read.info)
        _write_rows(writer, read, epoch)
        if lost:
            writer.append(Batch(read.name, np.empty(0, STAMP), np.empty((0, *read.info.shape)), lost))
        writer.ended(Ended(read.name, len(read.stamps) + sum(lost.values()), lost))
    return XdfStream(
        xdf_name=text(info, "name"),
        xdf_type=text(info, "type"),
        became=became,
        name=read.name,
        rows=len(read.stamps),
        lost=sum(lost.values()),
        offsets=len(read.probes),
        scatter_ms=read.scatter_ns * 1e-6,
        note="; ".join(read.notes),
    )


def _write_rows(writer: SessionWriter, read: ReadStream, epoch: int) -> None:
    assert read.info is not None
    rows = np.asarray(read.xdf["time_series"])[read.keep]
    with np.errstate(over="ignore", invalid="ignore"):  # no number, or too large a one, stays that
        if read.means.converted:
            rows = rows * np.array(read.means.factors)
        rows = np.ascontiguousarray(rows.reshape(len(rows), -1), dtype=read.info.dtype)
    first = first_rows(read)
    stamps = np.empty(len(first), STAMP)
    stamps["time"], stamps["time_bound"] = read.time - epoch, read.bound
    stamps["time_host"], stamps["time_device"] = read.stamps[first], NO_TIME
    stamps["seq"] = read.seq[first]
    if read.info.stamping == "row":
        for start in range(0, len(rows), 4096):
            piece = slice(start, start + 4096)
            writer.append(Batch(read.name, stamps[piece], rows[piece]))
        return
    for number, (start, stop) in enumerate(zip(first, [*first[1:], len(rows)], strict=True)):
        writer.append(Batch(read.name, stamps[number : number + 1], rows[start:stop]))


def _lost(read: ReadStream) -> dict[str, int]:
    """Count rows that are missing: gaps of the stamps, and what the footer has more, which the file lost."""
    gaps = int(read.seq[-1]) + 1 - len(read.seq)
    footer = read.xdf.get("footer", {})
    count = text(footer.get("info") if isinstance(footer, dict) else None, "sample_count")
    short = max(int(count) - len(read.seq), 0) if re.fullmatch(r"\d{1,15}", count) else 0
    lost = {"device_gap": max(gaps - short, 0), "disk": short}
    return {reason: rows for reason, rows in lost.items() if rows}


def _words(sample: Any) -> str:
    """Return one sample of a marker stream as words."""
    values = sample if isinstance(sample, list) else np.asarray(sample).tolist()
    return "; ".join(
        part for part in (" ".join(str(value).replace("\0", "").split()) for value in values) if part
    )


def _utc(told: str) -> int | None:
    """Return the time of a header as ns since 1970, or None: it must tell its zone."""
    try:
        when = datetime.datetime.fromisoformat(told)
    except ValueError:
        return None
    return round(when.timestamp()) * 1_000_000_000 if when.tzinfo is not None else None
