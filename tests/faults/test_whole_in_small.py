"""The load that ``make soak`` records for an hour, for a few seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.recorder import whole
from recordings.check import check


@pytest.mark.slow
def test_every_row_of_a_laboratory_is_stored_or_counted(tmp_path: Path) -> None:
    output = tmp_path / "whole.h5"
    told, memory = whole.measure(whole.write_rig(tmp_path, h264=1), output, 2.0)
    assert told["cpu"] > 0
    assert memory[:, 1].max() < whole.GOAL_RSS
    report = check(output)
    assert len(report.streams) == whole.CAMERAS + whole.IMUS + 1
    for name, stream in report.streams.items():
        assert stream.unexplained == 0, name
        assert stream.samples > 0, name
