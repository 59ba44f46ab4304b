"""A recorder that is started again goes on in the same session file."""

from __future__ import annotations

import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from recording_samples import CAMERA, IMU, SOUND, imu_rows, picture, stamps

from drivers.base import Batch
from drivers.bus import Publisher
from drivers.bus.messages import Ended, Event
from drivers.bus.order import Position
from drivers.errors import RecordingError
from drivers.rig import load_rig
from recordings import layout
from recordings.check import examine
from recordings.continuity import Continuity
from recordings.editing.note import note
from recordings.encoding import Settings
from recordings.reader import open_recording
from recordings.recorder import record
from recordings.status import RecordStatus
from recordings.writer import SessionWriter

HERE = Path(__file__).parent

WRITE = f"""
import os, sys
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parents[1])!r}]
from test_resume import INFOS, append
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

writer = SessionWriter(sys.argv[1], SessionAttributes(id="a" * 32), flush_s=1e9)
for info in INFOS:
    writer.add_stream(info)
append(writer, 0, int(sys.argv[2]))
writer.flush()
append(writer, int(sys.argv[2]), int(sys.argv[2]) + 700)  # neither flushed nor counted
os.kill(os.getpid(), 9)
"""

INFOS = (IMU, SOUND, CAMERA)
ROUNDS = int(os.environ.get("CHORUS_ROUNDS", "5"))


def append(writer: SessionWriter, start: int, stop: int) -> None:
    """Write rows [start, stop) of an IMU, ten samples of sound and a tenth of a picture each, and events.

    What a killed writer had of them already is left out.
    """
    there = {name: stream.ledger.stored for name, stream in writer.streams.items()}
    for row in range(start, stop, 10):
        ten = np.arange(row, min(row + 10, stop))
        if row >= there["wrist"]:
            writer.append(Batch("wrist", stamps(ten * 10_000_000, ten), imu_rows(ten[0], ten[-1] + 1)))
        if row * 10 >= there["room"]:
            block = np.arange(row * 10, row * 10 + 100).astype("<i2")[:, None]
            writer.append(Batch("room", stamps([row * 10_000_000], [row * 10]), block))
        if row // 10 >= there["camera"]:
            writer.append(Batch("camera", stamps([row * 10_000_000], [row // 10]), (picture(row // 10),)))
        if row // 10 >= len(writer.events):
            writer.event(Event(row * 10_000_000, "mark", f"row {row}", "test"))


def check_rows(path: Path, rows: int) -> None:
    """Compare all that :func:`append` wrote, and the judgement of ``chorus check``."""
    with open_recording(path) as recording:
        assert recording.session.closed
        wrist, room, camera = (recording.streams[info.name] for info in INFOS)
        np.testing.assert_array_equal(wrist.data[:], imu_rows(0, rows))
        np.testing.assert_array_equal(wrist.times, np.arange(rows) * 10_000_000)
        np.testing.assert_array_equal(room.data[:][:, 0], np.arange(rows * 10).astype("<i2"))
        np.testing.assert_array_equal(room.row_seq, np.arange(rows * 10))
        assert [camera.picture(i) for i in range(len(camera))] == [picture(i) for i in range(rows // 10)]
        assert [event.time for event in recording.events] == list(range(0, rows * 10_000_000, 100_000_000))
    assert not [problem for problem in examine(path).problems if "never said that it ended" not in problem]


@pytest.mark.parametrize("flushed", [0, 10, 820, 4000])
def test_a_file_whose_writer_was_killed_goes_on_where_it_was_flushed(tmp_path: Path, flushed: int) -> None:
    path = tmp_path / "killed.h5"
    done = subprocess.run([sys.executable, "-c", WRITE, str(path), str(flushed)], check=False)
    assert done.returncode == -signal.SIGKILL
    for part in range(2):  # and once more after it was closed
        with open_recording(path) as recording:
            session = recording.session
            assert session.closed == bool(part)
        with SessionWriter(path, session, resume=True) as writer:
            append(writer, flushed + part * 500, flushed + part * 500 + 500)
    check_rows(path, flushed + 1000)


GO_ON = f"""
import sys, time
sys.path[:0] = [{str(HERE)!r}, {str(HERE.parents[1])!r}]
from test_resume import append
from recordings.reader import open_recording
from recordings.writer import SessionWriter

with open_recording(sys.argv[1]) as recording:
    session = recording.session
writer = SessionWriter(sys.argv[1], session, resume=True, flush_s=0.002, sync_s=0)
wrist, room, camera = (writer.streams[one].ledger.stored for one in ("wrist", "room", "camera"))
row = min(wrist, room // 10, camera * 10)
print(row, flush=True)
while True:
    append(writer, row, row + 10)
    writer.flush()
    row += 10
    print(row, flush=True)
"""


def test_a_writer_that_is_killed_again_and_again_loses_nothing_flushed(tmp_path: Path) -> None:
    path = tmp_path / "killed.h5"
    subprocess.run([sys.executable, "-c", WRITE, str(path), "0"], check=False)
    chance, flushed = np.random.default_rng(3), 0
    for _ in range(ROUNDS):
        command = [sys.executable, "-c", GO_ON, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            said = [int(writer.stdout.readline())]
            assert said[0] >= flushed
            said += [int(writer.stdout.readline()) for _ in range(int(chance.integers(0, 20)))]
            threading.Event().wait(chance.uniform(0, 0.01))
            writer.kill()
            said += map(int, writer.stdout.read().split())
        flushed = said[-1]
        assert not [one for one in examine(path).problems if "damaged" in one or "lack" in one]
    with open_recording(path) as recording:
        session = recording.session
    with SessionWriter(path, session, resume=True) as writer:
        append(writer, flushed, flushed + 30)  # one round more than it told of may be there
    check_rows(path, flushed + 30)


def test_nobody_goes_on_with_a_file_that_is_being_written(make_session: Callable[..., Path]) -> None:
    path = make_session()
    with open_recording(path) as recording:
        session = recording.session
    with SessionWriter(path, session, resume=True):
        command = [sys.executable, "-c", GO_ON, str(path)]
        other = subprocess.run(command, capture_output=True, text=True, check=False)
        assert "is being written by another program" in other.stderr
        with h5py.File(path) as file:  # reading is free
            assert "wrist" in file["streams"]
    assert examine(path).problems == ()


def test_a_file_that_lacks_rows_of_its_ledger_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "short.h5"
    with SessionWriter(path, layout.SessionAttributes(id="a" * 32), sync_s=0) as writer:
        for info in INFOS:
            writer.add_stream(info)
        append(writer, 0, 100)
    with h5py.File(path, "r+") as file:
        file["streams/wrist/data"].resize(50, axis=0)
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="can't be gone on with"):
        SessionWriter(path, layout.SessionAttributes(id="a" * 32), resume=True)
    assert path.read_bytes() == before


def test_edited_sessions_and_those_of_another_clock_are_refused(tmp_path: Path) -> None:
    rig = load_rig(rig_file(tmp_path, LOCAL))
    path = tmp_path / "a.h5"
    record(rig, path, 0.2)
    private = dataclasses.replace(
        rig, streams={"wrist": dataclasses.replace(rig.streams["wrist"], store="none")}
    )
    with pytest.raises(RecordingError, match="recorded with its data"):
        record(private, resume=path, duration=0.2)
    note(path, subject="somebody")
    with pytest.raises(RecordingError, match="edited"):
        record(rig, resume=path, duration=0.2)
    other = tmp_path / "b.h5"
    record(rig, other, 0.2)
    with h5py.File(other, "r+") as file:
        file.attrs["clock"] = "another machine"
        layout.seal(file)
    with pytest.raises(RecordingError, match="another machine"):
        record(rig, resume=other, duration=0.2)


LOCAL = """
streams:
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 100}
"""

ELSEWHERE = """
bus: {{listen: "tcp://127.0.0.1:{port}"}}
streams:
  wrist: {{driver: imu.serial, port: x, protocol: witmotion, remote: true}}
"""

RECORD = """
import sys
from drivers.rig import load_rig
from recordings.recorder import record
tell = lambda status: print(*(one.rows for one in status.streams), flush=True)
record(load_rig(sys.argv[1]), sys.argv[2], on_status=tell)
"""


def rig_file(folder: Path, text: str) -> Path:
    """Write a rig."""
    path = folder / "rig.yaml"
    path.write_text(text)
    return path


def killed_after(rows: int, rig: Path, output: Path, meanwhile: Callable[[], None] = lambda: None) -> None:
    """Record in another process until a stream has so many rows; then SIGKILL."""
    with subprocess.Popen(
        [sys.executable, "-c", RECORD, str(rig), str(output)], stdout=subprocess.PIPE, text=True
    ) as recorder:
        assert recorder.stdout is not None
        meanwhile()
        for line in recorder.stdout:
            if int(line.split()[0]) >= rows:
                recorder.kill()
    assert recorder.returncode == -signal.SIGKILL


class Feeder(threading.Thread):
    """An IMU at 100 Hz that runs elsewhere."""

    def __init__(self, address: str) -> None:
        super().__init__(daemon=True)
        self.rows = 0
        self.enough = threading.Event()
        self.all_have_it = False
        self._address = address

    def run(self) -> None:
        with Publisher(self._address, IMU, timeout_s=30.0) as publisher:
            while not (self.enough.wait(0.01) or publisher.stop_requested):
                due = np.arange(self.rows, self.rows + 1)
                now = time.monotonic_ns() - publisher.session.epoch_ns
                publisher.publish(Batch("wrist", stamps([now], due), imu_rows(self.rows, self.rows + 1)))
                self.rows += 1
            publisher.end(Ended("wrist", self.rows, {}))
            self.all_have_it = publisher.close(linger_s=20.0)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def test_a_driver_elsewhere_hands_over_what_a_killed_recorder_missed(tmp_path: Path) -> None:
    port = free_port()
    rig_path, path = rig_file(tmp_path, ELSEWHERE.format(port=port)), tmp_path / "a.h5"
    feeder = Feeder(f"tcp://127.0.0.1:{port}")
    killed_after(100, rig_path, path, feeder.start)
    with open_recording(path) as recording:
        kept = len(recording.streams["wrist"])
    deadline = time.monotonic() + 20
    while feeder.rows < kept + 200:  # nobody records these
        assert time.monotonic() < deadline
        feeder.enough.wait(0.01)
    goal = feeder.rows + 100

    def watch(status: RecordStatus) -> None:
        if status.streams[0].rows > goal:
            feeder.enough.set()

    summary = record(load_rig(rig_path), resume=path, on_status=watch)
    feeder.join(20)
    assert feeder.all_have_it
    assert summary.ok, summary.problems
    assert summary.streams["wrist"].lost == {}
    with open_recording(path) as recording:
        wrist = recording.streams["wrist"]
        np.testing.assert_array_equal(wrist.row_seq, np.arange(feeder.rows))
        np.testing.assert_array_equal(wrist.data[:], imu_rows(0, feeder.rows))
        assert wrist.ledger.produced == feeder.rows
        assert any(event.kind == "recorder" for event in recording.events)


def test_a_rig_that_died_with_its_recorder_goes_on_and_the_gap_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    killed_after(50, rig_file(tmp_path, LOCAL), path)
    with open_recording(path) as recording:
        kept, end_ns = len(recording.streams["wrist"]), int(recording.streams["wrist"].times[-1])
        session = recording.session.id
    done = subprocess.run(
        [sys.executable, "-m", "fusion.cli", "record", "--resume", str(path), "--duration=0.5"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    with open_recording(path) as recording:
        wrist = recording.streams["wrist"]
        assert recording.session.id == session
        times = wrist.times
        gap_s = (times[kept] - end_ns) * 1e-9
        assert wrist.ledger.unexplained == 0
        assert wrist.ledger.lost == {"device_gap": pytest.approx(gap_s * 100 - 1, abs=2)}
        assert wrist.ledger.stored == len(wrist) >= kept + 50
        assert (np.diff(times) > 0).all()
        (event,) = [
            event for event in recording.events if event.kind == "device" and "goes on" in event.label
        ]
        assert "the recorder was not running" in event.label
        assert wrist.ended == "ended"


def test_a_stream_that_does_not_come_back_is_a_problem(tmp_path: Path) -> None:
    text = LOCAL + "  other: {driver: simulator.imu, worn_on: left_forearm, rate_hz: 50, required: false}\n"
    path = tmp_path / "a.h5"
    rig = load_rig(rig_file(tmp_path, text))
    assert record(rig, path, 0.5).ok
    summary = record(load_rig(rig_file(tmp_path, LOCAL)), resume=path, duration=0.3)
    assert summary.problems == ("other: did not come back",)
    assert examine(path).readable


def test_what_an_ended_run_left_out_is_no_gap(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", layout.SessionAttributes(id="a" * 32), sync_s=0) as writer:
        writer.add_stream(IMU)
        continuity = Continuity(writer)
        for run, start in ((1, 0), (2, 1000)):
            batch = Batch("wrist", stamps([start * 10_000_000], [0]), imu_rows(0, 1))
            position = Position("wrist", run, 1, 1, {})
            continuity.begins(batch, position)
            writer.append(batch, position)
            writer.ended(Ended("wrist", 1, {}))
        assert writer.streams["wrist"].ledger.produced == 2


def test_an_h264_stream_goes_on_and_all_its_pictures_decode(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    session = layout.SessionAttributes(id="a" * 32)
    for start in (0, 40):
        with SessionWriter(path, session, sync_s=0, resume=bool(start)) as writer:
            if start:
                writer.announced_again(CAMERA)
            else:
                writer.add_stream(CAMERA, h264=Settings())
            for number in range(start, start + 40):
                shade = (picture(number * 3),)
                batch = Batch("camera", stamps([number * 40_000_000], [number]), shade)
                writer.append(batch, Position("camera", 7, number + 1, number + 1, {}))
            writer.ended(Ended("camera", 40, {}))  # since it was resumed
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        shades = [int(camera.image(number).mean()) for number in range(80)]
        np.testing.assert_allclose(shades, [number * 3 % 250 for number in range(80)], atol=4)
        assert camera.ledger.unexplained == 0
    assert examine(path).problems == ()
