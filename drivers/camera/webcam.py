"""A webcam through OpenCV.

On Linux Motion-JPEG is asked of the camera and handed on as it came, without decoding; a camera that gives
only raw pixels has them encoded here. ``time_device`` is the kernel's stamp of the picture, on Linux that
of its monotonic clock; a camera whose driver stamps by another clock is found out by its arrivals.

A camera that was unplugged is looked for by its maker, model and serial number: it may come back under
another number.
"""

from __future__ import annotations

import dataclasses
import logging
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np

from drivers.base import NO_TIME, Driver, DriverContext, Samples, StreamInfo
from drivers.camera import linux
from drivers.camera.feed import Feed
from drivers.camera.frozen import FROZEN_S, FrozenWatch
from drivers.camera.picture import Picture
from drivers.camera.pictures import JPEG_START, camera_info, decoded, to_payload
from drivers.camera.settings import KernelSetter, OpenCvSetter, Refused, apply
from drivers.camera.v4l2 import VideoDevice
from drivers.clock.device import CLOCK, HOST
from drivers.errors import DeviceError, Fault
from drivers.quiet import quiet_stderr

log = logging.getLogger(__name__)

PATIENCE_S = 5.0
"""Cheap cameras need seconds to start."""
RATE_TOLERANCE = 0.02
"""By how much the rate that a camera gives may differ from the one asked for, of 1."""


@dataclasses.dataclass(frozen=True)
class WebcamConfig:
    """Options of ``camera.webcam``.

    Attributes:
        device: number; path, such as /dev/video0 or one below /dev/v4l/by-id; or serial number, on Linux.
        fps: pictures a second to ask for; 0: the camera's own.
        size: width and height to ask for, px.
        quality: of the JPEG where the camera gives raw pixels, 1..100.
        mjpeg: ask for Motion-JPEG; without it most cameras are slow in high resolution.
        exposure: time, ms, or ``auto``; null leaves it as it is, here and below.
        gain: in the camera's own steps, or ``auto``.
        white_balance: colour temperature, K, or ``auto``.
        focus: in the camera's own steps, or ``auto``.
        brightness: in the camera's own steps.
        frozen_s: how long it may send the same picture, s; 0: for ever.
    """

    device: int | str = 0
    fps: float = 30.0
    size: tuple[int, int] | None = None
    quality: int = 90
    mjpeg: bool = True
    exposure: float | Literal["auto"] | None = None
    gain: float | Literal["auto"] | None = None
    white_balance: float | Literal["auto"] | None = None
    focus: float | Literal["auto"] | None = None
    brightness: float | None = None
    frozen_s: float = FROZEN_S

    def __post_init__(self) -> None:
        if not 0 <= self.fps <= 1000:
            raise ValueError("fps must be 0 (the camera's own) to 1000")
        if not 1 <= self.quality <= 100:
            raise ValueError("quality must be 1 to 100")
        if self.size is not None and not all(1 <= side <= 16384 for side in self.size):
            raise ValueError("size must be a width and a height in px, such as [1280, 720]")
        if isinstance(self.exposure, float | int) and not 0.01 <= self.exposure <= 60_000:
            raise ValueError("exposure must be 0.01 to 60000 ms, or auto")
        if isinstance(self.white_balance, float | int) and not 1000 <= self.white_balance <= 20_000:
            raise ValueError("white_balance must be 1000 to 20000 K, or auto")
        if not 0 <= self.frozen_s <= 3600:
            raise ValueError("frozen_s must be 0 (never) to 3600")


class WebcamDriver(Driver[WebcamConfig]):
    """Pictures of a webcam."""

    Config = WebcamConfig

    def __init__(self, config: WebcamConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._feed: Feed | None = None
        self._watch = FrozenWatch(context.stream, config.frozen_s)
        self._identity, self._path = "", Path()
        self._events: list[tuple[int, str, str]] = []

    def open(self) -> StreamInfo:
        """Open the camera, set it, and wait for its first picture.

        Raises:
            DeviceError: no such camera, no permission, busy, silent, another size than asked, or it does not
                take a setting.
        """
        self.close()
        with quiet_stderr():
            capture = self._capture()
            try:
                self._set(capture)
                rate = self._rate(capture)
            except BaseException:
                capture.release()
                raise
            self._feed = Feed(self.context.stream, self._pictures(capture), watch=self._watch)
            try:
                first = self._feed.first(PATIENCE_S).payload
            except BaseException:
                self.close()
                raise
        image = decoded(first) if isinstance(first, bytes) else first
        shape = image.shape if image is not None else (0, 0, 3)
        wanted = self.config.size
        if wanted is not None and (shape[1], shape[0]) != tuple(wanted):
            self.close()
            raise DeviceError(
                self.context.stream,
                Fault.UNSUPPORTED,
                f"camera {self.config.device} gives {shape[1]}x{shape[0]} px, not {wanted[0]}x{wanted[1]}",
                mend=f"Set 'size: [{shape[1]}, {shape[0]}]', or one that the camera has",
            )
        return camera_info(
            self.context,
            (shape[0], shape[1]),
            rate_hz=rate,
            device=f"webcam {self.config.device}",
            properties={
                "format": "jpeg as delivered" if self._passes(first) else "encoded here",
                **({CLOCK: HOST} if sys.platform == "linux" else {}),
            },
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next picture; see :class:`Driver`."""
        if self._feed is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        return self._feed.read(timeout_s, PATIENCE_S)

    def events(self) -> list[tuple[int, str, str]]:
        """Return when the pictures were all the same, and what the camera did not take."""
        events, self._events = self._events + self._watch.events(), []
        return events

    def close(self) -> None:
        """Let the camera go."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()

    def _passes(self, first: Any) -> bool:
        return self.config.mjpeg and isinstance(first, bytes) and self._raw

    _raw = False  # whether the camera's own bytes come through

    def _where(self) -> int | str:
        """Return what OpenCV is to open: the camera that was open before, wherever it is now."""
        device = self.config.device
        if sys.platform != "linux":
            return device
        if self._identity:
            again = linux.found_again(self._identity, self._path)
            if again is None:
                raise DeviceError(
                    self.context.stream,
                    Fault.NOT_FOUND,
                    f"camera {self._identity} is not plugged in",
                    mend="Plug it in again",
                )
            self._path = again
        else:
            self._path = linux.find(device)
        check_device(self.context.stream, self._path)
        return str(self._path)

    def _capture(self) -> Any:
        import cv2

        place = self._where()
        backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        try:
            capture = cv2.VideoCapture(place, backend)
            opened = capture.isOpened()
        except cv2.error:
            capture, opened = None, False
        if capture is None or not opened:
            raise self._busy()
        if self.config.mjpeg:
            capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        if self.config.size:
            capture.set(cv2.CAP_PROP_FRAME_WIDTH, self.config.size[0])
            capture.set(cv2.CAP_PROP_FRAME_HEIGHT, self.config.size[1])
        if self.config.fps:
            capture.set(cv2.CAP_PROP_FPS, self.config.fps)
        got = int(capture.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little", signed=True)
        self._raw = self.config.mjpeg and sys.platform == "linux" and got in (b"MJPG", b"JPEG")
        if self._raw:
            capture.set(cv2.CAP_PROP_CONVERT_RGB, 0)
        if sys.platform == "linux" and not self._identity:
            self._identity = linux.identity_of(self._path)
        return capture

    def _busy(self) -> DeviceError:
        name = self._path if sys.platform == "linux" else self.config.device
        users = linux.users(self._path) if sys.platform == "linux" else []
        if users:
            what, mend = f"camera {name} is in use by {', '.join(users)}", "Close that program"
        else:
            what = f"camera {name} cannot be opened: it is in use, or no camera"
            mend = f"Close other programs that use it; 'sudo fuser {name}' names them"
        return DeviceError(self.context.stream, Fault.BUSY, what, mend=mend)

    def _set(self, capture: Any) -> None:
        names = ("exposure", "gain", "white_balance", "focus", "brightness")
        wanted = {name: getattr(self.config, name) for name in names}
        if all(value is None for value in wanted.values()):
            return
        if sys.platform == "linux":
            with VideoDevice(str(self._path)) as device:
                refused = list(apply(KernelSetter(device), wanted))
        else:
            refused = list(apply(OpenCvSetter(capture), wanted))
        if refused:
            raise self._refused(refused)

    def _refused(self, refused: list[Refused]) -> DeviceError:
        return DeviceError(
            self.context.stream,
            Fault.UNSUPPORTED,
            f"camera {self.config.device}: " + "; ".join(f"{one.name} {one.what}" for one in refused),
            mend="; ".join(one.mend for one in refused),
        )

    def _rate(self, capture: Any) -> float:
        """Return the rate that the camera gives; tell where it is not the one asked for."""
        import cv2

        got, wanted = float(capture.get(cv2.CAP_PROP_FPS)), self.config.fps
        if got > 0 and wanted and abs(got / wanted - 1) > RATE_TOLERANCE:
            what = f"{self.context.stream}: fps is {got:g}, not {wanted:g}, the camera does not give that"
            log.warning("%s", what)
            self._events.append((time.monotonic_ns(), "device", what))
        return got if got > 0 else wanted

    def _pictures(self, capture: Any) -> Iterator[Picture]:
        import cv2

        damaged = 0
        try:
            while True:
                if not _grabs(capture):
                    raise DeviceError(
                        self.context.stream,
                        Fault.UNPLUGGED,
                        f"camera {self.config.device} was unplugged or stopped",
                        mend="Plug it in again; what came before is kept",
                    )
                arrival = time.monotonic_ns()
                stamp = capture.get(cv2.CAP_PROP_POS_MSEC)
                good, frame = capture.retrieve()
                payload = as_delivered(frame, self.context.store, self.config.quality) if good else None
                if payload is None:
                    damaged += 1
                    continue
                device_time = round(stamp * 1e6) if stamp > 0 else NO_TIME
                yield Picture(payload, arrival, device_time, damaged)
                damaged = 0
        finally:
            capture.release()


def _grabs(capture: Any) -> bool:
    import cv2

    try:
        return capture.grab()
    except cv2.error:  # it answers what no camera may
        return False


def as_delivered(frame: Any, store: str, quality: int) -> Any:
    """Return what OpenCV retrieved as a row: a camera's JPEG untouched, pixels encoded if they must be.

    None where the bytes are neither: the picture arrived damaged.
    """
    if frame.ndim == 3 and frame.shape[2] == 3:
        return to_payload(frame, store, quality)
    jpeg = np.ascontiguousarray(frame).tobytes()
    if not jpeg.startswith(JPEG_START):
        return None
    return decoded(jpeg) if store == "raw" else jpeg


def check_device(stream: str, path: Path) -> None:
    """Say why a camera cannot be there (Linux).

    Raises:
        DeviceError: no such device, not a device, or no permission.
    """
    if not path.exists():
        cameras = ", ".join(str(node.path) for node in linux.nodes()) or "none"
        raise DeviceError(
            stream,
            Fault.NOT_FOUND,
            f"there is no camera {path}",
            mend=f"Set 'device'; cameras found: {cameras}",
        )
    if not stat.S_ISCHR(path.stat().st_mode):
        raise DeviceError(
            stream, Fault.UNSUPPORTED, f"{path} is not a camera", mend="For a video file use camera.file"
        )
    if not os.access(path, os.R_OK | os.W_OK):
        raise DeviceError(
            stream,
            Fault.PERMISSION,
            f"no permission to open {path}",
            mend="Run 'sudo usermod -aG video $USER', then log in again",
        )
