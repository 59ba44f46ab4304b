"""``check`` passes sound sessions and names what is wrong with others."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from recording_samples import CAMERA, IMU, imu_rows, stamps

from drivers.base import Batch
from drivers.bus.messages import Ended, Failed
from drivers.errors import RecordingUnreadable
from recordings.check import check, examine, info
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

Make = Callable[..., Path]


def write_imu(
    path: Path,
    times: np.ndarray,
    seq: np.ndarray,
    *,
    produced: int | None = None,
    lost: dict[str, int] | None = None,
    ended: bool = True,
    failure: str = "",
    stop_ns: int | None = None,
) -> Path:
    """Write a session of one IMU with these times (ns) and row numbers."""
    attributes = SessionAttributes(id="test", expected=("wrist",))
    with SessionWriter(path, attributes, sync_s=0) as writer:
        writer.add_stream(IMU)
        writer.append(Batch("wrist", stamps(times, seq), imu_rows(0, len(seq))))
        if failure:
            writer.failed(Failed("wrist", "was unplugged", failure))
        if ended:
            writer.ended(Ended("wrist", len(seq) if produced is None else produced, lost or {}))
        writer.mark(start_ns=0, stop_ns=int(times[-1]) if stop_ns is None else stop_ns)
    return path


def test_a_sound_session_passes(make_session: Make) -> None:
    report = check(make_session(seconds=3.0))
    assert report.problems == ()
    assert report.exit_code == 0
    figures = json.loads(json.dumps(report.to_dict()))["streams"]
    assert figures["wrist"]["samples"] == 300
    assert figures["wrist"]["lost"] == figures["wrist"]["unexplained"] == 0
    assert figures["wrist"]["rate_hz"] == pytest.approx(100.0)
    assert figures["room"]["rate_hz"] == pytest.approx(16000.0)
    for name in ("wrist", "room", "camera"):
        assert figures[name]["duration_s"] == pytest.approx(3.0)
        assert figures[name]["time_bound_ms"] == pytest.approx(1.0)


def test_the_rate_is_not_fooled_by_lost_rows_and_outliers(tmp_path: Path) -> None:
    seq = np.delete(np.arange(2000), np.arange(300, 420))
    times = np.round(seq * 1e9 / 99.5).astype(np.int64)
    times[700:720] += 3_000_000
    path = write_imu(tmp_path / "a.h5", times, seq, produced=2000, lost={"device_gap": 120})
    report = examine(path)
    assert report.streams["wrist"].rate_hz == pytest.approx(99.5, rel=1e-4)
    assert report.streams["wrist"].lost == 120
    assert report.streams["wrist"].unexplained == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"produced": 1003}, "3 rows are missing"),
        ({"produced": 1500, "lost": {"checksum": 500}}, "33.3 % was lost"),
        ({"ended": False}, "never said"),
        ({"failure": "wrist: was unplugged"}, "failed: wrist: was unplugged"),
        ({"ended": False, "stop_ns": 15_000_000_000}, "silent for 5.0 s"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    rows = np.arange(1000)
    report = examine(write_imu(tmp_path / "a.h5", rows * 10_000_000, rows, **changes))
    assert any(words in problem for problem in report.problems), report.problems
    assert report.exit_code == 1


def test_a_silence_and_time_running_backwards_are_found(tmp_path: Path) -> None:
    rows = np.arange(1000)
    times = rows * 10_000_000
    times[500:] += 4_000_000_000
    times[100] = times[99] - 1
    report = examine(write_imu(tmp_path / "a.h5", times, rows))
    assert any("silent for 4.0 s from 5.0 s on" in problem for problem in report.problems)
    assert any("backwards 1 times" in problem for problem in report.problems)


def test_a_stream_that_the_rig_names_but_is_not_there_is_found(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="t", expected=("ankle",))) as writer:
        writer.add_stream(CAMERA)
    problems = examine(tmp_path / "a.h5").problems
    assert any(problem.startswith("ankle:") for problem in problems)
    assert "camera: holds no rows" in problems


def test_pictures_that_do_not_decode_are_found(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="t")) as writer:
        writer.add_stream(CAMERA)
        writer.append(Batch("camera", stamps([0], [0]), (b"\xff\xd8 no picture",)))
        writer.ended(Ended("camera", 1, {}))
    assert any("do not decode" in problem for problem in examine(tmp_path / "a.h5").problems)


def test_every_flipped_byte_of_data_is_detected(make_session: Make, tmp_path: Path) -> None:
    path = make_session(seconds=1.0)
    with h5py.File(path) as file:
        places = []
        for name, rows in (("wrist/data", 100), ("room/data", 16000), ("camera/packets", 5000)):
            dataset = file[f"streams/{name}"]
            chunk = dataset.id.get_chunk_info(0)
            used = min(rows, dataset.chunks[0]) * dataset.dtype.itemsize * int(np.prod(dataset.shape[1:]))
            places.append((chunk.byte_offset, used))
    generator = random.Random(1)
    for number in range(30):
        start, size = places[number % 3]
        broken = tmp_path / f"broken{number}.h5"
        shutil.copy(path, broken)
        with broken.open("r+b") as file:
            position = start + generator.randrange(size)
            file.seek(position)
            byte = file.read(1)[0]
            file.seek(position)
            file.write(bytes([byte ^ (1 << generator.randrange(8))]))
        report = examine(broken)
        assert report.exit_code == 1
        assert any("damaged" in problem for problem in report.problems)


def test_the_default_reader_refuses_damaged_rows(make_session: Make) -> None:
    path = make_session(seconds=1.0)
    with h5py.File(path) as file:
        offset = file["streams/wrist/data"].id.get_chunk_info(0).byte_offset
    with path.open("r+b") as file:
        file.seek(offset + 40)
        file.write(b"\x01\x02\x03")
    with open_recording(path) as recording, pytest.raises(RecordingUnreadable, match="streams/wrist/data"):
        recording.streams["wrist"].data[:10]
    with open_recording(path, verify=False) as recording:
        assert recording.streams["wrist"].data[:10].shape == (10, 6)


def test_any_damage_is_reported_and_never_a_crash(make_session: Make, tmp_path: Path) -> None:
    whole = make_session(seconds=0.2).read_bytes()
    generator = random.Random(2)
    broken = tmp_path / "broken.h5"
    for flips in (1, 4, 64, 256) * 2:
        damaged = bytearray(whole)
        for _ in range(flips):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        broken.write_bytes(damaged)
        report = check(broken)
        assert report.exit_code in (0, 1, 2)
        for problem in report.problems:
            assert "\n" not in problem


def test_a_file_on_which_hdf5_itself_crashes_is_unreadable(make_session: Make) -> None:
    path = make_session(seconds=0.2)
    damaged = bytearray(path.read_bytes())
    heap = damaged.index(b"GCOL")  # the heap of texts: objects of 16 bytes of head and their text
    while heap >= 0:
        damaged[heap + 24 : heap + 32] = b"\xff" * 7 + b"\x7f"
        heap = damaged.find(b"GCOL", heap + 1)
    path.write_bytes(damaged)
    report = check(path)
    assert report.exit_code == 2
    assert len(report.problems) == 1


@pytest.mark.parametrize("part", [0, 7, 100, 5000, 0.5, 0.99])
def test_a_truncated_file_is_unreadable(make_session: Make, part: float) -> None:
    path = make_session(seconds=1.0)
    size = path.stat().st_size
    os.truncate(path, int(part * size) if isinstance(part, float) else part)
    report = examine(path)
    assert report.exit_code == 2
    assert len(report.problems) == 1
    assert str(path) in report.problems[0]


def test_foreign_files_are_unreadable(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["x"] = [1, 2, 3]
    (tmp_path / "text.h5").write_text("not HDF5 at all\n" * 100)
    for name, words in (
        ("foreign.h5", "no Chorus session"),
        ("text.h5", "not an HDF5"),
        ("none.h5", "not there"),
    ):
        report = examine(tmp_path / name)
        assert report.exit_code == 2
        assert words in report.problems[0]
        with pytest.raises(RecordingUnreadable, match=words):
            open_recording(tmp_path / name)


def test_a_newer_version_is_refused_with_the_mend(make_session: Make) -> None:
    path = make_session()
    with h5py.File(path, "r+") as file:
        file.attrs["version"] = 2
    with pytest.raises(RecordingUnreadable, match=r"version 2.*pip install --upgrade"):
        open_recording(path)


def test_info_tells_what_a_session_holds(make_session: Make) -> None:
    told = json.loads(json.dumps(info(make_session(seconds=2.0))))
    assert told["streams"]["wrist"]["rows"] == 200
    assert told["streams"]["wrist"]["worn_on"] == "right_forearm"
    assert told["streams"]["room"]["rate_hz"] == pytest.approx(16000.0)
    assert told["duration_s"] == pytest.approx(1.99)
    assert told["labels"][0]["action"] == "wave"
