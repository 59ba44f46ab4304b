"""Asks the hub for the time: when, what came of it, and what must be told."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.bus import control
from drivers.bus.client import Link
from drivers.bus.messages import PROBE
from drivers.clock.host import HostClock
from drivers.clock.probe_schedule import BURST, NO_ANSWER_S, ProbeSchedule
from drivers.errors import BusUnreachable

_WAITING = 64  # questions that may wait for their answers; older ones are forgotten


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
        self._chain: list[tuple[int, int, int, int]] = []
        self._probes: list[tuple[int, int, int, int]] = []
        self._asked: deque[int] = deque(maxlen=_WAITING)  # t0 of those without an answer yet
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
            self._chain.append(probe)
        self._update()
        self._schedule = ProbeSchedule(same=self._clock.same, now_s=time.monotonic())

    def tick(self, now_s: float) -> None:
        """Begin a chain of probes if one is due; note if none is answered any more."""
        if now_s < self._schedule.due_s:
            return
        self._update()  # with what there is of a chain that was held up
        self._schedule.begin(now_s, self._clock.scatter_ns)
        self._ask()
        self._note_silence(now_s)

    def answered(self, told: control.Told, received_ns: int) -> None:
        """Take in an answer that was received at ``received_ns`` on the monotonic clock.

        One to no question of ours, to one answered already, or against the order of time counts as none.
        """
        if told.t0 not in self._asked or not (told.t1 <= told.t2 and told.t0 <= received_ns):
            return
        self._asked.remove(told.t0)
        now_s = time.monotonic()
        if self._schedule.answered(now_s):  # at once: the estimate can wait, and would delay the answer
            self._ask()
            self._chain.append((told.t0, told.t1, told.t2, received_ns))
        else:
            self._chain.append((told.t0, told.t1, told.t2, received_ns))
            self._update()
        self._note_silence(now_s)

    def _ask(self) -> None:
        asked = time.monotonic_ns()
        self._asked.append(asked)
        self._link.send(control.Ask(t0=asked))

    def _note_silence(self, now_s: float) -> None:
        if self._schedule.changes(now_s):
            silent = self._schedule.silent
            self.news.append(
                f"No answer to clock probes for {NO_ANSWER_S:g} s"
                if silent
                else "Clock probes are answered again"
            )

    def _update(self) -> None:
        steps = self._clock.steps
        self._clock.update(*self._chain)
        self._probes += self._chain
        self._chain.clear()
        if self._clock.steps != steps:
            self._schedule.restart(time.monotonic())
            self.news.append("The clock of this host or of the session stepped")

    def take(self) -> NDArray[Any]:
        """Return the probes (N,) of PROBE since the last call, for the recorder to keep."""
        taken = np.array(self._probes, dtype=PROBE)
        self._probes.clear()
        return taken
