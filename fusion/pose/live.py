"""Cameras: a webcam by its number or path, a stream by its address; and a file by its address."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from drivers.base import Driver, DriverContext, EndOfStream
from drivers.camera.pictures import decoded
from drivers.camera.url import SCHEMES, UrlCameraConfig, UrlCameraDriver
from drivers.camera.webcam import WebcamConfig, WebcamDriver
from drivers.errors import ConfigError, DataError, DeviceError, Fault
from fusion.pose.inputs import Film, Pictures, Shot, Source, Stop
from fusion.tracking.footage import PICTURES
from fusion.tracking.sniff import HEAD, KINDS, shown_name, suffix_of

_WAIT_S = 0.1
_ANSWER_S = 10.0
"""A server may take so long to answer, and to send more."""
MOST_BYTES = 4 << 30
"""Of a file that is fetched."""


class Camera(Source):
    """A camera that is looked at as fast as this machine can; pictures that come meanwhile are skipped.

    Args:
        driver: of the camera; it is opened here.
        name: to show.

    Raises:
        DeviceError: it cannot be opened.
    """

    live = True

    def __init__(self, driver: Driver[Any], name: str) -> None:
        self._driver, self.name, self.skipped = driver, name, 0
        driver.open()

    def shots(self, stop: Stop) -> Iterator[Shot]:
        zero, number = None, 0
        try:
            while not stop():
                samples = self._driver.read(_WAIT_S)
                if samples is None:
                    continue
                while (newer := self._newer()) is not None:
                    samples, self.skipped = newer, self.skipped + 1
                payload = samples.data[-1]
                image = decoded(payload) if isinstance(payload, bytes) else payload
                if image is None:
                    continue
                at = int(samples.time_host[-1])
                zero = at if zero is None else zero
                yield Shot(f"{self.name}_{number:012d}", self.name, at - zero, image)
                number += 1
        except EndOfStream:
            return

    def _newer(self) -> Any:
        """Return a picture that is there already; what ends the camera is told by the next read."""
        with contextlib.suppress(EndOfStream):
            return self._driver.read(0.0)
        return None

    def close(self) -> None:
        self._driver.close()


class Fetched(Source):
    """A file at an address, fetched to a temporary file that goes when it is closed."""

    def __init__(self, url: str, shown: str, stop: Stop) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="chorus-pose-"))
        try:
            path = _fetch(url, shown, self._folder, stop)
            name = Path(shown_name(urllib.parse.unquote(urllib.parse.urlsplit(shown).path))).stem
            self._inner: Source = Pictures(name, [path]) if path.suffix in PICTURES else Film(path, name)
        except BaseException:
            self.close()
            raise
        self.name, self.still = name, self._inner.still
        self.seconds, self.count = self._inner.seconds, self._inner.count
        self.trouble = self._inner.trouble

    def shots(self, stop: Stop) -> Iterator[Shot]:
        yield from self._inner.shots(stop)
        self.trouble = self._inner.trouble

    def sound(self) -> Any:
        return self._inner.sound()

    def close(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)


def camera_of(word: str, fetch: bool, stop: Stop) -> Source | None:
    """Return the camera, or the file at an address, that a word names; None: it is neither.

    Raises:
        ConfigError: the address is of a kind that is not taken.
        DeviceError: the camera cannot be opened.
        DataError: the file cannot be fetched, or may not be.
    """
    if (word.isdecimal() and not Path(word).exists()) or word.startswith("/dev/video"):
        device = int(word) if word.isdecimal() else word
        name = f"webcam{word}" if word.isdecimal() else Path(word).name
        try:
            return Camera(WebcamDriver(WebcamConfig(device), _context("webcam")), name)
        except DeviceError as error:
            if error.fault is not Fault.NOT_FOUND:
                raise
            raise DataError(error.what, mend="chorus devices lists the cameras that are there") from None
    scheme, mark, _ = word.partition("://")
    if not mark:
        return None
    if scheme not in SCHEMES:
        raise ConfigError(
            f"'{scheme}://' is no address of pictures",
            mend=f"Give a path, or an address that begins with one of: {', '.join(SCHEMES)}",
        )
    try:
        config = UrlCameraConfig(word)
    except ValueError as error:
        raise ConfigError(str(error), mend="Correct the address") from None
    if scheme in ("http", "https") and _is_file(word):
        if not fetch:
            raise DataError(
                f"{config.shown} is a file, which --privacy does not let be fetched to the disk",
                mend="Download it to where it may lie, and give its path",
            )
        return Fetched(word, config.shown, stop)
    name = urllib.parse.urlsplit(config.shown).hostname or "camera"
    return Camera(UrlCameraDriver(config, _context("camera")), name)


def _context(stream: str) -> DriverContext:
    return DriverContext(stream, epoch_ns=time.monotonic_ns(), prompt=True)


def _is_file(url: str) -> bool:
    """Whether an address answers with something of a known length; who fails is a camera, whose driver
    tells why."""
    try:
        with _opened(url) as answer:
            kind = answer.headers.get_content_type()
            return answer.headers.get("Content-Length") is not None and not kind.startswith("multipart/")
    except (OSError, ValueError):
        return False


def _opened(url: str) -> Any:
    parts = urllib.parse.urlsplit(url)
    plain = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    handlers: list[Any] = []
    if parts.username is not None:
        known = urllib.request.HTTPPasswordMgrWithPriorAuth()
        user, word = urllib.parse.unquote(parts.username), urllib.parse.unquote(parts.password or "")
        known.add_password(None, plain, user, word, is_authenticated=True)
        handlers = [
            urllib.request.HTTPBasicAuthHandler(known),
            urllib.request.HTTPDigestAuthHandler(known),
        ]
    return urllib.request.build_opener(*handlers).open(plain, timeout=_ANSWER_S)


def _fetch(url: str, shown: str, folder: Path, stop: Stop) -> Path:
    """Fetch a video or a picture and return its path; the ending is that of what it is."""
    try:
        with _opened(url) as answer:
            promised = int(answer.headers.get("Content-Length", 0))
            head = answer.read(HEAD)
            suffix = suffix_of(head)
            if suffix is None:
                raise DataError(f"{shown} is no video or picture", mend=f"Give the address of an {KINDS}")
            if promised > MOST_BYTES:
                raise DataError(f"{shown} has {promised / 1e9:.1f} GB", mend="Download it and give its path")
            path, size = folder / f"fetched{suffix}", len(head)
            with path.open("xb") as file:
                file.write(head)
                while (chunk := answer.read(1 << 20)) and size <= MOST_BYTES:
                    if stop():
                        raise KeyboardInterrupt
                    file.write(chunk)
                    size += len(chunk)
    except (OSError, ValueError, urllib.error.URLError) as error:
        reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
        raise DataError(f"{shown} cannot be fetched: {reason}", mend="Check the address") from None
    if size < promised:
        raise DataError(f"{shown} broke off after {size} of {promised} bytes", mend="Try again")
    return path
