"""Rules of posture as YAML files say them; see configs/posture."""

from __future__ import annotations

import dataclasses
import math
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, cast

import yaml

from drivers.errors import ConfigError
from fusion.posture.reading import UNITS

Sides = Literal["", "mean", "either", "difference"]
Of = Literal["", "max", "min", "range"]
_SIDES = ("", "mean", "either", "difference")
_OF = ("", "max", "min", "range")
_MAX_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Signal:
    """One value over time.

    Attributes:
        measure: a name of :data:`fusion.posture.reading.UNITS`, without the side where ``sides`` says it.
        sides: ``mean`` of left and right, ``either`` of them by itself, ``difference`` right minus left.
        unit: as written in the file; it is the measure's.
        absolute: the size without its sign.
    """

    measure: str
    sides: Sides
    unit: str
    absolute: bool = False

    def names(self) -> tuple[str, ...]:
        """Return the values it is made of."""
        return (f"left_{self.measure}", f"right_{self.measure}") if self.sides else (self.measure,)


@dataclasses.dataclass(frozen=True)
class Rule:
    """What is not as it should be, and the words for it.

    Attributes:
        name: of the rule.
        signal: what it looks at.
        above, below: it is broken beyond one of these.
        clear: it is kept again on this side of it; the rule's hysteresis.
        hold_s: it must be broken for so long before it is said.
        of: judged once a repetition, of its ``max``, ``min`` or ``range``; empty: all the time.
        during: only within repetitions.
        say: words; ``{value}``, ``{unit}`` and ``{side}`` are filled in.
    """

    name: str
    signal: Signal
    say: str
    above: float = math.inf
    below: float = -math.inf
    clear: float = math.nan
    hold_s: float = 0.0
    of: Of = ""
    during: bool = False

    def broken(self, value: float) -> bool:
        """Return whether a value breaks the rule."""
        return value > self.above or value < self.below

    def kept(self, value: float) -> bool:
        """Return whether a value ends a breach."""
        return value <= self.clear if math.isfinite(self.above) else value >= self.clear


@dataclasses.dataclass(frozen=True)
class Counted:
    """What a repetition is: the signal rises above one value and comes back below another.

    Attributes:
        shortest_s: shorter ones are none.
        longest_s: what lasts longer is a posture that is kept, and none either.
    """

    signal: Signal
    start_above: float
    end_below: float
    shortest_s: float = 0.3
    longest_s: float = 20.0


@dataclasses.dataclass(frozen=True)
class Rules:
    """The rules of one exercise or place of work.

    Attributes:
        name: of it.
        about: what it is and where its limits come from.
        rules: in the order of the file.
        counted: what is counted, if anything is.
        smooth_s: time constant of the low-pass; it delays what is said by twice that.
    """

    name: str
    about: str
    rules: tuple[Rule, ...]
    counted: Counted | None = None
    smooth_s: float = 0.04


def load_rules(path: Path | str) -> Rules:
    """Read a file of rules.

    Raises:
        ConfigError: it is not there, or says something that is no rule.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ConfigError(f"{path} is too long for rules", mend="Name a file of configs/posture")
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}", mend="Name a file of configs/posture") from error
    except yaml.YAMLError as error:
        text = " ".join(str(error).split())
        raise ConfigError(
            f"{path} is not valid YAML: {text}", mend="Compare configs/posture/squat.yaml"
        ) from error
    return _Reader(str(path)).rules(data)


class _Reader:
    """Turns plain values into rules; every complaint says where."""

    def __init__(self, source: str) -> None:
        self._source = source

    def bad(self, where: str, what: str, mend: str = "Compare configs/posture/squat.yaml") -> ConfigError:
        return ConfigError(f"{self._source}: {where}: {what}", mend=mend)

    def rules(self, data: Any) -> Rules:
        top = self.table(data, "the file", {"name", "about", "smooth_s", "repetition", "rules"})
        found = self.table(top.get("rules"), "rules", None)
        if not found:
            raise self.bad("rules", "there is none")
        counted = self.counted(top["repetition"]) if "repetition" in top else None
        rules = tuple(self.rule(str(name), value) for name, value in found.items())
        for rule in rules:
            if counted is None and (rule.of or rule.during):
                raise self.bad(rule.name, "it needs repetitions, and none are described", "Add `repetition:`")
        smooth = self.number(top, "the file", "smooth_s", 0.04)
        if not 0 <= smooth <= 1:
            raise self.bad("smooth_s", f"{smooth:g} s is no time constant", "Give 0 to 1")
        return Rules(self.text(top, "the file", "name"), str(top.get("about", "")), rules, counted, smooth)

    def counted(self, data: Any) -> Counted:
        where = "repetition"
        keys = {"measure", "sides", "unit", "absolute", "start_above", "end_below", "shortest_s", "longest_s"}
        table = self.table(data, where, keys)
        signal = self.signal(table, where)
        if signal.sides == "either":
            raise self.bad(where, "either side counts by itself", "Use `sides: mean`, or name the side")
        start, end = (self.number(table, where, key) for key in ("start_above", "end_below"))
        shortest = self.number(table, where, "shortest_s", 0.3)
        longest = self.number(table, where, "longest_s", 20.0)
        if end >= start or not 0 < shortest < longest:
            raise self.bad(
                where, "it never begins or never ends", "end_below < start_above, shortest < longest"
            )
        return Counted(signal, start, end, shortest, longest)

    def rule(self, name: str, data: Any) -> Rule:
        keys = {
            "measure",
            "sides",
            "unit",
            "absolute",
            "above",
            "below",
            "clear",
            "hold_s",
            "of",
            "during",
            "say",
        }
        table = self.table(data, name, keys)
        if ("above" in table) == ("below" in table):
            raise self.bad(name, "give a limit: one of above and below")
        above = self.number(table, name, "above", math.inf)
        below = self.number(table, name, "below", -math.inf)
        of = str(table.get("of", ""))
        if of not in _OF:
            raise self.bad(name, f"of: {of} is none", f"Use one of: {', '.join(_OF[1:])}")
        limit = above if "above" in table else below
        clear = self.number(table, name, "clear", limit)
        if (clear > limit) if "above" in table else (clear < limit):
            raise self.bad(name, "clear lies beyond the limit", "Let it be on the good side")
        hold = self.number(table, name, "hold_s", 0.0)
        if not 0 <= hold <= 3600:
            raise self.bad(name, f"hold_s: {hold:g} is no time to hold", "Give 0 to 3600")
        during = table.get("during", False)
        if not isinstance(during, bool):
            raise self.bad(name, "during is true or false")
        say = self.text(table, name, "say")
        try:
            fields = {field for _, field, _, _ in string.Formatter().parse(say) if field is not None}
            say.format(value=0.0, unit="", side="")
        except (ValueError, KeyError, IndexError, AttributeError):
            fields = {"?"}
        if not fields <= {"value", "unit", "side"}:
            raise self.bad(name, f"say: {say!r} cannot be filled in", "Use {value:.0f}, {unit} and {side}")
        return Rule(name, self.signal(table, name), say, above, below, clear, hold, cast(Of, of), during)

    def signal(self, table: Mapping[str, Any], where: str) -> Signal:
        measure, sides = self.text(table, where, "measure"), str(table.get("sides", ""))
        if sides not in _SIDES:
            raise self.bad(where, f"sides: {sides} is none", f"Use one of: {', '.join(_SIDES[1:])}")
        absolute = table.get("absolute", False)
        if not isinstance(absolute, bool):
            raise self.bad(where, "absolute is true or false")
        signal = Signal(measure, cast(Sides, sides), self.text(table, where, "unit"), absolute)
        unknown = [name for name in signal.names() if name not in UNITS]
        if unknown:
            known = ", ".join(sorted(UNITS))
            raise self.bad(
                where, f"there is no measure {unknown[0]}", f"With `sides:` leave the side out; {known}"
            )
        unit = UNITS[signal.names()[0]]
        if signal.unit != unit:
            raise self.bad(where, f"{measure} is in {unit}, not {signal.unit}", f"Write unit: {unit}")
        return signal

    def table(self, data: Any, where: str, keys: set[str] | None) -> dict[str, Any]:
        if not isinstance(data, dict):
            raise self.bad(where, "it holds no keys")
        extra = sorted(str(key) for key in data if keys is not None and key not in keys)
        if extra:
            raise self.bad(where, f"unknown key {extra[0]}", f"Known: {', '.join(sorted(keys or ()))}")
        return data

    def text(self, table: Mapping[str, Any], where: str, key: str) -> str:
        value = table.get(key)
        if not isinstance(value, str | int | float) or isinstance(value, bool) or not str(value).strip():
            raise self.bad(where, f"{key} is missing or no text")
        return str(value)

    def number(self, table: Mapping[str, Any], where: str, key: str, default: float | None = None) -> float:
        value = table.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            raise self.bad(where, f"{key} is missing or no number")
        if key in table and not math.isfinite(value):
            raise self.bad(where, f"{key} is not finite")
        return float(value)
