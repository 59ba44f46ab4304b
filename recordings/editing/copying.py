"""A new session file made of streams of others, chunk by chunk, under new checksums.

It is written beside its place under another name and takes it only when it is whole.
"""

from __future__ import annotations

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, Batch, StreamInfo
from drivers.bus.messages import Event, Probes
from drivers.errors import RecordingError, RecordingExists
from recordings import layout
from recordings.encoding import Settings
from recordings.labels import Label
from recordings.latency import found
from recordings.ledger import Ledger
from recordings.reader import Recording, open_recording
from recordings.stream_reader import StreamReader
from recordings.writer import SessionWriter

_PIECE_BYTES = 8 << 20
_PIECE_ROWS = 4096


def history(session: layout.SessionAttributes, what: str, **facts: object) -> tuple[str, ...]:
    """Return a session's history with one more edit: a JSON object each."""
    edit = {"what": what, "software": layout.software(), "utc_ns": time.time_ns(), **facts}
    return (*session.edits, json.dumps(edit, sort_keys=True))


class Copy:
    """A session file in the making; a context manager: without an error it takes its place at the end.

    Args:
        output: the file to make.
        session: its attributes.

    Raises:
        RecordingExists: the output is there already; nothing was touched.
        RecordingError: it can't be written.
    """

    def __init__(self, output: Path | str, session: layout.SessionAttributes) -> None:
        self.output = Path(output)
        if self.output.exists():
            raise RecordingExists(
                f"{self.output} exists already and is not overwritten", mend="give another name with --output"
            )
        self._part = self.output.with_name(f".{self.output.name}.part")
        self._part.unlink(missing_ok=True)  # of one that was killed
        try:
            self._writer = SessionWriter(self._part, session, flush_s=10.0, sync_s=0)
        except BaseException:  # interrupted, too
            self._part.unlink(missing_ok=True)
            raise

    def __enter__(self) -> Copy:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._writer.discard()
            return
        self._writer.close()
        self._part.rename(self.output)

    def stream(
        self,
        stream: StreamReader,
        kept: NDArray[np.bool_] | None = None,
        *,
        info: StreamInfo | None = None,
        withheld: bool = False,
        shift_ns: int = 0,
        widen_ns: int = 0,
        lost: dict[str, int] | None = None,
        ended: str | None = None,
        plain: bool = False,
        device_shift_ns: int = 0,
        host_shift_ns: int = 0,
    ) -> int:
        """Copy a stream; return how many rows of it.

        Args:
            stream: of another session.
            kept: (N,) which stamps are copied, with their rows; None for all.
            info: what the copy is; None for what the original is.
            withheld: leave the data away: stamps and ledger only.
            shift_ns: added to its session times.
            widen_ns: added to the bounds on them.
            lost: rows lost, by reason; None for those of the original.
            ended: how it ended; None for how the original did.
            plain: leave away what later tools noted of it, latencies apart.
            device_shift_ns, host_shift_ns: added to the times of the device's and the host's clock.

        Raises:
            RecordingUnreadable: a chunk is damaged.
        """
        withheld = withheld or stream.withheld
        made = self._writer.add_stream(
            info or stream.info,
            withheld=withheld,
            required=stream.required,
            latency_ns=stream.latency_ns,
            h264=Settings() if stream.codec else None,
        )
        for first, last in _runs(kept, stream.stamp_count):
            for stamps, rows in _pieces(stream, first, last):
                stamps["time"] += shift_ns
                stamps["time_bound"] += widen_ns
                stamps["time_host"] += host_shift_ns
                stamps["time_device"][stamps["time_device"] != NO_TIME] += device_shift_ns
                if withheld:
                    made.append_stamps(stamps, rows.stop - rows.start)
                elif stream.codec:
                    made.append_encoded(stamps, _packets(stream, rows, begins=rows.start == first))
                    self._writer.poll()
                else:
                    self._writer.append(Batch(made.info.name, stamps, _data(stream, rows)))
        rows = made.ledger.stored
        lost = stream.ledger.lost if lost is None else lost
        made.ledger = Ledger(rows + sum(lost.values()), rows, dict(lost))
        made.group.attrs.modify("ended", stream.ended if ended is None else ended)
        for name, value in ({} if plain else stream.extras).items():
            made.group.attrs[name] = value
        if stream.latency is not None:
            found.write(made.group, stream.latency)
        return rows

    def begin(self, info: StreamInfo, ended: str) -> None:
        """Add a stream that no session had, and how it ended; :meth:`append` fills it."""
        self._writer.add_stream(info, required=False).group.attrs.modify("ended", ended)

    def append(self, batch: Batch) -> None:
        """Add rows to such a stream."""
        self._writer.append(batch)

    def events(self, events: Iterable[Event], labels: Iterable[Label], *, shift_ns: int = 0) -> None:
        """Add events and labels."""
        for event in events:
            self._writer.event(dataclasses.replace(event, time=event.time + shift_ns))
        moved = [
            dataclasses.replace(label, start=label.start + shift_ns, stop=label.stop + shift_ns)
            for label in labels
        ]
        self._writer.labels = sorted([*(self._writer.labels or []), *moved])

    def probes(self, host: str, probes: NDArray[Any]) -> None:
        """Add clock probes of a host."""
        if len(probes):
            self._writer.probes(Probes(host, probes))

    def rest(self, recording: Recording, labels: Iterable[Label] | None = None) -> None:
        """Add what is no stream: events, labels (or others), probes, and what was noted of the file."""
        self.events(recording.events, recording.labels if labels is None else labels)
        for host, probes in recording.probes.items():
            self.probes(host, probes)
        self.extras(recording.extras)

    def extras(self, extras: dict[str, Any]) -> None:
        """Add attributes that later tools noted of the file."""
        self._writer.note(extras)


def lost_between(stream: StreamReader, kept: NDArray[np.bool_]) -> dict[str, int]:
    """Return the rows lost between the first and the last stamp that are kept, by reason.

    Which loss fell where is not in the file; the numbers of the rows tell how many. Where the stream lost
    rows for one reason alone, that is the reason, else it is ``other``.
    """
    if kept.all():
        return dict(stream.ledger.lost)
    chosen = np.flatnonzero(kept)
    if not len(chosen):
        return {}
    first, last = int(chosen[0]), int(chosen[-1])
    seq = stream.stamps["seq"][first : last + 1].astype(np.int64)
    rows = np.diff(stream.block_rows)[first : last + 1]
    missing = int(np.maximum(np.diff(seq) - rows[:-1], 0).sum())
    missing = min(missing, sum(stream.ledger.lost.values()))
    reasons = list(stream.ledger.lost)
    return {reasons[0] if len(reasons) == 1 else "other": missing} if missing else {}


def _runs(kept: NDArray[np.bool_] | None, count: int) -> Iterator[tuple[int, int]]:
    """Yield [first, last) of each run of stamps that are kept."""
    if kept is None:
        yield 0, count
        return
    edges = np.flatnonzero(np.diff(np.concatenate([[False], kept[:count], [False]]).astype(np.int8)))
    for first, last in edges.reshape(-1, 2):
        yield int(first), int(last)


def _pieces(stream: StreamReader, first: int, last: int) -> Iterator[tuple[NDArray[Any], slice]]:
    """Yield stamps and the rows they belong to, a block or a few megabytes at a time."""
    step = 1
    if stream.info.stamping == "row":
        row_bytes = np.dtype(stream.info.dtype).itemsize * int(np.prod(stream.info.shape))
        step = max(1, min(_PIECE_ROWS, _PIECE_BYTES // row_bytes))
    for start in range(first, last, step):
        stop = min(start + step, last)
        rows = stream.block_rows[[start, stop]]
        yield stream.stamps_between(start, stop), slice(int(rows[0]), int(rows[1]))


def _data(stream: StreamReader, rows: slice) -> NDArray[Any] | tuple[bytes, ...]:
    if stream.info.encoding == "array":
        return stream.data[rows]
    return tuple(stream.picture(row) for row in range(rows.start, rows.stop))


def _packets(stream: StreamReader, rows: slice, *, begins: bool) -> Iterator[tuple[bytes, bool]]:
    """Yield packets as they are; the first of a run brings all since its key frame, to decode alone."""
    for row in range(rows.start, rows.stop):
        alone = begins and row == rows.start
        key = alone or bool(stream.columns["index"][row]["key"])
        yield stream.encoded.alone(row) if alone else stream.encoded.packet(row), key


def rewrite(path: Path, session: layout.SessionAttributes, labels: Iterable[Label] | None = None) -> None:
    """Write a session anew in its own place: whatever happens, one of the two is whole.

    Args:
        path: the session file, closed.
        session: its new attributes.
        labels: in place of those that are there; None leaves them.

    Raises:
        RecordingError: there is no room for the copy, or it can't take its place.
    """
    fresh = path.with_name(f".{path.name}.anew")
    fresh.unlink(missing_ok=True)  # of a program that was killed
    with open_recording(path) as recording, Copy(fresh, session) as copy:
        for stream in recording.all_streams.values():
            copy.stream(stream)
        copy.rest(recording, labels)
    try:
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise RecordingError(
            f"{path} could not be changed ({error.strerror or error}); it is as it was",
            mend="See to it that you may write there",
        ) from error


def refuse_damage(recording: Recording) -> None:
    """Refuse a session that must be repaired first.

    Raises:
        RecordingError: it was not closed, or a part of it can't be read.
    """
    if recording.damaged or not recording.session.closed:
        what = next(iter(recording.damaged.values()), "it was not closed in good order")
        raise RecordingError(f"{recording.path}: {what}", mend="chorus repair makes a sound copy first")
