"""``simulator.truth``: where the joints really are, and what the body really does."""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any

import numpy as np

from drivers.base import Samples, StreamInfo
from drivers.clock.device import EXACT
from drivers.simulator.actions import ACTIONS
from drivers.simulator.anatomy import JOINTS
from drivers.simulator.clock import SimulatedClock
from drivers.simulator.options import BodyOptions, ClockOptions, PacedDriver

BLOCK_S = 0.1
"""Rows are handed on together this often."""


@dataclasses.dataclass(frozen=True)
class TruthConfig(ClockOptions):
    """Options of ``simulator.truth``; its clock errs only if it is told to.

    Attributes:
        rate_hz: rows per second.
    """

    rate_hz: float = 60.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.rate_hz <= 1000:
            raise ValueError("rate_hz must be 1 to 1000")


class SimulatedTruth(PacedDriver[TruthConfig]):
    """Joint positions (20, 3) float32, m, world frame z up; labels of actions as events."""

    Config = TruthConfig

    def open(self) -> StreamInfo:
        """Begin; see :class:`~drivers.base.Driver`."""
        self.close()
        config = self.config
        self._body = config.body()
        clock = self._start(config.rate_hz, max(1, round(BLOCK_S * config.rate_hz)))
        self._told = clock.start_ns  # labels are told up to here, session ns
        self._label = ""
        channels = tuple(f"{joint}.{axis}" for joint in JOINTS for axis in "xyz")
        return StreamInfo(
            name=self.context.stream,
            kind="pose",
            shape=(len(JOINTS), 3),
            channels=channels,
            units=("m",) * len(channels),
            rate_hz=config.rate_hz,
            regular=True,
            device="simulated body",
            properties={
                "true_clock": clock.text(),
                EXACT: "1000",  # of rounding
                "actions": json.dumps(ACTIONS),
                "body": json.dumps(
                    {f.name: getattr(config, f.name) for f in dataclasses.fields(BodyOptions)}
                ),
            },
        )

    def events(self) -> list[tuple[int, str, str]]:
        """Return the actions that began and ended since the last call."""
        if self.clock is None:
            return []
        until = time.monotonic_ns() - self.epoch_ns
        found = []
        for segment in self._body.segments(self._told / 1e9, max(until, self._told) / 1e9):
            begin = max(round(segment.start * 1e9), self.clock.start_ns)
            if self._told <= begin < until:
                if self._label:
                    found.append((self.epoch_ns + begin, "label_stop", self._label))
                found.append((self.epoch_ns + begin, "label_start", segment.action))
                self._label = segment.action
        self._told = max(until, self._told)
        return found

    def _make(self, rows: range) -> Any:
        assert self.clock is not None
        return self._body.pose(self.clock.capture(np.array(rows)) / 1e9).joints.astype(np.float32)

    def _samples(self, clock: SimulatedClock, row: int, data: Any, now: int, lost: dict[str, int]) -> Samples:
        rows = np.arange(row, row + len(data))
        exact = self.epoch_ns + clock.capture(rows)
        return Samples(data, exact, clock.stamp(rows), rows.astype(np.uint64), lost)
