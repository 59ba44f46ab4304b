"""A webcam through OpenCV.

On Linux Motion-JPEG is asked of the camera and handed on as it came, without decoding; a camera that
gives only raw pixels has them encoded here. ``time_device`` is the kernel's stamp of the picture, on Linux
that of its monotonic clock; a camera whose driver stamps by another clock is found out by its arrivals.
"""

from __future__ import annotations

import dataclasses
import os
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drivers.base import NO_TIME, Driver, DriverContext, Samples, StreamInfo
from drivers.camera.feed import Feed
from drivers.camera.picture import Picture
from drivers.camera.pictures import JPEG_START, camera_info, decoded, to_payload
from drivers.clock.device import CLOCK, HOST
from drivers.errors import DeviceError, Fault
from drivers.quiet import quiet_stderr

PATIENCE_S = 5.0
"""Cheap cameras need seconds to start."""


@dataclasses.dataclass(frozen=True)
class WebcamConfig:
    """Options of ``camera.webcam``.

    Attributes:
        device: index, or path such as /dev/video0.
        fps: pictures a second to ask for; 0: the camera's own.
        size: width and height to ask for, px.
        quality: of the JPEG where the camera gives raw pixels, 1..100.
        mjpeg: ask for Motion-JPEG; without it most cameras are slow in high resolution.
    """

    device: int | str = 0
    fps: float = 30.0
    size: tuple[int, int] | None = None
    quality: int = 90
    mjpeg: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.fps <= 1000:
            raise ValueError("fps must be 0 (the camera's own) to 1000")
        if not 1 <= self.quality <= 100:
            raise ValueError("quality must be 1 to 100")
        if self.size is not None and not all(1 <= side <= 16384 for side in self.size):
            raise ValueError("size must be a width and a height in px, such as [1280, 720]")


class WebcamDriver(Driver[WebcamConfig]):
    """Pictures of a webcam."""

    Config = WebcamConfig

    def __init__(self, config: WebcamConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._feed: Feed | None = None

    def open(self) -> StreamInfo:
        """Open the camera and wait for its first picture.

        Raises:
            DeviceError: no such camera, no permission, busy, silent, or another size than asked.
        """
        self.close()
        with quiet_stderr():
            capture = self._capture()
            rate = float(capture.get(5)) or self.config.fps  # CAP_PROP_FPS
            self._feed = Feed(self.context.stream, self._pictures(capture))
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

    def close(self) -> None:
        """Let the camera go."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()

    def _passes(self, first: Any) -> bool:
        return self.config.mjpeg and isinstance(first, bytes) and self._raw

    _raw = False  # whether the camera's own bytes come through

    def _capture(self) -> Any:
        import cv2

        device = self.config.device
        check_device(self.context.stream, device)
        backend = cv2.CAP_V4L2 if sys.platform == "linux" else cv2.CAP_ANY
        try:
            capture = cv2.VideoCapture(device, backend)
            opened = capture.isOpened()
        except cv2.error:
            capture, opened = None, False
        if capture is None or not opened:
            raise DeviceError(
                self.context.stream,
                Fault.BUSY,
                f"camera {device} cannot be opened: it is in use, or no camera",
                mend=f"Close other programs that use it; 'fuser {_path(device)}' names them",
            )
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
        return capture

    def _pictures(self, capture: Any) -> Iterator[Picture]:
        import cv2

        damaged = 0
        try:
            while True:
                if not capture.grab():
                    raise DeviceError(
                        self.context.stream,
                        Fault.UNPLUGGED,
                        f"camera {self.config.device} was unplugged or stopped",
                        mend="Plug it in again and start anew; what came before is kept",
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


def check_device(stream: str, device: int | str) -> None:
    """Say why a camera cannot be there, where the system knows (Linux).

    Raises:
        DeviceError: no such device, not a device, or no permission.
    """
    if sys.platform != "linux":
        return
    path = _path(device)
    if not path.exists():
        cameras = ", ".join(sorted(str(item) for item in Path("/dev").glob("video*"))) or "none"
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


def _path(device: int | str) -> Path:
    return Path(f"/dev/video{device}") if isinstance(device, int) else Path(device)
