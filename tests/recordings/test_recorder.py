"""The recorder stores what is published, adds it up, and outlives what fails."""

from __future__ import annotations

import dataclasses
import queue
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from recording_samples import CAMERA, IMU, SOUND, imu_rows, picture, stamps

from drivers.base import Batch, StreamInfo
from drivers.bus import Publisher
from drivers.bus.messages import BACK, LOST, Ended, Event, Failed
from drivers.errors import RecordingError, RecordingExists
from drivers.rig import Rig, StreamConfig
from recordings.check import examine
from recordings.pulse import SILENT_S
from recordings.reader import open_recording
from recordings.recorder import default_output, record
from recordings.status import RecordStatus, RecordSummary
from recordings.writer import DiskFull


def remote_rig(*infos: StreamInfo, **changes: object) -> Rig:
    """Return a rig whose streams this test publishes itself."""
    streams = {
        info.name: dataclasses.replace(StreamConfig(info.name, "imu.serial", remote=True), **changes)  # type: ignore[arg-type]
        for info in infos
    }
    return Rig("bench", streams, text="name: bench\n", subject="nobody")


class Session:
    """A recording in a thread, and the way to publish into it."""

    def __init__(self, rig: Rig, path: Path, **options: object) -> None:
        self.stop = threading.Event()
        self.statuses: list[RecordStatus] = []
        self._address: queue.Queue[str] = queue.Queue()
        self._result: queue.Queue[RecordSummary | BaseException] = queue.Queue()
        self._thread = threading.Thread(target=self._run, args=(rig, path), kwargs=options)
        self._thread.start()

    def _run(self, rig: Rig, path: Path, **options: object) -> None:
        try:
            self._result.put(record(rig, path, on_status=self._note, stop=self.stop, **options))  # type: ignore[arg-type]
        except BaseException as error:
            self._result.put(error)

    def _note(self, status: RecordStatus) -> None:
        if not self.statuses:
            self._address.put(status.address)
        self.statuses.append(status)

    def publisher(self, info: StreamInfo) -> Publisher:
        """Join the session's bus as a driver would."""
        address = self._address.get(timeout=20)
        self._address.put(address)
        return Publisher(address, info)

    def result(self) -> RecordSummary:
        """Wait for the end of the recording."""
        result = self._result.get(timeout=60)
        self._thread.join()
        if isinstance(result, BaseException):
            raise result
        return result

    def until(self, true: Callable[[RecordStatus], bool]) -> None:
        """Wait for a status."""
        deadline = time.monotonic() + 20
        while not any(true(status) for status in self.statuses[-2:]):
            assert time.monotonic() < deadline, "no such status came"
            threading.Event().wait(0.01)


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Callable[..., Session]]:
    """Return a starter of recordings that are stopped at the end of the test."""
    begun: list[Session] = []

    def begin(*infos: StreamInfo, name: str = "a.h5", rig: Rig | None = None, **options: object) -> Session:
        begun.append(Session(rig or remote_rig(*infos), tmp_path / name, **options))
        return begun[-1]

    yield begin
    for one in begun:
        one.stop.set()
        one._thread.join()


def test_what_is_published_is_in_the_file(session: Callable[..., Session], tmp_path: Path) -> None:
    recording = session(IMU, SOUND, CAMERA)
    with (
        recording.publisher(IMU) as imu,
        recording.publisher(SOUND) as sound,
        recording.publisher(CAMERA) as camera,
    ):
        for tick in range(50):
            rows = np.arange(tick * 4, tick * 4 + 4)
            imu.publish(Batch("wrist", stamps(rows * 10_000_000, rows), imu_rows(rows[0], rows[-1] + 1)))
            block = np.arange(tick * 640, tick * 640 + 640).astype("<i2")[:, None]
            sound.publish(Batch("room", stamps([tick * 40_000_000], [tick * 640]), block))
            camera.publish(Batch("camera", stamps([tick * 40_000_000], [tick]), (picture(tick),)))
        imu.event(Event(10, "label_start", "wave", "truth"))
        imu.event(Event(20, "label_stop", "wave", "truth"))
        imu.end(Ended("wrist", 200, {}))
        sound.end(Ended("room", 32000, {}))
        camera.end(Ended("camera", 50, {}))
        summary = recording.result()  # ends by itself when all streams have
    assert summary.ok, summary.problems
    assert {name: stream.rows for name, stream in summary.streams.items()} == {
        "wrist": 200,
        "room": 32000,
        "camera": 50,
    }
    assert summary.cpu_s > 0
    report = examine(tmp_path / "a.h5")
    assert report.problems == ()
    with open_recording(tmp_path / "a.h5") as file:
        np.testing.assert_array_equal(file.streams["wrist"].data[:], imu_rows(0, 200))
        assert [file.streams["camera"].picture(i) for i in range(50)] == [picture(i) for i in range(50)]
        assert [label.action for label in file.labels] == ["wave"]
        assert file.session.subject == "nobody"
        assert file.rig_text == "name: bench\n"


def test_losses_on_the_way_are_on_the_ledger(session: Callable[..., Session], tmp_path: Path) -> None:
    recording = session(IMU)
    with recording.publisher(IMU) as imu:
        imu.publish(Batch("wrist", stamps([0], [0]), imu_rows(0, 1)))
        imu.publish(Batch("wrist", stamps([5], [4]), imu_rows(4, 5), {"checksum": 3}))
        imu.end(Ended("wrist", 7, {"checksum": 3, "driver_queue": 2}))
        summary = recording.result()
    assert summary.streams["wrist"].lost == {"checksum": 3, "driver_queue": 2}
    assert summary.streams["wrist"].unexplained == 0
    assert examine(tmp_path / "a.h5").streams["wrist"].lost == 5


def test_a_driver_that_fails_midway_does_not_take_the_session_down(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    recording = session(IMU, CAMERA)
    with recording.publisher(IMU) as imu, recording.publisher(CAMERA) as camera:
        imu.publish(Batch("wrist", stamps([0], [0]), imu_rows(0, 1)))
        camera.publish(Batch("camera", stamps([0], [0]), (picture(0),)))
        recording.until(lambda status: status.phase == "recording")
        imu.fail(Failed("wrist", "was unplugged", "wrist: was unplugged. Plug it in again"))
        imu.end(Ended("wrist", 1, {}))
        recording.until(lambda status: any(s.state == "failed" for s in status.streams))
        camera.publish(Batch("camera", stamps([40_000_000], [1]), (picture(1),)))
        recording.until(lambda status: any(s.name == "camera" and s.rows == 2 for s in status.streams))
        recording.stop.set()
        camera.end(Ended("camera", 2, {}))
        summary = recording.result()
    assert summary.exit_code == 1
    assert summary.problems == ("wrist: was unplugged. Plug it in again",)
    with open_recording(tmp_path / "a.h5") as file:
        assert file.session.closed
        assert len(file.streams["camera"]) == 2
        assert [(event.kind, event.source) for event in file.events] == [("device", "wrist")]


def test_a_device_that_is_away_for_a_while_is_shown_and_the_recording_is_sound(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    recording = session(IMU)
    second = 10**9
    with recording.publisher(IMU) as imu:
        rows = np.arange(100)
        imu.publish(Batch("wrist", stamps(rows * 10_000_000, rows), imu_rows(0, 100)))
        imu.event(Event(second, LOST, "wrist: the port was unplugged", "wrist"))
        recording.until(lambda status: status.streams[0].state == "away")
        began = time.monotonic()
        assert "unplugged" in recording.statuses[-1].streams[0].error
        recording.until(lambda status: time.monotonic() > began + SILENT_S + 1)
        assert recording.statuses[-1].streams[0].silent_s == 0  # it is told already
        imu.event(Event(4 * second, BACK, "wrist: is back after 3 s", "wrist"))
        rows = np.arange(400, 500)
        gap = {"device_gap": 300}
        imu.publish(Batch("wrist", stamps(rows * 10_000_000, rows), imu_rows(0, 100), gap))
        recording.until(lambda status: status.streams[0].rows == 200)
        recording.until(lambda status: status.streams[0].state == "running")
        assert recording.statuses[-1].streams[0].error == ""
        recording.stop.set()
        imu.end(Ended("wrist", 500, gap))
        summary = recording.result()
    assert summary.problems == ()
    assert (summary.streams["wrist"].absences, summary.streams["wrist"].away_s) == (1, 3.0)
    report = examine(tmp_path / "a.h5")
    assert report.problems == ()
    assert any("away once, 3.0 s in all; 300 rows" in note for note in report.notes)


def test_a_device_that_is_still_away_at_the_end_is_no_success(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    recording = session(IMU)
    with recording.publisher(IMU) as imu:
        imu.publish(Batch("wrist", stamps([0], [0]), imu_rows(0, 1)))
        imu.event(Event(10**9, LOST, "wrist: the port was unplugged", "wrist"))
        recording.until(lambda status: status.streams[0].state == "away")
        recording.stop.set()
        imu.fail(Failed("wrist", "was unplugged", "wrist: the port was unplugged, and did not come back"))
        imu.end(Ended("wrist", 1, {}))
        summary = recording.result()
    assert summary.problems == ("wrist: the port was unplugged, and did not come back",)
    assert any("did not come back" in problem for problem in examine(tmp_path / "a.h5").problems)


def test_a_stream_that_was_given_up_and_sends_again_is_no_failure_any_more(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    recording = session(IMU, CAMERA)
    with recording.publisher(IMU) as imu, recording.publisher(CAMERA) as camera:
        imu.publish(Batch("wrist", stamps([0], [0]), imu_rows(0, 1)))
        camera.publish(Batch("camera", stamps([0], [0]), (picture(0),)))
        recording.until(lambda status: status.phase == "recording")
        imu.fail(Failed("wrist", "failed", "wrist: its driver shows no sign of life"))
        recording.until(lambda status: status.streams[0].state == "failed")
        imu.publish(Batch("wrist", stamps([10_000_000], [1]), imu_rows(1, 2)))
        recording.until(lambda status: (status.streams[0].state, status.streams[0].rows) == ("running", 2))
        recording.stop.set()
        imu.end(Ended("wrist", 2, {}))
        camera.end(Ended("camera", 1, {}))
        summary = recording.result()
    assert summary.problems == ()
    assert examine(tmp_path / "a.h5").problems == ()
    with open_recording(tmp_path / "a.h5") as file:
        assert file.streams["wrist"].ended == "ended"
        labels = [event.label for event in file.events if event.kind == "device"]
    assert labels == ["wrist: its driver shows no sign of life", "wrist: sends again"]


def test_a_required_stream_that_falls_silent_is_told_noted_and_no_success(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    recording = session(IMU)
    with recording.publisher(IMU) as imu:
        sent = [Batch("wrist", stamps([n], [n]), imu_rows(n, n + 1)) for n in range(3)]
        imu.publish(sent[0])
        recording.until(lambda status: any(s.silent_s > 0 for s in status.streams))  # hung, not ended
        imu.publish(sent[1])
        recording.until(lambda status: status.streams[0].rows == 2 and not status.streams[0].silent_s)
        recording.until(lambda status: status.streams[0].rows == 2 and status.streams[0].silent_s > 0)
        told = recording.statuses[-1]
        recording.stop.set()
        imu.end(Ended("wrist", 2, {}))
        summary = recording.result()
    wrist = told.streams[0]
    assert (wrist.required, wrist.kind, wrist.bound_ms) == (True, "imu", 1.0)
    assert wrist.age_s is not None
    assert told.file_bytes > 0
    assert told.free_bytes > 0
    assert summary.exit_code == 1
    assert summary.problems == ("wrist: sent nothing any more when the recording was stopped",)
    with open_recording(tmp_path / "a.h5") as file:
        labels = [event.label.split(" since")[0] for event in file.events if event.kind == "device"]
    assert labels == ["wrist: silent", "wrist: sends again", "wrist: silent"]


def test_a_required_stream_that_fails_at_the_start_leaves_no_file(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    recording = session(IMU)
    with recording.publisher(IMU) as imu:
        imu.fail(Failed("wrist", "not found", "wrist: there is no /dev/ttyUSB7. Plug it in"))
        imu.end(Ended("wrist", 0, {}))
        with pytest.raises(RecordingError, match=r"no /dev/ttyUSB7.*required: false"):
            recording.result()
    assert not (tmp_path / "a.h5").exists()


def test_a_required_stream_that_never_comes_is_named(session: Callable[..., Session]) -> None:
    with pytest.raises(RecordingError, match="wrist: sent nothing within"):
        session(IMU, start_s=0.3).result()


def test_an_optional_stream_is_not_waited_for(session: Callable[..., Session]) -> None:
    recording = session(rig=remote_rig(IMU, required=False), duration=0.2)
    assert recording.result().streams == {}


def test_pictures_of_a_private_camera_never_reach_the_file(
    session: Callable[..., Session], tmp_path: Path
) -> None:
    recording = session(rig=remote_rig(CAMERA, store="none"))
    features = StreamInfo(name="keypoints", kind="features", shape=(20, 3))
    with recording.publisher(CAMERA) as camera, recording.publisher(features) as worker:
        for number in range(5):
            camera.publish(Batch("camera", stamps([number], [number]), (picture(number),)))
            found = np.full((1, 20, 3), number, "<f4")
            worker.publish(Batch("keypoints", stamps([number], [number]), found))
        worker.end(Ended("keypoints", 5, {}))
        camera.end(Ended("camera", 5, {}))
        summary = recording.result()
    assert summary.streams["camera"].rows == 5
    assert picture(3)[20:60] not in (tmp_path / "a.h5").read_bytes()
    with open_recording(tmp_path / "a.h5") as file:
        assert file.streams["camera"].withheld
        assert len(file.features["keypoints"]) == 5
    assert examine(tmp_path / "a.h5").streams["camera"].unexplained == 0


def test_an_output_that_exists_is_refused_before_anything_starts(tmp_path: Path) -> None:
    (tmp_path / "a.h5").write_text("mine")
    with pytest.raises(RecordingExists, match="--output"):
        record(remote_rig(IMU), tmp_path / "a.h5")
    assert (tmp_path / "a.h5").read_text() == "mine"


def test_a_disk_that_fills_up_ends_the_recording_and_keeps_it(
    session: Callable[..., Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = session(IMU)
    with recording.publisher(IMU) as imu:
        imu.publish(Batch("wrist", stamps([0], [0]), imu_rows(0, 1)))
        recording.until(lambda status: status.phase == "recording")
        monkeypatch.setattr("recordings.writer.reserve_bytes", lambda total: total + 1)
        imu.publish(Batch("wrist", stamps([1], [1]), imu_rows(1, 2)))
        recording.until(lambda status: status.phase == "stopping")
        imu.end(Ended("wrist", 2, {}))
        with pytest.raises(DiskFull, match="disk is full"):
            recording.result()
    with open_recording(tmp_path / "a.h5") as file:
        assert file.session.closed


def test_the_default_output_tells_rig_and_time() -> None:
    path = default_output(remote_rig(IMU))
    assert path.parent.name == "sessions"
    assert path.name.startswith("bench-2")
    assert path.suffix == ".h5"
