"""The worker beside a camera, in a process of its own, on a real bus."""

import subprocess
import sys

import cv2
import numpy as np
import pytest

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.messages import Announcement, Ended
from drivers.simulator.anatomy import JOINTS
from drivers.simulator.body import Body
from drivers.simulator.view import Painter, View
from fusion.vision.base import front_end
from fusion.vision.worker import main

RIG = """
name: privacy
vision: markers
streams:
  camera: {driver: simulator.camera, store: none}
"""


@pytest.fixture
def rig(tmp_path):
    path = tmp_path / "rig.yaml"
    path.write_text(RIG)
    return path


def pictures(count):
    view = View.look_at()
    paint = Painter(view)
    joints = Body().pose(np.arange(count) / 30.0).joints
    return view, [cv2.imencode(".jpg", paint(j))[1].tobytes() for j in joints]


def camera_info(view):
    return StreamInfo(
        name="camera",
        kind="camera",
        encoding="jpeg",
        dtype="|u1",
        shape=(view.height, view.width, 3),
        rate_hz=30.0,
        properties=view.properties(),
    )


def one(picture, number):
    stamp = np.zeros(1, STAMP)
    stamp["time"] = stamp["time_host"] = 1_000_000 + number * 33_333_333
    stamp["time_bound"], stamp["time_device"], stamp["seq"] = 1000, NO_TIME, number
    return Batch("camera", stamp, (picture,))


def receive_until(subscriber, wanted):
    """Return all messages up to the first that is wanted; each must come within the patience."""
    messages = []
    while True:
        message = subscriber.receive(30.0)
        assert message is not None, "nothing came"
        messages.append(message)
        if wanted(message):
            return messages


def test_key_points_and_heatmaps_leave_the_worker_and_no_picture_does(rig):
    count = 12
    view, jpegs = pictures(count)
    expected = front_end("markers")
    with Hub() as hub, Subscriber(hub.address, ["camera_markers", "camera_markers_heatmaps"]) as subscriber:
        worker = subprocess.Popen(
            [
                *(sys.executable, "-m", "fusion.vision.worker", str(rig), "--connect", hub.address),
                *("--every", "--heatmaps"),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with Publisher(hub.address, camera_info(view)) as camera:
                first = receive_until(subscriber, lambda m: isinstance(m, Announcement))[-1]
                for number, jpeg in enumerate(jpegs):
                    camera.publish(one(jpeg, number))
                camera.end(Ended("camera", count, {}))
                messages = receive_until(
                    subscriber, lambda m: isinstance(m, Ended) and m.stream == "camera_markers_heatmaps"
                )
                heard = [m for m in messages if isinstance(m, Batch) and m.stream == "camera_markers"]
                maps = [m for m in messages if isinstance(m, Batch) and m.stream == "camera_markers_heatmaps"]
            out, err = worker.communicate(timeout=30)
        finally:
            worker.kill()
            worker.wait()
    assert err == ""
    assert worker.returncode == 0
    assert out == f"camera: {count} pictures looked at, {count} show somebody, 0 skipped\n"

    info = first.info
    assert info.name == "camera_markers"
    assert info.kind == "features"
    assert info.properties["skeleton"].split(",") == list(JOINTS)
    assert (info.properties["width"], info.properties["height"]) == ("640", "480")
    assert info.properties["extrinsics"] == view.properties()["extrinsics"]
    assert len(heard) == count
    for number, (batch, jpeg) in enumerate(zip(heard, jpegs, strict=True)):
        assert batch.stamps["time"][0] == 1_000_000 + number * 33_333_333
        assert batch.stamps["seq"][0] == number
        image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        person = expected(image, 0)[0]
        assert batch.data[0, :, :2] == pytest.approx(person.keypoints)
        assert batch.data[0, :, 2] == pytest.approx(person.score)
    assert maps
    assert maps[0].data.dtype == np.uint8
    assert maps[0].data.shape[1:3] == (20, 64)


def test_the_worker_ends_when_the_session_does(rig):
    view, jpegs = pictures(1)
    with Hub() as hub, Subscriber(hub.address, ["camera_markers"]) as subscriber:
        worker = subprocess.Popen(
            [sys.executable, "-m", "fusion.vision.worker", str(rig), "--connect", hub.address],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            with Publisher(hub.address, camera_info(view)) as camera:
                receive_until(subscriber, lambda m: isinstance(m, Announcement))
                camera.publish(one(jpegs[0], 0))
                receive_until(subscriber, lambda m: isinstance(m, Batch))
                hub.request_stop()
                ended = receive_until(subscriber, lambda m: isinstance(m, Ended))[-1]
            assert ended.produced == 1
            out, err = worker.communicate(timeout=30)
        finally:
            worker.kill()
            worker.wait()
    assert (worker.returncode, err) == (0, "")
    assert out.startswith("camera: 1 pictures")


def test_errors_are_one_line(rig, tmp_path, capsys):
    assert main([str(rig), "--connect", "tcp://127.0.0.1:1", "--camera", "lens"]) == 1
    assert capsys.readouterr().err == "error: the rig privacy has no stream 'lens'. Choose of: camera\n"
    assert main([str(tmp_path / "absent.yaml"), "--connect", "tcp://127.0.0.1:1"]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert main([str(rig), "--connect", "tcp://127.0.0.1:1"]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
