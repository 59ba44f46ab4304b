"""Batches into a session file, so that a crash costs at most the last fraction of a second.

::

    append(batch) -> chunk of each column -> HDF5 -> OrderedFile, every flush_s -> disk, every sync_s

The file is created exclusively and stays readable by plain HDF5 tools after ``kill -9``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import time
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np

from drivers.base import Batch, StreamInfo
from drivers.bus.messages import PROBE, Ended, Event, Failed, Missed, Probes
from drivers.bus.order import Position
from drivers.errors import RecordingError
from recordings import layout
from recordings.encoding import Settings
from recordings.kept import find
from recordings.labels import Label, labels_of
from recordings.opening import create, hdf5, reopen
from recordings.stream_writer import StreamWriter
from recordings.syncer import Syncer


def reserve_bytes(total: int) -> int:
    """Return the room that a disk of ``total`` bytes must still have: with less, recording stops."""
    return min(64 << 20, total // 10)


class DiskFull(RecordingError):
    """The disk has no room for more; what was recorded is safe."""


class SessionWriter:
    """A new session file; a context manager that closes it in good order.

    Args:
        path: file to create; its folder is created too.
        session: attributes of the session.
        flush_s: a crash loses at most this much, s.
        sync_s: a power failure loses at most about this much, s; 0 never forces the disk.
        resume: the file is there, as another recorder left it, and goes on; ``session`` is what it says.

    Attributes:
        labels: those to write, in place of those that the events make.

    Raises:
        RecordingExists: the file is there already; nothing was touched.
        RecordingError: it can't be created; or gone on with, as it is damaged or another program writes it.
    """

    def __init__(
        self,
        path: Path | str,
        session: layout.SessionAttributes,
        *,
        flush_s: float = 0.2,
        sync_s: float = 1.0,
        resume: bool = False,
    ) -> None:
        self.path = Path(path)
        self.session = session
        self.streams: dict[str, StreamWriter] = {}
        self.labels: list[Label] | None = None
        self._events: list[Event] = []
        self._flush_s = flush_s
        self._next_flush = time.monotonic() + flush_s
        self._made = [folder for folder in self.path.parents if not folder.exists()]
        self._under = reopen(self.path) if resume else create(self.path)
        try:
            self._file = hdf5(self._under, "r+" if resume else "w")
            self._resume() if resume else self._begin()
            self._commit()
        except layout.DAMAGE as error:
            self._under.give_up()
            with contextlib.suppress(AttributeError, OSError, RuntimeError):
                self._file.close()
            self._under.close()
            if not resume:
                raise
            raise RecordingError(
                f"{self.path} can't be gone on with ({' '.join(str(error).split())})",
                mend="Record into another file; chorus repair makes a sound copy of this one",
            ) from error
        self._syncer = Syncer(self._under, sync_s) if sync_s > 0 else None

    def _begin(self) -> None:
        layout.write_session(self._file, dataclasses.replace(self.session, closed=False))
        self._event_columns = _text_columns(self._file.create_group(layout.EVENTS), layout.EVENT_COLUMNS)
        self._label_columns = _text_columns(self._file.create_group(layout.LABELS), layout.LABEL_COLUMNS)
        self._file.create_group(layout.STREAMS)

    def _resume(self) -> None:
        self._file.attrs.modify("closed", False)
        self.mark(stop_ns=-1)
        for folder in (layout.STREAMS, layout.FEATURES):
            group = layout.subgroup(self._file, folder) if folder in self._file else {}
            for name in map(str, group):
                kept = find(layout.subgroup(self._file, f"{folder}/{name}"))
                self.streams[name] = StreamWriter(
                    self._file,
                    self._under,
                    kept.info,
                    withheld=kept.withheld,
                    attributes={},
                    h264=Settings() if kept.codec else None,
                    kept=kept,
                )
        events, labels = (layout.subgroup(self._file, name) for name in (layout.EVENTS, layout.LABELS))
        self._event_columns = {name: layout.dataset(events, name) for name in layout.EVENT_COLUMNS}
        self._label_columns = {name: layout.dataset(labels, name) for name in layout.LABEL_COLUMNS}
        # A killed recorder may have written an event in some of its columns only.
        count = min(len(column) for column in self._event_columns.values())
        table = [
            np.asarray((column.asstr() if layout.EVENT_COLUMNS[name] is None else column)[:count]).tolist()
            for name, column in self._event_columns.items()
        ]
        self._events = [Event(*row) for row in zip(*table, strict=True)]
        for column in self._label_columns.values():
            column.resize(0, axis=0)

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def events(self) -> tuple[Event, ...]:
        """The events so far."""
        return tuple(self._events)

    @property
    def closed(self) -> bool:
        """Whether the file was closed."""
        return not self._file

    def add_stream(
        self,
        info: StreamInfo,
        *,
        withheld: bool = False,
        required: bool = True,
        latency_ns: int = 0,
        h264: Settings | None = None,
    ) -> StreamWriter:
        """Make room for a stream.

        Args:
            info: what it sends.
            withheld: stamps and ledger are kept, its data never (``store: none``).
            required: the session is not sound without it.
            latency_ns: constant latency of the device, already taken off ``time``.
            h264: store its pictures as H.264; None as they come.
        """
        if info.name in self.streams:
            raise RecordingError(
                f"{info.name}: announced twice", mend="give each stream of the rig a name of its own"
            )
        attributes = {"required": required, "latency_ns": latency_ns, "ended": ""}
        stream = StreamWriter(
            self._file, self._under, info, withheld=withheld, attributes=attributes, h264=h264
        )
        self.streams[info.name] = stream
        self._next_flush = 0.0  # a crash must not lose a whole stream
        return stream

    def announced_again(self, info: StreamInfo) -> None:
        """Note what a stream now tells of itself; if its driver had failed, it was started again."""
        stream = self.streams[info.name]
        if stream.failure:
            stream.failure = ""
            stream.group.attrs.modify("ended", "")
        known = stream.info
        if stream.codec:  # the encoder takes pixels and JPEG; a resumed file does not tell which
            known = msgspec.structs.replace(known, encoding=info.encoding)
        if msgspec.structs.replace(known, **_news(info)) == info:
            stream.info = info
            layout.write_info(stream.group, info, stream.codec)

    def append(self, batch: Batch, position: Position | None = None) -> None:
        """Store a batch of a stream that was added.

        Args:
            batch: the batch.
            position: of its stream on the bus behind it, for a recorder that goes on with the file.

        Raises:
            RecordingError: the batch does not fit its stream; it was refused whole.
            DiskFull: there is no room; the file is closed in good order.
        """
        stream = self.streams.get(batch.stream)
        if stream is None:
            raise RecordingError(
                f"{batch.stream}: sends without an announcement", mend="start the driver with chorus drive"
            )
        try:
            stream.append(batch)
            if position is not None:
                stream.at(position)
        except OSError as error:
            raise self._disk_failed(error) from error
        self.poll()

    def event(self, event: Event) -> None:
        """Store an event; pairs of ``label_start`` and ``label_stop`` become labels at the end."""
        self._events.append(event)
        for name, column in self._event_columns.items():
            column.resize(len(self._events), axis=0)
            column[-1] = getattr(event, name)

    def probes(self, probes: Probes) -> None:
        """Store clock probes of a host."""
        name = f"{layout.CLOCK}/{probes.host.replace('/', '_') or 'unknown'}"
        group = self._file.require_group(name)
        group.attrs["host"] = probes.host
        if "probes" not in group:
            group.create_dataset("probes", (0,), PROBE, maxshape=(None,), chunks=(512,))
        dataset = group["probes"]
        assert isinstance(dataset, h5py.Dataset)
        dataset.resize(len(dataset) + len(probes.probes), axis=0)
        dataset[-len(probes.probes) :] = probes.probes

    def missed(self, missed: Missed) -> None:
        """Count rows that were published and did not arrive."""
        if missed.stream in self.streams:
            self.streams[missed.stream].ledger.lose(missed.reason, missed.rows)

    def ended(self, ended: Ended) -> None:
        """Note that a stream ended in order, with its totals."""
        if ended.stream in self.streams:
            stream = self.streams[ended.stream]
            stream.group.attrs.modify("ended", stream.failure or "ended")
            # The totals close the account: what the encoder has yet to hand out is counted before.
            stream.after_all(lambda: stream.ledger.end(ended.produced, ended.lost))

    def left(self, stream: str) -> None:
        """Note that this recording leaves a stream in order, which goes on: what is known of it is its
        account."""
        if stream in self.streams:
            left = self.streams[stream]
            left.group.attrs.modify("ended", left.failure or "ended")
            left.after_all(left.ledger.abandon)

    def failed(self, failed: Failed) -> None:
        """Note that a driver gave up; its totals may still follow."""
        if failed.stream in self.streams:
            stream = self.streams[failed.stream]
            stream.failure = failed.error
            stream.group.attrs.modify("ended", failed.error)

    def note(self, attributes: dict[str, Any]) -> None:
        """Write further attributes of the file."""
        for name, value in attributes.items():
            self._file.attrs[name] = value

    def mark(self, *, start_ns: int | None = None, stop_ns: int | None = None) -> None:
        """Note the session times between which all required streams were meant to be there."""
        if start_ns is not None:
            self._file.attrs.modify("start_ns", start_ns)
        if stop_ns is not None:
            self._file.attrs.modify("stop_ns", stop_ns)

    def poll(self) -> None:
        """Flush if it is time to; called by :meth:`append`, and by who waits for batches.

        Raises:
            DiskFull: there is no room; the file is closed in good order.
        """
        if time.monotonic() >= self._next_flush:
            self.flush()

    def flush(self) -> None:
        """Make everything taken so far survive a crash of this program.

        Raises:
            DiskFull: there is no room; the file is closed in good order.
        """
        try:
            for stream in self.streams.values():
                stream.write()
            self._commit()
        except OSError as error:
            raise self._disk_failed(error) from error
        self._next_flush = time.monotonic() + self._flush_s
        disk = shutil.disk_usage(self.path.parent)
        if disk.free < reserve_bytes(disk.total):
            self.close()
            raise DiskFull(
                f"{self.path}: the disk is full, recording stopped; all up to here is safe",
                mend="free some space or record to another disk with --output",
            )

    def close(self) -> None:
        """Close in good order; safe to call twice."""
        if self.closed:
            return
        if self._syncer is not None:
            self._syncer.close()
        try:
            for stream in self.streams.values():
                stream.close()
            end = max([0, *(event.time for event in self._events)])
            labels = labels_of(self._events, self._stop_time(end)) if self.labels is None else self.labels
            for name, column in self._label_columns.items():
                column.resize(len(labels), axis=0)
                if labels:
                    column[:] = [getattr(label, name) for label in labels]
            self._write_checksums(labels)
            self._commit()
            self._file.attrs.modify("closed", True)
            self._commit()
            self._file.close()
            self._under.commit()
        except OSError as error:
            raise self._disk_failed(error) from error
        with contextlib.suppress(OSError):
            self._under.sync()
        self._under.close()

    def discard(self) -> None:
        """Close and remove the file, and the folders made for it: nothing of worth was recorded."""
        self.close()
        self.path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # somebody else uses the folder by now
            for folder in self._made:
                folder.rmdir()

    def _stop_time(self, end: int) -> int:
        stop = int(self._file.attrs["stop_ns"])  # pyright: ignore[reportArgumentType]
        return stop if stop >= 0 else end

    def _write_checksums(self, labels: list[Label]) -> None:
        for folder, columns, rows in (
            (layout.EVENTS, layout.EVENT_COLUMNS, self._events),
            (layout.LABELS, layout.LABEL_COLUMNS, labels),
        ):
            table = [[getattr(row, name) for row in rows] for name in columns]
            layout.write_table_checksum(layout.subgroup(self._file, folder), table)
        if layout.CLOCK in self._file:
            hosts = layout.subgroup(self._file, layout.CLOCK)
            for name in map(str, hosts):
                group = layout.subgroup(hosts, name)
                layout.write_table_checksum(group, [layout.dataset(group, "probes")[:].tolist()])
        layout.seal(self._file)

    def _commit(self) -> None:
        self._file.flush()
        self._under.commit()

    def _disk_failed(self, error: OSError) -> DiskFull:
        self._under.give_up()
        with contextlib.suppress(OSError, RuntimeError):
            self._file.close()
        self._under.close()
        reason = os.strerror(error.errno) if error.errno else str(error)
        return DiskFull(
            f"{self.path}: writing failed ({reason}); what was flushed before is safe",
            mend="free some space or record to another disk with --output",
        )


def _news(info: StreamInfo) -> dict[str, object]:
    """What may change midway: everything but the form of the rows."""
    fixed = {"name", "kind", "encoding", "dtype", "shape", "stamping"}
    return {name: value for name, value in msgspec.structs.asdict(info).items() if name not in fixed}


def _text_columns(
    group: h5py.Group, columns: dict[str, np.dtype[np.int64] | None]
) -> dict[str, h5py.Dataset]:
    return {
        name: group.create_dataset(
            name, (0,), dtype if dtype is not None else h5py.string_dtype(), maxshape=(None,), chunks=(256,)
        )
        for name, dtype in columns.items()
    }
