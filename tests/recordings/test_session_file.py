"""What goes into a session file comes out of it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import h5py
import hypothesis
import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import strategies as st
from recording_samples import CAMERA, IMU, imu_rows, picture, stamps

from drivers.base import Batch, StreamInfo
from drivers.bus.messages import PROBE, Ended, Missed, Probes
from drivers.errors import RecordingError, RecordingExists
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import DiskFull, SessionWriter

SESSION = SessionAttributes(id="test")


def test_a_session_comes_back_as_it_was_written(make_session: Callable[..., Path]) -> None:
    with open_recording(make_session(seconds=2.0)) as recording:
        assert recording.session.subject == "nobody"
        assert recording.session.expected == ("wrist", "room", "camera")
        assert recording.session.closed
        wrist, room, camera = (recording.streams[name] for name in ("wrist", "room", "camera"))
        assert wrist.info == IMU
        assert camera.info == CAMERA
        np.testing.assert_array_equal(wrist.data[:], imu_rows(0, 200))
        np.testing.assert_array_equal(wrist.data[150:160], imu_rows(150, 160))
        np.testing.assert_array_equal(wrist.data[-1], imu_rows(199, 200)[0])
        np.testing.assert_array_equal(wrist.times, np.arange(200) * 10_000_000)
        np.testing.assert_array_equal(room.data[:, 0], np.arange(32000).astype("<i2"))
        assert [camera.picture(i) for i in range(50)] == [picture(i) for i in range(50)]
        assert abs(int(camera.image(30)[12, 16, 0]) - 30) <= 1
        assert [(label.start, label.stop, label.action) for label in recording.labels] == [
            (200_000_000, 700_000_000, "wave")
        ]
        assert wrist.ledger.unexplained == 0
        assert wrist.rate_effective_hz == pytest.approx(100.0)
        assert room.rate_effective_hz == pytest.approx(16000.0)


def test_rows_between_the_stamps_of_blocks_follow_linearly(make_session: Callable[..., Path]) -> None:
    with open_recording(make_session(seconds=1.0)) as recording:
        times = recording.streams["room"].times
    np.testing.assert_allclose(times, np.arange(16000) * 1e9 / 16000, atol=1)


def test_a_gap_in_sound_does_not_stretch_the_rows_before_it(tmp_path: Path) -> None:
    info = StreamInfo(name="room", kind="audio", shape=(1,), rate_hz=1000.0, stamping="block")
    with SessionWriter(tmp_path / "a.h5", SESSION) as writer:
        writer.add_stream(info)
        for seq in (0, 100, 500):
            block = np.zeros((100, 1), "<f4")
            writer.append(Batch("room", stamps([seq * 1_000_000], [seq]), block))
    with open_recording(tmp_path / "a.h5") as recording:
        room = recording.streams["room"]
        expected = np.concatenate([np.arange(200), np.arange(500, 600)])
        np.testing.assert_array_equal(room.times, expected * 1_000_000)
        np.testing.assert_array_equal(room.row_seq, expected)


def test_batches_of_all_streams_come_in_the_order_of_time(make_session: Callable[..., Path]) -> None:
    with open_recording(make_session(seconds=2.0)) as recording:
        batches = list(recording.batches())
        starts = [int(batch.stamps["time"][0]) for batch in batches]
        assert starts == sorted(starts)
        wrist = np.concatenate([batch.data for batch in batches if batch.stream == "wrist"])
        np.testing.assert_array_equal(wrist, imu_rows(0, 200))
        part = list(recording.batches(["wrist"], start=995_000_000, stop=1_500_000_000))
        np.testing.assert_array_equal(np.concatenate([b.data for b in part]), imu_rows(100, 150))
        with pytest.raises(RecordingError, match="no stream ankle"):
            list(recording.batches(["ankle"]))


def test_a_recording_is_never_overwritten(make_session: Callable[..., Path]) -> None:
    path = make_session()
    before = path.read_bytes()
    with pytest.raises(RecordingExists, match="--output"):
        SessionWriter(path, SESSION)
    assert path.read_bytes() == before


def test_a_withheld_camera_keeps_stamps_and_never_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "private.h5"
    with SessionWriter(path, SESSION) as writer:
        writer.add_stream(CAMERA, withheld=True)
        for number in range(10):
            writer.append(Batch("camera", stamps([number], [number]), (picture(number),)))
    assert picture(3)[20:60] not in path.read_bytes()
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        assert len(camera) == 10
        assert camera.withheld
        assert list(recording.batches()) == []
        with pytest.raises(RecordingError, match="without its pictures"):
            camera.picture(0)


def test_a_batch_that_does_not_fit_is_refused_whole(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SESSION) as writer:
        writer.add_stream(IMU)
        writer.append(Batch("wrist", stamps([0], [0]), imu_rows(0, 1)))
        for wrong in (
            Batch("wrist", stamps([1], [1]), imu_rows(0, 2)),
            Batch("wrist", stamps([1], [1]), imu_rows(0, 1)[:, :5]),
            Batch("wrist", stamps([1], [1]), imu_rows(0, 1).astype(np.float64)),
            Batch("wrist", stamps([1], [1]), (picture(0),)),
            Batch("wrist", stamps([1], [1]), imu_rows(0, 0)),
        ):
            with pytest.raises(RecordingError, match="does not fit"):
                writer.append(wrong)
        with pytest.raises(RecordingError, match="without an announcement"):
            writer.append(Batch("ankle", stamps([0], [0]), imu_rows(0, 1)))
    with open_recording(tmp_path / "a.h5") as recording:
        assert len(recording.streams["wrist"]) == 1


def test_a_full_disk_ends_the_recording_in_good_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("recordings.writer.reserve_bytes", lambda total: total + 1)
    writer = SessionWriter(tmp_path / "a.h5", SESSION, flush_s=0)
    writer.add_stream(IMU)
    with pytest.raises(DiskFull, match="disk is full"):
        writer.append(Batch("wrist", stamps([0], [0]), imu_rows(0, 1)))
    assert writer.closed
    with open_recording(tmp_path / "a.h5") as recording:
        assert recording.session.closed
        assert len(recording.streams["wrist"]) == 1


def test_the_ledger_follows_batches_losses_and_restarts(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SESSION) as writer:
        ledger = writer.add_stream(IMU).ledger
        writer.append(Batch("wrist", stamps([0, 1], [0, 1]), imu_rows(0, 2)))
        writer.append(Batch("wrist", stamps([5], [5]), imu_rows(5, 6), {"checksum": 2, "device_gap": 1}))
        assert (ledger.produced, ledger.stored, ledger.unexplained) == (6, 3, 0)
        writer.append(Batch("wrist", stamps([], []), imu_rows(0, 0), {"checksum": 1}))
        writer.missed(Missed("wrist", 10, "network"))
        assert (ledger.produced, ledger.unexplained) == (17, 0)
        writer.ended(Ended("wrist", 20, {"checksum": 4, "device_gap": 1, "driver_queue": 2}))
        assert ledger.lost == {"checksum": 4, "device_gap": 1, "driver_queue": 2, "network": 10}
        assert (ledger.produced, ledger.stored, ledger.unexplained) == (20, 3, 0)
        writer.append(Batch("wrist", stamps([9], [0]), imu_rows(0, 1), {"solar flare": 1}))
        assert (ledger.produced, ledger.lost["other"], ledger.unexplained) == (22, 1, 0)
    with open_recording(tmp_path / "a.h5") as recording:
        kept = recording.streams["wrist"].ledger
        assert (kept.produced, kept.stored, kept.lost) == (22, 4, ledger.lost)


def test_clock_probes_are_kept_for_each_host(tmp_path: Path) -> None:
    probes = np.array([(1, 2, 3, 4), (5, 6, 7, 8)], PROBE)
    with SessionWriter(tmp_path / "a.h5", SESSION) as writer:
        writer.probes(Probes("boot/1", probes[:1]))
        writer.probes(Probes("boot/1", probes[1:]))
        writer.probes(Probes("other", probes))
    with open_recording(tmp_path / "a.h5") as recording:
        np.testing.assert_array_equal(recording.probes["boot/1"], probes)
        np.testing.assert_array_equal(recording.probes["other"], probes)


def test_plain_hdf5_reads_the_file(make_session: Callable[..., Path]) -> None:
    with h5py.File(make_session()) as file:
        assert file.attrs["format"] == "chorus-session"
        np.testing.assert_array_equal(file["streams/wrist/data"][:], imu_rows(0, 200))
        assert list(file["streams/wrist"].attrs["units"]) == list(IMU.units)
        assert file["events/label"].asstr()[:].tolist() == ["wave", "wave"]


@hypothesis.given(
    rows=hnp.arrays(
        dtype=st.sampled_from([np.dtype(t) for t in ("<f4", "<i2", "|u1", "<f8", "<u4", "<i8")]),
        shape=hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=12),
    ),
    data=st.data(),
    repeat=st.integers(1, 400),
    block=st.booleans(),
)
@hypothesis.settings(max_examples=40, deadline=None)
def test_any_rows_in_any_batches_come_back_identical(
    tmp_path_factory: pytest.TempPathFactory, rows: np.ndarray, data: st.DataObject, repeat: int, block: bool
) -> None:
    rows = np.concatenate([rows] * repeat)
    cuts = data.draw(
        st.lists(st.integers(1, len(rows)), max_size=8).map(lambda c: sorted({0, *c, len(rows)}))
    )
    cuts[-1] = len(rows)
    info = StreamInfo(
        name="any",
        kind="imu",
        dtype=rows.dtype.str,
        shape=rows.shape[1:],
        stamping="block" if block else "row",
    )
    path = tmp_path_factory.mktemp("any") / "any.h5"
    made = stamps(np.arange(len(rows)) * 1000, np.arange(len(rows)))
    with SessionWriter(path, SESSION, sync_s=0) as writer:
        writer.add_stream(info)
        for start, stop in itertools.pairwise(cuts):
            writer.append(
                Batch("any", made[start : start + 1] if block else made[start:stop], rows[start:stop])
            )
            if data.draw(st.booleans()):
                writer.flush()
    with open_recording(path) as recording:
        stream = recording.streams["any"]
        assert stream.data[:].tobytes() == rows.tobytes()
        assert stream.data.dtype == rows.dtype
        np.testing.assert_array_equal(stream.row_seq, np.arange(len(rows)))
        if not block:
            np.testing.assert_array_equal(stream.stamps, made)
        start, stop = sorted(data.draw(st.tuples(st.integers(0, len(rows)), st.integers(0, len(rows)))))
        assert stream.data[start:stop].tobytes() == rows[start:stop].tobytes()


@hypothesis.given(pictures=st.lists(st.binary(min_size=0, max_size=300_000), max_size=12))
@hypothesis.settings(max_examples=15, deadline=None)
def test_any_encoded_pictures_come_back_identical(
    tmp_path_factory: pytest.TempPathFactory, pictures: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("any") / "any.h5"
    with SessionWriter(path, SESSION, sync_s=0) as writer:
        writer.add_stream(CAMERA)
        for number, one in enumerate(pictures):
            writer.append(Batch("camera", stamps([number], [number]), (one,)))
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        assert [camera.picture(i) for i in range(len(camera))] == pictures
