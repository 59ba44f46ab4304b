"""A camera on the network: HTTP Motion-JPEG as it comes, RTSP and others through PyAV."""

from __future__ import annotations

import base64
import dataclasses
import http.client
import socket
import ssl
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

from drivers.base import NO_TIME, Driver, DriverContext, Samples, StreamInfo
from drivers.camera.feed import Feed, Picture
from drivers.camera.multipart import MultipartParser, boundary_of
from drivers.camera.pictures import camera_info, decoded, to_payload
from drivers.errors import DeviceError, Fault

SCHEMES = ("http", "https", "rtsp", "rtsps", "rtmp", "rtp", "udp", "srt")
"""What a camera may be reached by; other schemes would let a rig read local files."""
_PORTS = {"http": 80, "https": 443}


@dataclasses.dataclass(frozen=True)
class UrlCameraConfig:
    """Options of ``camera.url``.

    Attributes:
        url: of the stream; ``user:password@`` within it logs in, and is never shown.
        rate_hz: nominal pictures a second, if it is known.
        quality: of the JPEG where the stream is another codec, 1..100.
        patience_s: how long the camera may be silent, s.
    """

    url: str
    rate_hz: float = 0.0
    quality: int = 90
    patience_s: float = 5.0

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
        if not 0 <= self.rate_hz <= 1000 or not 0 < self.patience_s <= 3600:
            raise ValueError("rate_hz must be 0 to 1000, and patience_s above 0")

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

    def open(self) -> StreamInfo:
        """Connect and wait for the first picture.

        Raises:
            DeviceError: nobody answers, the address or login is wrong, no pictures come, or it is a file.
        """
        self.close()
        source, unblock, form = self._connect()
        self._feed = Feed(self.context.stream, source, unblock)
        try:
            first = self._feed.first(self.config.patience_s).payload
            image = decoded(first) if isinstance(first, bytes) else first
            if image is None:
                raise self._error(Fault.GARBAGE, "sends pictures that cannot be decoded", "Check the camera")
        except BaseException:
            self.close()
            raise
        return camera_info(
            self.context,
            (image.shape[0], image.shape[1]),
            rate_hz=self.config.rate_hz,
            device=f"camera {self.config.shown}",
            properties={"format": form},
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next picture; see :class:`Driver`."""
        if self._feed is None:
            raise self._error(Fault.FAILED, "was read while closed", "Open it first")
        return self._feed.read(timeout_s, self.config.patience_s)

    def close(self) -> None:
        """Disconnect."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()

    def _error(self, fault: Fault, what: str, mend: str) -> DeviceError:
        return DeviceError(self.context.stream, fault, f"{self.config.shown} {what}", mend=mend)

    def _connect(self) -> tuple[Iterator[Picture], Any, str]:
        if urllib.parse.urlsplit(self.config.url).scheme not in _PORTS:
            return self._decode(self._container()), lambda: None, "decoded and encoded here"
        connection, response = self._request()
        kind = response.headers.get("Content-Type", "")
        boundary = boundary_of(kind)
        if boundary is not None:
            link = connection.sock or getattr(getattr(response.fp, "raw", None), "_sock", None)

            def unblock() -> None:
                if link is not None:
                    link.shutdown(socket.SHUT_RDWR)

            return self._multipart(connection, response, boundary), unblock, "jpeg as delivered"
        response.close()
        connection.close()
        if kind.lower().startswith(("text/", "image/", "application/json")):
            raise self._error(
                Fault.UNSUPPORTED,
                f"answers with {kind.partition(';')[0]}, not with a stream of pictures",
                "Give the address of the camera's MJPEG or RTSP stream; its manual names it",
            )
        return self._decode(self._container()), lambda: None, "decoded and encoded here"

    def _request(self) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urllib.parse.urlsplit(self.config.url)
        secure = parts.scheme == "https"
        maker = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        connection = maker(
            parts.hostname or "", parts.port or _PORTS[parts.scheme], timeout=self.config.patience_s
        )
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        headers = {"Accept": "multipart/x-mixed-replace, */*"}
        if parts.username is not None:
            login = f"{urllib.parse.unquote(parts.username)}:{urllib.parse.unquote(parts.password or '')}"
            headers["Authorization"] = "Basic " + base64.b64encode(login.encode()).decode()
        try:
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
        except TimeoutError as error:
            connection.close()
            raise self._error(
                Fault.SILENT,
                f"did not answer within {self.config.patience_s:g} s",
                "Check that the camera is on",
            ) from error
        except (OSError, ssl.SSLError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise self._error(
                Fault.NOT_FOUND,
                f"cannot be reached: {getattr(error, 'strerror', None) or error}",
                "Check the address, the port and the network",
            ) from error
        if response.status != 200:
            response.close()
            connection.close()
            faults = {401: Fault.PERMISSION, 403: Fault.PERMISSION, 404: Fault.NOT_FOUND, 503: Fault.BUSY}
            mends = {
                401: "Write the login into the url: http://user:password@host/...",
                403: "Write the login into the url: http://user:password@host/...",
                404: "Check the path; the camera's manual names it",
            }
            raise self._error(
                faults.get(response.status, Fault.FAILED),
                f"answers {response.status} {response.reason}",
                mends.get(response.status, "Open the address in a browser to see what the camera says"),
            )
        return connection, response

    def _multipart(self, connection: Any, response: Any, boundary: bytes) -> Iterator[Picture]:
        parser, undecodable = MultipartParser(boundary), 0
        try:
            while True:
                try:
                    data = response.read1(65536)
                except TimeoutError as error:
                    raise self._error(
                        Fault.SILENT,
                        f"sent nothing for {self.config.patience_s:g} s",
                        "Check the camera and the network; what came before is kept",
                    ) from error
                except (OSError, http.client.HTTPException, ValueError):
                    data = b""
                arrival = time.monotonic_ns()
                if not data:
                    raise self._error(
                        Fault.UNPLUGGED,
                        "ended the stream",
                        "Check the camera and the network, and start anew",
                    )
                for part in parser.feed(data):
                    payload = decoded(part.jpeg) if self.context.store == "raw" else part.jpeg
                    if payload is None:
                        undecodable += 1 + part.damaged
                        continue
                    yield Picture(payload, arrival, part.time_device, part.damaged + undecodable)
                    undecodable = 0
        finally:
            response.close()
            connection.close()

    def _container(self) -> Any:
        import av
        import av.error

        scheme = urllib.parse.urlsplit(self.config.url).scheme
        options = {"rtsp_transport": "tcp"} if scheme.startswith("rtsp") else {}
        patience = self.config.patience_s
        try:
            container = av.open(self.config.url, options=options, timeout=(patience, patience))
        except (av.error.FFmpegError, OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or "no answer"
            raise self._error(
                Fault.NOT_FOUND, f"cannot be opened: {reason}", "Check the address, the login and the network"
            ) from error
        if not container.streams.video:
            container.close()
            raise self._error(Fault.UNSUPPORTED, "holds no video", "Give the address of a video stream")
        if container.duration:
            container.close()
            raise self._error(
                Fault.UNSUPPORTED, "is a file, not a live camera", "Download it and use camera.file"
            )
        return container

    def _decode(self, container: Any) -> Iterator[Picture]:
        import av.error

        try:
            for frame in container.decode(video=0):
                arrival = time.monotonic_ns()
                stamp = NO_TIME if frame.pts is None else round(frame.pts * frame.time_base * 1_000_000_000)
                image = frame.to_ndarray(format="bgr24")
                yield Picture(to_payload(image, self.context.store, self.config.quality), arrival, stamp)
            raise self._error(Fault.UNPLUGGED, "ended the stream", "Check the camera, and start anew")
        except (av.error.FFmpegError, OSError) as error:
            raise self._error(
                Fault.UNPLUGGED, "broke off", "Check the camera and the network, and start anew"
            ) from error
        finally:
            container.close()
