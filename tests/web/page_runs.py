"""The page as people run it: ``chorus live --web`` and ``chorus serve`` as programs; and films for them."""

from __future__ import annotations

import http.client
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import av
import numpy as np
import pytest

from drivers.simulator.options import BodyOptions
from drivers.simulator.view import Painter, View

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")

RIG = """
name: small
vision: markers
streams:
  camera: {driver: simulator.camera, width: 320, height: 240, fps: 15}
  pelvis: {driver: simulator.imu, worn_on: pelvis, rate_hz: 50}
  left_forearm: {driver: simulator.imu, worn_on: left_forearm, rate_hz: 50}
  microphone: {driver: simulator.microphone, rate_hz: 16000}
"""
PRIVATE = RIG.replace("fps: 15", "fps: 15, store: none")

VIDEOS = {".mp4": "libx264", ".mov": "libx264", ".mkv": "libx264", ".avi": "mpeg4", ".webm": "libvpx"}


class Run:
    """A program whose page is up.

    Args:
        words: of its command line, after ``chorus``.
        folder: it runs in.
    """

    def __init__(self, folder: Path, *words: str, timeout_s: float = 120.0) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._coming: queue.Queue[str | None] = queue.Queue()
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fusion.cli", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.url = ""
        deadline = time.monotonic() + timeout_s
        while not self.url:
            try:
                line = self._coming.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                line = None
            if line is None:
                self.end()
                raise AssertionError("no page came up:\n" + "\n".join(self.lines))
            if line.startswith("page at "):
                self.url = line.split()[2]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())
            self._coming.put(line.rstrip())
        self._coming.put(None)

    def ask(
        self, method: str, path: str, body: bytes | Iterator[bytes] | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Send one request as it is; return status, headers and body."""
        place = urlsplit(self.url)
        link = http.client.HTTPConnection(place.hostname or "", place.port or 80, timeout=60)
        try:
            link.putrequest(method, path, skip_host="host" in headers, skip_accept_encoding=True)
            for name, value in headers.items():
                link.putheader(name.replace("_", "-"), value)
            if isinstance(body, bytes) and "content_length" not in headers:
                link.putheader("content-length", str(len(body)))
            link.endheaders(body)
            answer = link.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        finally:
            link.close()

    def json(self, method: str, path: str, body: Any = None) -> Any:
        """Send one request and return what it answers; it must succeed."""
        sent = None if body is None else json.dumps(body).encode()
        status, _, answer = self.ask(method, path, sent)
        assert status < 300, answer
        return json.loads(answer)

    def end(self) -> int:
        """End it as Ctrl-C does; return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        finally:
            self._reader.join(10)
            assert self.process.stdout is not None
            self.process.stdout.close()


def until(true: Callable[[], Any], what: str, timeout_s: float = 90.0) -> Any:
    """Ask until something is so, and return it."""
    deadline = time.monotonic() + timeout_s
    while not (found := true()):
        assert time.monotonic() < deadline, f"not within {timeout_s:.0f} s: {what}"
        threading.Event().wait(0.05)
    return found


def pictures(count: int, fps: float = 15.0, size: tuple[int, int] = (320, 240)) -> list[np.ndarray]:
    """Return pictures (H, W, 3) BGR of the simulated body with its markers."""
    view = View.look_at(*size)
    painter, body = Painter(view, 0), BodyOptions().body()
    joints = body.pose(np.arange(count) / fps).joints
    return [painter(joints[i], True) for i in range(count)]


def write_film(path: Path, frames: list[np.ndarray], fps: int = 15) -> Path:
    """Write a film in the format that its name says."""
    codec = VIDEOS[path.suffix]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        assert isinstance(stream, av.VideoStream)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.bit_rate = 2_000_000
        stream.codec_context.time_base = Fraction(1, fps)
        stream.codec_context.thread_count = 1
        for number, image in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt install chromium")
