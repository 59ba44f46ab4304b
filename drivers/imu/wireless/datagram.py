"""Datagrams of phones and the like to rows.

A row is there when each field came once since the row before, in one datagram or several. A name that stands
twice is the sum: acceleration without gravity, and gravity, make specific force together.
"""

from __future__ import annotations

from typing import Any

from drivers.imu.columns import CLOCK, COUNTER, SKIPPED, channels_of
from drivers.imu.parser import Parser
from drivers.imu.wireless.message import READERS, Format, field_of
from drivers.imu.wireless.packet import LARGEST
from drivers.imu.wireless.sequence import Wrapping

LONGEST = 16_384
"""Bytes; a longer datagram is refused unread."""
MESSAGES = 256
"""In one datagram; the others are left out."""
LATE = 64
"""A number so much smaller than the last came late; a smaller one is of a sender that began anew."""
LATE_NS = 1_000_000_000
"""The same for stamps."""


class DatagramParser(Parser):
    """Datagrams to rows.

    Args:
        format: of the datagrams.
        tree: list of :class:`drivers.imu.wireless.message.SourceConfig`, as plain values.

    Attributes:
        others: datagrams in which no field was found.
        late: rows that came late or twice, and were left out.

    Raises:
        ConfigError: a key is unknown, or a value of the wrong type.
        ValueError: the fields contradict themselves.
    """

    def __init__(self, format: Format, tree: Any) -> None:
        super().__init__()
        self._read = READERS[format]
        if not isinstance(tree, list | tuple) or not tree:
            raise ValueError("fields is no list of fields, or empty")
        self._fields = [field_of(format, item, f"fields[{index}]") for index, item in enumerate(tree)]
        names = [name for field in self._fields for name in field.names]
        for once in (COUNTER, CLOCK):
            if names.count(once) > 1:
                raise ValueError(f"fields: {once} is named twice")
        self.channels = channels_of(set(names) - {COUNTER, CLOCK, SKIPPED})
        self.stamped, self.counted = CLOCK in names, COUNTER in names
        self.restarts = self.others = self.late = 0
        self._pending: dict[int, list[float]] = {}
        self._seq = -1
        self._count: int | None = None
        self._last_time: int | None = None
        self._wrapping: dict[str, Wrapping] = {}
        for field in self._fields:
            if field.names[0] in (COUNTER, CLOCK) and field.bits:
                rate = 1e9 / field.scale[0] if field.names[0] == CLOCK else 0.0
                self._wrapping[field.names[0]] = Wrapping(field.bits, rate)
        self._unwrapped: dict[str, float] = {}

    def feed(self, data: bytes, time_host: int) -> None:
        """Parse one datagram; see :class:`Parser`."""
        try:
            if len(data) > LONGEST:
                raise ValueError("too long")
            found = False
            for number, message in enumerate(self._read(data)):
                if number >= MESSAGES:
                    break
                found |= self._take_in(message, time_host)
        except (ValueError, OverflowError, RecursionError):
            self.damaged += 1
            self._pending.clear()
            return
        self.others += not found

    def note(self) -> str:
        """Tell of datagrams that came but made no row."""
        told = [f"{self.damaged} unreadable datagrams"] if self.damaged else []
        told += [f"{self.others} without any of the fields"] if self.others else []
        missing = [field.names[0] for i, field in enumerate(self._fields) if i not in self._pending]
        if self._pending and missing:
            told.append(f"nothing for {', '.join(missing)}")
        return ", ".join(told)

    def _take_in(self, message: Any, time_host: int) -> bool:
        """Note the fields of one message; make a row when all are there."""
        found = False
        for index, field in enumerate(self._fields):
            values = field.values(message)
            if values is not None:
                self._pending[index], found = values, True
        if found and len(self._pending) == len(self._fields):
            pending, self._pending = self._pending, {}
            self._row(pending, time_host)
        return found

    def _row(self, pending: dict[int, list[float]], time_host: int) -> None:
        row = dict.fromkeys(self.channels, 0.0)
        raw: dict[str, float] = {}
        for index, numbers in pending.items():
            field = self._fields[index]
            for name, scale, bias, number in zip(field.names, field.scale, field.bias, numbers, strict=True):
                if name in row:
                    row[name] += number * scale + bias
                elif name != SKIPPED:
                    raw[name] = self._unwrap(name, number, time_host)
                    if name == CLOCK:
                        raw[name] = _ns(raw[name], scale)
        if not all(-LARGEST < value < LARGEST for value in row.values()):
            raise ValueError("no measurement")
        if self._place(raw):
            stamp = raw.get(CLOCK)
            self._emit(tuple(row.values()), time_host, None if stamp is None else int(stamp), self._seq)

    def _unwrap(self, name: str, number: float, time_host: int) -> float:
        """Return a number as it would be if it never came round."""
        wrapping = self._wrapping.get(name)
        if wrapping is None:
            return number
        step = wrapping.step(number, time_host)
        self._unwrapped[name] = number if step is None else self._unwrapped.get(name, number) + step
        return self._unwrapped[name]

    def _place(self, raw: dict[str, float]) -> bool:
        """Number the row, count what is missing before it; False: it came late, or twice."""
        stamp = int(raw[CLOCK]) if CLOCK in raw else None
        if stamp is not None and abs(stamp) >= 1 << 62:
            raise ValueError("no time")
        step = 1
        if self.counted:
            count = raw[COUNTER]
            if count != int(count) or not 0 <= count < 2**53:
                raise ValueError("no counter")
            step = 1 if self._count is None else int(count) - self._count
            if -LATE <= step <= 0:
                self.late += 1
                return False
            if step < 0:
                self.restarts += 1
                step = 1
            self._count = int(count)
        elif stamp is not None and self._last_time is not None and stamp <= self._last_time:
            if self._last_time - stamp < LATE_NS:
                self.late += 1
                if stamp < self._last_time:  # a row of its own, and nothing else tells of it
                    self._seq += 1
                    self._lose("network", 1)
                return False
            self.restarts += 1
        self._last_time = stamp
        self._lose("network", step - 1)
        self._seq += step
        return True


def _ns(number: float, scale: float) -> int:
    """Return a time in ns, exact where it can be."""
    if isinstance(number, int) and scale.is_integer():
        return number * int(scale)
    return round(number * scale)
