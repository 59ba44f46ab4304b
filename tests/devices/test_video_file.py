"""A video file as a camera: right pictures, own pace, loops, counted losses, clear refusals."""

from __future__ import annotations

import struct
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from device_wires import gather, joined, losses, rows

from drivers.base import DriverContext, EndOfStream, Samples
from drivers.camera import played
from drivers.camera.file import VideoFileConfig, VideoFileDriver
from drivers.camera.played import AHEAD
from drivers.errors import DeviceError, Fault

WIDTH, HEIGHT = 160, 96


def picture(number: int) -> np.ndarray:
    """A picture that tells its number: a bright column for each bit, over grey."""
    image = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    for bit in range(8):
        if number >> bit & 1:
            image[:, bit * 20 : bit * 20 + 20] = 220
    return image


def number_in(image: np.ndarray) -> int:
    return sum((int(image[:, bit * 20 + 5 : bit * 20 + 15].mean()) > 140) << bit for bit in range(8))


def write_video(path: Path, stamps_ms: list[int], pictures=picture, codec: str = "mpeg4") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=50 if path.suffix == ".avi" else 30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.codec_context.bit_rate = 4_000_000
        for number, stamp in enumerate(stamps_ms):
            frame = av.VideoFrame.from_ndarray(pictures(number), format="bgr24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def video(tmp_path_factory) -> Path:
    return write_video(tmp_path_factory.mktemp("video") / "count.mp4", [20 * n for n in range(25)])


def camera(path: Path | str, store: str = "default", **options) -> VideoFileDriver:
    return VideoFileDriver(VideoFileConfig(path=str(path), **options), DriverContext("cam", store=store))


def pictures_of(samples: list[Samples]) -> list[np.ndarray]:
    jpegs = [row for item in samples for row in item.data]
    return [cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) for jpeg in jpegs]


def run(driver: VideoFileDriver, enough=lambda got: False) -> list[Samples]:
    try:
        driver.open()
        return gather(driver, enough)
    finally:
        driver.close()


def test_every_picture_comes_in_order_with_its_presentation_time_and_then_the_end(video):
    driver = camera(video)
    info = driver.open()
    try:
        got = gather(driver, lambda got: False)
        with pytest.raises(EndOfStream):
            driver.read(0.1)
    finally:
        driver.close()
    assert (info.kind, info.encoding, info.shape) == ("camera", "jpeg", (HEIGHT, WIDTH, 3))
    assert info.rate_hz == pytest.approx(50, rel=0.02)
    assert [number_in(image) for image in pictures_of(got)] == list(range(25))
    assert joined(got, "seq").tolist() == list(range(25))
    assert (joined(got, "time_device") // 1_000_000).tolist() == [20 * n for n in range(25)]
    assert losses(got) == 0
    assert driver_pace(got) == pytest.approx(50, rel=0.25)


def driver_pace(samples: list[Samples]) -> float:
    host = joined(samples, "time_host")
    return (len(host) - 1) / ((host[-1] - host[0]) / 1e9)


def test_irregular_presentation_times_set_the_pace(tmp_path):
    stamps = [0, 20, 40, 240, 260, 280]
    driver = camera(write_video(tmp_path / "irregular.mp4", stamps))
    assert not driver.open().regular
    got = run(driver)
    assert (joined(got, "time_device") // 1_000_000).tolist() == stamps
    host = (joined(got, "time_host") - got[0].time_host[0]) / 1e6
    assert (host >= np.array(stamps) - 1).all()  # never before it is due


@pytest.mark.parametrize("name", ["a.mp4", "a.mov", "a.mkv", "a.avi", "a.webm"])
def test_each_usual_container_plays_whole(tmp_path, name):
    codec = {"a.webm": "libvpx", "a.mkv": "libx264"}.get(name, "mpeg4")
    path = write_video(tmp_path / name, [20 * n for n in range(25)], codec=codec)
    got = run(camera(path))
    assert [number_in(image) for image in pictures_of(got)] == list(range(25))
    assert (np.diff(joined(got, "time_device")) == 20_000_000).all()


@pytest.mark.parametrize("cache_mb", [0, 64])
def test_fps_and_loop_go_on_without_a_seam(video, cache_mb):
    driver = camera(video, fps=200.0, loop=True, cache_mb=cache_mb)
    assert driver.open().regular
    got = run(driver, lambda got: rows(got) >= 70)
    numbers = [number_in(image) for image in pictures_of(got)]
    seq = joined(got, "seq")
    assert numbers == [int(number) % 25 for number in seq]
    assert (np.diff(joined(got, "time_device")) > 0).all()
    assert int(seq[-1]) + 1 == rows(got) + losses(got)
    host = (joined(got, "time_host") - got[0].time_host[0]) / 1e9
    assert (host >= seq / 200 - 0.001).all()


def test_a_reader_that_stalls_loses_pictures_on_the_ledger_and_never_drifts(video):
    driver = camera(video, fps=500.0, loop=True)
    driver.open()
    try:
        got = gather(driver, lambda got: rows(got) >= 5)
        stall = time.monotonic() + 0.7
        while time.monotonic() < stall:
            pass  # the reader is busy with something else
        got += gather(driver, lambda more: bool(more) and losses(more) > 0)
        got += gather(driver, lambda more: rows(more) >= 100)
    finally:
        driver.close()
    assert losses(got) > 0
    assert {reason for item in got for reason in item.lost} == {"driver_queue"}
    seq = joined(got, "seq").astype(np.int64)
    assert seq[-1] + 1 == rows(got) + losses(got)
    late = (joined(got, "time_host") - got[0].time_host[0]) / 1e9 - seq / 500
    assert late[-1] < 0.35


class Counted(VideoFileDriver):
    """A video of which it is known how many pictures were made ready."""

    made = 0

    def _payload(self, picture):
        self.made += 1
        return super()._payload(picture)


@pytest.mark.parametrize(("room", "least", "most"), [(1 << 20, 25, 25), (0, AHEAD, AHEAD + 2)])
def test_the_time_before_an_agreed_start_is_used_as_far_as_memory_goes(video, monkeypatch, room, least, most):
    monkeypatch.setattr(played, "AHEAD_BYTES", room)
    context = DriverContext("cam", epoch_ns=time.monotonic_ns())
    driver = Counted(VideoFileConfig(path=str(video), start_s=3600), context)
    driver.open()
    try:
        deadline = time.monotonic() + 60
        reads = 0
        while reads < 50 or (driver.made < least and time.monotonic() < deadline):
            assert driver.read(0.01) is None  # nothing is due for an hour
            reads += 1
    finally:
        driver.close()
    assert least <= driver.made <= most  # one is with the reader, one waits for room


def test_a_film_that_was_made_ready_keeps_to_its_agreed_times(video):
    context = DriverContext("cam", epoch_ns=time.monotonic_ns())
    got = run(VideoFileDriver(VideoFileConfig(path=str(video), start_s=0.5), context))
    assert [number_in(image) for image in pictures_of(got)] == joined(got, "seq").tolist()
    due = 500_000_000 + joined(got, "time_device")
    assert np.array_equal(joined(got, "time_host") - context.epoch_ns, due)


def test_losses_at_the_end_are_told_before_the_end(video):
    driver = camera(video, fps=1000.0)
    driver.open()
    try:
        first = gather(driver, lambda got: rows(got) >= 1)
        stall = time.monotonic() + 0.6
        while time.monotonic() < stall:
            pass
        got = first + gather(driver, lambda more: False)
    finally:
        driver.close()
    assert losses(got) > 0
    assert rows(got) + losses(got) == 25


def test_raw_pictures_and_another_size(video):
    driver = camera(video, store="raw", size=(80, 48))
    info = driver.open()
    assert (info.encoding, info.dtype, info.shape) == ("array", "|u1", (48, 80, 3))
    got = run(driver, lambda got: rows(got) >= 3)
    assert joined(got, "data").shape[1:] == (48, 80, 3)
    assert joined(got, "data").dtype == np.uint8


def test_a_telephones_picture_stands_upright(tmp_path):
    def corner(number: int) -> np.ndarray:
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[:48, :80] = 255
        return image

    path = write_video(tmp_path / "turned.mp4", [0, 20], corner)
    identity = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    clockwise = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30)
    head, mark, tail = path.read_bytes().rpartition(identity)  # the track's; the movie's stands before it
    assert mark
    path.write_bytes(head + clockwise + tail)
    (image, _) = pictures_of(run(camera(path)))
    assert image.shape == (WIDTH, HEIGHT, 3)
    assert image[10, -10].mean() > 200  # top right, after a quarter turn clockwise
    assert image[10, 10].mean() < 50


def refusal(driver: VideoFileDriver) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        driver.open()
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_missing_file_a_folder_and_no_video_at_all(tmp_path):
    text = tmp_path / "words.mp4"
    text.write_text("this is not a video\n" * 100)
    assert refusal(camera(tmp_path / "none.mp4")).fault is Fault.NOT_FOUND
    assert refusal(camera(tmp_path)).fault is Fault.UNSUPPORTED
    error = refusal(camera(text))
    assert error.fault is Fault.UNSUPPORTED
    assert "words.mp4" in error.what


def test_a_video_without_pictures_is_refused(tmp_path):
    path = tmp_path / "empty.avi"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        container.start_encoding()
    assert "without pictures" in refusal(camera(path)).what


def test_a_file_with_sound_only_holds_no_video(tmp_path):
    import soundfile

    path = tmp_path / "sound.wav"
    soundfile.write(path, np.zeros(4800, np.float32), 48000)
    assert "holds no video" in refusal(camera(path)).what


def test_a_truncated_video_gives_what_is_left_and_ends(tmp_path):
    path = tmp_path / "cut.avi"
    write_video(tmp_path / "whole.avi", [33 * n for n in range(20)])
    whole = (tmp_path / "whole.avi").read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    assert 0 < rows(run(camera(path, fps=500.0))) < 20


def test_a_truncated_container_without_its_index_is_refused(video, tmp_path):
    path = tmp_path / "cut.mp4"
    path.write_bytes(video.read_bytes()[:2000])
    assert refusal(camera(path)).fault is Fault.UNSUPPORTED


def test_a_failed_open_can_be_tried_again(video, tmp_path):
    path = tmp_path / "later.mp4"
    driver = camera(path)
    refusal(driver)
    path.write_bytes(video.read_bytes())
    assert rows(run(driver, lambda got: rows(got) >= 2)) >= 2


@pytest.mark.parametrize("options", [{"fps": -1.0}, {"quality": 0}, {"size": (0, 5)}])
def test_impossible_options_are_refused(options):
    with pytest.raises(ValueError):
        VideoFileConfig(path="x", **options)
