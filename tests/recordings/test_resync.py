"""``resync`` writes better times into a new file and leaves everything else as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from recording_samples import CAMERA, IMU, SOUND, imu_rows, picture

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus.messages import PROBE, Ended, Probes
from drivers.errors import RecordingError, RecordingExists
from recordings.check import check, examine
from recordings.latency.found import Latency, store
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.resync import default_output, resync
from recordings.writer import SessionWriter

OFFSET_NS = 10**12
SKEW = 80e-6
EPOCH_NS = 7 * 10**9
LATENCY_NS = 4_000_000
FAR = "far clock"


def far_clock(session_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """What a host's clock shows that runs 80 ppm too slow and is 1000 s behind."""
    true = session_ns + EPOCH_NS
    return true - OFFSET_NS - np.rint(true * SKEW).astype(np.int64)


def probes(seconds: float, generator: np.random.Generator) -> NDArray[np.void]:
    """Return 4 probes a second over a network with 0.3 ms + exponential 2 ms in each direction."""
    sent = (np.arange(-1.0, seconds + 1, 0.25) * 1e9).astype(np.int64)
    there, back = 300_000 + generator.exponential(2e6, (2, len(sent))).astype(np.int64)
    made = np.zeros(len(sent), PROBE)
    made["t0"] = far_clock(sent)
    made["t1"] = made["t2"] = sent + there + EPOCH_NS
    made["t3"] = far_clock(sent + there + back)
    return made


def write(
    path: Path, *, seconds: float = 30.0, with_probes: bool = True, closed: bool = True
) -> NDArray[np.int64]:
    """Write an IMU of a far host with bad corrected times; return the true ones."""
    generator = np.random.default_rng(3)
    seq = np.arange(round(seconds * 100))
    true = 10**9 + seq * 10_000_000
    late = 1_000_000 + generator.exponential(1e6, len(seq)).astype(np.int64)
    stamps = np.zeros(len(seq), STAMP)
    stamps["time"] = np.maximum.accumulate(true + 30_000_000) + seq
    stamps["time_bound"] = 50_000_000
    stamps["time_host"] = far_clock(np.maximum.accumulate(true + LATENCY_NS + late))
    stamps["time_device"] = NO_TIME
    stamps["seq"] = seq
    session = SessionAttributes(id="t", epoch_ns=EPOCH_NS, clock="here", expected=("wrist",))
    writer = SessionWriter(path, session, sync_s=0)
    writer.add_stream(msgspec.structs.replace(IMU, host=FAR), latency_ns=LATENCY_NS)
    for start in range(0, len(seq), 50):
        part = slice(start, start + 50)
        writer.append(Batch("wrist", stamps[part], imu_rows(start, start + len(stamps[part]))))
    if with_probes:
        writer.probes(Probes(FAR, probes(seconds, generator)))
    if closed:
        writer.ended(Ended("wrist", len(seq), {}))
        writer.mark(start_ns=10**9, stop_ns=int(true[-1]))
        writer.close()
    else:
        writer.flush()
        writer._file.close()  # what a killed recorder leaves behind
    return true


def contents(path: Path) -> dict[str, Any]:
    """Return every dataset of a file that resync must not change, as bytes."""
    found: dict[str, Any] = {}

    def take(name: str, item: h5py.Group | h5py.Dataset) -> None:
        part = name.rpartition("/")[2]
        if isinstance(item, h5py.Dataset) and part not in ("time", "time_bound"):
            found[name] = item[()].tobytes() if item.dtype.kind != "O" else item[()].tolist()

    with h5py.File(path) as file:
        file.visititems(take)
    return found


def test_times_are_estimated_again_and_the_bound_holds(tmp_path: Path) -> None:
    true = write(tmp_path / "a.h5")
    before = (tmp_path / "a.h5").read_bytes()
    report = resync(tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_bytes() == before
    assert report.output == tmp_path / "a.resynced.h5" == default_output(tmp_path / "a.h5")
    with open_recording(report.output) as recording:
        stamps = recording.streams["wrist"].stamps
    error = stamps["time"].astype(np.int64) - true
    # The least delay of the device, 1 ms, can't be seen; all else must be found.
    assert np.abs(error[100:] - 1_000_000).max() < 500_000
    assert (np.abs(error - 1_000_000) <= stamps["time_bound"]).mean() > 0.99
    assert (np.diff(stamps["time"].astype(np.int64)) > 0).all()
    assert report.streams["wrist"].moved_ms == pytest.approx(29.0, abs=1.0)
    assert report.streams["wrist"].bound_ms < report.streams["wrist"].bound_before_ms


def test_raw_times_rows_and_ledger_stay_and_the_file_stays_sound(tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    report = resync(tmp_path / "a.h5", tmp_path / "new" / "b.h5")
    assert contents(report.output) == contents(tmp_path / "a.h5")
    checked = check(report.output)
    assert checked.problems == ()
    assert checked.clocks[FAR].skew_ppm == pytest.approx(80, abs=3)
    with h5py.File(report.output) as file:
        assert json.loads(file.attrs["resync"])["source"] == "a.h5"
        told = json.loads(file["streams/wrist"].attrs["resync"])
        assert "both directions" in told["method"]
        assert file["streams/wrist"].attrs["rate_effective_hz"] == pytest.approx(100.0, rel=1e-5)


def test_a_latency_that_was_found_is_taken_off_once(tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    resync(tmp_path / "a.h5", tmp_path / "without.h5")
    found = Latency(12.5, 0.1, 0.2, 5, "microphone", "shock", 1e-6, (1,) * 5, (0.0,) * 5)
    store(tmp_path / "a.h5", {"wrist": found})
    report = resync(tmp_path / "a.h5", tmp_path / "with.h5")
    assert report.streams["wrist"].latency_ms == 12.5
    resync(tmp_path / "with.h5", tmp_path / "again.h5")
    times = {}
    for name in ("without", "with", "again"):
        with open_recording(tmp_path / f"{name}.h5") as recording:
            stream = recording.streams["wrist"]
            times[name] = stream.stamps["time"].astype(np.int64)
            assert stream.latency is None
            assert stream.latency_ns == LATENCY_NS + (0 if name == "without" else 12_500_000)
    assert (times["without"] - times["with"] == 12_500_000).all()
    assert (times["again"] == times["with"]).all()


def test_doing_it_twice_gives_the_same_times(tmp_path: Path) -> None:
    write(tmp_path / "a.h5")
    once = resync(tmp_path / "a.h5", tmp_path / "b.h5")
    twice = resync(once.output, tmp_path / "c.h5")
    assert twice.streams["wrist"].moved_max_ms == 0.0


def test_a_recording_whose_recorder_was_killed_will_do(tmp_path: Path) -> None:
    true = write(tmp_path / "a.h5", closed=False)
    report = resync(tmp_path / "a.h5")
    with open_recording(report.output) as recording:
        time = recording.streams["wrist"].stamps["time"].astype(np.int64)
    assert np.abs(time - true[: len(time)] - 1_000_000)[100:].max() < 500_000
    assert not any("damaged" in problem for problem in examine(report.output).problems)


def test_without_probes_times_stay_and_check_says_why(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", with_probes=False)
    report = resync(tmp_path / "a.h5")
    assert report.streams["wrist"].moved_max_ms == 0.0
    assert "no probe" in report.streams["wrist"].method
    assert any("never compared" in problem for problem in examine(report.output).problems)


def test_features_follow_the_camera_they_were_computed_from(tmp_path: Path) -> None:
    properties = {"camera": "camera"}
    features = StreamInfo(name="keypoints", kind="features", shape=(2,), properties=properties)
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="t"), sync_s=0) as writer:
        for info in (CAMERA, features):
            writer.add_stream(info)
        generator = np.random.default_rng(5)
        frames = np.zeros(100, STAMP)
        frames["seq"] = np.arange(100)
        frames["time_host"] = frames["seq"] * 40_000_000 + generator.exponential(3e6, 100)
        frames["time_device"] = frames["seq"] * 40_000_000
        frames["time"] = frames["time_host"] + 5_000_000
        rows = frames[::3].copy()
        rows["seq"] = np.arange(len(rows))
        writer.append(Batch("camera", frames, tuple(picture(n) for n in range(100))))
        writer.append(Batch("keypoints", rows, np.zeros((len(rows), 2), np.float32)))
        for name, stream in writer.streams.items():
            writer.ended(Ended(name, stream.ledger.stored, {}))
    report = resync(tmp_path / "a.h5")
    with open_recording(report.output) as recording:
        camera = recording.streams["camera"].stamps
        keypoints = recording.features["keypoints"].stamps
    assert report.streams["camera"].moved_max_ms > 0
    assert keypoints["time"].tolist() == camera["time"][::3].tolist()
    assert keypoints["time_bound"].tolist() == camera["time_bound"][::3].tolist()


def test_all_kinds_of_streams_come_through(make_session: Callable[..., Path]) -> None:
    report = resync(make_session(seconds=3.0))
    assert set(report.streams) == {IMU.name, SOUND.name, CAMERA.name}
    assert examine(report.output).problems == ()


def test_nothing_is_overwritten_and_nothing_half_done_is_left(tmp_path: Path) -> None:
    write(tmp_path / "a.h5", seconds=1.0)
    (tmp_path / "b.h5").write_text("precious")
    with pytest.raises(RecordingExists, match="--output"):
        resync(tmp_path / "a.h5", tmp_path / "b.h5")
    assert (tmp_path / "b.h5").read_text() == "precious"
    (tmp_path / "file").write_text("")
    with pytest.raises(RecordingError, match="can't be written"):
        resync(tmp_path / "a.h5", tmp_path / "file" / "c.h5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5", "file"]
