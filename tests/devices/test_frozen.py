"""The same picture again and again is told, a still scene is not."""

from __future__ import annotations

import itertools

import av
import cv2
import numpy as np
import pytest

from drivers.camera.frozen import FROZEN_S, FROZEN_VIDEO_S, FrozenWatch, same
from drivers.camera.picture import Picture

PERIOD_NS = 33_333_333


def told(payloads, patience_s=FROZEN_S) -> list[str]:
    watch = FrozenWatch("door", patience_s)
    for n, payload in enumerate(payloads):
        watch.see(Picture(payload, n * PERIOD_NS))
    return [label for _, _, label in watch.events()]


def scene(seed: int, noise: float = 1.5) -> np.ndarray:
    """A still room, and the noise of a sensor."""
    room = cv2.resize(np.random.default_rng(1).uniform(20, 200, (6, 8, 3)), (320, 240))
    return (room + np.random.default_rng(seed).normal(0, noise, room.shape)).clip(0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int = 80) -> bytes:
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.mark.parametrize("form", [jpeg, lambda image: image], ids=["jpeg", "pixels"])
def test_a_camera_that_hangs_is_told_once_and_when_it_goes_on(form):
    live = [form(scene(n)) for n in range(20)]
    hangs = [live[-1]] * 60
    again = [form(scene(n)) for n in range(20, 30)]
    labels = told(live + hangs + again)
    assert [label.partition(" since")[0].partition(",")[0] for label in labels] == [
        "door: sends the same picture",
        "door: sends new pictures again",
    ]
    assert "61 equal ones in 2.0 s" in labels[1]


@pytest.mark.parametrize("quality", [50, 80, 95])
def test_a_still_scene_with_the_noise_of_a_sensor_is_no_fault(quality):
    assert told([jpeg(scene(n), quality) for n in range(90)]) == []
    assert told([scene(n, noise=0.4) for n in range(90)]) == []


def test_repeated_pictures_of_a_slow_sensor_are_no_fault():
    assert told([jpeg(scene(n // 6)) for n in range(200)]) == []


def test_one_changed_pixel_is_another_picture():
    image = scene(0)
    other = image.copy()
    other[123, 201, 1] ^= 1
    assert same(image, image.copy())
    assert not same(image, other)
    assert not same(image, image[:-1])
    assert not same(image, jpeg(image))


def test_a_time_in_a_comment_makes_no_new_picture():
    picture = jpeg(scene(0))
    dated = [picture[:2] + b"\xff\xfe\x00\x06" + b"%04d" % n + picture[2:] for n in range(60)]
    assert same(dated[0], dated[1])
    assert len(told(dated)) == 1
    assert not same(dated[0], jpeg(scene(1)))


def test_it_can_be_switched_off_for_screens():
    assert told([jpeg(scene(0))] * 1000, patience_s=0) == []


def video(images: list[np.ndarray], crf: int, keys: int) -> list[np.ndarray]:
    """Return pictures decoded from H.264 as a camera on the network encodes it."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.framerate = 320, 240, "yuv420p", 30
    encoder.gop_size = keys
    encoder.options = {"preset": "veryfast", "tune": "zerolatency", "crf": str(crf)}
    decoder = av.CodecContext.create("h264", "r")
    frames = [av.VideoFrame.from_ndarray(image, format="bgr24") for image in images]
    packets = [packet for frame in [*frames, None] for packet in encoder.encode(frame)]
    return [frame.to_ndarray(format="bgr24") for packet in packets for frame in decoder.decode(packet)]


def test_video_of_a_still_scene_is_no_fault_though_most_of_its_pictures_are_equal():
    pictures = video([scene(n) for n in range(360)], crf=33, keys=120)
    assert np.mean([same(one, other) for one, other in itertools.pairwise(pictures)]) > 0.8
    assert told(pictures, FROZEN_VIDEO_S) == []


def test_video_that_repeats_its_last_picture_is_told():
    pictures = video([scene(n) for n in range(10)], crf=23, keys=30)
    assert len(told(pictures + [pictures[-1]] * 310, FROZEN_VIDEO_S)) == 1
