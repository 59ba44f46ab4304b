import threading
import time
from typing import ClassVar

import msgspec
import numpy as np
import pytest
import torch
from helpers_features import IMU, SECOND, imu_batch, split, stamps
from session_features import EYE, Blob, pictures

from drivers.base import Batch
from drivers.bus.messages import Announcement, Ended, Failed
from fusion.features import FeatureBuilder
from fusion.model.net import FusionNet, NetConfig
from fusion.tracking.engine import LiveEngine, Timing
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Fuser
from fusion.tracking.sinks import Sink
from fusion.vision.several import FrontEnds
from recordings.timeline import Grid

PATIENCE_S = 0.2
LIMIT_S = 20.0


class Bench:
    """An engine with a clock that the test moves."""

    def __init__(self, *streams, eyes=None, patience_s=PATIENCE_S):
        torch.manual_seed(0)
        net = FusionNet(NetConfig(width=16, layers=1, heads=2, window=8))
        self.now = 0
        self.poses = []
        self.came = threading.Condition()
        self.meter = Meter(time.monotonic_ns, live=True)
        self.engine = LiveEngine(
            FeatureBuilder(streams, Blob.skeleton),
            Fuser(net, (640, 480)),
            eyes,
            [],
            now=lambda: self.now,
            meter=self.meter,
            timing=Timing(patience_s),
            on_pose=self._pose,
        )

    def _pose(self, pose):
        with self.came:
            self.poses.append(pose)
            self.came.notify_all()

    def wait(self, condition):
        with self.came:
            return self.came.wait_for(lambda: condition(self.poses), LIMIT_S)

    def wait_for(self, condition):
        """Wait for what the vision threads do: they tell whenever they have looked."""
        with self.engine._seen:
            return self.engine._seen.wait_for(condition, LIMIT_S)

    def __enter__(self):
        self.engine.start()
        return self

    def __exit__(self, *_):
        self.engine.stop()


def rows(batch, start, stop):
    """Return the rows of a batch with start <= time < stop seconds."""
    time_s = batch.stamps["time"] / SECOND
    keep = np.flatnonzero((time_s >= start) & (time_s < stop))
    return Batch(batch.stream, batch.stamps[keep], batch.data[keep[0] : keep[-1] + 1])


def test_a_tick_waits_for_a_late_stream_and_then_goes_on_without():
    imu = imu_batch(1.0)
    other = msgspec.structs.replace(IMU, name="hip", worn_on="pelvis")
    hip = Batch("hip", imu.stamps, imu.data)
    with Bench(IMU, other) as bench:
        bench.now = round(0.3 * SECOND)
        bench.engine.feed(rows(hip, 0, 0.2))
        bench.engine.feed(rows(imu, 0, 0.3))
        assert bench.wait(lambda poses: poses and poses[-1].time > 0.18 * SECOND)
        assert bench.poses[-1].time < 0.2 * SECOND
        assert bench.meter.late_ticks == 0
        bench.now = SECOND // 2
        bench.engine.feed(rows(imu, 0.3, 0.5))
        assert bench.wait(lambda poses: poses[-1].time > 0.28 * SECOND)
        assert bench.poses[-1].time < (0.5 - PATIENCE_S) * SECOND
        assert bench.meter.late_ticks > 0
        assert bench.meter.skipped_ticks == 0
        times = np.array([pose.time for pose in bench.poses])
        assert set(np.diff(times)) <= {16666666, 16666667}


def test_rows_that_no_tick_waits_for_wake_nobody():
    imu = imu_batch(1.0)
    other = msgspec.structs.replace(IMU, name="hip", worn_on="pelvis")
    hip = Batch("hip", imu.stamps, imu.data)
    looks = []
    with Bench(IMU, other, patience_s=10.0) as bench:
        due = bench.engine._due
        bench.engine._due = lambda: (looks.append(1), due())[1]
        bench.now = round(0.5 * SECOND)
        bench.engine.feed(rows(hip, 0, 0.2))
        bench.engine.feed(rows(imu, 0, 0.3))
        assert bench.wait(lambda poses: poses and poses[-1].time > 0.18 * SECOND)
        time.sleep(0.2)
        before = len(looks)
        for start in np.arange(0.3, 0.9, 0.02):
            bench.engine.feed(rows(imu, start, start + 0.02))
            time.sleep(0.005)
        assert len(looks) == before
        bench.engine.feed(rows(hip, 0.2, 0.5))
        assert bench.wait(lambda poses: poses[-1].time > 0.45 * SECOND)


def test_a_stream_that_stalled_is_not_waited_for():
    imu = imu_batch(3.0)
    with Bench(IMU, EYE, eyes=Blob()) as bench:
        bench.now = round(2.5 * SECOND)
        bench.engine.feed(rows(imu, 2.3, 2.5))  # the camera never sent anything
        assert bench.wait(lambda poses: poses and poses[-1].time > 2.48 * SECOND)
        assert bench.meter.late_ticks == 0
        assert bench.poses[-1].fed == ("right_forearm",)


def test_an_engine_that_is_too_slow_leaves_ticks_out_and_says_so():
    imu = imu_batch(3.0)
    with Bench(IMU) as bench:
        bench.now = round(2.9 * SECOND)
        bench.engine.feed(imu)
        assert bench.wait(lambda poses: poses and poses[-1].time > 2.89 * SECOND)
        assert bench.meter.skipped_ticks > 100
        assert bench.poses[0].time >= (2.9 - PATIENCE_S) * SECOND


class Slow(Blob):
    """Looks for as long as the test wants."""

    def __init__(self):
        super().__init__()
        self.began, self.go_on = threading.Event(), threading.Event()
        self.times = []

    def __call__(self, image, time_ns):
        self.times.append(time_ns)
        self.began.set()
        assert self.go_on.wait(LIMIT_S)
        return super().__call__(image, time_ns)


def test_a_busy_front_end_sees_the_newest_picture_and_the_skipped_ones_are_counted():
    eyes, film = Slow(), pictures(0.4)
    singles = split_pictures(film)
    with Bench(EYE, eyes=eyes) as bench:
        bench.engine.feed(singles[0])
        assert eyes.began.wait(LIMIT_S)
        for single in singles[1:6]:
            bench.engine.feed(single)
        eyes.go_on.set()
        assert bench.engine.wait_seen(LIMIT_S)
    assert eyes.times == film.stamps["time"][[0, 5]].tolist()
    assert (bench.meter.frames, bench.meter.frames_skipped) == (2, 4)


def test_ticks_before_the_picture_being_looked_at_do_not_wait_for_it():
    eyes, film = Slow(), pictures(0.4)
    eyes.go_on.set()
    singles = split_pictures(film)
    with Bench(EYE, eyes=eyes) as bench:
        bench.engine.feed(singles[0])
        assert bench.engine.wait_seen(LIMIT_S)
        eyes.go_on.clear()
        bench.engine.feed(singles[6])
        assert bench.wait(lambda poses: poses and poses[-1].time > film.stamps["time"][6] - SECOND // 60)
        assert bench.poses[-1].time < film.stamps["time"][6]
        assert bench.meter.late_ticks == 0
        eyes.go_on.set()


def split_pictures(batch):
    return [Batch(batch.stream, batch.stamps[i : i + 1], batch.data[i : i + 1]) for i in range(len(batch))]


def test_a_broken_picture_is_left_out_and_the_next_is_seen(caplog):
    good = split_pictures(pictures(0.2))
    broken = Batch("camera", stamps(np.array([1000])), (b"no picture",))
    with Bench(EYE, eyes=Blob()) as bench:
        bench.engine.feed(broken)
        assert bench.engine.wait_seen(LIMIT_S)
        bench.engine.feed(good[2])
        assert bench.engine.wait_seen(LIMIT_S)
    assert (bench.meter.frames, bench.meter.frames_skipped) == (1, 1)
    assert "no JPEG" in caplog.text


def test_what_a_stage_fails_with_reaches_who_stops_the_engine():
    class Broken(Blob):
        def __call__(self, image, time_ns):
            raise MemoryError("out of tensors")

    bench = Bench(EYE, eyes=Broken())
    bench.engine.start()
    bench.engine.feed(split_pictures(pictures(0.1))[0])
    assert bench.engine.wait(LIMIT_S)
    with pytest.raises(MemoryError, match="tensors"):
        bench.engine.stop()


def test_it_finishes_when_all_streams_ended_or_failed_and_every_tick_was_fused():
    imu = imu_batch(0.5)
    with Bench(IMU, EYE, eyes=Blob(), patience_s=10.0) as bench:
        for part in split(imu, [10, 30]):
            bench.engine.feed(part)
        bench.engine.feed(Failed("camera", "was unplugged", "camera: was unplugged. Plug it in"))
        bench.engine.feed(Ended("wrist", 50, {}))
        assert bench.engine.wait(LIMIT_S)
    times = [pose.time for pose in bench.poses]
    assert times == Grid(60).times(imu.stamps["time"][0], imu.stamps["time"][-1]).tolist()


def test_a_stream_that_joins_late_takes_part():
    imu = imu_batch(0.5)
    with Bench(patience_s=10.0) as bench:
        bench.engine.feed(Announcement(IMU))
        bench.engine.feed(imu)
        bench.engine.feed(Ended("wrist", 50, {}))
        assert bench.engine.wait(LIMIT_S)
    assert bench.poses[-1].fed == ("right_forearm",)


def test_each_camera_has_a_front_end_and_counts_of_its_own():
    first, second = Slow(), Blob()
    left, right = pictures(0.4), pictures(0.4)
    other = msgspec.structs.replace(EYE, name="eye_two")
    with Bench(EYE, other, eyes=FrontEnds([first, second])) as bench:
        for single in split_pictures(left)[:1]:
            bench.engine.feed(single)
        assert first.began.wait(LIMIT_S)
        for single in split_pictures(left)[1:4]:
            bench.engine.feed(single)
        for single in split_pictures(Batch("eye_two", right.stamps, right.data))[:3]:
            seen = second.pictures
            bench.engine.feed(single)
            assert bench.wait_for(lambda seen=seen: second.pictures > seen)  # not held up by the first one
        first.go_on.set()
        assert bench.engine.wait_seen(LIMIT_S)
    assert bench.meter.cameras == {
        "camera": {"frames": 2, "skipped": 2},
        "eye_two": {"frames": 3, "skipped": 0},
    }
    assert bench.meter.summary().cameras == bench.meter.cameras


def test_only_pictures_of_the_camera_that_poses_are_in_go_to_the_sinks():
    class Album(Sink):
        name, wants_pictures = "album", True
        times: ClassVar[list[int]] = []

        def pose(self, pose):
            del pose

        def picture(self, time, image):
            del image
            self.times.append(time)

    other = msgspec.structs.replace(EYE, name="eye_two")
    film = pictures(0.2)
    late = Batch("eye_two", stamps(film.stamps["time"] + 1000), film.data)
    with Bench(EYE, other, eyes=FrontEnds([Blob(), Blob()])) as bench:
        bench.engine._sinks = [Album()]
        for one, two in zip(split_pictures(film), split_pictures(late), strict=True):
            bench.engine.feed(one)
            bench.engine.feed(two)
            assert bench.engine.wait_seen(LIMIT_S)
    assert Album.times == film.stamps["time"].tolist()


def test_a_camera_that_joins_late_is_looked_through():
    film = pictures(0.3)
    with Bench(IMU, eyes=Blob(), patience_s=10.0) as bench:
        bench.engine.feed(Announcement(EYE))
        bench.engine.feed(split_pictures(film)[0])
        assert bench.engine.wait_seen(LIMIT_S)
        bench.engine.feed(
            Announcement(msgspec.structs.replace(EYE, name="eye_two"))
        )  # no eyes are left for it
        for name in ("camera", "wrist"):
            bench.engine.feed(Ended(name, 1, {}))
        assert bench.engine.wait(LIMIT_S)
    assert bench.meter.frames == 1
