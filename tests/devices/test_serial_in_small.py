"""The benchmark of six serial sensors at once, for a few seconds: nothing lost or made up, values exact."""

from __future__ import annotations

from pathlib import Path

from benchmarks.devices import serial


def test_six_protocols_at_once_into_one_recording(tmp_path: Path) -> None:
    results = serial.run(4.0, tmp_path / "serial.h5", seed=2)
    assert len(results) == 6
    for one in results:
        assert one.rows >= 4 * one.rate_hz
        assert (one.lost, one.differing, one.problems) == (0, 0, ())
        assert one.cpu_share > 0  # measured; how much is the benchmark's business
