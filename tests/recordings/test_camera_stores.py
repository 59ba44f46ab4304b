"""Pictures as JPEG, H.264, pixels or not at all: each kept exactly, found by time, and safe from a kill."""

from __future__ import annotations

import dataclasses
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from numpy.typing import NDArray
from recording_samples import CAMERA, stamps

from drivers.base import Batch, StreamInfo
from drivers.bus.messages import Ended, Missed
from drivers.errors import RecordingError, RecordingUnreadable
from drivers.rig import H264Config, load_rig
from recordings.check import check, examine
from recordings.editing.copying import Copy
from recordings.editing.repair import repair
from recordings.encoding import Dropped, EncoderThread, Settings
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.recorder import record
from recordings.stream_writer import EncoderFailed
from recordings.writer import SessionWriter

RIG = """
name: eye
streams:
  camera: {{driver: simulator.camera, width: 160, height: 120, fps: 30, store: {store}}}
"""
RECORD = """
import sys
from drivers.rig import load_rig
from recordings.recorder import record

def tell(status):
    print(sum(stream.rows for stream in status.streams), flush=True)

record(load_rig(sys.argv[1]), sys.argv[2], on_status=tell)
"""


def rig_file(folder: Path, store: str) -> Path:
    """Write a rig with one simulated camera."""
    path = folder / "eye.yaml"
    path.write_text(RIG.format(store=store))
    return path


def scene(number: int, shape: tuple[int, ...] = (96, 128, 3)) -> NDArray[np.uint8]:
    """Return a smooth picture that tells its number: a bright disc that wanders."""
    image = np.full(shape, 60, np.uint8)
    cv2.circle(image, (10 + 3 * number % (shape[1] - 20), shape[0] // 2), 9, (30, 200, 240), -1)
    return image


def jpeg(image: NDArray[np.uint8]) -> bytes:
    """Return a picture as a camera sends it."""
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def camera_info(shape: tuple[int, ...]) -> StreamInfo:
    """Return a camera of pictures of a shape."""
    return StreamInfo(name="camera", kind="camera", encoding="jpeg", dtype="|u1", shape=shape, rate_hz=25.0)


def written(path: Path, count: int = 90, shape: tuple[int, ...] = (96, 128, 3)) -> Path:
    """Store pictures at 25 Hz as H.264."""
    with SessionWriter(path, SessionAttributes(id="film", expected=("camera",))) as writer:
        stream = writer.add_stream(camera_info(shape), h264=Settings(crf=12))
        for number in range(count):
            writer.append(
                Batch("camera", stamps([number * 40_000_000], [number]), (jpeg(scene(number, shape)),))
            )
            if number % 20 == 19:
                stream.drain()  # nothing may be dropped here, however slow the machine
        stream.drain()
        writer.ended(Ended("camera", count, {}))
        writer.mark(start_ns=0, stop_ns=count * 40_000_000)
    return path


@pytest.mark.parametrize("store", ["default", "mjpeg", "h264", "raw"])
def test_each_store_keeps_every_picture_at_its_own_time(tmp_path: Path, store: str) -> None:
    path = tmp_path / "eye.h5"
    summary = record(load_rig(rig_file(tmp_path, store)), path, 1.5)
    assert summary.ok, summary.problems
    report = check(path)
    assert report.ok, report.problems
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        stored = "h264" if store == "h264" else "array" if store == "raw" else "jpeg"
        assert h5py.File(path)["streams/camera"].attrs["encoding"] == stored
        # A busy machine may have no time to encode all, and must then say so; nothing else may lose any.
        counted = camera.ledger.lost.get("encoder", 0) if store == "h264" else 0
        assert len(camera) + counted == camera.ledger.produced
        assert len(camera) > 10
        assert len(camera.times) == len(camera) == camera.stamp_count
        assert (np.diff(camera.times) > 0).all()
        pictures = [camera.image(row) for row in range(len(camera))]
        assert {image.shape for image in pictures} == {(120, 160, 3)}
        moments = sum(len(batch) for batch in recording.batches(["camera"]))
        assert moments == len(camera)
    assert len(np.unique([image.tobytes() for image in pictures])) > len(pictures) // 2  # it moves


def test_nothing_of_a_picture_that_is_not_to_be_kept_is_on_the_disk(tmp_path: Path) -> None:
    path = tmp_path / "eye.h5"
    assert record(load_rig(rig_file(tmp_path, "none")), path, 1.0).ok
    with h5py.File(path) as file:
        group = file["streams/camera"]
        assert not {"data", "packets", "index"} & set(group)
        assert len(group["time"]) == group["ledger"][()]["produced"] > 10
    assert all(b"\xff\xd8\xff" not in file.read_bytes() for file in tmp_path.iterdir())
    with open_recording(path) as recording, pytest.raises(RecordingError, match="without its pictures"):
        recording.streams["camera"].image(0)


@pytest.mark.parametrize("shape", [(96, 128, 3), (95, 129, 3)])
def test_any_picture_is_found_and_equals_what_reading_in_order_gives(
    tmp_path: Path, shape: tuple[int, ...]
) -> None:
    path = written(tmp_path / "film.h5", shape=shape)
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        in_order = camera.data[:]
        keys = np.flatnonzero(camera.columns["index"][:]["key"])
        assert (np.diff(keys) <= 26).all()
        assert len(keys) == 4
    assert in_order.shape == (90, *shape)
    for number in (0, 44, 89):
        error = in_order[number].astype(float) - scene(number, shape)
        assert 10 * np.log10(255**2 / np.mean(error**2)) > 30
    for number in np.random.default_rng(5).permutation(90)[:40]:
        with open_recording(path) as recording:
            camera = recording.streams["camera"]
            assert camera.index_at(int(number) * 40_000_000 + 39_999_999) == number
            assert np.array_equal(camera.image(int(number)), in_order[number])
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        for number in np.random.default_rng(6).permutation(90):
            assert np.array_equal(camera.image(int(number)), in_order[number])


def test_reading_in_order_decodes_each_packet_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from recordings import h264

    decode, calls = h264.Decoder.__call__, []
    monkeypatch.setattr(
        h264.Decoder, "__call__", lambda self, packet: calls.append(1) or decode(self, packet)
    )
    with open_recording(written(tmp_path / "film.h5")) as recording:
        for batch in recording.batches(["camera"]):
            assert len(batch) == 1
    assert len(calls) == 90


def test_a_killed_recorder_leaves_pictures_that_decode(tmp_path: Path) -> None:
    path = tmp_path / "eye.h5"
    rig = rig_file(tmp_path, "h264")
    with subprocess.Popen(
        [sys.executable, "-c", RECORD, str(rig), str(path)], stdout=subprocess.PIPE, text=True
    ) as recorder:
        assert recorder.stdout is not None
        told = 0
        for line in recorder.stdout:
            told = int(line)
            if told >= 60:
                break
        recorder.send_signal(signal.SIGKILL)
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        assert not recording.session.closed
        assert len(camera) >= told - 8  # a flush each 0.2 s
        assert len(camera.data[:]) == len(camera)
    fixed = repair(path, tmp_path / "fixed.h5").output
    with open_recording(fixed) as recording, open_recording(path) as before:
        assert np.array_equal(recording.streams["camera"].data[:], before.streams["camera"].data[:])


def test_a_damaged_packet_is_named_and_the_next_key_frame_reads(tmp_path: Path) -> None:
    path = written(tmp_path / "film.h5", count=400, shape=(480, 640, 3))
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        index, whole = camera.columns["index"][:], camera.data[390]
        keys = np.flatnonzero(index["key"])
        step = camera.columns["packets"].span(0)[1]
        place = camera.encoded.packet(30)
    raw = bytearray(path.read_bytes())
    at = raw.index(place)
    raw[at + len(place) // 2] ^= 0x10
    path.write_bytes(raw)
    low = int(index["offset"][30]) // step * step
    high = (int(index["offset"][30]) + len(place)) // step * step + step  # a chunk is refused whole
    damaged = {i for i, entry in enumerate(index) if low - int(entry["size"]) < entry["offset"] < high}
    assert 30 in damaged
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        with pytest.raises(RecordingUnreadable, match="picture 30 of camera is damaged"):
            camera.image(30)
        after = [int(key) for key in keys if key > max(damaged)]
        assert after, "the test needs more than one chunk"
        for row in range(after[0], len(camera)):
            camera.image(row)
        assert np.array_equal(camera.image(390), whole)
    fixed = repair(path, tmp_path / "fixed.h5")
    left = fixed.streams["camera"].rows
    assert 400 - after[0] <= left <= 400 - len(damaged) + 2
    with open_recording(fixed.output) as recording:
        camera = recording.streams["camera"]
        assert np.array_equal(camera.data[:][-10], whole)
        assert camera.ledger.lost == {"disk": 400 - left}
        assert camera.ledger.unexplained == 0


def test_a_part_of_a_film_begins_between_key_frames(tmp_path: Path) -> None:
    with open_recording(written(tmp_path / "film.h5")) as recording:
        camera = recording.streams["camera"]
        kept = np.zeros(90, bool)
        kept[17:61] = kept[70:] = True
        with Copy(tmp_path / "part.h5", recording.session) as copy:
            copy.stream(camera, kept, lost={})
        whole = camera.data[:]
    with open_recording(tmp_path / "part.h5") as recording:
        camera = recording.streams["camera"]
        assert np.array_equal(camera.data[:], whole[kept])
        assert np.array_equal(camera.image(50), whole[kept][50])


def test_pictures_that_the_encoder_has_no_time_for_are_counted(tmp_path: Path) -> None:
    info = camera_info((1080, 1920, 3))
    path = tmp_path / "film.h5"
    picture = jpeg(np.random.default_rng(1).integers(0, 255, info.shape).astype(np.uint8))
    with SessionWriter(path, SessionAttributes(id="film", expected=("camera",))) as writer:
        writer.add_stream(info, h264=Settings("medium", 10))
        for number in range(200):  # at once, into room for 64 MiB
            writer.append(Batch("camera", stamps([number * 40_000_000], [number]), (picture,), {}))
        writer.ended(Ended("camera", 200, {}))
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        assert 20 <= len(camera) < 200
        assert camera.ledger.lost == {"encoder": 200 - len(camera)}
        assert camera.ledger.unexplained == 0
        assert np.array_equal(camera.times, camera.row_seq * 40_000_000)  # dropped ones move nobody


def test_bytes_that_are_no_picture_are_counted_and_harm_nothing(tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    with SessionWriter(path, SessionAttributes(id="film", expected=("camera",))) as writer:
        writer.add_stream(CAMERA, h264=Settings())
        good = jpeg(scene(1, (24, 64, 3))[:, :32].copy())
        rows = (good, b"no picture", good[: len(good) // 8], jpeg(scene(1)), good)
        writer.append(Batch("camera", stamps(np.arange(5) * 40_000_000, np.arange(5)), rows))
        writer.ended(Ended("camera", 5, {}))
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        assert camera.ledger.produced == 5
        assert camera.ledger.unexplained == 0
        assert camera.row_seq.tolist()[0] == 0
        assert camera.row_seq.tolist()[-1] == 4
        assert len(camera.data[:]) == len(camera)


def test_an_encoder_that_fails_costs_its_own_stream_only(tmp_path: Path) -> None:
    path = tmp_path / "film.h5"
    with SessionWriter(path, SessionAttributes(id="film", expected=("camera",))) as writer:
        stream = writer.add_stream(CAMERA, h264=Settings(preset="no such preset"))
        good = jpeg(scene(1, (24, 64, 3))[:, :32].copy())
        writer.append(Batch("camera", stamps([0], [0]), (good,)))
        stream.drain()
        with pytest.raises(EncoderFailed, match=r"camera: encoding its pictures failed.*no such preset"):
            writer.append(Batch("camera", stamps([1], [1]), (good,)))
        writer.missed(Missed("camera", 1, "encoder"))
        writer.ended(Ended("camera", 2, {}))
    report = examine(path)
    assert report.streams["camera"].lost == 2
    assert report.streams["camera"].unexplained == 0
    assert any("failed" in problem for problem in report.problems)


def test_what_follows_waits_its_turn_and_no_picture_is_kept_after_a_failure() -> None:
    encoder = EncoderThread(CAMERA, Settings(preset="no such preset"))
    for number in range(5):
        encoder.offer(stamps([number], [number]), b"")
    encoder.mark("end")
    encoder.finish()
    assert encoder.take() == [Dropped()] * 5 + ["end"]


def test_a_recording_goes_on_without_a_camera_whose_encoder_fails(tmp_path: Path) -> None:
    file = rig_file(tmp_path, "h264, required: false")
    file.write_text(file.read_text() + "  wrist: {driver: simulator.imu, worn_on: right_forearm}\n")
    rig = load_rig(file)
    camera = dataclasses.replace(rig.streams["camera"], h264=H264Config(preset="nope"))  # type: ignore[arg-type]
    path = tmp_path / "eye.h5"
    summary = record(dataclasses.replace(rig, streams=rig.streams | {"camera": camera}), path, 1.5)
    assert "encoding its pictures failed" in summary.streams["camera"].error
    assert summary.streams["camera"].rows == 0
    with open_recording(path) as recording:
        assert [event.source for event in recording.events if "encoding" in event.label] == ["camera"]
        lost = recording.streams["camera"].ledger
        assert list(lost.lost) == ["encoder"]
        assert lost.unexplained == 0
        wrist = recording.streams["wrist"]
        assert len(wrist) > 100
        assert wrist.ledger.unexplained == 0
        assert wrist.ledger.lost == {}
