"""A depth camera through OpenCV's own backends: Orbbec, OpenNI2 (Xtion, PrimeSense, Kinect), RealSense.

The maps are those that the camera's library gives, uint16 in mm. OpenCV's wheels from PyPI are built with the
Orbbec backend on some systems and without the others: then it says so. None was tried on hardware here.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np

from drivers.base import Driver, DriverContext, Samples, StreamInfo
from drivers.camera.depth_file import depth_info
from drivers.camera.feed import Feed
from drivers.camera.frozen import FROZEN_S, FrozenWatch
from drivers.camera.picture import Picture
from drivers.errors import DeviceError, Fault
from drivers.quiet import quiet_stderr

PATIENCE_S = 5.0


@dataclasses.dataclass(frozen=True)
class DepthConfig:
    """Options of ``camera.depth``.

    Attributes:
        device: number of the camera.
        backend: OpenCV's name of the camera's library.
        fps: maps a second to ask for; 0: the camera's own.
        frozen_s: how long it may send the same map, s; 0: for ever.
    """

    device: int = 0
    backend: Literal["obsensor", "openni2", "realsense"] = "obsensor"
    fps: float = 0.0
    frozen_s: float = FROZEN_S

    def __post_init__(self) -> None:
        if not 0 <= self.device <= 99 or not 0 <= self.fps <= 1000:
            raise ValueError("device must be 0 to 99, and fps 0 (the camera's own) to 1000")
        if not 0 <= self.frozen_s <= 3600:
            raise ValueError("frozen_s must be 0 (never) to 3600")


class DepthDriver(Driver[DepthConfig]):
    """Depth maps (H, W) uint16, mm."""

    Config = DepthConfig

    def __init__(self, config: DepthConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._feed: Feed | None = None
        self._watch = FrozenWatch(context.stream, config.frozen_s)

    def open(self) -> StreamInfo:
        """Open the camera and wait for its first map.

        Raises:
            DeviceError: OpenCV lacks the backend, there is no such camera, or it gives no depth.
        """
        self.close()
        with quiet_stderr():
            capture, flag = self._capture()
        self._feed = Feed(self.context.stream, self._maps(capture, flag), watch=self._watch)
        try:
            first = self._feed.first(PATIENCE_S).payload
        except BaseException:
            self.close()
            raise
        return depth_info(
            self.context,
            first.shape,
            rate_hz=self.config.fps or self._feed.measured_rate(),
            device=f"depth camera {self.config.device} ({self.config.backend})",
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next map; see :class:`Driver`."""
        if self._feed is None:
            raise self._error(Fault.FAILED, "was read while closed", "Open it first")
        return self._feed.read(timeout_s, PATIENCE_S)

    def events(self) -> list[tuple[int, str, str]]:
        """Return when the maps were all the same, and when no longer."""
        return self._watch.events()

    def close(self) -> None:
        """Let the camera go."""
        if self._feed is not None:
            feed, self._feed = self._feed, None
            feed.close()

    def _capture(self) -> tuple[Any, int]:
        import cv2

        names = {
            "obsensor": ("CAP_OBSENSOR", "CAP_OBSENSOR_DEPTH_MAP"),
            "openni2": ("CAP_OPENNI2", "CAP_OPENNI_DEPTH_MAP"),
            "realsense": ("CAP_INTELPERC", "CAP_INTELPERC_DEPTH_MAP"),
        }[self.config.backend]
        backend, flag = (getattr(cv2, name, -1) for name in names)  # versions of OpenCV differ in them
        if backend not in cv2.videoio_registry.getBackends():
            raise self._error(
                Fault.UNSUPPORTED,
                f"this OpenCV has no backend {self.config.backend}",
                "Install an OpenCV that was built with it, or record to files and use camera.depth_file",
            )
        try:
            capture = cv2.VideoCapture(self.config.device, backend)
            opened = capture.isOpened()
        except cv2.error:
            capture, opened = None, False
        if capture is None or not opened:
            raise self._error(
                Fault.NOT_FOUND, "cannot be opened", "Check that it is plugged in and not in use"
            )
        if self.config.fps:
            capture.set(cv2.CAP_PROP_FPS, self.config.fps)
        return capture, flag

    def _maps(self, capture: Any, flag: int) -> Iterator[Picture]:
        damaged = 0
        try:
            while True:
                if not capture.grab():
                    raise self._error(Fault.UNPLUGGED, "was unplugged or stopped", "Plug it in again")
                arrival = time.monotonic_ns()
                good, depth = capture.retrieve(None, flag)
                if not good or depth is None or depth.dtype != np.uint16 or depth.ndim != 2:
                    damaged += 1
                    continue
                yield Picture(depth.copy(), arrival, damaged=damaged)
                damaged = 0
        finally:
            capture.release()

    def _error(self, fault: Fault, what: str, mend: str) -> DeviceError:
        return DeviceError(self.context.stream, fault, f"depth camera {self.config.device} {what}", mend=mend)
