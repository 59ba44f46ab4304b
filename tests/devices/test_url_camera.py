"""Network cameras, simulated by an HTTP server on the loopback."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import itertools
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import av
import cv2
import numpy as np
import pytest
from device_wires import gather, joined, losses, rows
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.base import DriverContext
from drivers.camera import feed, multipart
from drivers.camera.multipart import MultipartParser, Part, boundary_of
from drivers.camera.url import UrlCameraConfig, UrlCameraDriver
from drivers.errors import DeviceError, Fault


def jpeg(number: int) -> bytes:
    image = np.full((48, 64, 3), number % 200 + 20, np.uint8)
    return cv2.imencode(".jpg", image)[1].tobytes()


JPEGS = [jpeg(20 * number) for number in range(8)]


def part(picture: bytes, *, length: bool = True, stamp: float | None = None, end: bytes = b"\r\n") -> bytes:
    lines = [b"--frame", b"Content-Type: image/jpeg"]
    lines += [b"Content-Length: %d" % len(picture)] if length else []
    lines += [b"X-Timestamp: %.6f" % stamp] if stamp is not None else []
    return end.join(lines) + end + end + picture + end


class Handler(BaseHTTPRequestHandler):
    """One path for each kind of camera."""

    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):
            getattr(self, "serve_" + self.path[1:].partition("?")[0], self.serve_nothing)()

    def begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def stopped(self, pause_s: float) -> bool:
        return self.server.stop.wait(pause_s)  # type: ignore[attr-defined]

    def serve_nothing(self) -> None:
        self.send_error(404)

    def serve_mjpeg(self) -> None:
        self.begin("multipart/x-mixed-replace; boundary=frame")
        for number in itertools.count():
            self.wfile.write(part(JPEGS[number % 8], stamp=1000 + number / 100))
            if self.stopped(0.01):
                return

    def serve_short(self) -> None:
        self.begin('multipart/x-mixed-replace;boundary="--frame"')
        for number in range(5):
            damaged = JPEGS[number][: 20 if number == 2 else None]
            self.wfile.write(part(damaged, length=False))
        self.wfile.write(b"--frame\r\n")

    def serve_silent(self) -> None:
        self.begin("multipart/x-mixed-replace; boundary=frame")
        self.wfile.write(part(JPEGS[0]))
        self.stopped(30)

    def serve_page(self) -> None:
        self.begin("text/html")
        self.wfile.write(b"<html>log in</html>")

    def serve_private(self) -> None:
        if self.headers.get("Authorization") != "Basic " + base64.b64encode(b"me:s3cret word").decode():
            self.send_error(401)
        else:
            self.serve_mjpeg()

    def serve_digest(self) -> None:
        """As RFC 7616 has it; the password itself is never sent."""
        given = dict(re.findall(r'(\w+)="?([^",]+)"?', self.headers.get("Authorization", "")))

        def md5(text: str) -> str:
            return hashlib.md5(text.encode()).hexdigest()

        middle = ":".join(given.get(key, "") for key in ("nonce", "nc", "cnonce", "qop"))
        wanted = md5(f"{md5('me:door:s3cret word')}:{middle}:{md5(f'GET:{self.path}')}")
        if given.get("nonce") == "abc" and given.get("response") == wanted:
            self.serve_mjpeg()
            return
        self.send_response(401)
        self.send_header("WWW-Authenticate", 'Bearer realm="door"')
        self.send_header("WWW-Authenticate", 'Digest realm="door", nonce="abc", qop="auth", algorithm=MD5')
        self.end_headers()

    def serve_transport(self) -> None:
        """An MPEG transport stream, as cheap encoders send it."""
        self.begin("video/mp2t")
        sink = io.BytesIO()
        with av.open(sink, "w", format="mpegts") as container:
            stream = container.add_stream("mpeg2video", rate=25)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            sent = 0
            for number in itertools.count():
                image = np.full((48, 64, 3), 40 + number % 100, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="bgr24")))
                self.wfile.write(sink.getvalue()[sent:])
                sent = len(sink.getvalue())
                if self.stopped(0.004):
                    return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.stop = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.stop.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


def camera(url: str, store: str = "default", **options) -> UrlCameraDriver:
    return UrlCameraDriver(UrlCameraConfig(url=url, **options), DriverContext("door", store=store))


def refusal(url: str, **options) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        camera(url, **options).open()
    assert "\n" not in str(caught.value)
    return caught.value


def test_pictures_pass_through_byte_for_byte_with_the_cameras_stamps(server):
    driver = camera(f"{server}/mjpeg")
    info = driver.open()
    try:
        got = gather(driver, lambda got: rows(got) >= 20)
    finally:
        driver.close()
    assert (info.kind, info.encoding, info.shape) == ("camera", "jpeg", (48, 64, 3))
    assert losses(got) == 0
    assert [row for item in got for row in item.data] == [JPEGS[n % 8] for n in range(rows(got))]
    assert (np.diff(joined(got, "time_device")) == 10_000_000).all()
    assert (np.diff(joined(got, "time_host")) >= 0).all()


def test_a_reader_that_is_busy_does_not_stop_the_camera_and_losses_are_counted(server, monkeypatch):
    monkeypatch.setattr(feed, "ROOM", 10)
    driver = camera(f"{server}/mjpeg")
    driver.open()
    try:
        stall = time.monotonic() + 0.6
        while time.monotonic() < stall:
            pass
        got = gather(driver, lambda got: losses(got) > 0)
    finally:
        driver.close()
    assert got[-1].lost.keys() == {"driver_queue"}
    assert int(got[-1].seq[0]) + 1 == rows(got) + losses(got)


def test_a_stream_without_lengths_counts_a_damaged_picture_and_ends_in_an_error(server):
    driver = camera(f"{server}/short")
    driver.open()
    got = gather(driver, lambda got: rows(got) >= 4)
    with pytest.raises(DeviceError) as caught:
        gather(driver, lambda got: False)
    driver.close()
    assert caught.value.fault is Fault.UNPLUGGED
    assert [row for item in got for row in item.data] == [JPEGS[0], JPEGS[1], JPEGS[3], JPEGS[4]]
    assert [item.lost for item in got] == [{}, {}, {"checksum": 1}, {}]
    assert joined(got, "seq").tolist() == [0, 1, 3, 4]


def test_raw_pictures_are_decoded(server):
    driver = camera(f"{server}/mjpeg", store="raw")
    try:
        assert driver.open().encoding == "array"
        assert joined(gather(driver, lambda got: rows(got) >= 2), "data").shape[1:] == (48, 64, 3)
    finally:
        driver.close()


def test_a_transport_stream_is_decoded(server):
    driver = camera(f"{server}/transport")
    try:
        info = driver.open()
        got = gather(driver, lambda got: rows(got) >= 10)
    finally:
        driver.close()
    assert info.shape == (48, 64, 3)
    assert (np.diff(joined(got, "time_device")) == 40_000_000).all()
    assert all(row.startswith(b"\xff\xd8") for item in got for row in item.data)


@pytest.mark.parametrize("path", ["private", "digest", "digest?channel=1"])
def test_the_login_is_used_and_never_shown(server, path):
    address = server.removeprefix("http://")
    driver = camera(f"http://me:s3cret%20word@{address}/{path}")
    try:
        assert "s3cret" not in driver.open().device
    finally:
        driver.close()
    error = refusal(f"http://me:wr0ng@{address}/{path.partition('?')[0]}?token=t0ken")
    assert error.fault is Fault.PERMISSION
    assert "wr0ng" not in str(error)
    assert "t0ken" not in str(error)


def test_each_way_to_fail_has_its_name(server):
    assert refusal(f"{server}/nobody").fault is Fault.NOT_FOUND
    assert "text/html" in refusal(f"{server}/page").what
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        closed = free.getsockname()[1]
    assert refusal(f"http://127.0.0.1:{closed}/").fault is Fault.NOT_FOUND
    assert refusal(f"rtsp://127.0.0.1:{closed}/", patience_s=1.0).fault is Fault.NOT_FOUND
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        assert refusal(f"http://127.0.0.1:{deaf.getsockname()[1]}/", patience_s=0.2).fault is Fault.SILENT


def test_a_camera_that_falls_silent_is_a_failure_not_a_hang(server):
    driver = camera(f"{server}/silent", patience_s=0.3)
    driver.open()
    try:
        with pytest.raises(DeviceError) as caught:
            gather(driver, lambda got: False, 5)
    finally:
        driver.close()
    assert caught.value.fault is Fault.SILENT


@pytest.mark.parametrize("url", ["file:///etc/passwd", "/dev/video0", "http://", "http://[::1", "concat:a|b"])
def test_only_network_addresses_are_taken(url):
    with pytest.raises(ValueError):
        UrlCameraConfig(url=url)


@given(
    st.lists(
        st.tuples(st.integers(0, 7), st.booleans(), st.sampled_from([b"\r\n", b"\n"])), min_size=1, max_size=8
    ),
    st.binary(max_size=30),
    st.lists(st.integers(0, 6000), max_size=20),
)
def test_the_parser_finds_every_picture_however_the_bytes_are_cut(pictures, before, cuts):
    stream = before + b"".join(part(JPEGS[n], length=length, end=end) for n, length, end in pictures)
    stream += b"--frame"
    parser = MultipartParser(b"frame")
    edges = sorted(cut for cut in cuts if cut < len(stream))
    chunks = [stream[a:b] for a, b in zip([0, *edges], [*edges, len(stream)], strict=True)]
    parts = [item for chunk in chunks for item in parser.feed(chunk)]
    assert parts == [Part(JPEGS[n]) for n, _, _ in pictures]
    assert parser.damaged == 0


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=200),
            st.just(part(JPEGS[0])),
            st.just(b"--frame\r\nContent-Length: 99999999999\r\n\r\n"),
            st.just(b"--frame\r\nContent-Length: -5\r\n\r\n\xff\xd8\xff\xd9"),
            st.just(b"--frame\r\nX-Timestamp: nan\r\n\r\n"),
        ),
        max_size=20,
    )
)
def test_noise_never_raises_in_the_parser(chunks):
    parser = MultipartParser(b"frame")
    for chunk in chunks:
        for item in parser.feed(chunk):
            assert item.jpeg.startswith(b"\xff\xd8")


def test_an_endless_part_or_header_is_not_kept(monkeypatch):
    monkeypatch.setattr(multipart, "LARGEST_PICTURE", 100_000)
    for opening in (b"--frame\r\n\r\n", b"--frame\r\nX-Junk: "):
        parser = MultipartParser(b"frame")
        parser.feed(opening)
        for _ in range(50):
            parser.feed(b"j" * 10_000)
            assert len(parser._buffer) <= 120_000
        assert parser.feed(b"\r\n" + part(JPEGS[1]) + b"--frame")[-1].jpeg == JPEGS[1]
        assert parser.damaged > 0


@pytest.mark.parametrize(
    ("kind", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=frame", b"frame"),
        ('Multipart/X-Mixed-Replace;charset=x;BOUNDARY="--my mark"', b"my mark"),
        ("multipart/x-mixed-replace", None),
        ("image/jpeg; boundary=frame", None),
    ],
)
def test_boundaries_as_cameras_write_them(kind, boundary):
    assert boundary_of(kind) == boundary
