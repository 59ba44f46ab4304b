"""Recording with the real driver processes of a rig, and replaying what was recorded."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.bus import Hub, Subscriber
from drivers.bus.messages import Ended
from drivers.errors import RecordingError
from drivers.process import DriverProcesses
from drivers.rig import load_rig
from recordings.check import examine
from recordings.reader import open_recording
from recordings.recorder import record
from recordings.replay import replay
from recordings.restarts import RESTARTS, Restarts
from recordings.status import RecordStatus

TWO = """
name: two
streams:
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 100}
  truth: {driver: simulator.truth, rate_hz: 60}
"""

RECORD = """
import sys
from drivers.rig import load_rig
from recordings.recorder import record

told = []
def tell(status):
    if status.phase != (told[-1] if told else None):
        told.append(status.phase)
        print(status.phase, flush=True)

sys.exit(record(load_rig(sys.argv[1]), sys.argv[2], on_status=tell).exit_code)
"""


def rig_file(folder: Path, text: str = TWO) -> Path:
    """Write a rig."""
    path = folder / "two.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one second of a simulated IMU and the truth, recorded by real processes."""
    folder = tmp_path_factory.mktemp("recorded")
    summary = record(load_rig(rig_file(folder)), folder / "two.h5", 1.0)
    assert summary.ok, summary.problems
    assert summary.drivers_cpu_s > 0
    return folder / "two.h5"


def test_a_simulated_rig_is_recorded_soundly(recorded: Path) -> None:
    report = examine(recorded)
    assert report.problems == ()
    assert report.streams["wrist"].samples >= 100
    assert report.streams["truth"].samples >= 60
    assert {stream.unexplained for stream in report.streams.values()} == {0}
    with open_recording(recorded) as recording:
        assert recording.streams["wrist"].info.worn_on == "right_forearm"
        assert recording.session.stop_ns - recording.session.start_ns == pytest.approx(1e9, rel=0.3)
        assert "simulator.imu" in recording.rig_text


def test_ctrl_c_stops_in_order_and_closes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with subprocess.Popen(
        [sys.executable, "-c", RECORD, str(rig_file(tmp_path)), str(path)], stdout=subprocess.PIPE, text=True
    ) as recorder:
        assert recorder.stdout is not None
        for line in recorder.stdout:
            if line.strip() == "recording":
                recorder.send_signal(signal.SIGINT)
        assert recorder.wait(60) == 0
    report = examine(path)
    assert report.problems == ()
    assert set(report.streams) == {"wrist", "truth"}


WORKER = """
import sys
import numpy as np
from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus import Publisher, Subscriber
from drivers.bus.messages import Ended

info = StreamInfo(name="height", kind="features", shape=(1,), channels=("pelvis_z",), units=("m",))
rows = 0
with Subscriber(sys.argv[1], ["truth"]) as truth, Publisher(sys.argv[1], info) as publisher:
    while True:
        message = truth.receive(0.2)
        if isinstance(message, Batch) and len(message):
            publisher.publish(Batch("height", message.stamps, message.data[:, 0, 2:].astype("<f4")))
            rows += len(message)
        if isinstance(message, Ended):
            break
    publisher.end(Ended("height", rows, {}))
"""


def test_a_worker_beside_the_drivers_adds_features(tmp_path: Path) -> None:
    text = "streams: {truth: {driver: simulator.truth, rate_hz: 60, store: none}}"
    summary = record(
        load_rig(rig_file(tmp_path, text)),
        tmp_path / "a.h5",
        1.5,
        workers=[lambda address: subprocess.Popen([sys.executable, "-c", WORKER, address])],
    )
    assert summary.ok, summary.problems
    with open_recording(tmp_path / "a.h5") as recording:
        assert recording.streams["truth"].withheld
        height = recording.features["height"]
        assert len(height) > 30
        assert 0.5 < float(np.median(height.data[:])) < 1.5
        assert height.ledger.unexplained == 0


@pytest.fixture
def pids(monkeypatch: pytest.MonkeyPatch) -> Callable[[], dict[str, int]]:
    """Return what tells the process ids of the drivers that a recording in this process started."""
    made: list[DriverProcesses] = []

    class Known(DriverProcesses):
        def __init__(self, *arguments: Any) -> None:
            made.append(self)
            super().__init__(*arguments)

    monkeypatch.setattr("drivers.process.DriverProcesses", Known)
    return lambda: made[-1].pids


def test_a_killed_driver_is_started_again_and_its_stream_goes_on(
    tmp_path: Path, pids: Callable[[], dict[str, int]]
) -> None:
    stop = threading.Event()
    killed: list[int] = []

    def watch(status: RecordStatus) -> None:
        states = {stream.name: stream for stream in status.streams}
        if status.phase == "recording" and not killed and states["wrist"].rows > 20:
            killed.append(states["wrist"].rows)
            os.kill(pids()["wrist"], signal.SIGKILL)
        if killed and states["wrist"].rows > killed[0] + 100:
            stop.set()

    summary = record(load_rig(rig_file(tmp_path)), tmp_path / "a.h5", 60.0, on_status=watch, stop=stop)
    assert summary.duration_s < 50
    assert summary.problems == ()
    with open_recording(tmp_path / "a.h5") as recording:
        wrist = recording.streams["wrist"]
        ledger, seq, time = wrist.ledger, wrist.row_seq, wrist.times
        assert ledger.lost["device_gap"] > 0
        assert ledger.unexplained == 0
        assert (np.diff(seq) > 0).all()
        assert (np.diff(time) > 0).all()
        joint = int(np.argmax(np.diff(seq)))
        assert np.diff(seq)[joint] - 1 == ledger.lost["device_gap"]
        assert np.diff(time)[joint] * 1e-9 * 100 == pytest.approx(np.diff(seq)[joint], abs=1)
        told = [
            event.label for event in recording.events if event.source == "wrist" and event.kind == "device"
        ]
        assert any("SIGKILL; it is started again" in label for label in told)
        assert recording.streams["truth"].ledger.lost == {}


def test_a_driver_that_is_killed_again_and_again_is_given_up_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pids: Callable[[], dict[str, int]]
) -> None:
    monkeypatch.setattr("recordings.restarts.RESTARTS", 1)
    stop = threading.Event()
    killed: set[int] = set()

    def watch(status: RecordStatus) -> None:
        states = {stream.name: stream for stream in status.streams}
        if states["wrist"].state == "failed":
            if states["truth"].rows > 60:
                stop.set()
        elif status.phase == "recording" and states["wrist"].rows > 20 and pids()["wrist"] not in killed:
            killed.add(pids()["wrist"])
            os.kill(pids()["wrist"], signal.SIGKILL)

    summary = record(load_rig(rig_file(tmp_path)), tmp_path / "a.h5", 60.0, on_status=watch, stop=stop)
    assert summary.duration_s < 50
    assert len(killed) == 2
    assert summary.exit_code == 1
    assert "SIGKILL" in summary.problems[0]
    with open_recording(tmp_path / "a.h5") as recording:
        assert recording.session.closed
        assert "SIGKILL" in recording.streams["wrist"].ended
        assert recording.streams["truth"].ended == "ended"


def test_a_driver_is_started_again_at_once_then_later_and_later_and_then_given_up() -> None:
    restarts, now, waits = Restarts(), 100.0, []
    for _ in range(RESTARTS):
        assert restarts.died(now)
        assert restarts.due_s is not None
        waits.append(restarts.due_s - now)
        assert not restarts.take(restarts.due_s - 0.01) or waits[-1] == 0
        now = restarts.due_s
        restarts.take(now)
        assert not restarts.take(now)
    assert waits == sorted(waits)
    assert waits[0] == 0
    assert not restarts.died(now)
    assert restarts.died(now + 100.0)


def test_a_missing_port_is_one_line_and_leaves_no_file(tmp_path: Path) -> None:
    text = TWO.replace("simulator.imu", "imu.serial").replace("rate_hz: 100", "port: /dev/ttyMISSING")
    with pytest.raises(RecordingError, match="/dev/ttyMISSING") as error:
        record(load_rig(rig_file(tmp_path, text)), tmp_path / "a.h5", 1.0)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "a.h5").exists()


def test_a_replay_comes_out_as_it_was_recorded(recorded: Path) -> None:
    rows: dict[str, list[np.ndarray]] = {"wrist": [], "truth": []}
    times: dict[str, list[np.ndarray]] = {"wrist": [], "truth": []}
    ended: set[str] = set()
    with Hub() as hub, Subscriber(hub.address) as subscriber:
        player = threading.Thread(target=replay, args=(recorded, hub.address), kwargs={"wait_s": 0.3})
        player.start()
        while ended < {"wrist", "truth"}:
            message = subscriber.receive(20.0)
            assert message is not None, "the replay stopped"
            if isinstance(message, Ended):
                ended.add(message.stream)
            elif hasattr(message, "stamps"):
                rows[message.stream].append(message.data)
                times[message.stream].append(message.stamps)
        player.join()
    with open_recording(recorded) as recording:
        shifts = []
        for name, stream in recording.streams.items():
            np.testing.assert_array_equal(np.concatenate(rows[name]), stream.data[:])
            played = np.concatenate(times[name])
            np.testing.assert_array_equal(played["seq"], stream.stamps["seq"])
            shifts.append(played["time"] - stream.stamps["time"])
        assert len(np.unique(np.concatenate(shifts))) == 1


def test_a_replayed_stream_can_be_recorded_again(recorded: Path, tmp_path: Path) -> None:
    text = "streams:\n" + "".join(
        f"  {name}: {{driver: replay, path: {recorded}, lead_s: 4}}\n" for name in ("wrist", "truth")
    )
    summary = record(load_rig(rig_file(tmp_path, text)), tmp_path / "again.h5")  # until both files end
    assert summary.ok, summary.problems
    with open_recording(recorded) as first, open_recording(tmp_path / "again.h5") as again:
        for name in ("wrist", "truth"):
            np.testing.assert_array_equal(again.streams[name].data[:], first.streams[name].data[:])
        between = [
            np.median(r.streams["wrist"].times[:50]) - np.median(r.streams["truth"].times[:30])
            for r in (first, again)
        ]
        assert abs(between[0] - between[1]) < 30e6  # kept aligned, to what the clock model adds
