"""Cameras on the loopback whose pictures show their number: HTTP Motion-JPEG and RTSP (H.264), to be cut.

The camera runs on while its network is cut, so that every picture it makes has a number, sent or not.
"""

from __future__ import annotations

import abc
import base64
import contextlib
import socket
import struct
import threading
import time
from collections import deque
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

Cut = Literal["reset", "close", "silent"]
"""How a connection ends: with a reset, in order, or without a word."""

WIDTH, HEIGHT, SIDE = 128, 64, 16
BACKLOG = 300
"""Pictures kept for those who are slow to take them: none is left out by the camera itself."""
_BITS = (WIDTH // SIDE) * (HEIGHT // SIDE)


def drawn(number: int) -> NDArray[np.uint8]:
    """Return the picture (64, 128, 3) of a number: 32 black or white squares, it and its complement."""
    bits = [(number >> n) & 1 for n in range(_BITS // 2)]
    bits += [1 - bit for bit in bits]
    squares = np.array(bits, np.uint8).reshape(HEIGHT // SIDE, WIDTH // SIDE) * 200 + 28
    picture = np.kron(squares, np.ones((SIDE, SIDE), np.uint8))
    noise = np.random.default_rng(number).integers(-20, 20, picture.shape)
    return np.repeat((picture + noise).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)


def read(picture: NDArray[np.uint8]) -> int:
    """Return the number (16 bits) that a picture shows.

    Raises:
        ValueError: it shows none.
    """
    grey = picture.mean(axis=2).reshape(HEIGHT // SIDE, SIDE, WIDTH // SIDE, SIDE).mean(axis=(1, 3))
    bits = (grey.ravel() > 128).astype(int)
    half = _BITS // 2
    if not (bits[:half] + bits[half:] == 1).all():
        raise ValueError("the picture shows no number")
    return int(sum(int(bit) << n for n, bit in enumerate(bits[:half])))


class NetworkCamera(abc.ABC):
    """A camera that makes a picture every 1/rate s and sends it to all who are connected.

    Args:
        rate_hz: pictures a second.
        rests: it makes none while it is cut.
    """

    def __init__(self, rate_hz: float, *, rests: bool = False) -> None:
        self.rate_hz, self._rests = rate_hz, rests
        self._begin = time.monotonic()
        self._clients: list[socket.socket] = []
        self._silent: list[socket.socket] = []
        self._listener: socket.socket | None = None
        self._change = threading.Condition()
        self._made: deque[tuple[int, Any]] = deque([(-1, None)], maxlen=BACKLOG)
        self._stop = threading.Event()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._threads = [threading.Thread(target=self._film, daemon=True)]
        self._threads[0].start()
        self.restore()

    def restore(self) -> None:
        """Let people connect (again)."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen()
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def cut(self, how: Cut) -> None:
        """End all connections; nobody can connect until :meth:`restore`."""
        listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._change:
            clients, self._clients = self._clients, []
            for client in clients:
                if how == "silent":
                    self._silent.append(client)
                    continue
                if how == "reset":
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                else:
                    with contextlib.suppress(OSError):
                        client.shutdown(socket.SHUT_RDWR)
                client.close()
            self._change.notify_all()

    def wait_for_more(self, pictures: int) -> None:
        """Wait until it has made so many more pictures."""
        with self._change:
            until = self._made[-1][0] + pictures
            while self._made[-1][0] < until:
                self._change.wait()

    def due_ns(self, number: int) -> int:
        """Return when a picture is made by a camera that does not rest, host monotonic ns."""
        return round((self._begin + number / self.rate_hz) * 1e9)

    def close(self) -> None:
        """Switch it off."""
        self._stop.set()
        self.cut("close")
        for client in self._silent:
            client.close()

    @property
    @abc.abstractmethod
    def url(self) -> str:
        """Where its pictures are."""

    @abc.abstractmethod
    def _encode(self, number: int) -> Any:
        """Return a picture as it is sent."""

    @abc.abstractmethod
    def _greet(self, client: socket.socket) -> Any:
        """Answer who connects; return how to send pictures to them: a function of (number, encoded)."""

    def _film(self) -> None:
        number = rested = 0
        while not self._stop.wait(
            max(0.0, self._begin + (number + rested) / self.rate_hz - time.monotonic())
        ):
            if self._rests and self._listener is None:
                rested += 1
                continue
            encoded = self._encode(number)
            with self._change:
                self._made.append((number, encoded))
                self._change.notify_all()
            number += 1

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with self._change:
            self._clients.append(client)
        try:
            send = self._greet(client)
            sent = self._made[-1][0]
            while True:
                with self._change:
                    while client in self._clients and self._made[-1][0] <= sent:
                        self._change.wait()
                    if client not in self._clients:
                        return
                    waiting = [one for one in self._made if one[0] > sent]
                for sent, encoded in waiting:
                    send(sent, encoded)
        except (OSError, ValueError):
            with self._change:
                if client in self._clients:
                    self._clients.remove(client)
                    client.close()


class HttpCamera(NetworkCamera):
    """Motion-JPEG over HTTP.

    Args:
        rate_hz: pictures a second.
        header: what each part tells of its picture: its number, its time, or nothing.
        rests: it makes no picture while it is cut.

    Attributes:
        hangs: it sends its last picture again and again.
    """

    def __init__(
        self, rate_hz: float = 30.0, header: Literal["number", "time", ""] = "number", rests: bool = False
    ) -> None:
        self._header = header
        self.hangs = False
        self._shown = 0
        super().__init__(rate_hz, rests=rests)

    @property
    def url(self) -> str:
        """Where its pictures are."""
        return f"http://127.0.0.1:{self.port}/video"

    def _encode(self, number: int) -> bytes:
        self._shown = self._shown if self.hangs else number
        jpeg = cv2.imencode(".jpg", drawn(self._shown))[1].tobytes()
        lines = ["--frame", "Content-Type: image/jpeg", f"Content-Length: {len(jpeg)}"]
        lines += [f"X-Frame-Number: {number}"] if self._header == "number" else []
        lines += [f"X-Timestamp: {1000 + number / self.rate_hz:.6f}"] if self._header == "time" else []
        return "\r\n".join([*lines, "", ""]).encode() + jpeg + b"\r\n"

    def _greet(self, client: socket.socket) -> Any:
        while not client.recv(4096).endswith(b"\r\n\r\n"):
            pass
        client.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        return lambda number, part: client.sendall(part)


class RtspCamera(NetworkCamera):
    """H.264 over RTSP (RFC 2326), RTP (RFC 6184, single NAL units) interleaved in its connection.

    Args:
        rate_hz: pictures a second.
        keys: a key frame every so many pictures.
    """

    def __init__(self, rate_hz: float = 25.0, keys: int = 15) -> None:
        import av

        encoder = av.CodecContext.create("libx264", "w")
        encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        encoder.framerate = round(rate_hz)  # type: ignore[assignment]
        encoder.gop_size = keys
        encoder.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "20"}
        self._encoder, self._sets = encoder, threading.Event()
        self._sps = self._pps = b""
        super().__init__(rate_hz)
        self._sets.wait(5.0)

    @property
    def url(self) -> str:
        """Where its pictures are."""
        return f"rtsp://127.0.0.1:{self.port}/live"

    def _encode(self, number: int) -> list[bytes]:
        import av

        frame = av.VideoFrame.from_ndarray(drawn(number), format="bgr24")
        frame.pts = number
        stream = b"".join(bytes(packet) for packet in self._encoder.encode(frame))
        units = [unit.rstrip(b"\0") for unit in stream.split(b"\0\0\1") if unit.strip(b"\0")]
        for unit in units:
            self._sps = unit if unit[0] & 31 == 7 else self._sps
            self._pps = unit if unit[0] & 31 == 8 else self._pps
        self._sets.set()
        return units

    def _greet(self, client: socket.socket) -> Any:
        while True:
            lines = _request(client)
            method, url = lines[0].split()[:2]
            number = next(line for line in lines if line.lower().startswith("cseq:")).partition(":")[2]
            answer = [f"CSeq:{number}", "Session: 1"]
            body = self._describe() if method == "DESCRIBE" else ""
            if method == "OPTIONS":
                answer.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
            elif method == "DESCRIBE":
                answer += [f"Content-Base: {url}/", "Content-Type: application/sdp"]
                answer.append(f"Content-Length: {len(body)}")
            elif method == "SETUP":
                answer.append("Transport: RTP/AVP/TCP;unicast;interleaved=0-1")
            client.sendall("\r\n".join(["RTSP/1.0 200 OK", *answer, "", body]).encode())
            if method == "PLAY":
                return _RtpSender(client, self.rate_hz)

    def _describe(self) -> str:
        sets = ",".join(base64.b64encode(one).decode() for one in (self._sps, self._pps))
        lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=numbers", "t=0 0", "m=video 0 RTP/AVP 96"]
        lines += ["c=IN IP4 0.0.0.0", "a=rtpmap:96 H264/90000", "a=control:track1"]
        lines.append(f"a=fmtp:96 packetization-mode=0;sprop-parameter-sets={sets}")
        return "\r\n".join([*lines, ""])


class _RtpSender:
    """Sends pictures from the next key frame on."""

    def __init__(self, client: socket.socket, rate_hz: float) -> None:
        self._client, self._rate_hz = client, rate_hz
        self._sequence, self._begun = 0, False

    def __call__(self, number: int, units: list[bytes]) -> None:
        self._begun = self._begun or any(unit[0] & 31 == 5 for unit in units)
        if not self._begun:
            return
        stamp = round(number * 90_000 / self._rate_hz) & 0xFFFFFFFF
        out = b""
        for unit in units:
            marker = 0x80 if unit is units[-1] else 0
            rtp = struct.pack(">BBHII", 0x80, marker | 96, self._sequence & 0xFFFF, stamp, 1) + unit
            out += struct.pack(">cBH", b"$", 0, len(rtp)) + rtp
            self._sequence += 1
        self._client.sendall(out)


def _request(client: socket.socket) -> list[str]:
    data = b""
    while not data.endswith(b"\r\n\r\n"):
        data += (more := client.recv(1))
        if not more:
            raise OSError("the client left")
    return data.decode().split("\r\n")
