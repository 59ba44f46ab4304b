"""The benchmarks of live tracking, so short that they prove only themselves."""

import argparse
import os
from pathlib import Path

import pytest

from benchmarks.live import latency
from benchmarks.live.beside import streams, with_sensors
from benchmarks.mediapipe import turns
from fusion.tracking.footage import open_footage

FILM = "video/pose2sim/single_person/cam01.mp4"


@pytest.fixture(scope="module")
def film():
    folder = os.environ.get("CHORUS_DATA")
    if not folder or not (Path(folder) / FILM).is_file():
        pytest.skip(f"CHORUS_DATA names no folder that holds {FILM}")
    return Path(folder) / FILM


def test_sensors_are_beside_a_film_in_the_order_of_time_and_end_with_it(film):
    batches = list(with_sensors(open_footage(film).batches()))
    pictures = [batch for batch, _ in batches if batch.stream == "camera"]
    end = int(pictures[-1].stamps["time"][-1])
    for info in streams():
        mine = [(batch, last) for batch, last in batches if batch.stream == info.name]
        assert sum(len(batch.data) for batch, _ in mine) == pytest.approx(end / 1e9 * info.rate_hz, abs=2)
        assert [last for _, last in mine] == [False] * (len(mine) - 1) + [True]
        times = [int(t) for batch, _ in mine for t in batch.stamps["time"]]
        assert times == sorted(times)
        assert times[-1] < end


def rounds(mine, theirs):
    made = {"frames": 100, "poses": 100, "seconds": 100 / mine, "cpu": 1.0}
    return made, {"frames": 100, "seconds": 100 / theirs, "cpu": 1.0}


def test_the_middle_round_tells_whether_the_goal_is_reached(capsys):
    assert turns.told("film", [rounds(60, 40), rounds(52, 40), rounds(20, 40)], 1.25, "chorus, fused")
    assert "1.30, rounds 0.50 to 1.50" in capsys.readouterr().out
    assert not turns.told("film", [rounds(60, 40), rounds(49, 40), rounds(49, 40)], 1.25, "chorus, fused")


class Watched:
    said = ""

    def __init__(self, memory, ms):
        self.memory = [(float(n), mb, 100.0) for n, mb in enumerate(memory)]
        self.lines = [(float(n), 60.0, late, late, late, late) for n, late in enumerate(ms)]


SUMMARY = {
    "poses_per_s": 60.0, "frames_per_s": 30.0, "frames_skipped": 0, "late_ticks": 0, "skipped_ticks": 0,
    "first_threads": 2,
    **{
        name: {"p50_ms": 10.0, "p95_ms": 18.0}
        for name in ("frame_latency", "sample_latency", "frame_to_pose", "sample_to_pose")
    },
}  # fmt: skip


@pytest.mark.parametrize(
    ("memory", "ms", "missed"),
    [
        ([500.0] * 40, [20.0] * 40, 0),
        ([500.0 + 3 * n for n in range(40)], [20.0] * 40, 1),
        ([500.0] * 40, [20.0] * 20 + [30.0] * 20, 1),
        ([300.0] * 3 + [500.0] * 37, [90.0] * 3 + [20.0] * 37, 0),  # it warms up
    ],
)
def test_a_long_run_that_grows_or_slows_is_told(memory, ms, missed):
    options = argparse.Namespace(cores="0,1", seconds=3600.0)
    assert latency.report(SUMMARY, Watched(memory, ms), options) == missed  # type: ignore[arg-type]


def test_a_run_that_saw_nothing_or_came_late_misses_its_goals(capsys):
    options = argparse.Namespace(cores="0,1", seconds=60.0)
    late = SUMMARY | {"frame_to_pose": {"p50_ms": 31.0, "p95_ms": 40.0}}
    assert latency.report(late, Watched([], []), options) == 1  # type: ignore[arg-type]
    assert capsys.readouterr().out.count("MISSED") == 1
    blind = SUMMARY | {"frame_to_pose": {"p50_ms": None, "p95_ms": None}}
    assert latency.report(blind, Watched([], []), options) == 1  # type: ignore[arg-type]
