"""Sessions for the tests of recordings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from recording_samples import fill

from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter


@pytest.fixture
def make_session(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of sound sessions: ``make_session("name.h5", seconds=2.0)``."""

    def make(name: str = "session.h5", seconds: float = 2.0) -> Path:
        session = SessionAttributes(
            id="test", epoch_ns=5, utc_ns=6, subject="nobody", expected=("wrist", "room", "camera")
        )
        with SessionWriter(tmp_path / name, session, sync_s=0) as writer:
            fill(writer, seconds)
        return tmp_path / name

    return make
