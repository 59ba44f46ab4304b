"""Options that all simulated devices share, and the pacing of those that need no wire."""

from __future__ import annotations

import abc
import dataclasses
import time
import zlib
from typing import Any, TypeVar

import numpy as np

from drivers.base import Driver, DriverContext, Samples
from drivers.errors import DeviceError, Fault
from drivers.simulator.actions import ACTIONS
from drivers.simulator.anatomy import BodyShape
from drivers.simulator.body import Body
from drivers.simulator.clock import SimulatedClock

LATE_NS = 500_000_000
"""A block that is later than this is left out: the machine cannot keep pace."""
WARM_UP_NS = 50_000_000
"""From opening to the first row."""


@dataclasses.dataclass(frozen=True)
class BodyOptions:
    """Which body moves how; the same in all simulated devices of a rig.

    Attributes:
        seed: of everything random.
        script: names of actions, done in turn and over again; empty: drawn at random.
        stature: height of the body, m.
        sway: size of the idle movement; 0 stands like a statue.
        heading_deg: where the body looks at first; 0: at the camera.
    """

    seed: int = 0
    script: tuple[str, ...] = ()
    stature: float = 1.75
    sway: float = 1.0
    heading_deg: float = 0.0

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError("seed must be 0 or more")
        if not 0.5 <= self.stature <= 2.5:
            raise ValueError("stature must be 0.5 to 2.5 m")
        for name in self.script:
            if name not in ACTIONS:
                raise ValueError(f"script names no action '{name}'; use {', '.join(ACTIONS)}")

    def body(self) -> Body:
        """Return the body; equal options give equal motion in every process."""
        heading = float(np.radians(self.heading_deg))
        return Body(self.seed, self.script, BodyShape.scaled(self.stature), self.sway, heading)


@dataclasses.dataclass(frozen=True)
class ClockOptions(BodyOptions):
    """How wrong the device's clock is, and how its samples reach the host.

    Attributes:
        offset_ms: what the device's clock shows at its first row, ms.
        drift_ppm: how much too fast it runs.
        delay_ms: constant delay from capture to host, ms; the rig's ``latency_ms`` takes it off again.
        jitter_ms: mean of the random delay on top, ms.
    """

    offset_ms: float = 0.0
    drift_ppm: float = 0.0
    delay_ms: float = 0.0
    jitter_ms: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not abs(self.drift_ppm) <= 10_000:
            raise ValueError("drift_ppm must be within 10000")
        if not (0 <= self.delay_ms <= 1000 and 0 <= self.jitter_ms <= 1000):
            raise ValueError("delay_ms and jitter_ms must be 0 to 1000")

    def clock(self, rate_hz: float, start_ns: int) -> SimulatedClock:
        """Return the clock of a device of ``rate_hz`` whose first row is at ``start_ns``, session time."""
        return SimulatedClock(
            rate_hz=rate_hz,
            start_ns=start_ns,
            offset_ns=round(self.offset_ms * 1e6),
            drift_ppm=self.drift_ppm,
            delay_ns=round(self.delay_ms * 1e6),
            jitter_ns=self.jitter_ms * 1e6,
        )


def generator(options: BodyOptions, stream: str) -> np.random.Generator:
    """Return the stream's own source of chance: noise, jitter, faults."""
    return np.random.default_rng((options.seed, zlib.crc32(stream.encode())))


def session_epoch(context: DriverContext) -> int:
    """Return the epoch of body time, host monotonic ns; a driver used alone begins its own."""
    return context.epoch_ns or time.monotonic_ns()


Options = TypeVar("Options", bound=ClockOptions)


class PacedDriver(Driver[Options]):
    """A simulated device that hands on blocks of rows in real time, with its clock's errors.

    Subclasses call :meth:`_start` in ``open`` and make the rows in :meth:`_make`, which is called a
    little before they are due, so that the time it takes is not part of the delay.
    """

    def __init__(self, config: Options, context: DriverContext) -> None:
        super().__init__(config, context)
        self.clock: SimulatedClock | None = None
        self._ready: tuple[int, Any] | None = None

    @abc.abstractmethod
    def _make(self, rows: range) -> Any:
        """Return the data of ``rows``: an array (R, *shape) or a tuple of encoded pictures."""

    def _start(self, rate_hz: float, block: int = 1) -> SimulatedClock:
        self.epoch_ns = session_epoch(self.context)
        begin = time.monotonic_ns() - self.epoch_ns + WARM_UP_NS
        self.clock = self.config.clock(rate_hz, begin)
        self._rng = generator(self.config, self.context.stream)
        self._block, self._row, self._ready, self._lost = block, 0, None, 0
        return self.clock

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next block when it is due; see :class:`Driver`."""
        clock = self.clock
        if clock is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        deadline = time.monotonic_ns() + int(timeout_s * 1e9)
        if self._ready is None:
            rows = range(self._row, self._row + self._block)
            self._ready = self._due(clock), self._make(rows)
        due, data = self._ready
        wait = due - time.monotonic_ns()
        if wait > 0:
            time.sleep(max(0, min(due, deadline) - time.monotonic_ns()) / 1e9)
            if due > deadline:
                return None
        now = time.monotonic_ns()
        row, lost = self._row, {"driver_queue": self._lost} if self._lost else {}
        self._ready, self._lost = None, 0
        self._row += self._block
        self._skip(clock, now)
        return self._samples(clock, row, data, now, lost)

    def _samples(self, clock: SimulatedClock, row: int, data: Any, now: int, lost: dict[str, int]) -> Samples:
        """Stamp the first row of the block, as of its own arrival."""
        first = now - round((self._block - 1) * 1e9 / clock.rate_hz)
        return Samples(
            data=data,
            time_host=np.array([first], np.int64),
            time_device=np.array([clock.stamp(row)], np.int64),
            seq=np.array([row], np.uint64),
            lost=lost,
        )

    def close(self) -> None:
        """Switch the device off."""
        self.clock, self._ready = None, None

    def _due(self, clock: SimulatedClock) -> int:
        """Return when the block's last row arrives, host ns."""
        return self.epoch_ns + int(clock.arrival(self._row + self._block - 1, self._rng))

    def _skip(self, clock: SimulatedClock, now: int) -> None:
        """Leave out the blocks that nobody could have waited for, and count their rows."""
        behind = now - self.epoch_ns - LATE_NS - int(clock.capture(self._row + self._block - 1))
        if behind > 0:
            blocks = int(behind * clock.true_rate_hz / 1e9) // self._block + 1
            self._row += blocks * self._block
            self._lost += blocks * self._block
