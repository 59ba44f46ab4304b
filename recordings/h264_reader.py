"""Pictures of a stream that is stored as H.264, by number: an array that decodes as it is read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import StreamInfo
from drivers.errors import RecordingUnreadable
from recordings.verified import VerifiedColumn

_BACK = 64  # index entries looked at together for a key frame


class H264Pictures:
    """(R, H, W, 3) uint8 BGR pictures, decoded as they are read.

    Read in order, each packet is decoded once; elsewhere, from the key frame before the picture on.

    Args:
        file: path of the session, for messages.
        info: the stream.
        index: (R,) of :data:`recordings.layout.INDEX`.
        packets: (bytes,) uint8.
    """

    def __init__(self, file: str, info: StreamInfo, index: VerifiedColumn, packets: VerifiedColumn) -> None:
        self._file, self._info = file, info
        self._index, self._packets = index, packets
        self._decoder: Any = None
        self._next = -1  # row that the decoder expects; -1: none
        self._last: tuple[int, NDArray[np.uint8]] | None = None
        self.dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def shape(self) -> tuple[int, ...]:
        """(R, H, W, 3)."""
        return len(self), *self._info.shape

    def __getitem__(self, key: int | slice | tuple[Any, ...]) -> Any:
        if isinstance(key, tuple):
            rest = key[1:] if isinstance(key[0], int) else (slice(None), *key[1:])
            return self[key[0]][rest]
        if isinstance(key, slice):
            rows = range(len(self))[key]
            if rows.step < 0:
                raise IndexError("a recording is read forwards: give a positive step")
            pictures = np.empty((len(rows), *self._info.shape), np.uint8)
            for place, row in enumerate(rows):
                pictures[place] = self._picture(row)
            return pictures
        return self._picture(range(len(self))[key])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[:], dtype)

    def key_before(self, row: int) -> int:
        """Return the last row up to ``row`` that decodes without others.

        Raises:
            RecordingUnreadable: there is none.
        """
        stop = row + 1
        while stop > 0:
            start = max(stop - _BACK, 0)
            keys = np.flatnonzero(self._index[start:stop]["key"])
            if len(keys):
                return start + int(keys[-1])
            stop = start
        raise self._damaged(row, "no key frame lies before it")

    def packet(self, row: int) -> bytes:
        """Return the bytes of a row.

        Raises:
            RecordingUnreadable: they are damaged.
        """
        entry = self._index[row]
        start, size = int(entry["offset"]), int(entry["size"])
        if start + size > len(self._packets):
            raise self._damaged(row, "its packet lies beyond the end")
        return self._packets[start : start + size].tobytes()

    def alone(self, row: int) -> bytes:
        """Return bytes from which picture ``row`` decodes without others: the packets since its key frame.

        Raises:
            RecordingUnreadable: some are damaged.
        """
        return b"".join(self.packet(one) for one in range(self.key_before(row), row + 1))

    def _picture(self, row: int) -> NDArray[np.uint8]:
        if self._last is not None and self._last[0] == row:
            return self._last[1].copy()
        first = self._next if 0 <= self._next <= row else -1
        if first < row:  # also where a key frame between spares some decoding
            key = self.key_before(row)
            if key > first or first < 0:
                from recordings.h264 import Decoder  # late: most sessions need no codec

                first, self._decoder = key, Decoder(self._info.shape)
        self._next, self._last = -1, None
        picture = None
        for one in range(first, row + 1):
            try:
                picture = self._decoder(self.packet(one))
            except RecordingUnreadable as error:
                raise self._damaged(row, "" if one == row else f"it needs picture {one}") from error
            if picture is None:
                raise self._damaged(row, "" if one == row else f"it needs picture {one}")
        assert picture is not None
        self._next, self._last = row + 1, (row, picture)
        return picture.copy()

    def _damaged(self, row: int, why: str) -> RecordingUnreadable:
        words = f": {why}" if why else ""
        return RecordingUnreadable(
            f"{self._file}: picture {row} of {self._info.name} is damaged{words}",
            mend="read on after the next key frame; chorus check lists all damage",
        )
