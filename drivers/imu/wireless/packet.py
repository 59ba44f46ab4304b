"""Binary packets, one sample or several in each, laid out as the rig says.

::

    packet:
      endian: little
      header:                                        # once a packet
        - {name: seq, type: u8}                      # counts packets; comes round at 256
        - {name: t, type: u32, unit: ms}             # time of the first sample
      sample:                                        # repeated
        - {name: [ax, ay, az], type: i16, unit: g, scale: 0.000244}
        - {name: [gx, gy, gz], type: i16, unit: deg/s, scale: 0.07}
      samples: 4

A number that is read becomes ``number * scale + bias`` in ``unit``; names and units are those of
:mod:`drivers.imu.columns`. Fields follow each other unless one has an ``offset``. ``equals`` tells packets of
several kinds apart: those that differ are left out.
"""

from __future__ import annotations

import dataclasses
import math
import struct
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from drivers.imu.columns import CLOCK, COUNTER, SKIPPED, channels_of, column, factor
from drivers.typed import build

_TYPES = ("u8", "i8", "u16", "i16", "u32", "i32", "u64", "i64", "f32", "f64")
CODES: dict[str, str] = dict(zip(_TYPES, "BbHhIiQqfd", strict=True))
"""Types of numbers to codes of :mod:`struct`; it has none for 24 bits."""
LARGEST = 1e12
"""In SI units; a larger value, or one that is no number, is a packet of another layout."""
LONGEST = 4096
"""Bytes of a packet; an attribute of Bluetooth LE has 512 at most."""


@dataclasses.dataclass(frozen=True)
class FieldConfig:
    """One number of a packet, or several of the same kind after each other.

    Attributes:
        name: what it is; a list for several.
        type: how it is stored; the number of bits, ``u`` unsigned, ``i`` signed, ``f`` floating.
        offset: bytes from the beginning of the packet, or of the sample; by default after the field before.
        unit: of what comes out of ``scale``.
        scale, bias: value = number * scale + bias.
        endian: where it differs from the packet's.
        bits: at which a counter or clock comes round; by default all of its type.
        equals: the packet is meant only where the number is this.
    """

    name: str | tuple[str, ...] = SKIPPED
    type: Literal["u8", "i8", "u16", "i16", "u24", "i24", "u32", "i32", "u64", "i64", "f32", "f64"] = "i16"
    offset: int | None = None
    unit: str = ""
    scale: float = 1.0
    bias: float = 0.0
    endian: Literal["", "little", "big"] = ""
    bits: int = 0
    equals: int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("name is empty")
        if self.offset is not None and not 0 <= self.offset < LONGEST:
            raise ValueError(f"offset must be 0 to {LONGEST - 1}")
        if not (math.isfinite(self.scale) and self.scale != 0 and math.isfinite(self.bias)):
            raise ValueError("scale must be a number other than 0, and bias a number")
        if not 0 <= self.bits <= 8 * self.size:
            raise ValueError(f"bits must be 0 (all) to {8 * self.size}")

    @property
    def size(self) -> int:
        """Bytes of one number."""
        return int(self.type[1:]) // 8


@dataclasses.dataclass(frozen=True)
class PacketConfig:
    """How a packet is laid out.

    Attributes:
        sample: fields of one sample.
        header: fields before the first sample.
        samples: how many there are in a packet; 0: as many as fit.
        stride: bytes from one sample to the next; 0: as many as its fields take.
        size: bytes of a packet, others are damaged; 0: any size that holds the fields.
        endian: order of bytes.
        stamps: which sample of a packet ``t`` is the time of.
        counts: what ``seq`` counts.
    """

    sample: Any
    header: Any = ()
    samples: int = 1
    stride: int = 0
    size: int = 0
    endian: Literal["little", "big"] = "little"
    stamps: Literal["first", "last"] = "first"
    counts: Literal["packets", "samples"] = "packets"

    def __post_init__(self) -> None:
        if not (0 <= self.samples <= 1000 and 0 <= self.stride <= LONGEST and 0 <= self.size <= LONGEST):
            raise ValueError(f"samples must be 0 to 1000, stride and size 0 to {LONGEST}")


class Packet(NamedTuple):
    """A packet as read.

    Attributes:
        count: its counter, or None.
        ticks: its clock as it stands there, or None.
        samples: values of each sample, in SI units, in the order of :attr:`Layout.names`.
    """

    count: int | None
    ticks: float | None
    samples: list[tuple[float, ...]]


class Field(NamedTuple):
    """One number of a packet.

    Attributes:
        name: channel, ``seq``, ``t`` or ``-``.
        read: (bytes, offset) to the number as it stands there.
        start: offset from the beginning of the packet.
        size: bytes.
        scale, bias: to SI units; ns for ``t``.
        bits: at which it comes round; 0: never.
        equals: what it must be.
    """

    name: str
    read: Callable[[bytes, int], float]
    start: int
    size: int
    scale: float
    bias: float
    bits: int
    equals: int | None

    def number(self, data: bytes) -> float:
        """Return the number that stands there, of its own bits."""
        found = self.read(data, self.start)
        if not math.isfinite(found):
            raise ValueError("a number that is none")
        return found % (1 << self.bits) if self.bits else found


class Layout:
    """Reads packets.

    Args:
        tree: of :class:`PacketConfig`, as plain values.
        extra: names besides those of :mod:`drivers.imu.columns`, which are taken as they are.

    Attributes:
        names: of a sample's values.
        channels: the same, in the order of a row; empty where there are extra names.
        counter, clock: fields of ``seq`` and ``t``, or None.

    Raises:
        ConfigError: a key is unknown, or a value of the wrong type.
        ValueError: the layout contradicts itself.
    """

    def __init__(self, tree: Any, extra: tuple[str, ...] = ()) -> None:
        config = self.config = build(PacketConfig, tree, "", "packet")
        self._extra = extra
        header, head = self._fields(config.header, "header", 0)
        sample, end = self._fields(config.sample, "sample", head)
        once = [field for field in (*header, *sample) if field.name in (COUNTER, CLOCK)]
        self._values = [field for field in sample if field.name not in (SKIPPED, COUNTER, CLOCK)]
        self._kind = [field for field in header if field.equals is not None]
        self.names = tuple(field.name for field in self._values)
        self.counter = next((field for field in once if field.name == COUNTER), None)
        self.clock = next((field for field in once if field.name == CLOCK), None)
        self.stride = config.stride or end - head
        self._least = end + (max(1, config.samples) - 1) * self.stride
        self._check([*header, *sample], header, end - head)
        self.channels = () if extra else channels_of(self.names)
        if self.channels:
            self._values.sort(key=lambda field: self.channels.index(field.name))
            self.names = self.channels

    def read(self, data: bytes) -> Packet | None:
        """Return what a packet holds; None: it is one of another kind.

        Raises:
            ValueError: it is damaged: of another size, or a number in it is none.
        """
        for field in self._kind:
            if len(data) >= field.start + field.size and field.read(data, field.start) != field.equals:
                return None
        size = len(data)
        if size < self._least or size > LONGEST or (self.config.size and size != self.config.size):
            raise ValueError(f"{size} bytes")
        number = self.config.samples or (size - self._least) // self.stride + 1
        samples = []
        for at in range(0, number * self.stride, self.stride):
            values = tuple([f.read(data, f.start + at) * f.scale + f.bias for f in self._values])
            if not all(-LARGEST < value < LARGEST for value in values):
                raise ValueError("a number that is none, or no measurement")
            samples.append(values)
        count = None if self.counter is None else int(self.counter.number(data))
        ticks = None if self.clock is None else self.clock.number(data)
        return Packet(count, ticks, samples)

    def _check(self, fields: list[Field], header: list[Field], length: int) -> None:
        config, names = self.config, [field.name for field in fields if field.name != SKIPPED]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ValueError(f"packet: {twice[0]} is named twice")
        misplaced = [field.name for field in header if field.name not in (SKIPPED, COUNTER, CLOCK)]
        if misplaced:
            raise ValueError(f"packet: {misplaced[0]} stands in the header, not in the sample")
        if config.samples != 1 and any(f.name in (COUNTER, CLOCK) for f in fields[len(header) :]):
            raise ValueError(f"packet: {COUNTER} and {CLOCK} of several samples stand in the header, once")
        if not self._values:
            raise ValueError("packet: sample names no values")
        if self.stride < length:
            raise ValueError(f"packet: stride is {self.stride}, and a sample takes {length} bytes")
        if self._least > (config.size or LONGEST):
            size = f"size is {config.size}" if config.size else f"a packet has at most {LONGEST} bytes"
            raise ValueError(f"packet: {size}, and its fields take {self._least}")

    def _fields(self, tree: Any, part: str, start: int) -> tuple[list[Field], int]:
        """Return the fields of a part that begins at ``start``, and where it ends."""
        if not isinstance(tree, list | tuple):
            raise ValueError(f"packet: {part} is no list of fields")
        found, at, end = [], start, start
        for index, item in enumerate(tree):
            config = build(FieldConfig, item, f"{part}[{index}]", "packet")
            at = at if config.offset is None else start + config.offset
            for name in (config.name,) if isinstance(config.name, str) else config.name:
                try:
                    found.append(self._field(config, name, at, part))
                except ValueError as error:
                    raise ValueError(f"packet: {part}[{index}]: {error}") from None
                at += config.size
            end = max(end, at)
        return found, end

    def _field(self, config: FieldConfig, name: str, at: int, part: str) -> Field:
        known = name if name in self._extra else column(name)
        unit = 1.0 if known in self._extra else factor(known, config.unit)
        whole = config.type[0] != "f"
        if known == COUNTER and not (whole and config.scale == 1 and config.bias == 0):
            raise ValueError(f"{COUNTER} is a whole number, with no scale")
        if known == CLOCK and not config.scale > 0:
            raise ValueError(f"scale of {CLOCK} must be above 0")
        if config.equals is not None and (part != "header" or not whole):
            raise ValueError("'equals' is for whole numbers of the header")
        bits = config.bits or (8 * config.size if whole and known in (COUNTER, CLOCK) else 0)
        if bits and not whole:
            raise ValueError("'bits' is for whole numbers")
        reader = _reader(config.type, config.endian or self.config.endian)
        return Field(
            known, reader, at, config.size, config.scale * unit, config.bias * unit, bits, config.equals
        )


def _reader(kind: str, endian: str) -> Callable[[bytes, int], float]:
    """Return what reads one number at an offset."""
    order: Literal["little", "big"] = "little" if endian == "little" else "big"
    if kind.endswith("24"):
        signed = kind[0] == "i"
        return lambda data, at: int.from_bytes(data[at : at + 3], order, signed=signed)
    unpack = struct.Struct(("<" if order == "little" else ">") + CODES[kind]).unpack_from
    return lambda data, at: unpack(data, at)[0]
