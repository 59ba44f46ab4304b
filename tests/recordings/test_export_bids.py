"""Motion-BIDS: read back as plain tables, exact to the nanosecond, and valid for the validator of BIDS."""

from __future__ import annotations

import datetime
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from recording_samples import CAMERA, IMU, imu_rows, picture, stamps

from drivers.base import Batch, StreamInfo
from drivers.bus.messages import Ended, Event
from drivers.errors import RecordingError
from recordings.exporters.export import export
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

VALIDATOR = shutil.which(
    "bids-validator-deno", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
)
UTC = 1_709_284_830_123_456_789
KNEE = msgspec.structs.replace(
    IMU,
    name="right_knee",
    shape=(7,),
    channels=(*IMU.channels[:3], *(f"orientation_{axis}" for axis in "xyzw")),
    units=("m/s^2",) * 3 + ("1",) * 4,
    worn_on="",
)
POSE = StreamInfo(
    name="truth",
    kind="pose",
    dtype="<f8",
    shape=(2, 3),
    channels=("x", "y", "z"),
    units=("m",) * 3,
    properties={"skeleton": "hip,knee"},
)


def session(path: Path, **attributes: object) -> Path:
    known = {"subject": "S-01", "task": "squat down", "utc_ns": UTC, "epoch_ns": 5}
    made = SessionAttributes(id="bids", **{**known, **attributes})  # pyright: ignore[reportArgumentType]
    with SessionWriter(path, made, sync_s=0) as writer:
        for info in (IMU, KNEE, POSE, CAMERA):
            writer.add_stream(info)
        numbers = np.delete(np.arange(300), slice(100, 130))
        rows = imu_rows(0, 300)[numbers]
        rows[7, 2] = np.nan
        times = numbers * 10_000_000 + 3_000_011
        writer.append(Batch("wrist", stamps(times, numbers), rows, {"device_gap": 30}))
        knee = np.hstack((rows, rows[:, :1]))
        writer.append(Batch("right_knee", stamps(times + 77, numbers), knee))
        pose = np.random.default_rng(0).normal(size=(50, 2, 3))
        writer.append(Batch("truth", stamps(np.arange(50) * 7_000_001 + 9, np.arange(50)), pose))
        writer.append(Batch("camera", stamps([5], [0]), (picture(0),)))
        for name, stream in writer.streams.items():
            writer.ended(Ended(name, stream.ledger.stored, {}))
        writer.event(Event(500_000_123, "mark", "start\tsquat", "keyboard"))
        writer.event(Event(600_000_000, "label_start", "squat", "truth"))
        writer.event(Event(900_000_000, "label_stop", "squat", "truth"))
    return path


def rows_of(path: Path) -> list[list[str]]:
    return [line.split("\t") for line in path.read_text("utf-8").splitlines()]


def table(path: Path) -> list[dict[str, str]]:
    head, *lines = rows_of(path)
    return [dict(zip(head, line, strict=True)) for line in lines]


def nanoseconds(text: str) -> int:
    whole, _, part = text.removeprefix("-").partition(".")
    return (-1 if text.startswith("-") else 1) * (int(whole) * 10**9 + int(part.ljust(9, "0")))


def utc(text: str) -> int:
    when = datetime.datetime.fromisoformat(text)
    return int(when.replace(microsecond=0).timestamp()) * 10**9 + when.microsecond * 1000


def test_samples_read_back_exactly_with_their_utc(tmp_path: Path) -> None:
    path = session(tmp_path / "a.h5")
    report = export(path, "motion-bids", tmp_path / "bids")
    assert sorted(report.streams) == ["right_knee", "truth", "wrist"]
    assert any("camera" in note for note in report.notes)
    subject = tmp_path / "bids" / "sub-S01"
    onsets = {row["filename"]: row["acq_time"] for row in table(subject / "sub-S01_scans.tsv")}
    with open_recording(path) as recording:
        for name, label in (("wrist", "wrist"), ("right_knee", "rightknee"), ("truth", "truth")):
            stream = recording.all_streams[name]
            stem = f"sub-S01_task-squatdown_tracksys-{label}"
            lines = rows_of(subject / "motion" / f"{stem}_motion.tsv")
            channels = table(subject / "motion" / f"{stem}_channels.tsv")
            assert {len(line) for line in lines} == {len(channels)}
            onset = utc(onsets[f"motion/{stem}_motion.tsv"])
            assert [onset + nanoseconds(line[0]) - UTC for line in lines] == stream.times.tolist()
            values = np.array([["nan" if v == "n/a" else v for v in line[1:]] for line in lines])
            stored = stream.data[:].reshape(len(lines), -1)
            assert np.array_equal(values.astype(stream.info.dtype), stored, equal_nan=True)
            sidecar = json.loads((subject / "motion" / f"{stem}_motion.json").read_text("utf-8"))
            assert sidecar["TaskName"] == "squat down"
            assert sidecar["MotionChannelCount"] == len(channels)


def test_channels_have_the_words_of_bids(tmp_path: Path) -> None:
    export(session(tmp_path / "a.h5"), "motion-bids", tmp_path / "bids")
    stem = tmp_path / "bids" / "sub-S01" / "motion" / "sub-S01_task-squatdown_tracksys-"
    wrist = table(Path(f"{stem}wrist_channels.tsv"))
    assert [row["type"] for row in wrist] == ["LATENCY"] + ["ACCEL"] * 3 + ["GYRO"] * 3
    assert [row["component"] for row in wrist] == ["n/a", *"xyzxyz"]
    assert wrist[1] == {
        "name": "specific_force_x",
        "component": "x",
        "type": "ACCEL",
        "tracked_point": "right_forearm",
        "units": "m/s^2",
        "placement": "right_forearm",
        "reference_frame": "sensor",
    }
    knee = table(Path(f"{stem}rightknee_channels.tsv"))
    assert [row["component"] for row in knee[-4:]] == ["quat_x", "quat_y", "quat_z", "quat_w"]
    assert {row["tracked_point"] for row in knee} == {"n/a", "right_knee"}
    pose = table(Path(f"{stem}truth_channels.tsv"))
    assert [(row["type"], row["tracked_point"]) for row in pose[1:]] == [("POS", "hip")] * 3 + [
        ("POS", "knee")
    ] * 3
    frames = json.loads(Path(f"{stem}wrist_channels.json").read_text("utf-8"))["reference_frame"]["Levels"]
    assert "gravity" in frames["sensor"]["Description"]


def test_markers_and_labels_are_events_of_each_system(tmp_path: Path) -> None:
    export(session(tmp_path / "a.h5"), "motion-bids", tmp_path / "bids")
    motion = tmp_path / "bids" / "sub-S01" / "motion"
    for label in ("wrist", "rightknee"):
        stem = f"sub-S01_task-squatdown_tracksys-{label}"
        onset = json.loads((motion / f"{stem}_motion.json").read_text("utf-8"))["Chorus"]["onset_ns"]
        mark, squat = table(motion / f"{stem}_events.tsv")
        assert nanoseconds(mark["onset"]) + onset == 500_000_123
        assert (mark["trial_type"], mark["kind"], mark["source"]) == ("start squat", "mark", "keyboard")
        assert nanoseconds(squat["onset"]) + onset == 600_000_000
        assert squat["duration"] == "0.300000000"


def test_who_took_part_is_told_as_far_as_it_is_known(tmp_path: Path) -> None:
    path = session(
        tmp_path / "a.h5", metadata={"age": "31", "sex": "female", "session": "2", "operator": "Ada"}
    )
    export(path, "motion-bids", tmp_path / "bids")
    assert table(tmp_path / "bids" / "participants.tsv") == [
        {"participant_id": "sub-S01", "age": "31", "sex": "female"}
    ]
    assert (tmp_path / "bids" / "sub-S01" / "ses-2" / "sub-S01_ses-2_scans.tsv").is_file()


def test_without_a_date_there_is_none(tmp_path: Path) -> None:
    report = export(
        session(tmp_path / "a.h5", utc_ns=0, subject="", task=""), "motion-bids", tmp_path / "bids"
    )
    scans = table(tmp_path / "bids" / "sub-unknown" / "sub-unknown_scans.tsv")
    assert {row["acq_time"] for row in scans} == {"n/a"}
    assert len([note for note in report.notes if "acq_time" in note or "chorus note" in note]) == 2
    export(session(tmp_path / "b.h5"), "motion-bids", tmp_path / "raw", raw_times=True)
    assert not list((tmp_path / "raw").rglob("*_events.*"))


def test_two_names_that_bids_takes_for_one_stay_two(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="a"), sync_s=0) as writer:
        for name in ("a_b", "ab"):
            writer.add_stream(msgspec.structs.replace(IMU, name=name))
            writer.append(Batch(name, stamps([1], [0]), imu_rows(0, 1)))
    export(tmp_path / "a.h5", "motion-bids", tmp_path / "bids")
    assert len(list((tmp_path / "bids").rglob("*_motion.tsv"))) == 2


def test_a_session_without_motion_is_refused(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="a"), sync_s=0) as writer:
        writer.add_stream(CAMERA)
        writer.append(Batch("camera", stamps([5], [0]), (picture(0),)))
    with pytest.raises(RecordingError, match="IMUs and poses"):
        export(tmp_path / "a.h5", "motion-bids", tmp_path / "bids")


@pytest.mark.skipif(VALIDATOR is None, reason="bids-validator-deno is not installed")
def test_the_validator_of_bids_finds_no_error(tmp_path: Path) -> None:
    metadata = {"age": "31", "sex": "female", "handedness": "left", "height": "1.7", "session": "2"}
    export(session(tmp_path / "a.h5", metadata=metadata), "motion-bids", tmp_path / "bids")
    command = [str(VALIDATOR), "--format", "json", "--max-rows=-1", str(tmp_path / "bids")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    issues = json.loads(done.stdout)["issues"]["issues"]
    assert [issue for issue in issues if issue.get("severity") == "error"] == []
    assert done.returncode == 0
