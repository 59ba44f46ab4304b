"""Sessions made of others: repaired, trimmed, merged, anonymised. The originals stay as they were."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import h5py
import msgspec
import numpy as np
import pytest
from recording_samples import IMU, fill, imu_rows, picture, stamps

from drivers.base import NO_TIME, Batch
from drivers.bus.messages import Ended, Event
from drivers.errors import RecordingError, RecordingExists
from recordings.check import examine
from recordings.editing.anonymise import anonymise
from recordings.editing.merge import merge
from recordings.editing.repair import repair
from recordings.editing.trim import trim
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

MakeSession = Callable[..., Path]


def interrupted(path: Path) -> Path:
    """Write a session whose recorder never closed it."""
    writer = SessionWriter(path, SessionAttributes(id="test", expected=("wrist", "room", "camera")), sync_s=0)
    fill(writer, 2.0)
    writer.flush()
    (path.parent / "copy.h5").write_bytes(path.read_bytes())
    writer.close()
    return (path.parent / "copy.h5").rename(path.parent / f"interrupted_{path.name}")


def test_an_interrupted_session_is_repaired_into_a_sound_one(tmp_path: Path) -> None:
    path = interrupted(tmp_path / "a.h5")
    before = path.read_bytes()
    assert any("chorus repair" in problem for problem in examine(path).problems)
    report = repair(path)
    assert path.read_bytes() == before
    assert {name: one.rows for name, one in report.streams.items()} == {
        "wrist": 200,
        "room": 32000,
        "camera": 50,
    }
    with open_recording(report.output) as recording:
        assert recording.session.closed
        np.testing.assert_array_equal(recording.streams["wrist"].data[:], imu_rows(0, 200))
        assert recording.streams["camera"].picture(49) == picture(49)
        assert [label.action for label in recording.labels] == ["wave"]
        assert json.loads(recording.session.edits[-1])["what"] == "repair"
    checked = examine(report.output)
    assert checked.problems == ()
    assert not any("interrupted" in note for note in checked.notes)  # all drivers had said that they ended


def test_a_stream_that_was_cut_off_is_a_remark_in_the_repaired_session(tmp_path: Path) -> None:
    writer = SessionWriter(tmp_path / "a.h5", SessionAttributes(id="test", expected=("wrist",)), sync_s=0)
    writer.add_stream(IMU)
    rows = np.arange(200)
    writer.append(Batch("wrist", stamps(rows * 10_000_000, rows), imu_rows(0, 200)))
    writer.flush()
    (tmp_path / "b.h5").write_bytes((tmp_path / "a.h5").read_bytes())
    writer.close()
    checked = examine(repair(tmp_path / "b.h5").output)
    assert checked.problems == ()
    assert any("interrupted" in note for note in checked.notes)


@pytest.mark.parametrize("column", ["streams/wrist/data", "streams/room/data", "streams/camera/packets"])
def test_rows_in_a_damaged_chunk_are_left_out_and_on_the_ledger(
    make_session: MakeSession, column: str
) -> None:
    path = make_session(seconds=8.0)
    with h5py.File(path) as file:
        chunk = file[column].id.get_chunk_info(0)
    content = bytearray(path.read_bytes())
    content[chunk.byte_offset + 100] ^= 1
    path.write_bytes(content)
    name = column.split("/")[1]
    report = repair(path)
    damaged = report.streams[name].damaged
    assert damaged > 0
    assert all(not one.damaged for other, one in report.streams.items() if other != name)
    with open_recording(report.output) as recording:
        ledger = recording.streams[name].ledger
        assert ledger.lost == {"disk": damaged}
        assert ledger.unexplained == 0
        if name == "wrist":
            np.testing.assert_array_equal(recording.streams[name].data[:], imu_rows(0, 800)[damaged:])
    assert not any("checksum" in problem for problem in examine(report.output).problems)


def test_a_sound_session_is_not_repaired(make_session: MakeSession) -> None:
    path = make_session()
    with pytest.raises(RecordingError, match="nothing to repair"):
        repair(path)
    assert list(path.parent.iterdir()) == [path]


def test_an_output_that_is_there_stays_as_it_is(make_session: MakeSession, tmp_path: Path) -> None:
    other = tmp_path / "mine.h5"
    other.write_text("mine")
    with pytest.raises(RecordingExists):
        trim(make_session(), other, start=1.0)
    assert other.read_text() == "mine"


def test_a_trimmed_session_holds_the_rows_of_the_stretch_at_their_old_times(
    make_session: MakeSession,
) -> None:
    path = trim(make_session(seconds=4.0), start=0.5, stop="2.0")
    assert examine(path).problems == ()
    with open_recording(path) as recording:
        wrist, camera = recording.streams["wrist"], recording.streams["camera"]
        assert (wrist.times[0], wrist.times[-1]) == (500_000_000, 1_990_000_000)
        np.testing.assert_array_equal(wrist.data[:], imu_rows(50, 200))
        assert camera.picture(0) == picture(13)  # the first at or after 0.5 s, at 25 a second
        assert [(label.start, label.stop) for label in recording.labels] == [(500_000_000, 700_000_000)]
        assert recording.streams["room"].row_seq[0] == 13 * 640


def test_a_session_is_trimmed_at_its_markers(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="m"), sync_s=0) as writer:
        fill(writer, 2.0)
        writer.event(Event(1_000_000_000, "mark", "start squat", "keyboard"))
    with open_recording(trim(tmp_path / "a.h5", start="start squat")) as recording:
        assert recording.streams["wrist"].times[0] == 1_000_000_000
    with pytest.raises(RecordingError, match="start squat"):
        trim(tmp_path / "a.h5", tmp_path / "b.h5", start="start sqat")
    with pytest.raises(RecordingError, match="holds nothing between"):
        trim(tmp_path / "a.h5", tmp_path / "b.h5", start=100)


def test_losses_within_the_stretch_are_told_and_others_are_not(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="m"), sync_s=0) as writer:
        writer.add_stream(IMU)
        for first, lost in ((0, 0), (15, 5), (45, 20)):
            rows = np.arange(first, first + 10)
            batch = Batch("wrist", stamps(rows * 10_000_000, rows), imu_rows(first, first + 10))
            writer.append(dataclasses.replace(batch, lost={"checksum": lost} if lost else {}))
        writer.ended(Ended("wrist", 55, {"checksum": 25}))
    with open_recording(trim(tmp_path / "a.h5", stop=0.3)) as recording:
        ledger = recording.streams["wrist"].ledger
        assert (ledger.produced, ledger.stored, ledger.lost) == (25, 20, {"checksum": 5})


def two_sessions(tmp_path: Path, *, clocks: tuple[str, str]) -> tuple[Path, Path]:
    for name, clock, epoch in (("a", clocks[0], 0), ("b", clocks[1], 500_000_000)):
        session = SessionAttributes(
            id=name, clock=clock, epoch_ns=epoch, utc_ns=10**18 + 2 * epoch, utc_uncertainty_ns=3_000_000
        )
        with SessionWriter(tmp_path / f"{name}.h5", session, sync_s=0) as writer:
            writer.add_stream(IMU)
            rows = np.arange(100)
            writer.append(Batch("wrist", stamps(rows * 10_000_000, rows), imu_rows(0, 100)))
            writer.ended(Ended("wrist", 100, {}))
            writer.event(Event(10_000_000, "mark", name, "test"))
    return tmp_path / "a.h5", tmp_path / "b.h5"


def test_sessions_of_one_host_are_merged_exactly(tmp_path: Path) -> None:
    first, second = two_sessions(tmp_path, clocks=("one", "one"))
    path = merge([first, second], tmp_path / "c.h5", rename={"wrist": "ankle"})
    assert examine(path).problems == ()
    with open_recording(path) as recording:
        assert recording.streams["wrist"].times[0] == 0
        assert recording.streams["ankle"].times[0] == 500_000_000
        assert set(recording.streams["ankle"].stamps["time_bound"]) == {1_000_000}
        assert [event.time for event in recording.events] == [10_000_000, 510_000_000]


def test_sessions_of_two_hosts_are_merged_by_utc_on_request_and_the_bound_says_how_well(
    tmp_path: Path,
) -> None:
    first, second = two_sessions(tmp_path, clocks=("one", "two"))
    with pytest.raises(RecordingError, match="never compared"):
        merge([first, second], tmp_path / "c.h5", rename={"wrist": "ankle"})
    path = merge([first, second], tmp_path / "c.h5", by_utc=True, rename={"wrist": "ankle"})
    with open_recording(path) as recording:
        assert recording.streams["ankle"].times[0] == 1_000_000_000
        assert set(recording.streams["ankle"].stamps["time_bound"]) == {7_000_000}


def test_a_name_that_is_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="--rename wrist=wrist_2"):
        merge(list(two_sessions(tmp_path, clocks=("one", "one"))), tmp_path / "c.h5")
    assert not (tmp_path / "c.h5").exists()


def test_a_new_name_that_is_none_and_a_file_given_twice_are_refused(tmp_path: Path) -> None:
    first, second = two_sessions(tmp_path, clocks=("one", "one"))
    for name in ("../x", "A b"):
        with pytest.raises(RecordingError, match="cannot name a stream"):
            merge([first, second], tmp_path / "c.h5", rename={"wrist": name})
    with pytest.raises(RecordingError, match="given twice"):
        merge([first, first], tmp_path / "c.h5", rename={"wrist": "ankle"})


def test_an_anonymised_session_holds_nothing_that_tells_who_it_was(tmp_path: Path) -> None:
    session = SessionAttributes(
        id="id-of-the-original",
        utc_ns=10**18,
        clock="host-of-the-lab",
        subject="Ada Lovelace",
        rig="name: ada",
        metadata={"operator": "Babbage"},
        expected=("wrist", "room", "camera"),
    )
    with SessionWriter(tmp_path / "a.h5", session, sync_s=0) as writer:
        fill(writer, 2.0)
        writer.event(Event(5, "device", "/home/ada/video.mp4 is over", "camera"))
        writer.event(Event(6, "mark", "start", "boot-of-adas-laptop"))
        writer.add_stream(msgspec.structs.replace(IMU, name="dated", host="host-of-the-lab"))
        dated = stamps([0, 10_000_000], [0, 1])
        dated["time_device"] = [10**18 + 5, NO_TIME]  # a device whose clock is a calendar's
        writer.append(Batch("dated", dated, imu_rows(0, 2)))
        writer.ended(Ended("dated", 2, {}))
    report = anonymise(tmp_path / "a.h5", tmp_path / "b.h5")
    content = (tmp_path / "b.h5").read_bytes()
    for secret in (
        b"Lovelace",
        b"name: ada",
        b"Babbage",
        b"host-of-the-lab",
        b"id-of-the",
        b"test bench",
        b"/home",
    ):
        assert secret not in content
    assert picture(3)[200:260] not in content
    assert examine(tmp_path / "b.h5").problems == ()
    with open_recording(tmp_path / "b.h5") as recording:
        assert recording.session.utc_ns == 0
        assert recording.streams["camera"].withheld
        assert recording.streams["room"].withheld
        assert recording.streams["dated"].stamps["time_device"].tolist() == [0, NO_TIME]
        assert [event.source for event in recording.events if event.label == "start"] == ["somebody"]
        np.testing.assert_array_equal(recording.streams["wrist"].data[:], imu_rows(0, 200))
    assert any("pictures of camera" in line for line in report.removed)
    assert any("wave" in line for line in report.remains)


def test_pictures_and_sound_stay_on_request(make_session: MakeSession, tmp_path: Path) -> None:
    report = anonymise(make_session(), tmp_path / "b.h5", keep_pictures=True, keep_sound=True, subject="S07")
    with open_recording(report.output) as recording:
        assert recording.session.subject == "S07"
        assert recording.streams["camera"].picture(3) == picture(3)
        assert len(recording.streams["room"].data[:]) == 32000
    assert any("pictures of camera" in line for line in report.remains)


def test_an_interrupted_session_must_be_repaired_before_it_is_edited(tmp_path: Path) -> None:
    path = interrupted(tmp_path / "a.h5")
    with pytest.raises(RecordingError, match="chorus repair"):
        trim(path, tmp_path / "c.h5", start=1.0)
    assert not (tmp_path / "c.h5").exists()
