"""Plain lines from a microcontroller: CSV or JSON, columns and units as the rig says.

::

    columns: [seq, t, ax, ay, az, gx, gy, gz]
    units:   [1,  ms,  g,  g,  g, deg/s, deg/s, deg/s]

CSV lines hold the columns in this order; a line that begins with ``{`` is a JSON object with the
columns as keys. Rows need the acceleration, and angular rate or orientation. Empty lines, and lines
that begin with ``#`` are comments. A column named ``seq`` counts samples and shows what was lost,
``t`` is the device's clock, ``-`` is skipped.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

from drivers.imu.columns import FIELD_UNITS, FORCE_UNITS, RATE_UNITS, SHORT, SKIPPED
from drivers.imu.parser import (
    INERTIAL_CHANNELS,
    MAGNETIC_CHANNELS,
    ORIENTATION_CHANNELS,
    Parser,
)

COUNTERS = ("seq", "count", "counter", "n")
CLOCKS = ("t", "time", "t_s", "t_ms", "t_us", "t_ns")

_CLOCK_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000, "ns": 1}
_ONE = {"1": 1, "": 1}

LONGEST_LINE = 4096
"""Bytes; a longer line is refused without being kept."""


class LinesParser(Parser):
    """Lines of text to rows.

    Args:
        columns: name of each column: ax..az, gx..gz, mx..mz, qx..qw (or the channel's full name),
            ``seq``, ``t``, ``-``.
        units: unit of each column; ``1`` for counters, quaternions and skipped columns.
        counter_bits: width of the counter, at which it begins again from 0; 0: it never does.

    Raises:
        ValueError: a column or a unit is unknown, or a needed column is missing.
    """

    def __init__(self, columns: Sequence[str], units: Sequence[str], counter_bits: int = 0) -> None:
        super().__init__()
        if len(columns) != len(units):
            raise ValueError(f"{len(columns)} columns have {len(units)} units; give one unit for each column")
        self._columns = tuple(columns)
        self._bits = counter_bits
        self._scale: dict[str, tuple[int, float]] = {}
        self._clock: tuple[int, int] | None = None
        self._counter: int | None = None
        for index, (column, unit) in enumerate(zip(columns, units, strict=True)):
            self._read_column(index, column, unit)
        for group in (INERTIAL_CHANNELS[:3], INERTIAL_CHANNELS[3:], MAGNETIC_CHANNELS, ORIENTATION_CHANNELS):
            if 0 < sum(name in self._scale for name in group) < len(group):
                raise ValueError(f"columns give only some of {', '.join(group)}")
        missing = [name for name in INERTIAL_CHANNELS if name not in self._scale]
        if missing and (missing[0] == INERTIAL_CHANNELS[0] or ORIENTATION_CHANNELS[0] not in self._scale):
            short = next(key for key, name in SHORT.items() if name == missing[0])
            raise ValueError(f"no column gives {missing[0]}; name one of the columns '{short}'")
        order = INERTIAL_CHANNELS + MAGNETIC_CHANNELS + ORIENTATION_CHANNELS
        self.channels = tuple(name for name in order if name in self._scale)
        self.restarts = 0
        self._buffer = bytearray()
        self._overlong = False
        self._started = False
        self._seq = -1
        self._count: int | None = None
        self._bad = 0  # unreadable lines since the last row
        self._clock_last: float | None = None
        self._clock_turns = 0

    def _read_column(self, index: int, column: str, unit: str) -> None:
        name = SHORT.get(column, column)
        if column == SKIPPED:
            return
        if column in CLOCKS:
            self._clock = (index, int(_factor(column, unit, _CLOCK_NS)))
        elif column in COUNTERS:
            _factor(column, unit, _ONE)
            self._counter = index
        elif name in INERTIAL_CHANNELS:
            table = FORCE_UNITS if name in INERTIAL_CHANNELS[:3] else RATE_UNITS
            self._scale[name] = (index, _factor(column, unit, table))
        elif name in MAGNETIC_CHANNELS:
            self._scale[name] = (index, _factor(column, unit, FIELD_UNITS))
        elif name in ORIENTATION_CHANNELS:
            self._scale[name] = (index, _factor(column, unit, _ONE))
        else:
            known = [*SHORT, COUNTERS[0], CLOCKS[0], SKIPPED]
            raise ValueError(f"unknown column '{column}'; columns: {', '.join(known)}")

    @property
    def counter(self) -> tuple[int, int] | None:
        """Column ``seq`` of the newest row; see :class:`Parser`."""
        return None if self._count is None else (self._count, (1 << self._bits) if self._bits else 0)

    def feed(self, data: bytes, time_host: int) -> None:
        """Parse one chunk; see :class:`Parser`."""
        *whole, tail = (bytes(self._buffer) + data).split(b"\n")
        for line in whole:
            if self._overlong or len(line) > LONGEST_LINE:
                self._overlong = False
                self._refuse()
            else:
                self._line(line.strip(), time_host)
        if len(tail) > LONGEST_LINE:
            self._overlong, tail = True, b""
        self._buffer = bytearray(tail)

    def note(self) -> str:
        """Count the lines that came, where none could be read."""
        return f"{self.damaged} lines that are not {','.join(self._columns)}" if self.damaged else ""

    def _line(self, line: bytes, time_host: int) -> None:
        if not line or line.startswith(b"#"):
            return
        numbers = self._numbers(line)
        if numbers is None:
            self._refuse()
            return
        self._place(numbers)
        values = tuple(numbers[self._scale[name][0]] * self._scale[name][1] for name in self.channels)
        self._emit(values, time_host, self._device_time(numbers), self._seq)
        self._started = True

    def _refuse(self) -> None:
        self.damaged += 1
        if self._started:  # before the first row it is a header, or the rest of a line
            self._bad += 1
            if self._counter is None:
                self._seq += 1
                self._lose("checksum", 1)

    def _numbers(self, line: bytes) -> list[float] | None:
        try:
            if line.startswith(b"{"):
                tree = json.loads(line)
                cells = [0 if name == SKIPPED else tree[name] for name in self._columns]
            else:
                cells = line.decode("ascii").split(",")
            if len(cells) != len(self._columns):
                return None
            numbers = [
                0.0 if name == SKIPPED else float(cell)
                for name, cell in zip(self._columns, cells, strict=True)
            ]
        except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
            return None
        counter = 0.0 if self._counter is None else numbers[self._counter]
        if not all(map(math.isfinite, numbers)) or counter != int(counter) or not 0 <= counter < 2**53:
            return None
        if any(
            abs(number) > 1e12 for name, number in zip(self._columns, numbers, strict=True) if name in SHORT
        ):
            return None
        return numbers

    def _place(self, numbers: list[float]) -> None:
        """Give the row its number; what the device's counter skipped is lost."""
        if self._counter is None:
            self._seq += 1
            return
        count = int(numbers[self._counter])
        step = 1
        if self._count is not None:
            step = count - self._count
            if step <= 0 and self._bits:
                step %= 1 << self._bits
            if step <= 0:  # the device began again
                self.restarts += 1
                step = 1
        damaged = min(self._bad, step - 1)
        self._lose("checksum", damaged)
        self._lose("device_gap", step - 1 - damaged)
        self._bad = 0
        self._count = count
        self._seq += step

    def _device_time(self, numbers: list[float]) -> int | None:
        if self._clock is None:
            return None
        index, scale = self._clock
        value = numbers[index]
        if self._clock_last is not None and self._clock_last - value > 2**31:
            self._clock_turns += 1  # a 32-bit clock came round: 71 min of microseconds
        self._clock_last = value
        time = round(value * scale) if value != int(value) else int(value) * scale
        time += self._clock_turns * (1 << 32) * scale
        return time if abs(time) < 1 << 62 else None


def _factor(column: str, unit: str, table: dict[str, float] | dict[str, int]) -> float:
    if unit not in table:
        raise ValueError(f"column '{column}' cannot be in '{unit}'; units: {', '.join(filter(None, table))}")
    return table[unit]
