"""One stream of a session file, read lazily."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import NoReturn

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, StreamInfo
from drivers.errors import RecordingError, RecordingUnreadable
from recordings import layout
from recordings.h264_reader import H264Pictures
from recordings.latency import found
from recordings.ledger import Ledger
from recordings.verified import VerifiedColumn

_ATTRIBUTES = ("required", "latency_ns", "ended", "withheld", "rate_effective_hz")
_BLOCK = 4096  # stamps looked at together when the stream is read through


class StreamReader:
    """Rows, pictures and stamps of one stream.

    A recording that was not closed in good order is read up to the last row that is complete.

    Attributes:
        info: what the stream is; pictures that a codec encodes are told as they decode, ``array``.
        codec: ``h264`` where pictures are packets that need those before them, else empty.
        ledger: its account.
        required: the session is not sound without it.
        latency_ns: constant latency already taken off ``time``.
        latency: constant latency still in ``time``, if `chorus calibrate latency` found one, else None.
        ended: ``"ended"``, the error of the driver, or empty if the end was never seen.
        damaged: what is wrong with the ledger, or empty.
        withheld: the data was not stored (``store: none``).
        rate_effective_hz: rows per second as found when the file was closed, else 0.
        columns: every dataset of the stream, by name.
        extras: attributes that later tools noted.
    """

    def __init__(self, group: h5py.Group, *, closed: bool, verify: bool) -> None:
        self.info: StreamInfo = layout.read_info(group)
        self.codec = layout.read_codec(group)
        attributes = {name: layout.plain(value) for name, value in group.attrs.items()}
        self.required = bool(attributes["required"])
        self.latency_ns = int(attributes["latency_ns"])
        self.latency = found.read(group)
        self.ended = str(attributes["ended"])
        self.withheld = bool(attributes["withheld"])
        self.rate_effective_hz = float(attributes["rate_effective_hz"])
        self.ledger, self.damaged = _read_ledger(group, verify=verify and closed)
        if verify and closed:
            layout.check_seal(group)
        self._file = str(group.file.filename)
        known = {*StreamInfo.__struct_fields__, *_ATTRIBUTES, layout.SEAL}
        self.extras = {name: value for name, value in attributes.items() if name not in known}
        self.columns = {
            name: VerifiedColumn(
                layout.dataset(group, name),
                layout.dataset(group, f"{layout.INTEGRITY}/{name}")[:],
                closed=closed,
                verify=verify,
            )
            for name in layout.column_names(self.info, withheld=self.withheld, codec=self.codec)
        }
        self._limit(closed)
        self._h264 = (
            H264Pictures(self._file, self.info, self.columns["index"], self.columns["packets"])
            if self.codec and not self.withheld
            else None
        )

    def _limit(self, closed: bool) -> None:
        stamps = {len(self.columns[name]) for name in layout.STAMP_COLUMNS}
        rows = {len(self.columns[name]) for name in ("data", "index") if name in self.columns}
        blocks = self.info.stamping == "block"
        if not blocks:
            rows |= stamps
        if closed and (len(stamps) > 1 or len(rows) > 1):
            raise RecordingUnreadable(
                f"{self._file}: the parts of stream {self.info.name} differ in length",
                mend="restore the file from a copy",
            )
        # The ledger is what a flush writes last: what lies behind its count was not finished.
        self._rows_count = min(rows) if closed and rows else min({self.ledger.stored, *rows})
        self._stamps_count = min(stamps) if blocks else self._rows_count
        if blocks and not closed:
            count = min(self._stamps_count, len(self.columns["row"]))
            first = self.columns["row"][:count].astype(np.int64)
            self._stamps_count = int(np.searchsorted(first, self._rows_count))
        for name in (*layout.STAMP_COLUMNS, "row"):
            if name in self.columns:
                self.columns[name].limit(self._stamps_count)
        for name in ("data", "index"):
            if name in self.columns:
                self.columns[name].limit(self._rows_count)
        if "packets" in self.columns and not closed:
            last = self.columns["index"][-1] if self._rows_count else None
            self.columns["packets"].limit(0 if last is None else int(last["offset"] + last["size"]))

    def __len__(self) -> int:
        """Rows."""
        return self._rows_count

    @property
    def stamp_count(self) -> int:
        """Stamps: one a row, or one a block."""
        return self._stamps_count

    def __repr__(self) -> str:
        return f"<StreamReader {self.info.name}: {len(self)} rows of {self.info.kind}>"

    @functools.cached_property
    def stamps(self) -> NDArray[np.void]:
        """(N,) of STAMP: one a row, or one a block where the stream is block-stamped."""
        return self.stamps_between(0, self._stamps_count)

    def stamps_between(self, start: int, stop: int) -> NDArray[np.void]:
        """(stop - start,) of STAMP: some of :attr:`stamps`."""
        stamps = np.empty(stop - start, STAMP)
        for name in layout.STAMP_COLUMNS:
            stamps[name] = self.columns[name][start:stop]
        return stamps

    @functools.cached_property
    def block_rows(self) -> NDArray[np.int64]:
        """(N + 1,) first row of each stamp, and the number of rows at the end."""
        if self.info.stamping == "row":
            return np.arange(len(self) + 1)
        rows = self.columns["row"][: self._stamps_count].astype(np.int64)
        return np.append(np.minimum(rows, len(self)), len(self))

    @property
    def times(self) -> NDArray[np.int64]:
        """(R,) session time of each row, ns; between the stamps of blocks it runs linearly."""
        time = self.stamps["time"].astype(np.int64)
        if self.info.stamping == "row":
            return time
        counts, within = self._within()
        return np.repeat(time, counts) + np.round(within * np.repeat(self._periods(), counts)).astype(
            np.int64
        )

    @property
    def row_seq(self) -> NDArray[np.int64]:
        """(R,) number of each row, counted in rows the device produced."""
        if self.info.stamping == "row":
            return self.stamps["seq"].astype(np.int64)
        counts, within = self._within()
        return np.repeat(self.stamps["seq"].astype(np.int64), counts) + within

    def _within(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(N,) rows of each block and (R,) number of each row within its block."""
        counts = np.diff(self.block_rows)
        return counts, np.arange(len(self)) - np.repeat(self.block_rows[:-1], counts)

    def _periods(self) -> NDArray[np.float64]:
        """(N,) ns from row to row within each block: to the next block's stamp, by ``seq``."""
        nominal = 1e9 / (self.rate_effective_hz or self.info.rate_hz or 1.0)
        if self._stamps_count < 2:
            return np.full(self._stamps_count, nominal)
        rows = np.diff(self.stamps["seq"].astype(np.int64)).astype(np.float64)
        period = np.diff(self.stamps["time"]) / np.where(rows > 0, rows, 1.0)
        usual = float(np.median(period[rows > 0])) if (rows > 0).any() else nominal
        return np.append(np.where(rows > 0, period, usual), usual)

    @property
    def data(self) -> VerifiedColumn | H264Pictures:
        """(R, *shape) rows; slices are arrays.

        Raises:
            RecordingError: the stream holds pictures, or its data was withheld.
        """
        if self._h264 is not None:
            return self._h264
        if "data" not in self.columns:
            self._refuse("use picture(i) or image(i)" if not self.withheld else None)
        return self.columns["data"]

    def picture(self, index: int) -> bytes:
        """Return encoded picture ``index`` as it was stored.

        Raises:
            RecordingError: the stream holds no encoded pictures.
            RecordingUnreadable: it is damaged.
        """
        if "packets" not in self.columns or self._h264 is not None:
            self._refuse("use data[i] or image(i)" if not self.withheld else None)
        entry = self.columns["index"][range(len(self))[index]]
        start, size = int(entry["offset"]), int(entry["size"])
        packets = self.columns["packets"]
        if start + size > len(packets):
            raise RecordingUnreadable(
                f"{self._file}: picture {index} of {self.info.name} lies beyond the end",
                mend="restore the file from a copy",
            )
        return packets[start : start + size].tobytes()

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return picture ``index`` as (H, W, 3) uint8 in BGR order.

        Raises:
            RecordingError: the stream holds no pictures.
            RecordingUnreadable: the picture does not decode.
        """
        if self.info.encoding == "array":
            return np.asarray(self.data[index], np.uint8)
        image = decode(self.picture(index))
        if image is None:
            raise RecordingUnreadable(
                f"{self._file}: picture {index} of {self.info.name} does not decode",
                mend="chorus check lists all damage",
            )
        return image

    @property
    def encoded(self) -> H264Pictures:
        """The packets and pictures of a stream that is stored as H.264.

        Raises:
            RecordingError: it is not.
        """
        if self._h264 is None:
            self._refuse("use picture(i), image(i) or data[i]")
        return self._h264

    def index_at(self, time_ns: int) -> int:
        """Return the number of the last row up to a session time; 0 where all come later.

        Raises:
            RecordingError: the stream has no rows.
        """
        if not len(self):
            self._refuse("choose a stream that has rows")
        return max(int(np.searchsorted(self.times, time_ns, side="right")) - 1, 0)

    def _refuse(self, mend: str | None) -> NoReturn:
        what = "was recorded without its pictures" if self.withheld else f"holds {self.info.encoding} rows"
        raise RecordingError(
            f"{self._file}: stream {self.info.name} {what}",
            mend=mend or "record with store: mjpeg to keep them",
        )

    def batches(
        self, start_ns: int | None = None, stop_ns: int | None = None, *, span_ns: int = 20_000_000
    ) -> Iterator[Batch]:
        """Yield the rows with start_ns <= time < stop_ns, in order, about ``span_ns`` at a time.

        Pictures and blocks come one by one. Memory does not grow with the recording. A block is
        taken or left whole, by the time of its first row.
        """
        if self.withheld:
            return
        single = self.info.stamping == "block" or self.info.kind == "camera"
        for begin in range(0, self._stamps_count, _BLOCK):
            stamps = self.stamps_between(begin, min(begin + _BLOCK, self._stamps_count))
            time = stamps["time"]
            inside = np.ones(len(time), bool)
            if start_ns is not None:
                inside &= time >= start_ns
            if stop_ns is not None:
                inside &= time < stop_ns
            cuts = np.flatnonzero(np.diff(time // span_ns) != 0) + 1
            cuts = np.arange(1, len(time)) if single else cuts
            cuts = np.union1d(cuts, np.flatnonzero(np.diff(inside)) + 1)
            for a, b in zip([0, *cuts], [*cuts, len(time)], strict=True):
                if b > a and inside[a]:
                    yield self._batch(stamps[a:b], begin + int(a), begin + int(b))

    def _batch(self, stamps: NDArray[np.void], start: int, stop: int) -> Batch:
        if self.info.encoding == "jpeg":
            return Batch(self.info.name, stamps, tuple(self.picture(i) for i in range(start, stop)))
        first, last = int(self.block_rows[start]), int(self.block_rows[stop])
        return Batch(self.info.name, stamps, self.data[first:last])


def decode(picture: bytes) -> NDArray[np.uint8] | None:
    """Return an encoded picture as (H, W, 3) uint8 BGR, or None if it is none."""
    from drivers.camera.pictures import decoded  # late: most readers need no pictures

    return decoded(picture)


def _read_ledger(group: h5py.Group, *, verify: bool) -> tuple[Ledger, str]:
    """Return the account, and what is wrong with it or an empty text."""
    account = layout.dataset(group, "ledger")
    entry, wrong = account[()], ""
    if verify:
        try:
            layout.check_table(account, [entry.tolist()])
        except ValueError as error:
            wrong = f"its ledger is damaged ({error})"
    lost = {reason: int(entry[reason]) for reason in layout.REASONS if entry[reason]}
    return Ledger(int(entry["produced"]), int(entry["stored"]), lost), wrong
