"""How long ticks wait: as long as rows usually take, and no longer when a device is away."""

import threading

import msgspec
import numpy as np
import pytest
from helpers_features import IMU, SECOND, SOUND, stamps
from session_features import EYE, Blob, pictures
from test_engine import LIMIT_S, Bench, split_pictures

import fusion.tracking.pose
from drivers.base import Batch
from drivers.bus.messages import LOST, Event
from fusion.model.stepper import Runtime
from fusion.tracking.lead import Lead
from fusion.tracking.waiting import Waiting
from fusion.vision.several import FrontEnds

MS = SECOND // 1000
STEP = 10 * MS
LATEST = 30 * MS
"""More than any of the streams below needs to come."""


def filled(patience_s, **lateness):
    """Return a Waiting that has seen 2 s of streams, 100 rows a second each, so many ms late."""
    waiting = Waiting(patience_s)
    for row in range(200):
        for name, late in lateness.items():
            waiting.came(name, row * STEP, row * STEP, 1, row * STEP + late * MS)
    return waiting


def test_a_tick_waits_as_long_as_rows_usually_take():
    waiting = filled(0.02, wrist=3, hip=7)
    tick = 2 * SECOND
    marks = {"wrist": tick - 5 * MS, "hip": tick - 5 * MS}
    assert waiting.behind(marks, tick, tick) == ["wrist", "hip"]
    assert waiting.until(["wrist", "hip"], tick) == tick + 7 * MS
    assert waiting.until(["wrist"], tick) == tick + 3 * MS
    assert waiting.behind(marks | {"hip": tick}, tick, tick) == ["wrist"]


def test_what_usually_comes_later_than_the_patience_is_not_waited_for():
    waiting = filled(0.02, wrist=3, sound=45)
    tick = 2 * SECOND
    marks = {"wrist": tick - 5 * MS, "sound": tick - 45 * MS}
    assert waiting.behind(marks, tick, tick) == ["wrist"]
    patient = filled(0.1, wrist=3, sound=45)
    assert patient.until(patient.behind(marks, tick, tick), tick) == tick + 45 * MS


def test_a_stream_of_which_little_is_known_is_waited_for_with_all_patience_for_a_second():
    waiting = Waiting(0.02)
    waiting.came("wrist", SECOND, SECOND, 1, SECOND)
    marks = {"wrist": SECOND}
    assert waiting.until(waiting.behind(marks, SECOND + STEP, SECOND + STEP), SECOND + STEP) == (
        SECOND + STEP + 20 * MS
    )
    assert waiting.behind(marks, 2 * SECOND + STEP, 2 * SECOND + STEP) == []


def test_rows_that_should_be_there_and_are_not_are_late():
    waiting = filled(0.02, wrist=3)
    tick = 2 * SECOND
    assert not waiting.late(["wrist"], {"wrist": tick - 9 * MS}, tick)  # the next row is not due yet
    assert waiting.late(["wrist"], {"wrist": tick - 60 * MS}, tick)


def test_rows_gathered_on_the_way_are_as_late_as_the_oldest_of_them():
    waiting = Waiting(0.2)
    for batch in range(60):
        first = batch * 10 * STEP
        waiting.came("phone", first, first + 9 * STEP, 10, first + 9 * STEP + 5 * MS)
    assert waiting.until(["phone"], 0) == 95 * MS


def test_a_lost_device_is_not_waited_for_until_it_sends_again():
    waiting = filled(10.0, wrist=3, hip=5)
    tick = 2 * SECOND
    marks = {"wrist": tick, "hip": tick - 5 * MS}
    waiting.gone("hip")
    assert waiting.behind(marks, tick, tick) == []
    waiting.came("hip", tick - STEP, tick - STEP, 1, tick)
    assert waiting.behind(marks, tick, tick) == ["hip"]


class Session:
    """A camera, an IMU and a microphone, fed to an engine in step with its clock."""

    def __init__(self, bench, seconds=4.0):
        self.bench = bench
        self.film = split_pictures(pictures(seconds, (9.0, 9.1)))
        self.shown = self.rows = 0

    def to(self, end_s, *, without="", checked=True):
        """Go on; at each moment every tick is fused that is older than any stream usually is late."""
        while self.bench.now < end_s * SECOND:
            self.rows += 1
            time = self.rows * STEP
            self.bench.now = time + 2 * MS
            if without != "wrist":
                row = np.array([[0.0, 0.0, 9.81, 0.1, 0.2, 0.3]], np.float32)
                self.bench.engine.feed(Batch("wrist", stamps(np.array([time]), self.rows), row))
            if without != "sound":
                sound = np.zeros((160, 1), np.int16)
                self.bench.engine.feed(
                    Batch("sound", stamps(np.array([time - STEP]), 160 * self.rows), sound)
                )
            while self.film[self.shown].stamps["time"][0] <= time - 13 * MS:
                if without != "camera":
                    self.bench.engine.feed(self.film[self.shown])
                    assert self.bench.engine.wait_seen(LIMIT_S)
                self.shown += 1
            due = self.bench.now - LATEST
            assert (
                not checked
                or due < SECOND // 20
                or self.bench.wait(lambda poses, due=due: poses and poses[-1].time > due - SECOND // 60)
            ), f"at {self.bench.now / 1e9:.2f} s the newest is {self.bench.poses[-1].time / 1e9:.2f} s"


@pytest.mark.parametrize("gone", ["camera", "wrist", "sound"])
@pytest.mark.parametrize("told", [False, True])
def test_poses_go_on_as_before_while_a_device_is_away(gone, told):
    name = {"camera": "camera", "wrist": "right_forearm", "sound": "microphone"}[gone]
    with Bench(EYE, IMU, SOUND, eyes=Blob(), patience_s=0.02) as bench:
        session = Session(bench)
        session.to(1.0)
        before = len(bench.poses)
        assert name in bench.poses[-1].fed
        if told:
            bench.engine.feed(Event(bench.now, LOST, f"{gone}: was unplugged", gone))
        session.to(2.5, without=gone)
        assert name not in bench.poses[-1].fed
        assert len(bench.poses) - before == pytest.approx(90, abs=2)  # 60 a second
        session.to(3.0)
        assert bench.wait(lambda poses: name in poses[-1].fed)
    times = np.array([pose.time for pose in bench.poses])
    assert set(np.diff(times)) <= {16666666, 16666667}
    assert bench.meter.skipped_ticks == 0


def test_with_much_patience_a_lost_device_is_let_go_at_once():
    with Bench(EYE, IMU, SOUND, eyes=Blob(), patience_s=10.0) as bench:
        session = Session(bench)
        session.to(0.4, checked=False)  # little is known of how late they are
        bench.engine.feed(Event(bench.now, LOST, "camera: was unplugged", "camera"))
        session.to(0.8, without="camera")


TICK = SECOND // 60


def waits(lead, phases):
    """Return how long pictures wait for a tick, ns, that become ready at these times, with the lead found."""
    for at in phases:
        lead.ready(0, at)
    return [(-lead.now - at) % TICK for at in phases]


def test_ticks_come_right_after_pictures_that_are_ready_at_the_same_phase():
    jitter = np.random.default_rng(0).normal(0, 0.5 * MS, 60).astype(int)
    for phase in range(0, TICK, MS):
        lead = Lead(TICK)
        ready = [int(n * 2 * TICK + phase + jitter[n]) for n in range(60)]
        before = np.mean(waits(Lead(TICK), ready[:5]))
        after = np.mean(waits(lead, ready))
        assert 0 <= lead.now <= 12 * MS
        assert after <= max(before, 3 * MS) + MS
        assert after < 7 * MS  # without a lead up to 16.7


def test_ticks_are_fused_ahead_by_the_lead_and_keep_their_distance():
    with Bench(IMU, EYE, eyes=Blob(), patience_s=0.01) as bench:
        session = Session(bench)
        session.to(2.0)
        lead = bench.engine._lead.now
        assert lead > 0
        assert bench.wait(lambda poses: poses[-1].time + TICK - lead > bench.now - 3 * MS)
    times = np.array([pose.time for pose in bench.poses])
    assert set(np.diff(times)) <= {16666666, 16666667}


def test_the_network_is_ready_for_all_cameras_before_the_first_tick(monkeypatch):
    made = []
    real = fusion.tracking.pose.stepper

    def noted(net, cameras=1, runtime: Runtime = "auto"):
        made.append((cameras, threading.current_thread().name))
        return real(net, cameras, runtime)

    monkeypatch.setattr(fusion.tracking.pose, "stepper", noted)
    other = msgspec.structs.replace(EYE, name="eye_two")
    film = pictures(0.3)
    bench = Bench(EYE, other, eyes=FrontEnds([Blob(), Blob()]))
    here = threading.current_thread().name
    assert made[-1] == (2, here)
    count = len(made)
    with bench:
        for one, two in zip(
            split_pictures(film), split_pictures(Batch("eye_two", film.stamps, film.data)), strict=True
        ):
            bench.now = int(one.stamps["time"][0]) + LATEST
            bench.engine.feed(one)
            bench.engine.feed(two)
            assert bench.engine.wait_seen(LIMIT_S)
        assert bench.wait(lambda poses: len(poses) > 3)
    assert len(made) == count
