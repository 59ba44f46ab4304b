"""Reading a dataset so that each chunk's checksum is compared before any of its rows is used."""

from __future__ import annotations

import collections
from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.errors import RecordingUnreadable
from recordings.layout import checksum

_CACHED_CHUNKS = 4


class VerifiedColumn:
    """A dataset of (R, *shape) rows that reads like an array and checks itself.

    Args:
        dataset: the dataset.
        sums: its checksums, one for each chunk; a file that was not closed lacks the last.
        closed: the file was closed, so that every chunk must have a checksum.
        verify: compare checksums; False reads as fast as the disk allows.
    """

    def __init__(
        self, dataset: h5py.Dataset, sums: NDArray[Any], *, closed: bool = True, verify: bool = True
    ) -> None:
        self._dataset = dataset
        self._sums = sums
        self._closed = closed
        self._verify = verify
        self._rows = len(dataset)
        self._step = int((dataset.chunks or (max(len(dataset), 1),))[0])
        self._verified = np.zeros(-(-len(dataset) // self._step), bool)
        self._cache: collections.OrderedDict[int, NDArray[Any]] = collections.OrderedDict()

    def __len__(self) -> int:
        return self._rows

    def limit(self, rows: int) -> None:
        """Leave away what lies behind the first ``rows`` rows: a killed recorder had not finished it."""
        self._rows = min(self._rows, rows)

    def span(self, number: int) -> tuple[int, int]:
        """Return the rows [first, last) that lie in a chunk."""
        return number * self._step, min((number + 1) * self._step, self._rows)

    @property
    def unverified(self) -> int:
        """Rows in the last chunk of a file that was not closed: there is no checksum of it yet."""
        return max(self._rows - len(self._sums) * self._step, 0)

    @property
    def chunks(self) -> int:
        """How many chunks the rows lie in."""
        return -(-self._rows // self._step)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of one element."""
        return self._dataset.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """(R, *shape of a row)."""
        return self._rows, *self._dataset.shape[1:]

    def __getitem__(self, key: int | slice | tuple[Any, ...]) -> Any:
        if isinstance(key, tuple):
            rest = key[1:] if isinstance(key[0], int) else (slice(None), *key[1:])
            return self[key[0]][rest]
        if isinstance(key, slice):
            start, stop, step = key.indices(len(self))
            if step < 0:
                raise IndexError("a recording is read forwards: give a positive step")
            return self._read(start, max(stop, start))[::step]
        index = range(len(self))[key]
        return self._read(index, index + 1)[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def faults(self) -> Iterator[int]:
        """Yield the number of each chunk whose checksum does not match, reading everything."""
        for number in range(self.chunks):
            try:
                self.chunk(number)
            except RecordingUnreadable:
                yield number

    def _read(self, start: int, stop: int) -> NDArray[Any]:
        if stop <= start:
            return np.empty((0, *self.shape[1:]), self.dtype)
        first, last = start // self._step, (stop - 1) // self._step
        known = not self._verify or bool(self._verified[first : last + 1].all())
        if known and (first != last or first not in self._cache):
            return self._load(start, stop)
        parts = []
        for number in range(first, last + 1):
            begin = number * self._step
            parts.append(self.chunk(number)[max(start - begin, 0) : stop - begin])
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def chunk(self, number: int) -> NDArray[Any]:
        """Return the rows of one chunk.

        Raises:
            RecordingUnreadable: its checksum does not match, or HDF5 can't read it.
        """
        begin = number * self._step
        if number in self._cache:
            self._cache.move_to_end(number)
            return self._cache[number][: self._rows - begin]
        rows = self._load(begin, min(begin + self._step, len(self._dataset)))
        if self._verify and not self._verified[number]:
            self._compare(number, rows)
            self._verified[number] = True
        self._cache[number] = rows
        if len(self._cache) > _CACHED_CHUNKS:
            self._cache.popitem(last=False)
        return rows[: self._rows - begin]

    def _compare(self, number: int, rows: NDArray[Any]) -> None:
        if number >= len(self._sums) and not self._closed and number == self.chunks - 1:
            return  # the unfinished chunk of a recorder that was killed
        if number < len(self._sums):
            expected = self._sums[number]
            if expected["rows"] == len(rows) and expected["xxh3_64"] == checksum(rows):
                return
        raise RecordingUnreadable(
            f"{self._dataset.file.filename}: {self._dataset.name} is damaged between rows "
            f"{number * self._step} and {number * self._step + len(rows) - 1}",
            mend="chorus check lists all damage; open_recording(path, verify=False) reads it all the same",
        )

    def _load(self, start: int, stop: int) -> NDArray[Any]:
        try:
            return self._dataset[start:stop]
        except (OSError, RuntimeError, ValueError) as error:
            raise RecordingUnreadable(
                f"{self._dataset.file.filename}: {self._dataset.name} can't be read ({error})",
                mend="restore the file from a copy",
            ) from error
