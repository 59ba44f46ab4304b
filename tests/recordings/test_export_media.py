"""Sound and pictures for other programs: the samples themselves, and each picture at its time."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import av
import msgspec
import numpy as np
import pytest
import soundfile
from recording_samples import CAMERA, SOUND, picture, stamps

from drivers.base import Batch
from drivers.errors import ConfigError, RecordingError
from recordings.exporters.export import export
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

Make = Callable[..., Path]


def table(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_wav_holds_the_recorded_samples_and_their_times(make_session: Make, tmp_path: Path) -> None:
    session = make_session()
    report = export(session, "wav", tmp_path / "out")
    assert report.streams == ("room",)
    sound, rate = soundfile.read(tmp_path / "out" / "room.wav", dtype="int16", always_2d=True)
    facts = json.loads((tmp_path / "out" / "room.json").read_text("utf-8"))
    with open_recording(session) as recording:
        stream = recording.streams["room"]
        assert np.array_equal(sound, stream.data[:])
        assert rate == 16000
        for line in table(tmp_path / "out" / "room_times.csv"):
            assert stream.times[int(line["sample"])] == int(line["time_ns"])
        assert facts["start_ns"] == stream.times[0]
        predicted = facts["start_ns"] + np.arange(len(sound)) / facts["rate_effective_hz"] * 1e9
        assert np.abs(predicted - stream.times).max() < 1000


@pytest.mark.parametrize("dtype", ["<i2", "<i4", "<f4", "<f8"])
def test_lost_sound_is_silence_of_the_same_length(tmp_path: Path, dtype: str) -> None:
    rng = np.random.default_rng(3)
    blocks = [(rng.normal(0, 0.2, (640, 2)) * (1 if "f" in dtype else 2**15)).astype(dtype) for _ in range(3)]
    first = [0, 640, 640 + 640 + 20_000]
    info = msgspec.structs.replace(SOUND, dtype=dtype, shape=(2,))
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="gap"), sync_s=0) as writer:
        writer.add_stream(info)
        for begin, block in zip(first, blocks, strict=True):
            writer.append(Batch("room", stamps([begin * 62_500], [begin]), block))
    export(tmp_path / "a.h5", "wav", tmp_path / "out")
    kind = {"<i2": "int16", "<i4": "int32", "<f4": "float32", "<f8": "float64"}[dtype]
    sound, _ = soundfile.read(tmp_path / "out" / "room.wav", dtype=kind, always_2d=True)
    assert len(sound) == first[2] + 640
    for begin, block in zip(first, blocks, strict=True):
        assert np.array_equal(sound[begin : begin + 640], block)
    assert not sound[1280 : first[2]].any()
    assert [int(line["sample"]) for line in table(tmp_path / "out" / "room_times.csv")] == first
    facts = json.loads((tmp_path / "out" / "room.json").read_text("utf-8"))
    assert facts["gaps"] == [{"row": 1280, "samples": 20_000, "filled": True}]


def test_a_count_that_began_again_fills_no_disk(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="restart"), sync_s=0) as writer:
        writer.add_stream(SOUND)
        for begin, seq in ((0, 0), (40_000_000, 2**50)):
            writer.append(Batch("room", stamps([begin], [seq]), np.ones((640, 1), "<i2")))
    report = export(tmp_path / "a.h5", "wav", tmp_path / "out")
    assert soundfile.info(tmp_path / "out" / "room.wav").frames == 1280
    assert "not filled" in report.notes[0]


def test_mp4_shows_each_picture_at_its_session_time(tmp_path: Path) -> None:
    times = np.cumsum(np.random.default_rng(4).integers(1_000_000, 90_000_000, 60)) + 3_000_000_123
    times[30:] += 20_000_000_000  # a gap
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="film"), sync_s=0) as writer:
        writer.add_stream(CAMERA)
        for number, time in enumerate(times):
            writer.append(Batch("camera", stamps([time], [number]), (picture(number * 4),)))
    report = export(tmp_path / "a.h5", "mp4", tmp_path / "out")
    assert report.notes == ()
    with av.open(str(tmp_path / "out" / "camera.mp4")) as container:
        frames = [
            (frame.pts * frame.time_base, frame.to_ndarray(format="gray").mean())
            for frame in container.decode(video=0)
        ]
    assert len(frames) == 60
    for (shown, grey), time, number in zip(frames, times.tolist(), range(60), strict=True):
        assert abs(shown * 1_000_000_000 - time) <= 500  # a microsecond is the grain
        assert abs(grey - number * 4) < 6
    lines = table(tmp_path / "out" / "camera_times.csv")
    assert [int(line["time_ns"]) for line in lines] == times.tolist()
    export(tmp_path / "a.h5", "mp4", tmp_path / "raw", raw_times=True)
    lines = table(tmp_path / "raw" / "camera_times.csv")
    assert [int(line["time_ns"]) for line in lines] == (times + 7_000_000).tolist()
    assert json.loads((tmp_path / "raw" / "camera.json").read_text())["zero_ns"] == times[0] + 7_000_000


def test_what_a_format_does_not_take_is_told(make_session: Make, tmp_path: Path) -> None:
    session = make_session()
    report = export(session, "mp4", tmp_path / "film")
    assert report.streams == ("camera",)
    assert sorted(report.notes) == [
        "room: left out, mp4 does not take audio",
        "wrist: left out, mp4 does not take imu",
    ]
    with pytest.raises(RecordingError, match="wav can't take stream wrist"):
        export(session, "wav", tmp_path / "out", streams=["wrist"])
    with pytest.raises(ConfigError, match="folder"):
        export(session, "mp4", tmp_path / "out.mp4")
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="private"), sync_s=0) as writer:
        writer.add_stream(CAMERA, withheld=True)
        writer.append(Batch("camera", stamps([3], [0]), (b"",)))
    with pytest.raises(RecordingError, match="no stream that mp4 can take"):
        export(tmp_path / "a.h5", "mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()
