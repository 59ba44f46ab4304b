"""What every driver is, and the samples it hands on.

::

    device -> Driver.read() -> Samples -> clock models -> Batch -> bus

A driver gives units and honest raw times. Corrected session time is added by the one loop that
runs all drivers (``drivers.process``), never by a driver itself.
"""

from __future__ import annotations

import abc
import dataclasses
import re
import time
from typing import Any, ClassVar, Generic, Literal, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

NO_TIME: int = np.iinfo(np.int64).min
"""Stands where a device gives no time of its own."""

STAMP = np.dtype(
    [
        ("time", "<i8"),  # corrected session time, ns since the session's epoch
        ("time_bound", "<i8"),  # |error of time| <= time_bound, ns
        ("time_host", "<i8"),  # monotonic clock of the driver's host at arrival, ns
        ("time_device", "<i8"),  # the device's own clock, ns, or NO_TIME
        ("seq", "<u8"),  # number of the first row stamped, counted in rows the device produced
    ]
)
"""One stamp: three times, a bound and a number. 40 bytes, little endian, packed."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")
"""Names of streams: they become topics on the wire and groups in the file."""

LOSS_REASONS: tuple[str, ...] = (
    "device_gap",  # the device's own counter jumped
    "checksum",  # a packet arrived damaged
    "driver_queue",  # the driver could not keep up (for a sound card: XRUN)
    "encoder",
    "network",  # published, but could not be resent any more
    "disk",
)

Kind = Literal["imu", "camera", "depth", "audio", "pose", "features"]
Encoding = Literal["array", "jpeg"]
Stamping = Literal["row", "block"]


class StreamInfo(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that a late joiner must know of a stream; announced on the bus, stored in the file.

    Attributes:
        name: unique within the session, matches :data:`NAME`.
        kind: what the rows are.
        encoding: ``array`` rows of ``dtype`` and ``shape``; ``jpeg``: one encoded picture a row.
        dtype: numpy type string of one element, little endian (``"<f4"``, ``"|u1"``).
        shape: shape of one row; for pictures (height, width, 3), colours in BGR order.
        channels: a name for each element of the last axis of an array row, or empty.
        units: a unit for each channel (``"m/s^2"``, ``"rad/s"``, ``"1"``), or empty.
        rate_hz: nominal rows per second; 0 where irregular.
        regular: the device samples on a clock of its own at a constant rate (IMU, sound card),
            so that the row number is a better clock than arrival.
        stamping: ``row``: a stamp for each row; ``block``: one stamp for the first row of each
            message, the others follow at the effective rate (sound).
        device: make, model and port, as a person would name it.
        worn_on: place on the body, one of :data:`drivers.places.PLACES`, or empty.
        host: identity of the clock that ``time_host`` was read from.
        properties: anything further, text to text (calibration, simulator truth ...).
    """

    name: str
    kind: Kind
    encoding: Encoding = "array"
    dtype: str = "<f4"
    shape: tuple[int, ...] = ()
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    rate_hz: float = 0.0
    regular: bool = False
    stamping: Stamping = "row"
    device: str = ""
    worn_on: str = ""
    host: str = ""
    properties: dict[str, str] = {}


Pictures = tuple[bytes, ...]


@dataclasses.dataclass(frozen=True, slots=True)
class Samples:
    """What one ``read`` returns: rows with raw times, before any correction.

    Attributes:
        data: (R, *shape) array, or R encoded pictures.
        time_host: (N,) int64 ns, host monotonic clock at arrival. N = R for row-stamped streams,
            1 for block-stamped ones (the arrival of the block's first row).
        time_device: (N,) int64 ns of the device's own clock, or :data:`NO_TIME`.
        seq: (N,) uint64 row numbers, counting every row the device produced: a gap is visible.
        lost: rows lost since the last read, by reason; see :data:`LOSS_REASONS`.
            A row missing from ``seq`` must be counted here exactly once.
    """

    data: NDArray[Any] | Pictures
    time_host: NDArray[np.int64]
    time_device: NDArray[np.int64]
    seq: NDArray[np.uint64]
    lost: dict[str, int] = dataclasses.field(default_factory=dict)

    @classmethod
    def arriving(cls, data: NDArray[Any], first: int, lost: dict[str, int] | None = None) -> Samples:
        """Return rows (R, *shape) that arrive now, of a device with no clock of its own.

        Args:
            first: number of the first row; the others follow it.
            lost: rows lost just before, by reason.
        """
        rows = len(data)
        return cls(
            data=data,
            time_host=np.full(rows, time.monotonic_ns(), np.int64),
            time_device=np.full(rows, NO_TIME, np.int64),
            seq=np.arange(first, first + rows, dtype=np.uint64),
            lost=lost or {},
        )

    def __len__(self) -> int:
        return len(self.data)


@dataclasses.dataclass(frozen=True, slots=True)
class Batch:
    """Rows of one stream with corrected stamps: the currency of bus, file, timeline and engine.

    Attributes:
        stream: name of the stream.
        stamps: (N,) of :data:`STAMP`.
        data: (R, *shape) array, or R encoded pictures; R = N, or N = 1 where block-stamped.
        lost: rows lost just before this batch, by reason.
    """

    stream: str
    stamps: NDArray[Any]
    data: NDArray[Any] | Pictures
    lost: dict[str, int] = dataclasses.field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.data)


class EndOfStream(Exception):
    """A finite source (a file) has no more rows; not an error."""


@dataclasses.dataclass(frozen=True)
class DriverContext:
    """What a driver may know of its surroundings.

    Attributes:
        stream: name of the stream in the rig.
        worn_on: place on the body, or empty.
        epoch_ns: the session's epoch on *this host's* monotonic clock, ns; simulators share it.
        folder: folder that relative paths of the rig refer to.
        store: how the recorder keeps the stream; ``raw`` asks a camera for pixels, not JPEG.
        prompt: rows are used live: they are handed on as they come, not gathered, though that costs more.
    """

    stream: str
    worn_on: str = ""
    epoch_ns: int = 0
    folder: str = "."
    store: str = "default"
    prompt: bool = False


C = TypeVar("C")


class Driver(abc.ABC, Generic[C]):
    """A device as a source of samples. Subclasses set ``Config`` to their dataclass.

    ``open`` may be called again after it failed or after ``close``: a failed open leaves nothing
    held. ``close`` may be called at any time, twice too. When ``read`` fails, the loop that runs the driver
    closes it and opens it again until the device is back; the rows may be numbered anew then.
    """

    Config: ClassVar[type]
    reopens: ClassVar[bool] = True
    """Whether :meth:`open`, after a failure midway, goes on with what the device does now. False for files,
    which would begin anew: such a driver ends with its failure."""

    def __init__(self, config: C, context: DriverContext) -> None:
        self.config = config
        self.context = context

    def prepare(self) -> None:
        """Import, and work out, what :meth:`open` will need and no device is needed for.

        A process that waits to take over a driver's work calls it early.
        """

    @abc.abstractmethod
    def open(self) -> StreamInfo:
        """Take hold of the device and say what it will send.

        Raises:
            DeviceError: with the fault and the mend; nothing stays held.
        """

    @abc.abstractmethod
    def read(self, timeout_s: float) -> Samples | None:
        """Return the samples that came, or None if none came within ``timeout_s``.

        Raises:
            EndOfStream: a finite source is at its end.
            DeviceError: the device failed or was unplugged.
        """

    @abc.abstractmethod
    def close(self) -> None:
        """Let the device go."""

    def events(self) -> list[tuple[int, str, str]]:
        """Return what happened since the last call: (host monotonic ns, kind, label) each.

        The loop that runs the driver calls it after every ``read`` and puts the events, in session
        time, on the bus. Kinds are those of :class:`drivers.bus.messages.Event`.
        """
        return []

    def counted(self) -> bool:
        """Whether the losses of the newest samples hold all that the device produced since those before, also
        while it was away: then nothing is reckoned for them when it is back."""
        return False

    def counter(self) -> tuple[int, int] | None:
        """Return the device's own count at the last row that :meth:`read` returned, and where it wraps.

        A device with a battery of its own goes on counting while its cable is unplugged: so it is known
        to the row how many it produced meanwhile.

        Returns:
            the count, and the number that follows its largest (0: it never wraps); None: it has none.
        """
        return None
