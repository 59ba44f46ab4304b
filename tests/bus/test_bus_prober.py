"""Probes over the bus: what is told when they find no answer, and when a clock steps."""

from __future__ import annotations

import types

import pytest

from drivers.bus import control, prober
from drivers.bus.prober import Prober
from drivers.clock.host import HostClock

AHEAD_NS = 10**12


class Wire:
    """A control connection to a hub whose clock is known, in time that the test turns on."""

    def __init__(self):
        self.now_ns, self.asked, self.step_ns = 10**9, [], 0

    def monotonic_ns(self):
        return self.now_ns

    def monotonic(self):
        return self.now_ns / 1e9

    def send(self, message):
        self.asked.append(message.t0)

    def answer(self, to):
        t1 = self.now_ns + 100_000 + AHEAD_NS + self.step_ns
        self.now_ns += 200_000
        told = control.Told(t0=self.asked.pop(), t1=t1, t2=t1, stopping=False)
        to.answered(told, self.now_ns)


@pytest.fixture
def wire(monkeypatch):
    wire = Wire()
    clock = types.SimpleNamespace(monotonic=wire.monotonic, monotonic_ns=wire.monotonic_ns)
    monkeypatch.setattr(prober, "time", clock)
    return wire


def play(wire, probing, seconds, *, answering=True):
    until = wire.now_ns + int(seconds * 1e9)
    while wire.now_ns < until:
        probing.tick(wire.now_ns / 1e9)
        while answering and wire.asked:
            wire.answer(probing)
        wire.now_ns += 50_000_000


def test_a_clock_service_that_stops_answering_is_told_once_and_so_is_its_return(wire):
    clock = HostClock(0, same=False)
    probing = Prober(wire, clock)
    play(wire, probing, 20)
    assert probing.news == []
    assert clock.age(wire.now_ns) < 2 * 10**9
    play(wire, probing, 20, answering=False)
    assert probing.news == ["No answer to clock probes for 5 s"]
    assert clock.age(wire.now_ns) > 19 * 10**9
    wire.asked = wire.asked[-1:]
    play(wire, probing, 5)
    assert probing.news[1:] == ["Clock probes are answered again"]


def test_a_step_is_told_and_found_within_seconds(wire):
    clock = HostClock(0, same=False)
    probing = Prober(wire, clock)
    play(wire, probing, 40)
    wire.step_ns = 20_000_000
    play(wire, probing, 2)
    assert probing.news == ["The clock of this host or of the session stepped"]
    assert abs(clock.estimate.offset_ns - AHEAD_NS - wire.step_ns) < 1_000_000


def test_all_probes_are_handed_on_once(wire):
    probing = Prober(wire, HostClock(0, same=False))
    play(wire, probing, 5)
    first = probing.take()
    assert len(first) > 50
    assert len(probing.take()) == 0
    assert (first["t0"][1:] > first["t0"][:-1]).all()
