"""Serial IMUs that are unplugged while the real recorder records them, beside devices that stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.devices import replug
from recordings.reader import open_recording
from recordings.resync import estimate
from recordings.returns import returns_of


@pytest.mark.slow
def test_unplugged_imus_come_back_their_gaps_are_exact_and_the_others_do_not_notice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "replug.h5"
    assert replug.run(2, 100.0, path) == []
    with open_recording(path) as recording:
        kinds = [event.kind for event in recording.events if event.source == "bare"]
        assert kinds == ["lost", "back", "lost", "back"]
        stream = recording.streams["counted"]
        begins = returns_of(recording, stream).stamps
        assert len(begins) == 2
        again = estimate(recording)["counted"].time  # a clock for each time that it was there
        moved = again - stream.stamps["time"].astype("int64")
        assert abs(moved[begins]).max() < 50_000_000
