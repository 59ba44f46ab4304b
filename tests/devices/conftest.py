"""Fixtures of the device tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from device_wires import WiredPort


@pytest.fixture
def port() -> Iterator[WiredPort]:
    wired = WiredPort()
    yield wired
    if wired.master >= 0:
        wired.unplug()


@pytest.fixture
def air() -> Iterator[Callable[..., Any]]:
    """Makes virtual radios, each with a Bluetooth LE sensor; ``air.sending`` lets one notify on its own."""
    pytest.importorskip("bleak")
    pytest.importorskip("bumble")
    from virtual_ble import COMMAND, DATA, Air, Sending

    made: list[Air | Sending] = []

    def make(name: str = "Board", notify: str = DATA, control: tuple[str, ...] = (COMMAND,)) -> Air:
        made.append(Air(name, notify, control))
        return made[-1]

    def sending(*args: Any, **options: Any) -> Sending:
        made.append(Sending(*args, **options))
        return made[-1]

    make.sending = sending
    yield make
    for one in reversed(made):
        one.stop() if isinstance(one, Sending) else one.close()
