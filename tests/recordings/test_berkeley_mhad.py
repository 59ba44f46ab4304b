"""Berkeley MHAD: sensors without a counter get their numbers and their clock back; real files all read."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drivers.errors import ConfigError, DataError, RecordingExists
from fusion.commands.importing import main
from recordings.check import examine
from recordings.importers import berkeley_mhad as mhad
from recordings.importers.berkeley_sessions import camera_timing, import_sessions, sensor_timings
from recordings.importers.numbering import common_lines, number_rows
from recordings.reader import open_recording

PERIOD_NS = 1e9 / mhad.RATE_HZ
START_NS = 1_309_539_264 * 10**9


def radio(
    count: NDArray[np.int64], drift_ppm: float, generator: np.random.Generator, phase_ns: int = 0
) -> NDArray[np.int64]:
    """Return arrivals, UNIX ns, of rows taken evenly: by radio, in polls 22 ms apart, some stalled."""
    taken = count * (PERIOD_NS / (1 + drift_ppm * 1e-6)) + phase_ns
    late = np.ceil((taken + generator.exponential(2e6, len(count))) / 22e6) * 22e6 - taken
    stalled = generator.random(len(count)) < 0.02
    arrival = np.maximum.accumulate(
        taken + late + np.where(stalled, generator.exponential(60e6, len(count)), 0)
    )
    return START_NS + np.rint(arrival / 1e6).astype(np.int64) * 1_000_000


def trial_counts(trials: int) -> list[NDArray[np.int64]]:
    """Return the numbers of the rows of each trial."""
    pauses = np.random.default_rng(0).integers(1000, 3724, trials)
    return [np.arange(first, first + 180) for first in np.cumsum(pauses + 180).tolist()]


def stretches(
    drift_ppm: float, generator: np.random.Generator, trials: int = 30
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Return numbers and arrivals of trials of 6 s, with pauses of half a minute to two between them."""
    counts = trial_counts(trials)
    return counts, [radio(count, drift_ppm, generator) for count in counts]


@settings(max_examples=25, deadline=None)
@given(st.floats(-200, 200), st.integers(0, 2**32 - 1))
def test_the_clock_of_a_sensor_is_found_over_all_its_trials(drift_ppm: float, seed: int) -> None:
    _, arrivals = stretches(drift_ppm, np.random.default_rng(seed))
    (line, *others) = common_lines(arrivals, PERIOD_NS)
    assert all(other == line for other in others)
    assert line.coherent
    assert (PERIOD_NS / line.period_ns - 1) * 1e6 == pytest.approx(drift_ppm, abs=2.0)


@settings(max_examples=25, deadline=None)
@given(st.floats(-200, 200), st.integers(20, 150), st.integers(3, 12), st.integers(0, 2**32 - 1))
def test_rows_get_their_numbers_back_and_a_real_gap_shows(
    drift: float, at: int, lost: int, seed: int
) -> None:
    counts, arrivals = stretches(drift, np.random.default_rng(seed))
    counts[7], arrivals[7] = (np.delete(part[7], slice(at, at + lost)) for part in (counts, arrivals))
    timings = sensor_timings(arrivals)
    # Numbers are right but for one constant: which row was number 0, nobody can know. Rows that stall
    # just before a gap may be taken for the first ones after it.
    wrong = np.concatenate([t.seq - count for t, count in zip(timings, counts, strict=True)])
    shift = np.median(wrong)
    assert np.abs(wrong - shift).max() <= lost
    assert (wrong == shift).mean() > 0.98
    assert abs(int(timings[7].gaps.sum()) - lost) <= 1
    for timing in timings:
        assert (np.diff(timing.time) > 0).all()
        assert (np.diff(timing.seq) > 0).all()


def test_corrected_times_are_within_their_bound() -> None:
    generator = np.random.default_rng(4)
    counts, arrivals = stretches(25.0, generator)
    timings = sensor_timings(arrivals)
    errors = np.concatenate(
        [
            t.time - START_NS - count * (PERIOD_NS / (1 + 25e-6))
            for t, count in zip(timings, counts, strict=True)
        ]
    )
    about = errors - np.median(errors)
    assert np.abs(about).max() <= timings[0].bound_ns
    assert timings[0].bound_ns < 6_000_000
    assert np.concatenate([t.late_ms for t in timings]).std() > 5.0


def test_a_sensor_that_was_switched_off_in_between_has_two_phases() -> None:
    generator = np.random.default_rng(5)
    counts = trial_counts(30)
    arrivals = [
        radio(count, 25.0, generator, 0 if number < 20 else 13_000_000) for number, count in enumerate(counts)
    ]
    lines = common_lines(arrivals, PERIOD_NS)
    assert len(set(lines)) == 2
    assert lines[19] != lines[20]
    assert lines[0].period_ns == lines[29].period_ns


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.integers(0, 10**13), min_size=1, max_size=30), min_size=1, max_size=12))
def test_any_arrivals_get_rising_numbers_and_times(parts: list[list[int]]) -> None:
    arrivals = sorted((np.sort(np.array(part, np.int64)) for part in parts), key=lambda part: int(part[0]))
    for timing in sensor_timings(arrivals):
        assert (np.diff(timing.seq) > 0).all()
        assert (np.diff(timing.time) > 0).all()
        assert timing.bound_ns > 0


def test_no_rows_and_no_stretches_are_no_error() -> None:
    assert common_lines([], PERIOD_NS) == []
    (line,) = common_lines([np.array([5])], PERIOD_NS)
    assert len(number_rows(np.empty(0, np.int64), line)) == 0


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 300), st.sets(st.integers(1, 298), max_size=8), st.integers(0, 10**7))
def test_frames_stamped_in_ticks_become_even_and_dropped_ones_show(
    frames: int, dropped: set[int], phase: int
) -> None:
    kept = np.array([n for n in range(frames) if n not in dropped])
    true = phase + kept * (1e9 / mhad.CAMERA_RATE_HZ)
    stamps = (true // mhad.CAMERA_TICK_NS).astype(np.int64) * mhad.CAMERA_TICK_NS
    timing = camera_timing(stamps)
    assert timing.seq.tolist() == kept.tolist()
    assert (np.diff(timing.time) > 0).all()
    assert (np.abs(timing.time - true) <= timing.bound_ns + mhad.CAMERA_TICK_NS).all()


def make_root(root: Path, *, trials: int = 6) -> Path:
    """Write a small data set in the form of the real one."""
    generator = np.random.default_rng(1)
    (root / "Time_stamps").mkdir(parents=True)
    for number in range(1, 7):
        folder = root / "Accelerometer" / f"Shimmer{number:02}"
        folder.mkdir(parents=True)
        for trial, count in enumerate(trial_counts(trials)):
            arrivals = radio(count, 20.0, generator)
            rows = [f"0.5 -0.25 1.0 {t // 10**9}.{t % 10**9 // 1000:06}" for t in arrivals.tolist()]
            (folder / f"acc_h{number:02}_s01_a05_r{trial + 1:02}.txt").write_text("\n".join(rows) + "\n")
            if number == 1:
                frames = START_NS + np.arange(120) * 46_875_000 + int(count[0] * PERIOD_NS)
                stamps = [f"{k} {t // 10**9}.{t % 10**9 // 1000:06}" for k, t in enumerate(frames.tolist())]
                name = f"time_stamps_img_s01_a05_r{trial + 1:02}.txt"
                (root / "Time_stamps" / name).write_text("\n".join(stamps) + "\n")
    return root


def test_a_data_set_becomes_sound_sessions(tmp_path: Path) -> None:
    report = import_sessions(make_root(tmp_path / "set"), tmp_path / "out")
    assert len(report.files) == 6
    assert [sensor.restarts for sensor in report.sensors] == [0] * 6
    assert examine(report.files[0]).problems == ()
    with open_recording(report.files[0]) as recording:
        assert set(recording.streams) == {place.stream for place in mhad.PLACES} | {"camera"}
        wrist = recording.streams["left_wrist"]
        assert wrist.info.units == ("m/s^2",) * 3
        assert wrist.info.worn_on == "left_forearm"
        assert wrist.data[0].tolist() == pytest.approx([0.5 * 9.80665, -0.25 * 9.80665, 9.80665])
        raw = wrist.stamps["time_host"].astype(np.int64)
        assert raw[0] == int(report.timings["s01_a05_r01"]["left_wrist"].arrival[0])
        assert recording.streams["camera"].withheld
        assert recording.labels[0].action == "wave two hands"


def test_the_command_imports_one_trial_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root, picture = make_root(tmp_path / "set"), tmp_path / "plot.png"
    arguments = ["berkeley-mhad", str(root), f"--output={tmp_path / 'out'}", "--only=s01_a05_r02"]
    assert main([*arguments, f"--plot={picture}", "--json"], "chorus import") == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(path).name for path in told["files"]] == ["berkeley_mhad_s01_a05_r02.h5"]
    assert len(told["sensors"]) == 6
    assert picture.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(RecordingExists):
        main(arguments, "chorus import")
    with pytest.raises(ConfigError, match="berkeley-mhad"):
        main(["nothing", str(root)], "chorus import")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 2 3\n", "not rows of 4"),
        ("1 2 3 nan\n", "not finite"),
        ("", "none"),
        ("1 2 3 9.0\n1 2 3 8.0\n", "backwards"),
        ("a b c d\n", "not rows of 4"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    root = make_root(tmp_path / "set", trials=3)
    (root / "Accelerometer" / "Shimmer03" / "acc_h03_s01_a05_r02.txt").write_text(text)
    with pytest.raises(DataError, match=rf"acc_h03_s01_a05_r02\.txt.*{words}"):
        import_sessions(root, tmp_path / "out")


def test_a_missing_file_or_trial_or_folder_is_named(tmp_path: Path) -> None:
    root = make_root(tmp_path / "set", trials=3)
    with pytest.raises(DataError, match="s01_a05_r09"):
        import_sessions(root, tmp_path / "out", ["s01_a05_r09"])
    with pytest.raises(DataError, match="names no trial"):
        import_sessions(root, tmp_path / "out", ["wave"])
    (root / "Accelerometer" / "Shimmer03" / "acc_h03_s01_a05_r02.txt").unlink()
    with pytest.raises(DataError, match="missing"):
        import_sessions(root, tmp_path / "out")
    with pytest.raises(DataError, match="neither"):
        import_sessions(tmp_path, tmp_path / "out")


@pytest.fixture(scope="session")
def real_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("CHORUS_DATA", "/nowhere"))
    if not ((folder / "berkeley_mhad_acc").is_dir() or (folder / mhad.ARCHIVE).is_file()):
        pytest.skip("CHORUS_DATA names no folder with berkeley_mhad_acc.tar.xz")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    try:
        return mhad.find_root(folder)
    finally:
        os.environ.pop("XDG_CACHE_HOME")
        if before is not None:
            os.environ["XDG_CACHE_HOME"] = before


def test_all_real_trials_read_and_each_sensor_is_one_clock(real_root: Path) -> None:
    keys = mhad.keys(real_root)
    assert len(keys) == 658
    drift: dict[int, list[float]] = {}
    for subject in sorted({key.subject for key in keys}):
        trials = list(mhad.trials(real_root, subject))
        for number in range(6):
            timings = sensor_timings([trial.arrival[number] for trial in trials])
            assert all(timing.line is not None and timing.line.coherent for timing in timings)
            assert all((np.diff(timing.time) > 0).all() for timing in timings)
            line = timings[0].line
            assert line is not None
            drift.setdefault(number, []).append((PERIOD_NS / line.period_ns - 1) * 1e6)
        assert all((np.diff(camera_timing(trial.camera).time) > 0).all() for trial in trials)
    # The same six devices on twelve days: each keeps its own drift.
    assert all(max(each) - min(each) < 3.0 for each in drift.values())


def test_a_real_trial_becomes_a_sound_session(real_root: Path, tmp_path: Path) -> None:
    report = import_sessions(real_root, tmp_path, ["s01_a01_r01"])
    assert examine(report.files[0]).problems == ()
