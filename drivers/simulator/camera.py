"""``simulator.camera``: pictures of the virtual body with its markers, as a camera would send them."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from drivers.base import StreamInfo
from drivers.camera.pictures import camera_info, to_payload
from drivers.simulator.options import ClockOptions, PacedDriver
from drivers.simulator.view import Painter, View

CHUNK = 30
"""Poses computed together: one call for many instants costs little more than for one."""


@dataclasses.dataclass(frozen=True)
class CameraConfig(ClockOptions):
    """Options of ``simulator.camera``.

    Attributes:
        width, height: of the picture, px.
        fps: pictures per second.
        position: of the camera, m, world frame; it looks at ``target``.
        field_of_view_deg: across the longer side.
        quality: of the JPEG, 1..100.
        markers: paint a coloured marker on each joint.
    """

    width: int = 640
    height: int = 480
    fps: float = 30.0
    position: tuple[float, float, float] = (3.8, 0.0, 1.3)
    target: tuple[float, float, float] = (0.0, 0.0, 0.95)
    field_of_view_deg: float = 60.0
    quality: int = 90
    markers: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (64 <= self.width <= 4096 and 64 <= self.height <= 4096):
            raise ValueError("width and height must be 64 to 4096 px")
        if not 1 <= self.fps <= 240:
            raise ValueError("fps must be 1 to 240")
        if not 1 <= self.quality <= 100:
            raise ValueError("quality must be 1 to 100")
        if not 10 <= self.field_of_view_deg <= 150:
            raise ValueError("field_of_view_deg must be 10 to 150")
        if np.allclose(np.subtract(self.position, self.target)[:2], 0.0):
            raise ValueError("the camera cannot look straight up or down: move 'position' aside")

    def view(self) -> View:
        """Return the pin-hole camera."""
        return View.look_at(
            self.width,
            self.height,
            position=self.position,
            target=self.target,
            field_of_view_deg=self.field_of_view_deg,
        )


class SimulatedCamera(PacedDriver[CameraConfig]):
    """JPEG pictures, or pixels for ``store: raw``; the calibration is in the stream's properties."""

    Config = CameraConfig

    def open(self) -> StreamInfo:
        """Begin; see :class:`~drivers.base.Driver`."""
        self.close()
        config = self.config
        view = config.view()
        self._painter = Painter(view, config.seed)
        self._body = config.body()
        self._chunk: tuple[int, Any] | None = None
        clock = self._start(config.fps)
        return camera_info(
            self.context,
            (config.height, config.width),
            rate_hz=config.fps,
            regular=True,
            device="simulated camera",
            properties=view.properties() | {"true_clock": clock.text()},
        )

    def _make(self, rows: range) -> Any:
        image = self._painter(self._joints(rows.start), self.config.markers)
        payload = to_payload(image, self.context.store, self.config.quality)
        return (payload,) if isinstance(payload, bytes) else payload[None]

    def _joints(self, row: int) -> Any:
        assert self.clock is not None
        if self._chunk is None or not 0 <= row - self._chunk[0] < CHUNK:
            times = self.clock.capture(np.arange(row, row + CHUNK)) / 1e9
            self._chunk = row, self._body.pose(times).joints
        return self._chunk[1][row - self._chunk[0]]
