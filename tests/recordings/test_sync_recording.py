"""A recording whose clock probes never come says so at once: in its status, the file and the check."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from recording_samples import IMU, imu_rows, stamps
from test_recorder import Session, session

from drivers.base import Batch
from drivers.bus.messages import Ended
from recordings import clock_watch
from recordings.check import examine
from recordings.reader import open_recording

__all__ = ["session"]  # the fixture


def test_a_host_that_is_never_compared_is_told_at_once(
    session: Callable[..., Session],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(clock_watch, "WARN_S", 0.2)
    far = msgspec.structs.replace(IMU, host="another host")
    recording = session(far)
    with recording.publisher(far) as imu:
        imu.publish(Batch("wrist", stamps(np.arange(5) * 10_000_000, np.arange(5)), imu_rows(0, 5)))
        recording.until(lambda status: any("no clock probe" in warning for warning in status.warnings))
        imu.end(Ended("wrist", 5, {}))
        recording.result()
    with open_recording(tmp_path / "a.h5") as file:
        assert ("clock", "wrist") in {(event.kind, event.source) for event in file.events}
    assert any("never compared" in problem for problem in examine(tmp_path / "a.h5").problems)
