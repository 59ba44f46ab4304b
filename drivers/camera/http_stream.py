"""Motion-JPEG over HTTP: the request, and its answer as pictures, byte for byte."""

from __future__ import annotations

import contextlib
import http.client
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterator

from drivers.camera.login import basic, digest
from drivers.camera.multipart import MultipartParser, boundary_of
from drivers.camera.picture import Picture
from drivers.camera.pictures import decoded
from drivers.errors import DeviceError, Fault

PORTS = {"http": 80, "https": 443}

Failure = Callable[[Fault, str, str], DeviceError]
"""Makes an error of (fault, what happened, what mends it)."""

_LOGIN = "Write the login into the url: http://user:password@host/..."
_REFUSALS = {
    401: (Fault.PERMISSION, _LOGIN),
    403: (Fault.PERMISSION, _LOGIN),
    404: (Fault.NOT_FOUND, "Check the path; the camera's manual names it"),
    503: (Fault.BUSY, "Close other programs that use it, or wait until it has started"),
}


class HttpStream:
    """One connection to a camera.

    Args:
        url: of the stream.
        connect_s: how long the connection may take, s.
        answer_s: how long the answer may take, s, and each picture after it.
        failure: makes the errors that are raised.

    Attributes:
        boundary: of the parts, or None where the answer is not ``multipart``: it is closed then.

    Raises:
        DeviceError: nobody answers, or not with a stream.
    """

    def __init__(self, url: str, connect_s: float, answer_s: float, failure: Failure) -> None:
        self._failure, self._answer_s = failure, answer_s
        self._connection, self._response = self._request(url, connect_s)
        kind = self._response.headers.get("Content-Type", "")
        self.boundary = boundary_of(kind)
        raw = getattr(self._response.fp, "raw", None)
        self._link = self._connection.sock or getattr(raw, "_sock", None)
        if self.boundary is None:
            self.close()
            if kind.lower().startswith(("text/", "image/", "application/json")):
                raise failure(
                    Fault.UNSUPPORTED,
                    f"answers with {kind.partition(';')[0]}, not with a stream of pictures",
                    "Give the address of the camera's MJPEG or RTSP stream; its manual names it",
                )

    def close(self) -> None:
        """Disconnect."""
        self._response.close()
        self._connection.close()

    def unblock(self) -> None:
        """Make :meth:`pictures`, waiting in another thread, end."""
        if self._link is not None:
            with contextlib.suppress(OSError):
                self._link.shutdown(socket.SHUT_RDWR)

    def pictures(self, store: str) -> Iterator[Picture]:
        """Yield the pictures as they come, decoded for ``store: raw``.

        Raises:
            DeviceError: the connection is over, or silent.
        """
        parser, undecodable = MultipartParser(self.boundary or b""), 0
        try:
            while True:
                try:
                    data = self._response.read1(65536)
                except TimeoutError as error:
                    raise self._failure(
                        Fault.SILENT,
                        f"sent nothing for {self._answer_s:g} s",
                        "Check the camera and the network; what came before is kept",
                    ) from error
                except (OSError, http.client.HTTPException, ValueError):
                    data = b""
                arrival = time.monotonic_ns()
                if not data:
                    raise self._failure(
                        Fault.UNPLUGGED, "ended the stream", "Check the camera and the network"
                    )
                for part in parser.feed(data):
                    payload = decoded(part.jpeg) if store == "raw" else part.jpeg
                    if payload is None:
                        undecodable += 1 + part.damaged
                        continue
                    damaged = part.damaged + undecodable
                    yield Picture(payload, arrival, part.time_device, damaged, part.number)
                    undecodable = 0
        finally:
            self.close()

    def _request(
        self, url: str, connect_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        parts = urllib.parse.urlsplit(url)
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        login = None if parts.username is None else basic(parts)
        connection, response = self._ask(parts, target, login, connect_s)
        if response.status == 401 and login is not None:
            challenges = response.headers.get_all("WWW-Authenticate") or []
            if (login := digest(parts, target, challenges)) is not None:
                response.close()
                connection.close()
                connection, response = self._ask(parts, target, login, connect_s)
        if response.status != 200:
            response.close()
            connection.close()
            look = (Fault.FAILED, "Open the address in a browser to see what the camera says")
            fault, mend = _REFUSALS.get(response.status, look)
            raise self._failure(fault, f"answers {response.status} {response.reason}", mend)
        return connection, response

    def _ask(
        self, parts: urllib.parse.SplitResult, target: str, login: str | None, connect_s: float
    ) -> tuple[http.client.HTTPConnection, http.client.HTTPResponse]:
        maker = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        connection = maker(parts.hostname or "", parts.port or PORTS[parts.scheme], timeout=connect_s)
        headers = {"Accept": "multipart/x-mixed-replace, */*"}
        if login is not None:
            headers["Authorization"] = login
        waited_s = connect_s
        try:
            connection.connect()
            waited_s = self._answer_s
            connection.sock.settimeout(self._answer_s)
            connection.request("GET", target, headers=headers)
            response = connection.getresponse()
        except TimeoutError as error:
            connection.close()
            raise self._failure(
                Fault.SILENT, f"did not answer within {waited_s:g} s", "Check that the camera is on"
            ) from error
        except (OSError, ssl.SSLError, http.client.HTTPException, ValueError) as error:
            connection.close()
            raise self._failure(
                Fault.NOT_FOUND,
                f"cannot be reached: {getattr(error, 'strerror', None) or error}",
                "Check the address, the port and the network",
            ) from error
        return connection, response
