"""Watches a body against rules, moment by moment: what to say, repetitions, and the review of a session."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from fusion.posture.reading import UNITS, Reading
from fusion.posture.rules import Rule, Rules, Signal

_GAP_S = 0.5
"""After so long without a pose, or a value, all starts anew: what was in between is not known."""


@dataclasses.dataclass(frozen=True)
class Feedback:
    """Something to tell.

    Attributes:
        time: session time at which the rule was broken or kept again, ns; of a repetition: its end.
        rule: name of the rule.
        what: ``begins`` and ``ends`` of a breach; ``repetition``: one that broke the rule.
        side: ``left``, ``right`` or empty.
        value: of the signal; at ``ends`` the worst there was.
        unit: of the value.
        say: the words.
        repetition: number of the repetition, from 1; 0: none.
    """

    time: int
    rule: str
    what: Literal["begins", "ends", "repetition"]
    side: str
    value: float
    unit: str
    say: str
    repetition: int = 0


@dataclasses.dataclass(frozen=True)
class Repetition:
    """One repetition.

    Attributes:
        number: from 1.
        start, stop: session time, ns.
        extremes: smallest and largest value of each value seen in it, by name.
        broken: rules that it broke.
    """

    number: int
    start: int
    stop: int
    extremes: Mapping[str, tuple[float, float]]
    broken: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Review:
    """A session in a few numbers.

    Attributes:
        name: of the rules.
        seconds: watched, with a body in sight.
        repetitions: all of them.
        broken: how often each rule was broken.
        broken_s: for how long each was broken in all; 0 for those judged by repetition.
        worst: the worst value of each rule that was broken.
    """

    name: str
    seconds: float
    repetitions: tuple[Repetition, ...]
    broken: Mapping[str, int]
    broken_s: Mapping[str, float]
    worst: Mapping[str, float]

    def __str__(self) -> str:
        """Return it in words."""
        good = sum(not repetition.broken for repetition in self.repetitions)
        text = f"{self.name}: {self.seconds:.0f} s"
        if self.repetitions:
            text += f", {len(self.repetitions)} repetitions, {good} of them good"
        for rule, count in self.broken.items():
            if count:
                lasted = f" for {self.broken_s[rule]:.1f} s" if self.broken_s[rule] else ""
                text += f"; {rule} {count} times{lasted}, at worst {self.worst[rule]:.2f}"
        return text


@dataclasses.dataclass
class _Breach:
    """State of one rule at one side."""

    since: int | None = None  # when the value passed the limit
    said: bool = False
    worst: float = math.nan
    kept_since: int | None = None


class Coach:
    """Takes readings in order of time.

    Args:
        rules: of :func:`fusion.posture.rules.load_rules`.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        signals = [rule.signal for rule in rules.rules]
        if rules.counted is not None:
            signals.append(rules.counted.signal)
        self._names = tuple(dict.fromkeys(name for signal in signals for name in signal.names()))
        self._low = {name: _LowPass(rules.smooth_s) for name in self._names}
        self._breaches: dict[tuple[str, str], _Breach] = {}
        self._extremes: dict[str, tuple[float, float]] = {}
        self._inside: int | None = None
        self._time: int | None = None
        self._seconds = 0.0
        self._broken = {rule.name: 0 for rule in rules.rules}
        self._broken_s = {rule.name: 0.0 for rule in rules.rules}
        self._worst: dict[str, float] = {}
        self._broken_now: set[str] = set()
        self.repetitions: list[Repetition] = []
        self.values: dict[str, float] = {}

    def update(self, time: int, reading: Reading) -> list[Feedback]:
        """Return what there is to say at ``time``, ns of session time, not before the last.

        ``values`` are the smoothed values of all names that the rules use, thereafter.
        """
        gap = self._time is not None and time - self._time > _GAP_S * 1e9
        out: list[Feedback] = self._stop(self._time) if gap and self._time is not None else []
        dt = 0.0 if self._time is None or gap else (time - self._time) / 1e9
        if gap:
            self._inside = None
            self._low = {name: _LowPass(self.rules.smooth_s) for name in self._names}
        self._time = time
        self._seconds += dt
        self.values = {name: self._low[name](float(reading[name]), dt) for name in self._names}
        finished = self._count(time)
        for rule in self.rules.rules:
            if rule.of:
                if finished is not None:
                    out += self._judge(rule, finished)
            elif not rule.during or self._inside is not None or finished is not None:
                for side, value in _values(rule.signal, self.values):
                    out += self._watch(rule, side, value, time, dt)
            else:
                for side in _sides(rule.signal):
                    out += self._end(rule, side, time)
        if finished is not None:
            self.repetitions.append(dataclasses.replace(finished, broken=tuple(sorted(self._broken_now))))
            self._broken_now = set()
        return out

    def close(self) -> list[Feedback]:
        """Return the ends of what is still broken."""
        return [] if self._time is None else self._stop(self._time)

    def review(self) -> Review:
        """Return what the session came to so far."""
        return Review(
            self.rules.name,
            self._seconds,
            tuple(self.repetitions),
            dict(self._broken),
            dict(self._broken_s),
            dict(self._worst),
        )

    def _count(self, time: int) -> Repetition | None:
        counted = self.rules.counted
        if counted is None:
            return None
        ((_, value),) = _values(counted.signal, self.values)
        if self._inside is None:
            if value > counted.start_above:
                self._inside, self._extremes = time, {}
                self._broken_now = set()
            else:
                return None
        for name, at in self.values.items():
            low, high = self._extremes.get(name, (math.inf, -math.inf))
            if not math.isnan(at):
                self._extremes[name] = (min(low, at), max(high, at))
        seconds = (time - self._inside) / 1e9
        if value < counted.end_below:
            start, self._inside = self._inside, None
            if counted.shortest_s <= seconds <= counted.longest_s:
                return Repetition(len(self.repetitions) + 1, start, time, dict(self._extremes), ())
        return None

    def _judge(self, rule: Rule, repetition: Repetition) -> list[Feedback]:
        """Return what there is to say of a repetition."""
        low = {name: pair[0] for name, pair in repetition.extremes.items()}
        high = {name: pair[1] for name, pair in repetition.extremes.items()}
        spread = {name: high[name] - low[name] for name in low}
        of = {"max": high, "min": low, "range": spread}[rule.of]
        out = []
        for side, value in _values(rule.signal, of):
            if not math.isnan(value) and rule.broken(value):
                self._note(rule, value)
                out.append(self._told(rule, "repetition", side, value, repetition.stop, repetition.number))
        return out

    def _watch(self, rule: Rule, side: str, value: float, time: int, dt: float) -> list[Feedback]:
        breach = self._breaches.setdefault((rule.name, side), _Breach())
        if math.isnan(value):
            return []
        if breach.said:
            self._broken_s[rule.name] += dt
        if breach.since is None:
            if not rule.broken(value):
                return []
            breach.since, breach.worst = time, value
        elif rule.kept(value) or (not breach.said and not rule.broken(value)):
            return self._end(rule, side, time)
        breach.worst = max(breach.worst, value) if math.isfinite(rule.above) else min(breach.worst, value)
        if not breach.said and time - breach.since >= rule.hold_s * 1e9:
            breach.said = True
            self._note(rule, breach.worst)
            number = len(self.repetitions) + 1 if self._inside is not None else 0
            return [self._told(rule, "begins", side, value, breach.since, number)]
        if breach.said:
            self._worst[rule.name] = _worse(rule, self._worst[rule.name], breach.worst)
        return []

    def _end(self, rule: Rule, side: str, time: int) -> list[Feedback]:
        breach = self._breaches.pop((rule.name, side), None)
        if breach is None or not breach.said:
            return []
        return [self._told(rule, "ends", side, breach.worst, time)]

    def _stop(self, time: int) -> list[Feedback]:
        out = []
        for rule in self.rules.rules:
            for side in _sides(rule.signal):
                out += self._end(rule, side, time)
        return out

    def _note(self, rule: Rule, value: float) -> None:
        self._broken[rule.name] += 1
        self._broken_now.add(rule.name)
        self._worst[rule.name] = _worse(rule, self._worst.get(rule.name, value), value)

    @staticmethod
    def _told(
        rule: Rule,
        what: Literal["begins", "ends", "repetition"],
        side: str,
        value: float,
        time: int,
        number: int = 0,
    ) -> Feedback:
        unit = UNITS[rule.signal.names()[0]]
        say = rule.say.format(value=value, unit=unit, side=side)
        return Feedback(time, rule.name, what, side, value, unit, say, number)


class _LowPass:
    """Two first-order low-passes in a row, which do not overshoot; delay twice the time constant."""

    def __init__(self, tau: float) -> None:
        self._tau = tau
        self._state = [math.nan, math.nan]
        self._missing = 0.0

    def __call__(self, value: float, dt: float) -> float:
        if math.isnan(value):
            self._missing += dt
            if self._missing > _GAP_S:
                self._state = [math.nan, math.nan]
            return self._state[1]
        self._missing = 0.0
        gain = 1.0 if self._tau <= 0 else 1.0 - math.exp(-dt / self._tau)
        for stage in (0, 1):
            before = self._state[stage]
            value = value if math.isnan(before) else before + gain * (value - before)
            self._state[stage] = value
        return value


def _worse(rule: Rule, a: float, b: float) -> float:
    return max(a, b) if math.isfinite(rule.above) else min(a, b)


def _sides(signal: Signal) -> Sequence[str]:
    return ("left", "right") if signal.sides == "either" else ("",)


def _values(signal: Signal, values: Mapping[str, float]) -> list[tuple[str, float]]:
    """Return side and value of a signal; NaN where it is not known."""
    got = [values.get(name, math.nan) for name in signal.names()]
    if signal.sides == "either":
        pairs = list(zip(("left", "right"), got, strict=True))
    elif signal.sides == "mean":
        known = [value for value in got if not math.isnan(value)]
        pairs = [("", float(np.mean(known)) if known else math.nan)]
    elif signal.sides == "difference":
        pairs = [("", got[1] - got[0])]
    else:
        pairs = [("", got[0])]
    return [(side, abs(value) if signal.absolute else value) for side, value in pairs]
