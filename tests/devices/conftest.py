"""Fixtures of the device tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from device_wires import WiredPort


@pytest.fixture
def port() -> Iterator[WiredPort]:
    wired = WiredPort()
    yield wired
    if wired.master >= 0:
        wired.unplug()
