"""Where numbers stand in the messages of a datagram: JSON, CSV or OSC, as the rig says.

::

    format: json
    fields:
      - {name: t, at: timestamp, unit: ms}
      - {name: [ax, ay, az], at: [accel.x, accel.y, accel.z], unit: g}      # or one path of a list
      - {name: [gx, gy, gz], at: gyro, unit: rad/s}

======  ===================================================================================================
format  ``at``
======  ===================================================================================================
json    path of a number, keys joined by dots; of a list, for several names; ``when``: values that must be
csv     number of the first column, from 0; with ``tag``, from after the cell that holds the tag
osc     address, ``*`` for any part of it; arguments in order, from ``first``
======  ===================================================================================================
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from drivers.imu.columns import CLOCK, COUNTER, column, factor
from drivers.imu.wireless.osc import messages
from drivers.typed import build

Format = Literal["json", "csv", "osc"]
Found = Sequence[Any] | None
"""What a message holds for a field, as it stands there; None: nothing."""


@dataclasses.dataclass(frozen=True)
class SourceConfig:
    """Where the numbers of one field are.

    Attributes:
        name: what it is, see :mod:`drivers.imu.columns`; a list for several.
        at: where, see above.
        unit: of what comes out of ``scale``.
        scale, bias: value = number * scale + bias.
        bits: at which a counter or clock comes round; 0: never.
        when: paths to the values that a JSON message must have there to be meant.
        tag: first cell of a group of CSV cells.
        first: number of the first argument of an OSC message.
    """

    name: str | tuple[str, ...]
    at: int | str | tuple[str, ...] = 0
    unit: str = ""
    scale: float = 1.0
    bias: float = 0.0
    bits: Literal[0, 8, 16, 32] = 0
    when: Any = None
    tag: int | None = None
    first: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names, one or several."""
        return (self.name,) if isinstance(self.name, str) else tuple(self.name)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and self.scale != 0 and math.isfinite(self.bias)):
            raise ValueError("scale must be a number other than 0, and bias a number")
        if isinstance(self.at, tuple) and len(self.at) != len(self.names):
            raise ValueError(f"{len(self.names)} names have {len(self.at)} places in 'at'")
        if not 0 <= self.first < 64 or (isinstance(self.at, int) and not 0 <= self.at < 1000):
            raise ValueError("'first' must be 0 to 63, and a column 0 to 999")


class Field(NamedTuple):
    """One field: names, what makes SI units (ns for ``t``) of the numbers, and where they are."""

    names: tuple[str, ...]
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    find: Callable[[Any], Found]
    bits: int

    def values(self, message: Any) -> list[float] | None:
        """Return the numbers of a message in SI units, or None if the field is not in it.

        Raises:
            ValueError: what is there are no numbers.
        """
        found = self.find(message)
        if found is None:
            return None
        if len(found) < len(self.names):
            raise ValueError("too few values")
        return [_number(value) for value in found[: len(self.names)]]


def field_of(format: Format, item: Any, where: str) -> Field:
    """Return a field.

    Args:
        format: of the messages.
        item: a :class:`SourceConfig`, as plain values.
        where: name of the item, for messages.

    Raises:
        ConfigError: a key is unknown, or a value of the wrong type.
        ValueError: the field contradicts itself.
    """
    config = build(SourceConfig, item, where, "imu.udp")
    try:
        names = tuple(column(name) for name in config.names)
        if {COUNTER, CLOCK} & set(names) and len(names) > 1:
            raise ValueError(f"{COUNTER} and {CLOCK} are fields of their own")
        units = [factor(name, config.unit) for name in names]
        find = {"json": _json_place, "csv": _csv_place, "osc": _osc_place}[format](config)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    return Field(
        names,
        tuple(config.scale * unit for unit in units),
        tuple(config.bias * unit for unit in units),
        find,
        config.bits,
    )


def _json(data: bytes) -> Iterable[Any]:
    tree = json.loads(data)
    return tree if isinstance(tree, list) else [tree]


def _json_place(config: SourceConfig) -> Callable[[Any], Found]:
    if isinstance(config.at, int) or config.tag is not None:
        raise ValueError("'at' is a path of keys, such as accel.x")
    if config.when is not None and not isinstance(config.when, dict):
        raise ValueError("'when' is no mapping of a path to a value")
    when = [(str(path).split("."), value) for path, value in (config.when or {}).items()]
    paths = [path.split(".") for path in ((config.at,) if isinstance(config.at, str) else config.at)]
    listed = len(paths) == 1 and len(config.names) > 1

    def find(message: Any) -> Found:
        if any(_follow(message, path) != value for path, value in when):
            return None
        found = [_follow(message, path) for path in paths]
        if any(value is None for value in found):
            return None
        if listed:
            return found[0] if isinstance(found[0], list) else None
        return found

    return find


def _follow(tree: Any, path: Sequence[str]) -> Any:
    for key in path:
        if isinstance(tree, dict):
            tree = tree.get(key)
        elif isinstance(tree, list) and key.isascii() and key.isdigit() and int(key) < len(tree):
            tree = tree[int(key)]
        else:
            return None
    return tree


def _csv(data: bytes) -> Iterable[list[str]]:
    for line in data.decode("ascii").splitlines():
        if line.strip() and not line.startswith("#"):
            yield re.split(r"\s*[,;]\s*", line.strip())


def _csv_place(config: SourceConfig) -> Callable[[Any], Found]:
    if not isinstance(config.at, int) or config.when is not None:
        raise ValueError("'at' is the number of a column, from 0")
    at, tag, number = config.at, config.tag, len(config.names)
    if tag is None:
        return lambda cells: cells[at : at + number] if len(cells) >= at + number else None

    def find(cells: list[str]) -> Found:
        start = at
        while start < len(cells):
            if cells[start] == str(tag):
                return cells[start + 1 : start + 1 + number]
            start += 4  # a tag and three values
        return None

    return find


def _osc_place(config: SourceConfig) -> Callable[[Any], Found]:
    if not isinstance(config.at, str) or not config.at.startswith("/") or config.tag is not None:
        raise ValueError("'at' is an OSC address, such as /*/accel")
    pattern = re.compile("/".join(re.escape(part).replace(r"\*", "[^/]*") for part in config.at.split("/")))
    meant = functools.lru_cache(256)(lambda address: pattern.fullmatch(address) is not None)
    return lambda message: message.params[config.first :] if meant(message.address) else None


def _number(value: Any) -> float:
    """Return a number, whole if it is; text is read, truth is none."""
    if isinstance(value, str):
        text = value.strip()
        number: float = int(text) if text.lstrip("-").isdigit() and len(text) < 20 else float(text)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        number = value
    else:
        raise ValueError("no number")
    if not -1e300 < number < 1e300:
        raise ValueError("no number")
    return number


READERS: dict[Format, Callable[[bytes], Iterable[Any]]] = {"json": _json, "csv": _csv, "osc": messages}
"""Format to what yields the messages of a datagram, or raises a ValueError or RecursionError."""
