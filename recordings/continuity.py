"""A stream goes on when its driver, or the recorder, is started again; what lies between is on the ledger."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from drivers.base import Batch
from drivers.bus.messages import Event, Missed
from drivers.bus.order import Position
from drivers.errors import RecordingError
from recordings import layout
from recordings.stream_writer import EncoderFailed, StreamWriter
from recordings.writer import DiskFull, SessionWriter


class Continuity:
    """Notes for each stream how far the run of its driver was taken, and counts what is between two runs.

    Args:
        writer: of the session. What it holds already was recorded before this recorder was started.
    """

    def __init__(self, writer: SessionWriter) -> None:
        self._writer = writer
        self._why = dict.fromkeys(writer.streams, "the recorder was not running")

    def positions(self) -> dict[str, Position]:
        """Return where each stream is, by its name."""
        known = {name: stream.position for name, stream in self._writer.streams.items()}
        return {name: position for name, position in known.items() if position is not None}

    @contextlib.contextmanager
    def contained(self, batch: Batch, fail: Callable[[str, str], None]) -> Iterator[None]:
        """Let the fault of one stream, while a batch of it is written, not end the others.

        Its rows are counted as missed, and ``fail`` is told the stream and the error.

        Raises:
            DiskFull: that ends them all.
        """
        try:
            yield
        except DiskFull:
            raise
        except RecordingError as error:
            reason = "encoder" if isinstance(error, EncoderFailed) else "other"
            self._writer.missed(Missed(batch.stream, len(batch), reason))
            fail(batch.stream, str(error))

    def broke_off(self, stream: str, why: str) -> None:
        """Note why the run of a driver ended out of order."""
        self._why[stream] = why

    def begins(self, batch: Batch, position: Position | None) -> None:
        """Count what is missing before a batch, where it is the first of another run of its driver."""
        stream = self._writer.streams.get(batch.stream)
        if stream is None or position is None or not len(batch):
            return
        name = stream.info.name
        if not _another_run(stream, position):
            self._why.pop(name, None)
            return
        in_order = layout.plain(stream.group.attrs["ended"]) == "ended"
        why = self._why.pop(name, "" if in_order else "its driver broke off")
        stream.group.attrs.modify("ended", "")
        # Where it ended, and was begun again later, nothing is missing.
        rows, seconds = stream.begin_run(batch, counted=bool(why))
        if why:
            words = (
                f"{name}: goes on after {seconds:.2f} s ({why}); {rows} rows by its rate were not recorded"
            )
            self._writer.event(Event(int(batch.stamps["time"][0]), "device", words, name))

    def passed(self, position: Position | None) -> None:
        """Note where a stream is, when a message that is no batch was handed to the writer."""
        stream = self._writer.streams.get(position.stream) if position is not None else None
        if stream is None or position is None or _another_run(stream, position):
            return  # until its rows begin, where the run before was left is what counts
        self._why.pop(position.stream, None)
        stream.at(position)


def _another_run(stream: StreamWriter, position: Position) -> bool:
    return stream.position is not None and stream.position.run != position.run


def stopped_for_s(writer: SessionWriter, now_ns: int) -> float:
    """Return how long before a session time the last row of a session was, s; 0 where it has none."""
    ends = [stream.last_ns for stream in writer.streams.values() if stream.last_ns is not None]
    return max(0, now_ns - max(ends)) * 1e-9 if ends else 0.0
