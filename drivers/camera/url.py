"""A camera on the network: HTTP Motion-JPEG as it comes, RTSP and others through PyAV.

A connection that is cut, or falls silent, ends in an error soon; a driver that is opened again goes on with
its pictures' numbers where the camera's own numbers or clock went on (:mod:`.numbering`).
"""

from __future__ import annotations

import dataclasses
import socket
import urllib.parse
from collections.abc import Callable, Iterator

from drivers.base import Driver, DriverContext, Samples, StreamInfo
from drivers.camera.feed import Feed
from drivers.camera.frozen import FROZEN_S, FROZEN_VIDEO_S, FrozenWatch
from drivers.camera.http_stream import PORTS, HttpStream
from drivers.camera.numbering import Numbering
from drivers.camera.picture import Picture
from drivers.camera.pictures import camera_info, decoded
from drivers.camera.video_stream import VideoStream
from drivers.errors import DeviceError, Fault

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtp", "udp", "srt")
"""What a camera may be reached by; other schemes would let a rig read local files."""
_PORTS = {"rtsp": 554, "rtsps": 322, "rtmp": 1935}
PASSED = "jpeg as delivered"

OPEN_S = 5.0
"""How long a camera may take to answer, and to its first picture, s."""
CONNECT_S = 1.0
"""The same for the connection alone, after a cut: a camera that is off is to be tried again soon."""
SILENT_S, SILENT_PERIODS = 1.0, 10
"""How long a camera that sends may pause: for ten pictures, and at least a second."""


@dataclasses.dataclass(frozen=True)
class UrlCameraConfig:
    """Options of ``camera.url``.

    Attributes:
        url: of the stream; ``user:password@`` within it logs in, and is never shown.
        rate_hz: nominal pictures a second; 0: measured when it is opened.
        quality: of the JPEG where the stream is another codec, 1..100.
        patience_s: how long the camera may be silent, s, before the connection is made anew; 0: ten pictures
            long, and at least 1 s.
        frozen_s: how long it may send the same picture, s; 0: for ever, for screens and drawings; null: 1 s,
            or 10 s where it is video, whose encoder leaves out what hardly changed.
    """

    url: str
    rate_hz: float = 0.0
    quality: int = 90
    patience_s: float = 0.0
    frozen_s: float | None = None

    def __post_init__(self) -> None:
        try:
            parts = urllib.parse.urlsplit(self.url)
            host = parts.hostname
            _ = parts.port
        except ValueError as error:
            raise ValueError("url is not an address, such as http://192.168.1.20:8080/video") from error
        if parts.scheme not in SCHEMES or not host:
            raise ValueError(f"url must begin with one of {', '.join(f'{name}://' for name in SCHEMES)}")
        if not 1 <= self.quality <= 100:
            raise ValueError("quality must be 1 to 100")
        if not 0 <= self.rate_hz <= 1000 or not 0 <= self.patience_s <= 3600:
            raise ValueError("rate_hz must be 0 to 1000, and patience_s 0 to 3600")
        if self.frozen_s is not None and not 0 <= self.frozen_s <= 3600:
            raise ValueError("frozen_s must be 0 (never) to 3600")

    @property
    def shown(self) -> str:
        """The url without what logs in."""
        parts = urllib.parse.urlsplit(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()


class UrlCameraDriver(Driver[UrlCameraConfig]):
    """Pictures of a network camera; ``time_device`` is its own stamp, where it sends one."""

    Config = UrlCameraConfig

    def __init__(self, config: UrlCameraConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._feed: Feed | None = None
        self._numbering = Numbering()
        self._rate_hz = config.rate_hz
        self._watch: FrozenWatch | None = None

    def open(self) -> StreamInfo:
        """Connect and wait for the first picture.

        Raises:
            DeviceError: nobody answers, the address or login is wrong, no pictures come, or it is a file.
        """
        self.close()
        source, unblock, form = self._connect()
        if self._watch is None:
            usual = FROZEN_S if form == PASSED else FROZEN_VIDEO_S
            self._watch = FrozenWatch(
                self.context.stream, usual if self.config.frozen_s is None else self.config.frozen_s
            )
        self._feed = Feed(self.context.stream, source, unblock, numbering=self._numbering, watch=self._watch)
        try:
            first = self._feed.first(max(self.config.patience_s, OPEN_S)).payload
            image = decoded(first) if isinstance(first, bytes) else first
            if image is None:
                raise self._error(Fault.GARBAGE, "sends pictures that cannot be decoded", "Check the camera")
        except BaseException:
            self.close()
            raise
        self._rate_hz = self._rate_hz or self._feed.measured_rate()
        return camera_info(
            self.context,
            (image.shape[0], image.shape[1]),
            rate_hz=self._rate_hz,
            device=f"camera {self.config.shown}",
            properties={"format": form, "rate": "given" if self.config.rate_hz else "measured"},
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next picture; see :class:`Driver`."""
        if self._feed is None:
            raise self._error(Fault.FAILED, "was read while closed", "Open it first")
        return self._feed.read(timeout_s, self._patience_s)

    def events(self) -> list[tuple[int, str, str]]:
        """Return when the pictures were all the same, and when no longer."""
        return self._watch.events() if self._watch is not None else []

    def counted(self) -> bool:
        """Whether the camera's own numbers or clock told what was missed before the newest picture."""
        return self._numbering.counted

    def close(self) -> None:
        """Disconnect."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()
            self._numbering.cut()

    @property
    def _patience_s(self) -> float:
        if self.config.patience_s:
            return self.config.patience_s
        return max(SILENT_S, SILENT_PERIODS / self._rate_hz) if self._rate_hz else OPEN_S

    def _error(self, fault: Fault, what: str, mend: str) -> DeviceError:
        return DeviceError(self.context.stream, fault, f"{self.config.shown} {what}", mend=mend)

    def _connect(self) -> tuple[Iterator[Picture], Callable[[], None], str]:
        url, store = self.config.url, self.context.store
        again = self._numbering.begun
        answer_s = max(self.config.patience_s, OPEN_S)
        if urllib.parse.urlsplit(url).scheme in PORTS:
            stream = HttpStream(url, CONNECT_S if again else answer_s, answer_s, self._error)
            if stream.boundary is not None:
                return stream.pictures(store), stream.unblock, PASSED
        elif again:
            self._knock()
        video = VideoStream(url, answer_s, max(self._patience_s, SILENT_S), self._error)
        form = PASSED if video.passes else "decoded and encoded here"
        return video.pictures(store, self.config.quality), lambda: None, form

    def _knock(self) -> None:
        """Find out soon whether anybody is there: opening a stream may take long, a connection may not."""
        parts = urllib.parse.urlsplit(self.config.url)
        port = parts.port or _PORTS.get(parts.scheme)
        if port is None:  # no connection to make
            return
        try:
            socket.create_connection((parts.hostname or "", port), CONNECT_S).close()
        except OSError as error:
            raise self._error(
                Fault.NOT_FOUND,
                f"cannot be reached: {error.strerror or 'no answer'}",
                "Check the address, the port and the network",
            ) from error
