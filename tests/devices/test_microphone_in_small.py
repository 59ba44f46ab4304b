"""The benchmark of the microphone, for some seconds; and that it finds what is wrong."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks.devices import microphone


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pulseaudio"), reason="pulseaudio is not installed")
def test_every_sample_of_a_sound_server_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(microphone, "GOAL_PPM", 500.0)  # ten seconds tell little of a rate
    assert microphone.run(10 / 60, tmp_path / "sound.h5") == []


def test_missing_doubled_and_silent_samples_are_told_apart() -> None:
    sound = microphone.numbered(0, 200_000)
    seq = np.arange(len(sound))
    assert microphone.hear(sound, seq) == microphone.Heard(200_000, 0, 0, 0)
    gone = np.concatenate([sound[:1001], sound[1501:]])
    assert microphone.hear(gone, seq[: len(gone)]).missing == 500
    counted = np.concatenate([seq[:1001], seq[1501:]])
    assert microphone.hear(gone, counted).missing == 0
    twice = np.concatenate([sound[:5000], sound[4000:]])
    assert microphone.hear(twice, np.arange(len(twice))).doubled == 1000
    late = np.concatenate([sound[:5000], np.zeros(300, np.int16), sound[5000:]])
    assert microphone.hear(late, np.arange(len(late))) == microphone.Heard(len(late), 0, 0, 300)


def test_the_line_below_all_arrivals_is_the_rate() -> None:
    chance = np.random.default_rng(1)
    count = np.cumsum(chance.integers(100, 1000, 5000))
    arrival = (count / 48_001.5 * 1e9 + chance.exponential(3e6, 5000)).astype(np.int64)
    assert microphone.lower_line(count, arrival) == pytest.approx(48_001.5, rel=5e-6)
