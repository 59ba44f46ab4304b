"""One growing dataset, written chunk by chunk, with a checksum for each chunk.

Rows are gathered in memory and written as whole chunks with ``write_direct_chunk``: single rows cost
a hundred times more. The unfinished chunk is written, padded with zeros, at every flush and written
over when it has grown, so that a killed recorder loses no more than the time since the last flush.
Nothing is compressed: the chunk in the file is the bytes of the array.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from recordings.layout import CHECKSUM, INTEGRITY, checksum, dataset
from recordings.ordered_file import OrderedFile


class Column:
    """A dataset of rows that only grows.

    Args:
        file: what the group's file is written to.
        group: group of the stream.
        name: name of the dataset.
        dtype: of one element.
        shape: of one row.
        chunk_rows: rows per chunk of a new dataset.
        rows: the dataset is there, and goes on behind so many rows; None: it is new.

    Raises:
        KeyError, ValueError: it is not there, or lacks rows or checksums of them.
    """

    def __init__(
        self,
        file: OrderedFile,
        group: h5py.Group,
        name: str,
        dtype: np.dtype[Any],
        shape: tuple[int, ...],
        chunk_rows: int,
        rows: int | None = None,
    ) -> None:
        self._file = file
        if rows is not None:
            self._resume(group, name, rows)
            return
        self._dataset = group.create_dataset(
            name, (0, *shape), maxshape=(None, *shape), chunks=(chunk_rows, *shape), dtype=dtype
        )
        self._sums = group.require_group(INTEGRITY).create_dataset(
            name, (0,), maxshape=(None,), chunks=(256,), dtype=CHECKSUM
        )
        self._begin(np.zeros((chunk_rows, *shape), dtype), 0)

    def _resume(self, group: h5py.Group, name: str, rows: int) -> None:
        self._dataset, self._sums = dataset(group, name), dataset(group, f"{INTEGRITY}/{name}")
        chunk_rows, *shape = self._dataset.chunks or (1,)
        whole = rows // chunk_rows
        if len(self._dataset) < rows or len(self._sums) < whole:
            raise ValueError(f"{name} has {len(self._dataset)} rows and {len(self._sums)} checksums")
        self._dataset.resize(rows, axis=0)
        self._sums.resize(whole, axis=0)  # a file that was closed has that of the unfinished chunk too
        self._begin(np.zeros((chunk_rows, *shape), self._dataset.dtype), rows)
        self._tail[: self._filled] = self._dataset[whole * chunk_rows :]
        self._dirty = bool(self._filled)

    def _begin(self, tail: NDArray[Any], rows: int) -> None:
        self._tail = tail
        self._chunks, self._filled = divmod(rows, len(tail))  # whole chunks written; rows in use in the tail
        self._dirty = False
        self._new_sums: list[tuple[int, int]] = []

    def __len__(self) -> int:
        return self._chunks * len(self._tail) + self._filled

    def append(self, rows: NDArray[Any]) -> None:
        """Take (R, *shape) rows."""
        start, step = 0, len(self._tail)
        while start < len(rows):
            if not self._filled and len(rows) - start >= step:  # a whole chunk, written from where it lies
                self._finish(np.ascontiguousarray(rows[start : start + step], self._tail.dtype))
                start += step
                continue
            take = min(step - self._filled, len(rows) - start)
            self._tail[self._filled : self._filled + take] = rows[start : start + take]
            self._filled += take
            start += take
            self._dirty = True
            if self._filled == step:
                self._filled = 0
                self._finish(self._tail)
                self._tail[...] = np.zeros((), self._tail.dtype)

    def _finish(self, chunk: NDArray[Any]) -> None:
        self._write_chunk(chunk, len(chunk))
        self._new_sums.append((len(chunk), checksum(chunk)))
        self._chunks += 1
        self._dirty = False

    def write(self) -> None:
        """Hand everything to HDF5; what it hands to the system is for the file's flush."""
        if self._dirty:
            self._write_chunk(self._tail, self._filled)
            self._dirty = False
        if self._new_sums:
            self._write_sums()

    def close(self) -> None:
        """Write the rest, and the checksum of the unfinished chunk."""
        self.write()
        if self._filled:
            self._new_sums.append((self._filled, checksum(self._tail[: self._filled])))
            self._write_sums()

    def read(self, every: int) -> NDArray[Any]:
        """Return every so manieth row of what was written."""
        return self._dataset[::every]

    def _write_chunk(self, chunk: NDArray[Any], rows: int) -> None:
        begin = self._chunks * len(chunk)
        self._dataset.resize(begin + rows, axis=0)
        self._file.through = chunk.nbytes
        self._dataset.id.write_direct_chunk((begin, *(0,) * (chunk.ndim - 1)), chunk)
        self._file.through = 0

    def _write_sums(self) -> None:
        start = len(self._sums)
        self._sums.resize(start + len(self._new_sums), axis=0)
        self._sums[start:] = np.array(self._new_sums, CHECKSUM)
        self._new_sums.clear()
