"""Machines with keys of their own, a hub that knows some of them, and a network that can be tapped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import zmq
from attackers import Machine, Ports, Tap

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus import Hub
from drivers.bus.client import Link

WRIST = StreamInfo(name="wrist", kind="imu", shape=(3,), rate_hz=200)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Machine]:
    """Machines by name; each has a key from its first use on."""
    made: dict[str, Machine] = {}

    def get(name: str) -> Machine:
        if name not in made:
            made[name] = Machine(tmp_path / name, monkeypatch)
        return made[name]

    return get


@pytest.fixture
def hub(machine: Callable[[str], Machine]) -> Iterator[Hub]:
    """A hub with keys: ``pi`` and ``mate`` may publish, ``viewer`` subscribe; ``stranger`` is not listed."""
    recorder = machine("recorder")
    recorder.allows(machine("pi"), "publish")
    recorder.allows(machine("mate"), "publish")
    recorder.allows(machine("viewer"), "subscribe")
    with recorder:
        running = Hub(keys=True)
    with running:
        yield running


@pytest.fixture
def ports(hub: Hub, machine: Callable[[str], Machine]) -> Ports:
    """The three ports that the hub listens on."""
    from drivers.bus import control, wire

    hello = control.Hello(version=wire.VERSION, role="subscriber", host="h")
    with machine("recorder"), zmq.Context() as context:
        link = Link(context, hub.address, hello, 10.0)
        welcome = link.welcome
        link.send(control.Bye())
        link.socket.close()
    own = int(hub.address.partition("#")[0].rsplit(":", 1)[1])
    return Ports(own, welcome.publish_port, welcome.subscribe_port)


@pytest.fixture
def taps() -> Iterator[Callable[..., Tap]]:
    """Taps on the way to a port, closed at the end."""
    made: list[Tap] = []

    def make(*arguments: object, **options: object) -> Tap:
        made.append(Tap(*arguments, **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for tap in made:
        tap.close()


@pytest.fixture
def rows() -> Callable[..., Batch]:
    """Batches whose content can be told from their number."""

    def make(start: int, count: int = 4, stream: str = "wrist") -> Batch:
        stamps = np.zeros(count, STAMP)
        stamps["seq"] = np.arange(start, start + count)
        data = np.arange(start * 3, (start + count) * 3, dtype="<f4").reshape(count, 3)
        return Batch(stream, stamps, data, {})

    return make


@pytest.fixture
def wrist() -> StreamInfo:
    return WRIST
