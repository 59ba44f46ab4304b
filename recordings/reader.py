"""Open a session file.

::

    with open_recording("sessions/walk.h5") as recording:
        imu = recording.streams["right_wrist"]
        imu.times, imu.data[:100]          # ns of session time, rows with units in imu.info
        for batch in recording.batches():  # all streams in the order of their time
            ...
"""

from __future__ import annotations

import dataclasses
import heapq
import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.base import Batch
from drivers.bus.messages import Event
from drivers.errors import RecordingError, RecordingUnreadable
from recordings import layout
from recordings.labels import Label, labels_of
from recordings.stream_reader import StreamReader

log = logging.getLogger(__name__)

_T = TypeVar("_T")


def open_recording(path: Path | str, *, verify: bool = True) -> Recording:
    """Open a session file for reading.

    Args:
        path: the file.
        verify: compare the checksum of each chunk before its rows are used.

    Raises:
        RecordingUnreadable: it is absent, truncated, foreign, damaged or of a newer version.
    """
    return Recording(path, verify=verify)


class Recording:
    """A session file, a context manager.

    Attributes:
        path: the file.
        session: its attributes.
        rig_text: the rig (YAML) that was recorded.
        streams: its streams, by name, features apart.
        features: its streams of kind ``features``, by name.
        extras: attributes that later tools noted of the file.
        damaged: what can't be read, a line each, by the name of the stream or part; the rest still can.
    """

    def __init__(self, path: Path | str, *, verify: bool = True) -> None:
        self.path = Path(path)
        self.damaged: dict[str, str] = {}
        self._verify = verify
        self._file = _open(self.path)
        try:
            self._read()
        except layout.DAMAGE as error:
            self._file.close()
            words = " ".join(str(error).split())
            raise RecordingUnreadable(
                f"{self.path} is damaged ({words})", mend="restore the file from a copy"
            ) from error
        except RecordingError:
            self._file.close()
            raise

    def _read(self) -> None:
        _check_version(self.path, self._file)
        self.session = layout.read_session(self._file)
        if self._verify and self.session.closed:
            self._part("attributes of the session", lambda: layout.check_seal(self._file), None)
        self.rig_text = self.session.rig
        known = {field.name for field in dataclasses.fields(self.session)} | {
            "format",
            "version",
            layout.SEAL,
        }
        self.extras = {
            name: layout.plain(value) for name, value in self._file.attrs.items() if name not in known
        }
        self.streams = self._streams(layout.STREAMS)
        self.features = self._streams(layout.FEATURES)
        self.events: list[Event] = self._part("events", self._events, [])
        self.labels: list[Label] = self._part("labels", self._labels, [])
        self.probes: dict[str, NDArray[np.void]] = self._part("clock probes", self._probes, {})

    def _part(self, part: str, read: Callable[[], _T], nothing: _T) -> _T:
        try:
            return read()
        except layout.DAMAGE as error:
            self._damaged(part, f"the {part} are damaged and can't be read", str(error))
            return nothing

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Recording {self.path}: {', '.join(self.all_streams) or 'no streams'}>"

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._file.close()

    @property
    def all_streams(self) -> dict[str, StreamReader]:
        """Streams and features together, by name."""
        return {**self.streams, **self.features}

    @property
    def duration_s(self) -> float:
        """From the first stamp of any stream to the last, s."""
        spans = [s.stamps["time"] for s in self.all_streams.values() if len(s)]
        if not spans:
            return 0.0
        return float(max(span[-1] for span in spans) - min(span[0] for span in spans)) * 1e-9

    def batches(
        self, streams: Collection[str] | None = None, start: int | None = None, stop: int | None = None
    ) -> Iterator[Batch]:
        """Yield all rows with start <= session time < stop, merged in the order of their time.

        A batch holds one picture, one block of sound, or rows of up to 20 ms; batches are ordered by
        the time of their first row. Memory does not grow with the length of the recording.

        Args:
            streams: names, or None for all, features included.
            start: session time, ns, or None for the beginning.
            stop: session time, ns, or None for the end.

        Raises:
            RecordingError: a stream is not in the recording.
            RecordingUnreadable: a chunk is damaged.
        """
        every = self.all_streams
        for name in streams or ():
            if name not in every:
                raise RecordingError(
                    f"{self.path} has no stream {name}", mend=f"choose of {', '.join(every) or 'none'}"
                )
        chosen = [every[name].batches(start, stop) for name in every if streams is None or name in streams]
        return heapq.merge(*chosen, key=lambda batch: int(batch.stamps["time"][0]))

    def _streams(self, folder: str) -> dict[str, StreamReader]:
        if folder not in self._file:
            return {}
        group, closed = layout.subgroup(self._file, folder), self.session.closed
        streams = {}
        for name in map(str, group):
            try:
                streams[name] = StreamReader(layout.subgroup(group, name), closed=closed, verify=self._verify)
            except (*layout.DAMAGE, RecordingError) as error:
                self._damaged(name, f"stream {name} is damaged and can't be read", str(error))
                continue
            if streams[name].damaged:
                self._damaged(name, f"stream {name} is damaged", streams[name].damaged)
        return streams

    def _damaged(self, part: str, what: str, error: str) -> None:
        self.damaged[part] = f"{what} ({' '.join(error.split())})"
        log.warning("%s: %s. chorus check lists all damage", self.path, self.damaged[part])

    def _table(self, folder: str, columns: dict[str, Any]) -> list[tuple[Any, ...]]:
        group = layout.subgroup(self._file, folder)
        values = []
        for name, dtype in columns.items():
            dataset = layout.dataset(group, name)
            values.append(np.asarray(dataset.asstr()[:] if dtype is None else dataset[:]).tolist())
        if self._verify and self.session.closed:
            layout.check_table(group, values)
        return list(zip(*values, strict=False))

    def _events(self) -> list[Event]:
        return [Event(*row) for row in self._table(layout.EVENTS, layout.EVENT_COLUMNS)]

    def _labels(self) -> list[Label]:
        if self.session.closed:
            return [Label(*row) for row in self._table(layout.LABELS, layout.LABEL_COLUMNS)]
        return labels_of(self.events, max([0, *(event.time for event in self.events)]))

    def _probes(self) -> dict[str, NDArray[np.void]]:
        if layout.CLOCK not in self._file:
            return {}
        hosts = layout.subgroup(self._file, layout.CLOCK)
        groups = [layout.subgroup(hosts, name) for name in map(str, hosts)]
        probes = {layout.plain(group.attrs["host"]): layout.dataset(group, "probes")[:] for group in groups}
        if self._verify and self.session.closed:
            for group, found in zip(groups, probes.values(), strict=True):
                layout.check_table(group, [found.tolist()])
        return probes


def _open(path: Path) -> h5py.File:
    if not path.is_file():
        raise RecordingUnreadable(f"{path} is not there", mend="give the path of a session file (.h5)")
    try:
        return h5py.File(path, "r")
    except BlockingIOError as error:
        raise RecordingUnreadable(
            f"{path} is in use by another program", mend="wait until its recording has ended"
        ) from error
    except (OSError, RuntimeError) as error:
        words = str(error)
        if "truncated" in words:
            raise RecordingUnreadable(
                f"{path} is truncated: its end is missing", mend="copy it again from where it was recorded"
            ) from error
        if "signature not found" in words:
            raise RecordingUnreadable(
                f"{path} is not an HDF5 file", mend="give the path of a session file (.h5)"
            ) from error
        raise RecordingUnreadable(
            f"{path} can't be opened ({words})", mend="restore it from a copy"
        ) from error


def _check_version(path: Path, file: h5py.File) -> None:
    if layout.plain(file.attrs.get("format", "")) != layout.FORMAT:
        raise RecordingUnreadable(
            f"{path} is an HDF5 file but no Chorus session", mend="give the path of a session file (.h5)"
        )
    version = layout.plain(file.attrs.get("version", 0))
    if version != layout.VERSION:
        raise RecordingUnreadable(
            f"{path} has version {version} of the format, this program reads {layout.VERSION}",
            mend="update with pip install --upgrade chorus-fusion",
        )
