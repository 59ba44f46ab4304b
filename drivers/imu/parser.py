"""What a protocol of an IMU is: bytes in, rows out, no port and no clock of its own."""

from __future__ import annotations

import abc
import collections
import dataclasses
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME

STANDARD_GRAVITY = 9.80665
"""m/s^2 in one g, exact by definition (CGPM 1901)."""

INERTIAL_CHANNELS = (
    "specific_force_x",
    "specific_force_y",
    "specific_force_z",
    "angular_rate_x",
    "angular_rate_y",
    "angular_rate_z",
)
MAGNETIC_CHANNELS = ("magnetic_field_x", "magnetic_field_y", "magnetic_field_z")
ORIENTATION_CHANNELS = ("orientation_x", "orientation_y", "orientation_z", "orientation_w")

UNIT_OF = {
    **dict.fromkeys(INERTIAL_CHANNELS[:3], "m/s^2"),
    **dict.fromkeys(INERTIAL_CHANNELS[3:], "rad/s"),
    **dict.fromkeys(MAGNETIC_CHANNELS, "uT"),
    **dict.fromkeys(ORIENTATION_CHANNELS, "1"),
}
"""SI unit (uT for the magnetic field) of every channel an IMU row may have."""


@dataclasses.dataclass(frozen=True, slots=True)
class Rows:
    """Decoded rows.

    Attributes:
        values: (n, C) float32 in the units of :data:`UNIT_OF`.
        time_host: (n,) int64 ns, arrival of the chunk that held the row's last byte.
        time_device: (n,) int64 ns or NO_TIME.
        seq: (n,) uint64, counting lost rows too.
        lost: rows lost since the last take, by reason.
    """

    values: NDArray[np.float32]
    time_host: NDArray[np.int64]
    time_device: NDArray[np.int64]
    seq: NDArray[np.uint64]
    lost: dict[str, int]

    def __len__(self) -> int:
        return len(self.seq)


class Parser(abc.ABC):
    """An incremental parser: feed it chunks of any size, take the rows. Memory is bounded.

    Attributes:
        channels: names of a row's columns; empty until :attr:`ready`. Protocols that send a message of each
            kind fix them at the first :meth:`take`.
        damaged: packets or lines refused so far (bad checksum, unreadable).
        restarts: how often the device began to count anew.
        settle_s: how long to listen before the first :meth:`take`, so that rare kinds were seen.
        rate_hz: rows a second, where the protocol knows one rate only; 0: measured.
    """

    channels: tuple[str, ...] = ()
    damaged: int = 0
    restarts: int = 0
    settle_s: ClassVar[float] = 0.0
    rate_hz: ClassVar[float] = 0.0

    def __init__(self) -> None:
        self._values: list[tuple[float, ...]] = []
        self._arrivals: list[int] = []
        self._times: list[int] = []
        self._seqs: list[int] = []
        self._lost: collections.Counter[str] = collections.Counter()

    @property
    def ready(self) -> bool:
        """Whether the channels are known."""
        return bool(self.channels)

    @property
    def counter(self) -> tuple[int, int] | None:
        """The device's own count at the newest row, and where it wraps; see :meth:`Driver.counter`."""
        return None

    @property
    def units(self) -> tuple[str, ...]:
        """A unit for each channel."""
        return tuple(UNIT_OF[channel] for channel in self.channels)

    @abc.abstractmethod
    def feed(self, data: bytes, time_host: int) -> None:
        """Parse one chunk that arrived at ``time_host`` (ns)."""

    def take(self) -> Rows | None:
        """Return the rows and losses since the last take, or None: losses wait for the next row."""
        if not self._seqs:
            return None
        rows = Rows(
            values=np.array(self._values, np.float64).astype(np.float32),
            time_host=np.array(self._arrivals, np.int64),
            time_device=np.array(self._times, np.int64),
            seq=np.array(self._seqs, np.uint64),
            lost=dict(self._lost),
        )
        self._values, self._arrivals, self._times, self._seqs = [], [], [], []
        self._lost.clear()
        return rows

    def give_back(self, rows: Rows) -> None:
        """Undo a take: the rows and losses come again with the next one."""
        self._values = [*map(tuple, rows.values.tolist()), *self._values]
        self._arrivals = [*rows.time_host.tolist(), *self._arrivals]
        self._times = [*rows.time_device.tolist(), *self._times]
        self._seqs = [*rows.seq.tolist(), *self._seqs]
        self._lost.update(rows.lost)

    @property
    def waiting(self) -> int:
        """Rows that were parsed and not taken yet."""
        return len(self._seqs)

    def note(self) -> str:
        """Say what came instead of rows, for the message of a parser that found none."""
        return ""

    def _emit(self, values: tuple[float, ...], time_host: int, time_device: int | None, seq: int) -> None:
        self._values.append(values)
        self._arrivals.append(time_host)
        self._times.append(NO_TIME if time_device is None else time_device)
        self._seqs.append(seq)

    def _lose(self, reason: str, rows: int) -> None:
        if rows > 0:
            self._lost[reason] += rows
