"""A recording beside a session that runs already: it joins, records and leaves; the session goes on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.bus import Hub, Subscriber
from drivers.bus.marker import mark
from drivers.bus.messages import Batch
from drivers.errors import RecordingError, RecordingExists
from drivers.process import DriverProcesses
from drivers.rig import Rig, load_rig
from recordings.check import examine
from recordings.joined import record_beside
from recordings.reader import open_recording

RIG = """
name: beside
streams:
  camera: {driver: simulator.camera, width: 64, height: 64, fps: 15}
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 100}
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Hub, Rig]]:
    """A hub whose drivers run, and somebody who listens, as the live engine does."""
    path = tmp_path_factory.mktemp("rig") / "rig.yaml"
    path.write_text(RIG)
    rig = load_rig(path)
    with Hub() as hub, Subscriber(hub, reliable=False) as listener, DriverProcesses(rig, hub.address):
        there: set[str] = set()
        while there != set(rig.streams):
            message = listener.receive(1.0)
            if isinstance(message, Batch):
                there.add(message.stream)
        yield hub, rig
        assert listener.receive(5.0) is not None  # the session went on
        hub.request_stop()


class Beside:
    """A recording in a thread."""

    def __init__(self, hub: Hub, rig: Rig, path: Path) -> None:
        self.stop = threading.Event()
        self.going = threading.Event()
        self.problems: list[str] | BaseException = []
        self._thread = threading.Thread(target=self._run, args=(hub, rig, path))
        self._thread.start()

    def _run(self, hub: Hub, rig: Rig, path: Path) -> None:
        def told(elapsed_s: float, _: object) -> None:
            if elapsed_s >= 1.0:
                self.going.set()

        try:
            self.problems = record_beside(hub.address, rig, path, stop=self.stop, on_status=told)
        except BaseException as error:
            self.problems = error

    def end(self) -> list[str]:
        """Let it record for a second at least, and end it."""
        assert self.going.wait(60)
        self.stop.set()
        self._thread.join(60)
        assert isinstance(self.problems, list), self.problems
        return self.problems


def sound(path: Path) -> list[str]:
    """Return what is wrong, but for pictures that a busy machine left out, which are told."""
    return [problem for problem in examine(path).problems if "was lost (driver_queue" not in problem]


def test_it_is_sound_though_nothing_ended(running: tuple[Hub, Rig], tmp_path: Path) -> None:
    hub, rig = running
    first = Beside(hub, rig, tmp_path / "first.h5")
    assert first.going.wait(60)
    marked = mark(hub.address, "here", source="test")
    assert first.end() == []
    assert sound(tmp_path / "first.h5") == []
    with open_recording(tmp_path / "first.h5") as recording:
        assert set(recording.all_streams) == set(rig.streams)
        assert recording.session.closed
        assert recording.session.epoch_ns == hub.session.epoch_ns
        assert 0 < recording.session.start_ns < recording.session.stop_ns
        assert [event.time for event in recording.events if event.kind == "mark"] == [marked.time]
        for stream in recording.all_streams.values():
            assert stream.ended == "ended"
            assert stream.ledger.unexplained == 0
            assert stream.ledger.stored == len(stream)
            assert int(stream.stamps["time"][-1]) >= recording.session.stop_ns  # what was under way came


def test_two_one_after_the_other_and_at_the_same_time(running: tuple[Hub, Rig], tmp_path: Path) -> None:
    hub, rig = running
    one, two = (Beside(hub, rig, tmp_path / f"{name}.h5") for name in "ab")
    assert one.end() == []
    assert two.end() == []
    after = Beside(hub, rig, tmp_path / "c.h5")
    assert after.end() == []
    for name in "abc":
        assert sound(tmp_path / f"{name}.h5") == []


def test_nothing_is_overwritten(running: tuple[Hub, Rig], tmp_path: Path) -> None:
    hub, rig = running
    (tmp_path / "mine.h5").write_bytes(b"dear")
    with pytest.raises(RecordingExists):
        record_beside(hub.address, rig, tmp_path / "mine.h5", stop=threading.Event())
    assert (tmp_path / "mine.h5").read_bytes() == b"dear"


def test_a_required_stream_that_is_not_there_is_named_and_no_file_stays(
    running: tuple[Hub, Rig], tmp_path: Path
) -> None:
    hub, _ = running
    (tmp_path / "more.yaml").write_text(RIG + "  ankle: {driver: simulator.imu}\n")
    more = load_rig(tmp_path / "more.yaml")
    with pytest.raises(RecordingError, match="ankle"):
        record_beside(hub.address, more, tmp_path / "x.h5", stop=threading.Event(), start_s=1.0)
    assert not (tmp_path / "x.h5").exists()


def test_it_ends_with_the_session(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(RIG)
    rig = load_rig(tmp_path / "rig.yaml")
    with Hub() as hub, DriverProcesses(rig, hub.address) as drivers:
        beside = Beside(hub, rig, tmp_path / "x.h5")
        assert beside.going.wait(60)
        hub.request_stop()
        beside._thread.join(60)
        assert beside.problems == []
        drivers.stop()
    assert sound(tmp_path / "x.h5") == []
