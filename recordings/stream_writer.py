"""One stream's group in a session file that is being written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.order import Position
from drivers.errors import RecordingError
from recordings import layout
from recordings.column import Column
from recordings.encoding import Dropped, Encoded, EncoderThread, Settings
from recordings.kept import Kept, account_of
from recordings.ledger import Ledger
from recordings.ordered_file import OrderedFile
from recordings.rates import effective_rate


class EncoderFailed(RecordingError):
    """The encoder of a stream gave up; nothing of the batch was stored or counted."""


class StreamWriter:
    """One stream's group. Made by :meth:`SessionWriter.add_stream`.

    Attributes:
        position: how far the run that is being stored was taken, or None where that is not known.
    """

    def __init__(
        self,
        file: h5py.File,
        under: OrderedFile,
        info: StreamInfo,
        *,
        withheld: bool,
        attributes: dict[str, Any],
        h264: Settings | None = None,
        kept: Kept | None = None,
    ) -> None:
        self.info = info
        self._under = under
        self._kept = kept.rows if kept is not None else {}
        self.ledger = kept.ledger if kept is not None else Ledger()
        self.position = kept.position if kept is not None else None
        self.failure = ""
        self.bytes = 0
        self.withheld = withheld
        self._shift = kept.shift if kept is not None else 0  # what is added to their numbers
        self._last = kept.last if kept is not None else None  # number, time and rows of the newest stamp
        self._encoder: EncoderThread | None = None
        self._h264 = None if withheld else h264
        self.codec = layout.H264 if self._h264 is not None else ""
        if kept is not None:
            self.group, self._account = kept.group, layout.dataset(kept.group, "ledger")
        else:
            self.group = file.create_group(layout.group_name(info))
            layout.write_info(self.group, info, self.codec)
            for name, value in {**attributes, "withheld": withheld, "rate_effective_hz": 0.0}.items():
                self.group.attrs[name] = value
            self._account = self.group.create_dataset("ledger", (), layout.LEDGER)
        self._stamps = {name: self._column(name, STAMP[name]) for name in layout.STAMP_COLUMNS}
        self._rows = self._column("row", np.dtype("<u8")) if info.stamping == "block" else None
        self._data = self._packets = self._index = None
        if self.codec or (not withheld and info.encoding == "jpeg"):
            chunk = layout.H264_CHUNK if self.codec else layout.PACKET_CHUNK
            self._packets = self._column("packets", np.dtype("|u1"), chunk_rows=chunk)
            self._index = self._column("index", layout.INDEX)
            self.bytes = len(self._packets)
        elif not withheld:
            self._data = self._column("data", np.dtype(info.dtype), info.shape)
            self.bytes = len(self._data) * _row_bytes(np.dtype(info.dtype), info.shape)

    def _column(
        self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...] = (), chunk_rows: int = 0
    ) -> Column:
        chunk_rows = chunk_rows or layout.chunk_rows(_row_bytes(dtype, shape))
        return Column(self._under, self.group, name, dtype, shape, chunk_rows, self._kept.get(name))

    @property
    def last_ns(self) -> int | None:
        """Session time of the newest stamp."""
        return None if self._last is None else self._last[1]

    def encode_with(self, settings: Settings) -> None:
        """Choose how an H.264 stream that was resumed is encoded; before its first picture."""
        self._h264 = settings if self.codec else None

    @property
    def _columns(self) -> Iterable[Column]:
        optional = (self._rows, self._data, self._packets, self._index)
        return (*self._stamps.values(), *(column for column in optional if column is not None))

    def at(self, position: Position) -> None:
        """Note how far the run was taken, now that what leads there was handed in."""
        self.after_all(lambda: setattr(self, "position", position))

    def begin_run(self, first: Batch, *, counted: bool) -> tuple[int, float]:
        """Note that the driver was started again, right before its first rows are handed in.

        Args:
            first: those rows.
            counted: what was missed goes on the ledger, and rows are numbered on from those before. How much
                it is, nobody saw: it is taken from the time between, at the nominal rate.

        Returns:
            rows that were missed, and the time between, s.
        """
        self.drain()
        self.ledger.abandon()
        self._shift = 0
        if self._last is None:
            return 0, 0.0
        seq, time_ns, rows = self._last
        between_s = (int(first.stamps["time"][0]) - time_ns) * 1e-9
        if not counted:
            return 0, between_s
        known = self.ledger.since_stored + sum(first.lost.values())
        missed = max(round(between_s * self.info.rate_hz) - rows - known, 0)
        self.ledger.gap("device_gap", missed)
        self._shift = seq + rows + known + missed - int(first.stamps["seq"][0])
        return missed, between_s

    def _numbered_on(self, stamps: NDArray[Any]) -> NDArray[Any]:
        if self._shift:
            stamps = stamps.copy()
            stamps["seq"] = stamps["seq"].astype(np.int64) + self._shift
        return stamps

    def append(self, batch: Batch) -> None:
        """Take a batch of the stream; refused whole if it does not fit its announcement.

        A batch without rows tells of losses only.
        """
        if len(batch) == 0 and len(batch.stamps) == 0:
            self.ledger.take(0, batch.lost)
            return
        self._check(batch)
        stamps = self._numbered_on(batch.stamps)
        last = stamps[-1]
        self._last = int(last["seq"]), int(last["time"]), len(batch) if self._rows is not None else 1
        if self._h264 is not None:
            self._encode(batch, stamps, self._h264)
            return
        if self._rows is not None:
            self._rows.append(np.array([self.ledger.stored], "<u8"))
        for name, column in self._stamps.items():
            column.append(stamps[name])
        if self._data is not None:
            self._data.append(np.asarray(batch.data))
            self.bytes += np.asarray(batch.data).nbytes
        elif self._packets is not None and self._index is not None:
            for picture in batch.data:
                self._append_packet(picture, key=True)
        self.ledger.take(len(batch), batch.lost)

    def _append_packet(self, packet: bytes, *, key: bool) -> None:
        assert self._packets is not None
        assert self._index is not None
        self._index.append(np.array([(len(self._packets), len(packet), key)], layout.INDEX))
        self._packets.append(np.frombuffer(packet, np.uint8))
        self.bytes += len(packet)

    def append_encoded(self, stamps: NDArray[Any], packets: Iterable[tuple[bytes, bool]]) -> None:
        """Take (N,) stamps and N packets, and whether each is a key frame, of a stream stored as H.264."""
        for packet, key in packets:
            self._append_packet(packet, key=key)
        for name, column in self._stamps.items():
            column.append(stamps[name])
        self.ledger.take(len(stamps), {})

    def _encode(self, batch: Batch, stamps: NDArray[Any], settings: Settings) -> None:
        if self._encoder is None:
            self._encoder = EncoderThread(self.info, settings)
        self._collect()
        if self._encoder.failure:
            raise EncoderFailed(
                f"{self.info.name}: encoding its pictures failed: {self._encoder.failure}",
                mend=f"set streams.{self.info.name}.store: mjpeg",
            )
        self.ledger.take(0, batch.lost)
        for i in range(len(batch)):
            self._encoder.offer(stamps[i : i + 1], batch.data[i])

    def _collect(self) -> None:
        """Take what the encoder has made."""
        for made in self._encoder.take() if self._encoder is not None else ():
            if isinstance(made, Encoded):
                self.append_encoded(made.stamp, [(made.packet, made.key)])
            elif isinstance(made, Dropped):
                self.ledger.lose("encoder", 1)
            else:
                made()

    def after_all(self, then: Callable[[], None]) -> None:
        """Call something when all that was appended so far is in the file: at once, or after the encoder."""
        if self._encoder is None:
            then()
        else:
            self._encoder.mark(then)

    def drain(self) -> None:
        """Wait until all that was appended is in the file."""
        if self._encoder is not None:
            self._encoder.drain()
            self._collect()

    def append_stamps(self, stamps: NDArray[Any], rows: int) -> None:
        """Take the stamps of ``rows`` rows of a stream whose data is withheld."""
        if self._rows is not None:
            self._rows.append(np.array([self.ledger.stored], "<u8"))
        for name, column in self._stamps.items():
            column.append(stamps[name])
        self.ledger.take(rows, {})

    def _check(self, batch: Batch) -> None:
        rows, stamps = len(batch.data), len(batch.stamps)
        pictures = isinstance(batch.data, tuple)
        fits = pictures == (self.info.encoding == "jpeg")
        fits &= stamps == (1 if self.info.stamping == "block" else rows) and rows > 0
        if fits and not pictures:
            data = np.asarray(batch.data)
            fits = data.shape[1:] == self.info.shape and data.dtype == np.dtype(self.info.dtype)
        if not fits:
            got = "pictures" if pictures else f"{np.shape(batch.data)} {np.asarray(batch.data).dtype}"
            told = (
                f"{self.info.encoding} {self.info.shape} {self.info.dtype}, stamped by {self.info.stamping}"
            )
            raise RecordingError(
                f"{self.info.name}: {got} with {stamps} stamps does not fit what was announced: {told}",
                mend="correct the driver: StreamInfo and Samples must agree",
            )

    def write(self) -> None:
        """Hand columns and ledger to HDF5."""
        self._collect()
        for column in self._columns:
            column.write()
        self._account[()] = account_of(self.ledger, self.position, self._shift)
        self._under.last.add(self._account.id.get_offset())

    def close(self) -> None:
        """Write the rest, the last checksums and the effective rate."""
        if self._encoder is not None:
            self._encoder.finish()
            self._collect()
            if self._encoder.failure and not self.failure:
                self.group.attrs.modify("ended", f"encoding its pictures failed: {self._encoder.failure}")
        self.write()
        for column in self._columns:
            column.close()
        every = max(self.ledger.stored // 65536, 1)
        layout.write_table_checksum(self._account, [self._account[()].tolist()])
        seq, time = self._stamps["seq"].read(every), self._stamps["time"].read(every)
        self.group.attrs.modify("rate_effective_hz", effective_rate(seq, time))
        layout.seal(self.group)


def _row_bytes(dtype: np.dtype[Any], shape: tuple[int, ...]) -> int:
    return dtype.itemsize * int(np.prod(shape, dtype=np.int64))
