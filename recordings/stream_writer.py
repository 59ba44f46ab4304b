"""One stream's group in a session file that is being written."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, StreamInfo
from drivers.errors import RecordingError
from recordings import layout
from recordings.column import Column
from recordings.kept import Kept, account_of
from recordings.ledger import Ledger
from recordings.ordered_file import OrderedFile
from recordings.rates import effective_rate


class StreamWriter:
    """One stream's group. Made by :meth:`SessionWriter.add_stream`.

    Attributes:
        position: how far the run that is being stored was taken, or None where that is not known.
        end_ns: session time behind the last row, or None before the first.
    """

    def __init__(
        self,
        file: h5py.File,
        under: OrderedFile,
        info: StreamInfo,
        *,
        withheld: bool,
        attributes: dict[str, Any],
        kept: Kept | None = None,
    ) -> None:
        self.info = info
        self._under = under
        self._kept = kept.rows if kept is not None else {}
        self.ledger = kept.ledger if kept is not None else Ledger()
        self.position = kept.position if kept is not None else None
        self.end_ns = kept.end_ns if kept is not None else None
        self.failure = ""
        self.bytes = 0
        self.withheld = withheld
        if kept is not None:
            self.group, self._account = kept.group, layout.dataset(kept.group, "ledger")
        else:
            self.group = file.create_group(layout.group_name(info))
            layout.write_info(self.group, info)
            for name, value in {**attributes, "withheld": withheld, "rate_effective_hz": 0.0}.items():
                self.group.attrs[name] = value
            self._account = self.group.create_dataset("ledger", (), layout.LEDGER)
        self._stamps = {name: self._column(name, STAMP[name]) for name in layout.STAMP_COLUMNS}
        self._rows = self._column("row", np.dtype("<u8")) if info.stamping == "block" else None
        self._data = self._packets = self._index = None
        if not withheld and info.encoding == "jpeg":
            self._packets = self._column("packets", np.dtype("|u1"), chunk_rows=layout.PACKET_CHUNK)
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
    def _columns(self) -> Iterable[Column]:
        optional = (self._rows, self._data, self._packets, self._index)
        return (*self._stamps.values(), *(column for column in optional if column is not None))

    def append(self, batch: Batch) -> None:
        """Take a batch of the stream; refused whole if it does not fit its announcement.

        A batch without rows tells of losses only.
        """
        if len(batch) == 0 and len(batch.stamps) == 0:
            self.ledger.take(0, batch.lost)
            return
        self._check(batch)
        if self._rows is not None:
            self._rows.append(np.array([self.ledger.stored], "<u8"))
        for name, column in self._stamps.items():
            column.append(batch.stamps[name])
        if self._data is not None:
            self._data.append(np.asarray(batch.data))
            self.bytes += np.asarray(batch.data).nbytes
        elif self._packets is not None and self._index is not None:
            for picture in batch.data:
                size = len(picture)
                self._index.append(np.array([(len(self._packets), size, 1)], layout.INDEX))
                self._packets.append(np.frombuffer(picture, np.uint8))
                self.bytes += size
        self.ledger.take(len(batch), batch.lost)
        rows_of_last = len(batch) - len(batch.stamps) + 1
        self.end_ns = int(batch.stamps["time"][-1]) + round(rows_of_last * self._period_ns)

    @property
    def _period_ns(self) -> float:
        return 1e9 / self.info.rate_hz if self.info.rate_hz > 0 else 0.0

    def gap_before(self, first: Batch) -> tuple[int, float]:
        """Return what was not recorded between the last row and the first batch of another run of the driver.

        Returns:
            the rows that the device would have made by its nominal rate, beyond those counted as lost since,
            and the time, s.
        """
        if self.end_ns is None or not len(first.stamps):
            return 0, 0.0
        between_ns = int(first.stamps["time"][0]) - self.end_ns
        rows = round(between_ns / self._period_ns) if self._period_ns else 0
        counted = self.ledger.since_stored + sum(first.lost.values())
        return max(0, rows - counted), max(0, between_ns) * 1e-9

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
        for column in self._columns:
            column.write()
        self._account[()] = account_of(self.ledger, self.position)
        self._under.last.add(self._account.id.get_offset())

    def close(self) -> None:
        """Write the rest, the last checksums and the effective rate."""
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
