import csv
import threading

import av
import numpy as np
import pytest
from helpers_features import SECOND

from drivers.errors import RecordingExists
from fusion.skeletons import BODY20
from fusion.tracking.film import FilmSink
from fusion.tracking.meter import Meter
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs
from fusion.tracking.pose import Pose
from fusion.tracking.sinks import POSE_COLUMNS, CsvSink, Sink, pose_row
from fusion.tracking.sinkthread import SinkThread


def pose(time=SECOND, frame_time=None, at=100.0):
    keypoints = np.full((20, 2), at, np.float32) + np.arange(20, dtype=np.float32)[:, None]
    keypoints[3] = np.nan
    return Pose(
        time=time,
        keypoints=keypoints,
        keypoints_var=np.full(20, 4.0, np.float32),
        joints=np.full((20, 3), 0.25, np.float32),
        joints_var=np.full(20, 0.01, np.float32),
        score=np.where(np.isnan(keypoints[:, 0]), 0, 0.9).astype(np.float32),
        contact=np.array([0.9, 0.1], np.float32),
        action=np.array([0.3, 0.7], np.float32),
        frame_time=frame_time,
        sample_time=time,
        fed=("camera",),
    )


def test_the_table_has_a_line_for_each_joint_and_units_in_its_header(tmp_path):
    sink = CsvSink(tmp_path / "poses.csv", ("stand", "wave"))
    for time in (0, 16_666_666):
        sink.pose(pose(time))
    sink.close()
    with (tmp_path / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["joint"] for row in rows] == [*BODY20, *BODY20]
    first = rows[0]
    assert (first["time_ns"], first["x_px"], first["sd_px"], first["x_m"], first["sd_m"]) == (
        "0", "100.00", "2.00", "0.2500", "0.1000",
    )  # fmt: skip
    assert (first["action"], first["action_probability"]) == ("wave", "0.700")
    assert rows[3]["x_px"] == ""


def test_a_table_that_exists_is_not_overwritten(tmp_path):
    (tmp_path / "poses.csv").write_text("precious")
    with pytest.raises(FileExistsError):
        CsvSink(tmp_path / "poses.csv", ())
    assert (tmp_path / "poses.csv").read_text() == "precious"


def test_the_row_on_the_bus_has_a_column_for_each_name():
    row = pose_row(pose())
    assert row.shape == (20, len(POSE_COLUMNS))
    assert row.dtype == np.float32
    assert row[0].tolist() == pytest.approx([100, 100, 4, 0.25, 0.25, 0.25, 0.01, 0.9])


def test_the_film_shows_each_picture_at_its_time_of_capture_with_the_skeleton_on_it(tmp_path):
    times = [SECOND + int(t * SECOND) for t in (0.0, 0.031, 0.070, 0.100, 0.350)]
    sink = FilmSink(tmp_path / "film.mp4", ("stand", "wave"))
    grey = np.full((240, 321, 3), 90, np.uint8)
    for time in times:
        sink.picture(time, grey)
        if time != times[2]:  # nobody waited for that one
            sink.pose(pose(time + 3_000_000, frame_time=time))
            sink.pose(pose(time + 19_000_000, frame_time=time, at=10.0))  # only the first is drawn
    sink.close()
    with av.open(str(tmp_path / "film.mp4")) as container:
        frames = list(container.decode(video=0))
    shown = [
        float(frame.pts * frame.time_base) for frame in frames if frame.pts is not None and frame.time_base
    ]
    assert np.diff(shown) == pytest.approx(np.diff(times) / SECOND, abs=1e-4)
    assert (frames[0].width, frames[0].height) == (320, 240)
    drawn = [np.abs(f.to_ndarray(format="bgr24")[98:122, 98:122].astype(int) - 90).max() > 60 for f in frames]
    assert drawn == [True, True, False, True, True]


def test_large_pictures_are_made_smaller_and_the_skeleton_with_them(tmp_path):
    sink = FilmSink(tmp_path / "film.mp4", (), width=160)
    sink.picture(0, np.full((480, 640, 3), 90, np.uint8))
    sink.pose(pose(0, frame_time=0, at=400.0))
    sink.close()
    with av.open(str(tmp_path / "film.mp4")) as container:
        image = next(container.decode(video=0)).to_ndarray(format="bgr24").astype(int)
    assert image.shape == (120, 160, 3)
    assert np.abs(image[97:108, 97:108] - 90).max() > 60


def test_the_picture_of_another_camera_fits_into_the_film(tmp_path):
    sink = FilmSink(tmp_path / "film.mp4", ())
    for number, size in enumerate(((240, 320, 3), (480, 640, 3))):
        sink.picture(number * SECOND, np.full(size, 90, np.uint8))
        sink.pose(pose(number * SECOND, frame_time=number * SECOND, at=200.0))
    sink.close()
    with av.open(str(tmp_path / "film.mp4")) as container:
        images = [f.to_ndarray(format="bgr24").astype(int) for f in container.decode(video=0)]
    assert [image.shape for image in images] == [(240, 320, 3)] * 2
    assert np.abs(images[1][98:112, 98:112] - 90).max() > 60  # half of 200 px: the skeleton goes with it


def test_a_film_without_pictures_leaves_no_file(tmp_path):
    sink = FilmSink(tmp_path / "film.mp4", ())
    sink.pose(pose())
    sink.close()
    assert not list(tmp_path.iterdir())


class Held(Sink):
    """Holds its thread until the test lets it go."""

    name = "held"

    def __init__(self, *, pictures=False, fails=False):
        self.wants_pictures = pictures
        self.got, self.began, self.go_on, self.closed = [], threading.Event(), threading.Event(), False
        self.fails = fails

    def pose(self, pose):
        self.began.set()
        assert self.go_on.wait(20)
        if self.fails:
            raise OSError("no space left")
        self.got.append(pose.time)

    def picture(self, time, image):
        self.got.append(("picture", time))

    def close(self):
        self.closed = True


def test_a_slow_sink_never_holds_the_poses_up_and_what_it_misses_is_counted():
    held = Held(pictures=True)
    sink = SinkThread(held)
    sink.pose(pose(0, frame_time=0))
    assert held.began.wait(20)
    for k in range(1, 31):
        sink.picture(k, np.zeros((1, 1, 3), np.uint8))
    assert sink.dropped == 30 - 12
    held.go_on.set()
    sink.close()
    assert held.closed
    assert len(held.got) == 13


def test_a_film_gets_the_first_pose_of_each_picture_only():
    held = Held(pictures=True)
    held.go_on.set()
    sink = SinkThread(held)
    for time, frame in ((0, None), (10, 5), (20, 5), (30, 25)):
        sink.pose(pose(time, frame_time=frame))
    sink.close()
    assert held.got == [10, 30]


def test_what_a_sink_fails_with_is_told_when_it_is_closed():
    held = Held(fails=True)
    held.go_on.set()
    sink = SinkThread(held)
    for k in range(10):
        sink.pose(pose(k))
    with pytest.raises(OSError, match="no space"):
        sink.close()
    assert held.closed


def test_a_folder_that_holds_something_is_not_written_into(tmp_path):
    (tmp_path / "poses.csv").write_text("precious")
    with pytest.raises(RecordingExists, match="--output"):
        Outputs(LiveOptions(output=str(tmp_path)))
    (tmp_path / "file").write_text("a file")
    with pytest.raises(RecordingExists, match="exists"):
        Outputs(LiveOptions(output=str(tmp_path / "file")))


def test_latency_and_rate_are_those_of_the_poses():
    clock = iter(range(0, 10 * SECOND, SECOND // 50))
    meter = Meter(lambda: next(clock) + 1, live=True)
    for k in range(101):
        meter.pose(pose(k, frame_time=k * SECOND), now_session=k * SECOND + 40_000_000)
    summary = meter.summary()
    assert summary.poses_per_s == pytest.approx(50)
    assert summary.frame_latency.p50_ms == summary.frame_latency.p95_ms == pytest.approx(40)
    assert "p50 40 ms" in str(summary)
