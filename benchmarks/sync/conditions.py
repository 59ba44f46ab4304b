"""The conditions of the clock benchmarks: what the network does, and what the clocks do."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray


@dataclasses.dataclass(frozen=True)
class Way:
    """One direction of a network path.

    Attributes:
        base_ms: least delay, ms.
        exponential_ms: mean of the exponential delay added to it, ms.
        loss: share of packets lost.
        queue_ms, queue_s: a queue that fills and empties slowly adds about so much, changing over
            about so long (the absolute value of an Ornstein-Uhlenbeck process).
    """

    base_ms: float
    exponential_ms: float = 0.0
    loss: float = 0.0
    queue_ms: float = 0.0
    queue_s: float = 20.0

    def text(self) -> str:
        """Return it in a few words."""
        parts = [f"{self.base_ms:g} ms"]
        parts += [f"exp {self.exponential_ms:g} ms"] if self.exponential_ms else []
        parts += [f"queue {self.queue_ms:g} ms / {self.queue_s:g} s"] if self.queue_ms else []
        parts += [f"loss {self.loss:.0%}"] if self.loss else []
        return " + ".join(parts)


@dataclasses.dataclass(frozen=True)
class Condition:
    """Network and clocks of a run.

    Attributes:
        name: short, for tables.
        there, back: the two ways between the asking host and the session's.
        drift_ppm: rate difference is drawn from +-this.
        wander_ppm: and wanders by this around it.
        step_s: size of a step in the middle of the run, drawn from +-(20 ms, this); 0: none.
    """

    name: str
    there: Way
    back: Way
    drift_ppm: float = 0.0
    wander_ppm: float = 0.0
    step_s: float = 0.0


WIRELESS = Way(2.0, 10.0, 0.02)
QUIET = Way(0.1, 0.02)
SLOW = Way(2.0, 1.0, 0.0, 20.0)

CONDITIONS = (
    Condition("quiet LAN", QUIET, QUIET, 20.0),
    Condition("good wireless", Way(5.0, 2.0), Way(5.0, 2.0), 20.0),
    Condition("bad wireless", WIRELESS, WIRELESS, 20.0),
    Condition("one-way queue", Way(2.0, 20.0), Way(2.0), 20.0),
    Condition("asymmetry 10/2 ms", Way(10.0, 1.0), Way(2.0, 1.0), 20.0),
    Condition("quiet, drift + wander", QUIET, QUIET, 200.0, 10.0),
    Condition("wireless, drift + wander", WIRELESS, WIRELESS, 200.0, 10.0),
    Condition("slow queues", SLOW, SLOW, 50.0, 2.0),
    Condition("steps, good wireless", Way(5.0, 2.0), Way(5.0, 2.0), 200.0, 10.0, 10.0),
)


@dataclasses.dataclass(frozen=True)
class Clocks:
    """Both clocks as functions of true time, ns; neither ever runs back.

    A step is one of the two jumping ahead.
    """

    rate: Callable[[float], float]
    begin_ns: int
    step_at_ns: int
    step_ns: int

    def host(self, true_ns: int) -> int:
        """Return what this host's clock shows."""
        jump = -self.step_ns if self.step_ns < 0 and true_ns >= self.step_at_ns else 0
        return self.begin_ns + true_ns - round(self.rate(true_ns)) + jump

    def session(self, true_ns: int) -> int:
        """Return what the session's clock shows."""
        return true_ns + (self.step_ns if self.step_ns > 0 and true_ns >= self.step_at_ns else 0)


def clocks(condition: Condition, rng: np.random.Generator, seconds: float) -> Clocks:
    """Draw the clocks of one run: a constant rate difference, a sine and a random walk about it."""
    drift = rng.uniform(-1, 1) * condition.drift_ppm * 1e-6
    if condition.drift_ppm >= 200:
        drift = np.sign(drift) * condition.drift_ppm * 1e-6
    sine, walk = 0.7e-6 * condition.wander_ppm, 0.3e-6 * condition.wander_ppm
    period, phase = 10 ** rng.uniform(1.8, 2.8) * 1e9, rng.uniform(0, 2 * np.pi)
    grid = np.arange(0, (seconds + 30) * 10)
    rates = np.clip(np.cumsum(rng.normal(0, walk * 0.1**0.5 / 3, len(grid))), -walk, walk)
    path = np.concatenate(([0.0], np.cumsum(rates * 1e8)[:-1]))

    def ahead(true_ns: float) -> float:
        turned = period / (2 * np.pi) * (np.sin(2 * np.pi * true_ns / period + phase) - np.sin(phase))
        return drift * true_ns + sine * turned + float(np.interp(true_ns, grid * 1e8, path))

    size = 0
    if condition.step_s:
        size = round(10 ** rng.uniform(np.log10(0.02), np.log10(condition.step_s)) * 1e9)
        size *= int(rng.choice([-1, 1]))
    return Clocks(ahead, int(rng.integers(10**12, 10**15)), round(seconds * 0.5e9), size)


class Path:
    """A path that keeps order; what is lost comes with TCP's next try, or, for datagrams, never."""

    def __init__(self, way: Way, rng: np.random.Generator, *, datagrams: bool = False) -> None:
        self._way, self._rng, self._datagrams, self._last = way, rng, datagrams, 0
        self._queue, self._queue_at = rng.normal(0, way.queue_ms), 0

    def arrival(self, sent_ns: int) -> int | None:
        """Return when what is sent arrives, true ns."""
        way = self._way
        delay = way.base_ms + (self._rng.exponential(way.exponential_ms) if way.exponential_ms else 0.0)
        if way.queue_ms:
            kept = np.exp(-(sent_ns - self._queue_at) / 1e9 / way.queue_s)
            self._queue_at = sent_ns
            self._queue = kept * self._queue + way.queue_ms * np.sqrt(1 - kept**2) * self._rng.normal()
            delay += abs(self._queue)
        while way.loss and self._rng.random() < way.loss:
            if self._datagrams:
                return None
            delay += 200.0 + self._rng.exponential(20.0)
        self._last = max(self._last, sent_ns + round(delay * 1e6))
        return self._last


def percent(part: NDArray[np.bool_]) -> float:
    """Return the share of true ones, percent."""
    return 100.0 * float(np.mean(part))
