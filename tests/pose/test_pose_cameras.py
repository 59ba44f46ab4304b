"""Cameras and files at an address, by a real server on the loopback."""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import pytest
from page_runs import write_film
from test_pose_command import refused, rows

from fusion.pose.inputs import sources_of

LOGIN = "Basic " + base64.b64encode(b"me:secret").decode()


class Handler(BaseHTTPRequestHandler):
    """A camera of Motion-JPEG, and files."""

    protocol_version = "HTTP/1.0"

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        with contextlib.suppress(OSError):
            if self.path == "/camera":
                self._camera()
            elif self.path == "/locked/walk.mp4" and self.headers.get("Authorization") != LOGIN:
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="films"')
                self.end_headers()
            elif (data := self.server.files.get(self.path.rsplit("/", 1)[-1])) is not None:  # type: ignore[attr-defined]
                self.send_response(200)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)
            else:
                self.send_error(404)

    def _camera(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        for jpeg in self.server.jpegs:  # type: ignore[attr-defined]
            head = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
            self.wfile.write(head + jpeg + b"\r\n")
            if self.server.over.wait(0.04):  # type: ignore[attr-defined]
                return


@pytest.fixture
def server(frames, tmp_path) -> Iterator[str]:
    made = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.daemon_threads = True
    made.over = threading.Event()  # type: ignore[attr-defined]
    made.jpegs = [cv2.imencode(".jpg", image)[1].tobytes() for image in frames] * 4  # type: ignore[attr-defined]
    film = write_film(tmp_path / "source.mp4", frames[:10])
    picture = cv2.imencode(".png", frames[4])[1].tobytes()
    made.files = {"walk.mp4": film.read_bytes(), "me": picture, "words.mp4": b"only words\n" * 99}  # type: ignore[attr-defined]
    thread = threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{made.server_port}"
    finally:
        made.over.set()  # type: ignore[attr-defined]
        made.shutdown()
        made.server_close()
        thread.join()


def test_a_camera_on_the_network_is_looked_at_until_it_is_time(server, tmp_path, pose):
    out = tmp_path / "out"
    code, said, err = pose(f"{server}/camera", "--output", out, "--duration=1.0", "--screenshots=0.5")
    assert (code, err) == (0, "")
    assert "somebody in" in said
    summary = json.loads((out / "summary.json").read_text())
    assert summary["smoothing"] == "one-euro"
    table = rows(out)
    times = sorted({float(row["time_s"]) for row in table})
    assert times[0] == 0.0
    assert 0.2 < times[-1] < 1.0
    assert (out / "overlay.mp4").stat().st_size > 0


def test_a_camera_that_ends_leaves_what_it_showed(server, tmp_path, pose):
    run = pose(f"{server}/camera", "--output", tmp_path / "out", "--write=csv")
    refused(run, "127.0.0.1", "what was read of it is in")
    assert run[0] == 1
    assert len({row["frame"] for row in rows(tmp_path / "out")}) > 3


def test_nothing_is_named_after_a_camera_that_never_ends(server, tmp_path, pose):
    words = (f"{server}/camera", tmp_path / "source.mp4", "--output", tmp_path / "out", "--write=csv")
    refused(pose(*words), "127.0.0.1 is looked at until Ctrl-C", "--duration")
    assert not (tmp_path / "out").exists()
    assert pose(*words, "--duration=0.5")[0] == 0
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"127.0.0.1", "source"}


def test_ctrl_c_ends_the_fetching_of_a_file(server, tmp_path, monkeypatch):
    (tmp_path / "room").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "room"))
    with pytest.raises(KeyboardInterrupt):
        sources_of([f"{server}/walk.mp4"], stop=lambda: True)
    assert not list((tmp_path / "room").iterdir())


@pytest.mark.parametrize("path", ["walk.mp4", "locked/walk.mp4"])
def test_a_film_at_an_address_is_fetched_and_goes_again(path, server, tmp_path, pose, monkeypatch):
    (tmp_path / "room").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "room"))
    address = server.replace("//", "//me:secret@") if "locked" in path else server
    code, said, err = pose(f"{address}/{path}", "--output", tmp_path / "out")
    assert (code, err) == (0, "")
    assert "10 pictures" in said
    assert "secret" not in "".join(p.read_text() for p in (tmp_path / "out").rglob("*.json"))
    assert not list((tmp_path / "room").iterdir())


def test_a_picture_at_an_address_is_known_by_its_bytes(server, tmp_path, pose):
    (source,) = sources_of([f"{server}/%2e%2e/my%20walk/me"])
    source.close()
    assert source.name == "me"
    assert pose(f"{server}/me", "--output", tmp_path / "out")[0] == 0
    assert len({row["frame"] for row in rows(tmp_path / "out")}) == 1


@pytest.mark.parametrize(
    ("path", "words", "naming"),
    [
        ("nowhere", (), ("404",)),
        ("words.mp4", (), ("words.mp4", "no video or picture")),
        ("walk.mp4", ("--privacy",), ("walk.mp4", "--privacy")),
    ],
)
def test_what_an_address_does_not_give_is_told(path, words, naming, server, tmp_path, pose, monkeypatch):
    (tmp_path / "room").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "room"))
    refused(pose(f"{server}/{path}", "--output", tmp_path / "out", *words), *naming)
    assert not (tmp_path / "out").exists()
    assert not list((tmp_path / "room").iterdir())


def test_a_webcam_that_is_not_there_is_told(tmp_path, pose):
    refused(pose("93", "--output", tmp_path / "out"), "/dev/video93")
    assert not Path(tmp_path / "out").exists()
