"""What the streams of an XDF file are: their headers in Chorus's terms.

https://github.com/sccn/xdf/wiki/Meta-Data: ``desc/channels/channel`` has ``label``, ``type`` and ``unit``.
Whoever wrote the file chose the words. Units are converted only where they are told, and a channel has a
name of Chorus only where its unit is known: other channels keep theirs.
"""

from __future__ import annotations

import dataclasses
import math
import re
from typing import Any

from drivers.imu.parser import STANDARD_GRAVITY, UNIT_OF

MARKS = re.compile(r"mark|event|trigger|stim|annot|note")
INERTIAL = re.compile(r"acc|gyr|imu|inertial|motion|mocap|magn|^mag$")

_FORCE = {"m/s2": 1.0, "m/s/s": 1.0, "ms-2": 1.0, "meterpersecondsquared": 1.0, "meterspersecondsquared": 1.0}
_FORCE |= {"g": STANDARD_GRAVITY, "mg": STANDARD_GRAVITY / 1000}
_RATE = {"rad/s": 1.0, "rads-1": 1.0, "radianpersecond": 1.0, "radianspersecond": 1.0}
_RATE |= dict.fromkeys(
    ("deg/s", "dps", "degs-1", "degreepersecond", "degreespersecond", "degrees/s"), math.pi / 180
)
_RATE |= {"mdps": math.pi / 180_000}
_FIELD = {"ut": 1.0, "microtesla": 1.0, "mt": 1e3, "nt": 1e-3, "t": 1e6, "gauss": 100.0, "mgauss": 0.1}

QUANTITIES = (
    ("specific_force", re.compile(r"acc"), _FORCE),
    ("angular_rate", re.compile(r"gyr|angular.?(rate|vel)|rate.of.turn"), _RATE),
    ("magnetic_field", re.compile(r"mag(?!nitude)"), _FIELD),
)
"""Channel without its axis, words that tell it, and its units with the factor to Chorus's."""

_NOT_WHOLE = re.compile(r"lin|user|grav")
"""Acceleration without gravity, or gravity alone, is no specific force."""

_AXIS = re.compile(r"(?:^|[^a-z]|acc|gyr|gyro|mag|acceleration|accelerometer|gyroscope|magnetometer)([xyz])$")


@dataclasses.dataclass(frozen=True)
class Meaning:
    """What a stream becomes.

    Attributes:
        kind: of :class:`drivers.base.StreamInfo`, or ``mark`` for events.
        channels, units: of each channel; empty where none is told.
        factors: by which each channel is multiplied for its unit.
        told_units: units in the file, as they are written there.
    """

    kind: str
    channels: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    factors: tuple[float, ...] = ()
    told_units: tuple[str, ...] = ()

    @property
    def converted(self) -> bool:
        """Whether any value is changed."""
        return any(factor != 1.0 for factor in self.factors)


def text(info: Any, *path: str) -> str:
    """Return the text under a path of a header as pyxdf gives it (lists of lists), or an empty one."""
    for name in path:
        found = info.get(name) if isinstance(info, dict) else None
        info = found[0] if isinstance(found, list) and found else found
    return " ".join(str(info).split()) if isinstance(info, str | int | float) else ""


def meaning(info: dict[str, Any]) -> Meaning:
    """Tell what a stream is by its header.

    Args:
        info: ``stream["info"]`` as pyxdf gives it.
    """
    kind, count = text(info, "type").lower(), int(text(info, "channel_count"))
    regular = float(text(info, "nominal_srate")) > 0
    numeric = text(info, "channel_format") != "string"
    if not numeric or (not regular and count == 1 and MARKS.search(kind)):
        return Meaning("mark")
    told = _channels(info, count)
    labels = tuple(label for label, _, _ in told)
    units = tuple(unit for _, _, unit in told)
    if kind == "audio" and regular:
        return Meaning("audio", units=units if any(units) else (), factors=(1.0,) * count, told_units=units)
    plain = Meaning(
        "features",
        _distinct(labels) if any(labels) else (),
        units if any(units) else (),
        (1.0,) * count,
        units,
    )
    known = [_recognised(label, of, unit, kind) for label, of, unit in told]
    names = [name for name, _ in filter(None, known)]
    whole = any({f"{of}_{axis}" for axis in "xyz"} <= set(names) for of in ("specific_force", "angular_rate"))
    if not whole or len(set(names)) < len(names) or not (INERTIAL.search(kind) or len(names) == count):
        return plain
    channels = [found[0] if found else label for found, label in zip(known, labels, strict=True)]
    return Meaning(
        "imu",
        _distinct(tuple(channels)),
        tuple(UNIT_OF[found[0]] if found else unit for found, unit in zip(known, units, strict=True)),
        tuple(found[1] if found else 1.0 for found in known),
        units,
    )


def _channels(info: dict[str, Any], count: int) -> list[tuple[str, str, str]]:
    """Return label, type and unit of each channel, empty where the header has none."""
    node: Any = info
    for name in ("desc", "channels"):
        found = node.get(name) if isinstance(node, dict) else None
        node = found[0] if isinstance(found, list) and found else None
    every = node.get("channel") if isinstance(node, dict) else None
    every = every if isinstance(every, list) and len(every) == count else [None] * count
    return [
        (text(one, "label") or text(one, "name"), text(one, "type"), text(one, "unit") or text(one, "units"))
        for one in every
    ]


def _recognised(label: str, of: str, unit: str, kind: str) -> tuple[str, float] | None:
    """Return Chorus's name of a channel and the factor to its unit."""
    low = label.lower()
    axis = _AXIS.search(low.removesuffix("-axis").removesuffix(" axis"))
    if axis is None or _NOT_WHOLE.search(low) or _NOT_WHOLE.search(of.lower()):
        return None
    for words in (low, of.lower(), kind):
        for name, told, units in QUANTITIES:
            if told.search(words):
                factor = units.get(_simple(unit))
                return (f"{name}_{axis[1]}", factor) if factor is not None else None
    return None


def _simple(unit: str) -> str:
    unit = unit.lower().replace("²", "2").replace("⁻", "-").replace("°", "deg").replace("º", "deg")
    unit = unit.replace("µ", "u").replace("μ", "u").replace("sec", "s") if "second" not in unit else unit
    return re.sub(r"[\s^*·.()_]|(?<=m/s)\*\*", "", unit)


def _distinct(labels: tuple[str, ...]) -> tuple[str, ...]:
    """Return names that differ, a number where there is none."""
    names: list[str] = []
    for number, label in enumerate(labels):
        name = label or f"channel_{number + 1}"
        while name in names:
            name = f"{name}_{number + 1}"
        names.append(name)
    return tuple(names)
