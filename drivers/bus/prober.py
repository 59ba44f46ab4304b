"""Asks the hub for the time: when, what came of it, and what must be told."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.bus import control
from drivers.bus.client import Link
from drivers.bus.messages import PROBE
from drivers.clock.host import HostClock
from drivers.clock.probe_schedule import BURST, NO_ANSWER_S, ProbeSchedule
from drivers.errors import BusUnreachable


class Prober:
    """Keeps one :class:`HostClock` by probes over a control connection. For one thread.

    Args:
        link: to the hub, welcomed.
        clock: to keep.

    Attributes:
        news: texts for events of kind ``clock``, for the caller to take out.
    """

    def __init__(self, link: Link, clock: HostClock) -> None:
        self.news: list[str] = []
        self._link = link
        self._clock = clock
        self._probes: list[tuple[int, int, int, int]] = []
        self._schedule = ProbeSchedule(same=clock.same, now_s=time.monotonic())

    @property
    def due_s(self) -> float:
        """When to call :meth:`tick` next, monotonic s."""
        return self._schedule.due_s

    def burst(self, timeout_s: float) -> None:
        """Probe several times, one after another, so that the first time stamp is good already.

        Raises:
            BusUnreachable: a probe is not answered.
        """
        for _ in range(BURST):
            probe = self._link.probe(timeout_s)
            if probe is None:
                raise BusUnreachable(
                    f"The bus at {self._link.address} greets but does not answer clock probes",
                    mend="Check the network, then start again",
                )
            self._clock.update(probe)
            self._probes.append(probe)
        self._schedule = ProbeSchedule(same=self._clock.same, now_s=time.monotonic())

    def tick(self, now_s: float) -> None:
        """Send a probe if one is due; note if none is answered any more."""
        if now_s < self._schedule.due_s:
            return
        self._schedule.sent(now_s)
        self._link.send(control.Ask(t0=time.monotonic_ns()))
        if self._schedule.falls_silent(now_s):
            self.news.append(f"No answer to clock probes for {NO_ANSWER_S:g} s")

    def answered(self, told: control.Told, received_ns: int) -> None:
        """Take in an answer that was received at ``received_ns`` on the monotonic clock."""
        steps = self._clock.steps
        probe = (told.t0, told.t1, told.t2, received_ns)
        self._clock.update(probe)
        self._probes.append(probe)
        now_s = time.monotonic()
        if self._schedule.answered(now_s):
            self.news.append("Clock probes are answered again")
        if self._clock.steps != steps:
            self._schedule.restart(now_s)
            self.news.append("The clock of this host or of the session stepped")

    def take(self) -> NDArray[Any]:
        """Return the probes (N,) of PROBE since the last call, for the recorder to keep."""
        taken = np.array(self._probes, dtype=PROBE)
        self._probes.clear()
        return taken
