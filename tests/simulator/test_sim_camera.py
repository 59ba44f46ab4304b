"""The camera shows the body where it is, and the markers are found there."""

from __future__ import annotations

import itertools
import json
import time

import cv2
import numpy as np
import pytest

from drivers.base import DriverContext
from drivers.simulator.anatomy import JOINTS, BodyShape
from drivers.simulator.body import Body
from drivers.simulator.camera import CameraConfig, SimulatedCamera
from drivers.simulator.clock import SimulatedClock
from drivers.simulator.view import MARKER_RADIUS_M, PALETTE, Painter, View
from fusion.vision.base import front_end
from fusion.vision.markers import Markers


def jpeg(image, quality=90):
    return cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_COLOR)


def test_projection_is_that_of_the_stated_intrinsics_and_extrinsics():
    view = View.look_at(position=(3.0, 1.0, 1.5))
    properties = view.properties()
    fx, fy, cx, cy = json.loads(properties["intrinsics"])
    pose = json.loads(properties["extrinsics"])
    point = np.array([0.2, -0.4, 1.1])
    x, y, z = np.array(pose["R"]) @ point + pose["t"]
    place, depth = view.project(point)
    assert place == pytest.approx([fx * x / z + cx, fy * y / z + cy])
    assert depth == pytest.approx(z)


def test_the_left_hand_of_a_body_that_faces_the_camera_is_on_the_right_of_the_picture():
    view = View.look_at()
    left, right, head = (view.project(np.array(p))[0] for p in ((0, 0.5, 1.0), (0, -0.5, 1.0), (0, 0, 1.7)))
    assert left[0] > right[0]
    assert head[1] < left[1]


@pytest.mark.parametrize("joint", range(len(JOINTS)))
def test_each_joint_lies_under_its_marker(joint):
    view = View.look_at()
    paint = Painter(view)
    body = Body(script=("stand", "wave"), seed=joint)
    for time_s in (1.0, 5.0):
        joints = body.pose([time_s]).joints[0]
        without = paint(joints, markers=False)
        painted = paint(joints)
        place, depth = view.project(joints[joint])
        mine = (painted == PALETTE[joint]).all(-1) & ~(without == PALETTE[joint]).all(-1)
        if mine.sum() < 20:
            continue  # hidden by another limb
        rows, columns = np.nonzero(mine)
        radius = MARKER_RADIUS_M * view.intrinsics[0] / depth
        assert np.hypot(columns - place[0], rows - place[1]).max() <= radius + 1.5


def test_a_frame_is_painted_and_encoded_in_five_milliseconds():
    paint, joints = Painter(View.look_at()), Body(seed=1).pose(np.arange(0, 10, 0.5)).joints
    paint(joints[0])

    def once():
        start = time.thread_time()
        for pose in joints:
            cv2.imencode(".jpg", paint(pose))
        return (time.thread_time() - start) / len(joints)

    assert min(once() for _ in range(3)) < 0.005


@pytest.mark.parametrize(("quality", "size"), [(90, (640, 480)), (70, (640, 480)), (90, (1280, 720))])
def test_markers_are_found_within_a_pixel_and_a_half(quality, size):
    view, find = View.look_at(*size), front_end("markers")
    paint = Painter(view)
    errors, seen = [], []
    for seed in range(3):
        body = Body(seed, shape=BodyShape.random(np.random.default_rng(seed)))
        for joints in body.pose(np.arange(0.0, 45.0, 1.5)).joints:
            (person,) = find(jpeg(paint(joints), quality), 0)
            error = np.linalg.norm(person.keypoints - view.project(joints)[0], axis=-1)
            errors.append(error[person.score > 0.5])
            seen.append(person.score > 0.5)
    errors = np.concatenate(errors)
    assert np.median(errors) < 0.5  # the contract is 1.5 px
    assert np.percentile(errors, 99.5) < 6.0
    assert np.mean(seen) > 0.85


def test_heatmaps_peak_where_the_key_points_are():
    view = View.look_at()
    (person,) = Markers()(jpeg(Painter(view)(Body(seed=2).pose([3.0]).joints[0])), 0)
    assert person.heatmaps is not None
    values, to_picture = person.heatmaps.values, person.heatmaps.to_picture
    assert values.shape == (20, 64, 64)
    cell = to_picture[0, 0]
    for joint in np.flatnonzero(person.score > 0.5):
        row, column = np.unravel_index(values[joint].argmax(), (64, 64))
        assert to_picture @ [column, row, 1] == pytest.approx(person.keypoints[joint], abs=0.51 * cell)
        assert np.sqrt(person.variance[joint, 0]) == pytest.approx(cell, rel=0.5)
    assert values[person.score == 0].max(initial=0.0) == 0.0
    x, y, width, height = person.box
    inside = person.keypoints[person.score > 0]
    assert (inside > (x, y)).all()
    assert (inside < (x + width, y + height)).all()


def test_nobody_is_found_in_an_empty_room_nor_in_noise():
    view = View.look_at()
    joints = Body().pose([0.0]).joints[0]
    assert Markers()(jpeg(Painter(view)(joints, markers=False)), 0) == []
    noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3)).astype(np.uint8)
    assert Markers()(noise, 0) == []


def test_the_camera_driver_sends_each_frame_of_its_own_clock():
    epoch = time.monotonic_ns() - 2_000_000_000
    camera = SimulatedCamera(CameraConfig(seed=4, drift_ppm=100, delay_ms=10), DriverContext("c", "", epoch))
    info = camera.open()
    clock = SimulatedClock.from_text(info.properties["true_clock"])
    read = (camera.read(0.05) for _ in range(200))
    frames = list(itertools.islice((s for s in read if s is not None), 20))
    camera.close()
    assert info.encoding == "jpeg"
    assert info.shape == (480, 640, 3)
    view, find = camera.config.view(), Markers()
    body = camera.config.body()
    lost = 0
    for number, samples in enumerate(frames):
        row = int(samples.seq[0])
        lost += sum(samples.lost.values())
        assert row == number + lost
        captured = int(clock.capture(row))
        assert samples.time_host[0] - epoch >= captured + 10_000_000
        assert samples.time_device[0] == clock.stamp(row)
        image = cv2.imdecode(np.frombuffer(samples.data[0], np.uint8), cv2.IMREAD_COLOR)
        (person,) = find(image, captured)
        truth = view.project(body.pose([captured / 1e9]).joints[0])[0]
        error = np.linalg.norm(person.keypoints - truth, axis=-1)[person.score > 0.5]
        assert np.median(error) < 1.0


def test_the_camera_sends_pixels_where_the_rig_stores_raw():
    camera = SimulatedCamera(CameraConfig(fps=60), DriverContext("c", "", 0, store="raw"))
    info = camera.open()
    samples = next(s for _ in range(100) if (s := camera.read(0.1)) is not None)
    camera.close()
    assert info.encoding == "array"
    assert samples.data.shape == (1, 480, 640, 3)
