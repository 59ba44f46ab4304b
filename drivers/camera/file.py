"""A video file as a camera, at its own pace or at ``fps``; see :mod:`.played`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import DriverContext, StreamInfo
from drivers.camera.pictures import camera_info, to_payload
from drivers.camera.played import PlayedDriver
from drivers.errors import DeviceError, Fault
from drivers.files import find_file

_FULL_RANGE = 2
"""AVCOL_RANGE_JPEG: luma 0..255 where OpenCV expects 16..235."""
PROBED = 600
"""Packets whose stamps tell whether the frame rate is constant."""


@dataclasses.dataclass(frozen=True)
class VideoFileConfig:
    """Options of ``camera.file``.

    Attributes:
        path: the video, relative to the current folder or the rig's.
        fps: show that many pictures a second instead of the file's own pace; 0: the file's.
        loop: begin again at the end.
        size: width and height to scale to, px.
        quality: of the JPEG, 1..100.
        cache_mb: a looped video whose JPEGs fit into this is encoded once only.
        start_s: session time of the first picture, s: files of one film that start together are in step.
            Pictures whose time has passed when the file is open are left out and counted. 0: at once.
    """

    path: str
    fps: float = 0.0
    loop: bool = False
    size: tuple[int, int] | None = None
    quality: int = 90
    cache_mb: int = 256
    start_s: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.start_s <= 86_400:
            raise ValueError("start_s must be 0 (at once) to 86400")
        if not 0 <= self.fps <= 1000:
            raise ValueError("fps must be 0 (the file's own pace) to 1000")
        if not 1 <= self.quality <= 100:
            raise ValueError("quality must be 1 to 100")
        if self.size is not None and not all(1 <= side <= 16384 for side in self.size):
            raise ValueError("size must be a width and a height in px, such as [640, 360]")


class VideoFileDriver(PlayedDriver[VideoFileConfig]):
    """Pictures of a file; ``time_device`` is the presentation time."""

    Config = VideoFileConfig
    _SLOWER = "Set a lower 'fps', or make it smaller: ffmpeg -i FILE -vf scale=960:-2 small.mp4"

    def __init__(self, config: VideoFileConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._shape = (0, 0)

    def film(self) -> tuple[StreamInfo, Iterator[tuple[int, NDArray[np.uint8]]]]:
        """Return what the file is, and every picture with its time from the first, ns, as fast as they are
        read.

        Raises:
            DeviceError: it is not there, or no video; while pictures are taken, that it is damaged.
        """
        path, info, _ = self._look()
        return info, self._decode(path)

    def _look(self) -> tuple[Path, StreamInfo, float]:
        path = find_file(self.context, self.config.path)
        first, rate, constant, codec = self._probe(path)
        self._shape = (first.shape[0], first.shape[1])
        info = camera_info(
            self.context,
            self._shape,
            rate_hz=self.config.fps or rate,
            regular=bool(self.config.fps) or constant,
            device=f"video file {path.name}",
            properties={"codec": codec, "file_rate_hz": f"{rate:.6g}"},
        )
        return path, info, rate

    def _agreed_start(self) -> int | None:
        if not self.config.start_s:
            return None
        return self.context.epoch_ns + round(self.config.start_s * 1e9)

    def _payload(self, picture: Any) -> Any:
        return to_payload(picture, self.context.store, self.config.quality)

    def _decode(self, path: Path) -> Iterator[tuple[int, NDArray[np.uint8]]]:
        """Yield (presentation time from the first picture, ns; BGR pixels)."""
        import av
        import av.error

        zero, last = None, -1
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            step = int(1e9 / float(stream.average_rate or 30))
            try:
                for frame in container.decode(stream):
                    stamp = last + step if frame.pts is None else _ns(frame.pts, frame.time_base)
                    zero = stamp if zero is None and frame.pts is not None else zero
                    stamp = max(last + 1, stamp - (zero or 0))
                    last = stamp
                    yield stamp, _pixels(frame, self.config.size or (self._shape[1], self._shape[0]))
            except av.error.FFmpegError as error:
                raise DeviceError(
                    self.context.stream,
                    Fault.FAILED,
                    f"{path} is damaged after {max(last, 0) / 1e9:.2f} s",
                    mend="Repair it: ffmpeg -i FILE -c:v libx264 repaired.mp4",
                ) from error

    def _probe(self, path: Path) -> tuple[NDArray[np.uint8], float, bool, str]:
        """Return the first picture, the frame rate, whether it is constant, and the codec's name."""
        import av
        import av.error

        stream_name, mend = self.context.stream, "Set 'path' to a video that a player shows"
        try:
            with av.open(str(path)) as container:
                if not container.streams.video:
                    raise DeviceError(stream_name, Fault.UNSUPPORTED, f"{path} holds no video", mend=mend)
                stream = container.streams.video[0]
                rate, codec = float(stream.average_rate or 0), stream.codec_context.name
                packets = itertools.islice(container.demux(stream), PROBED)
                stamps = sorted(packet.pts for packet in packets if packet.pts is not None)
                constant = len(stamps) > 2 and int(np.ptp(np.diff(stamps))) <= 1
                if constant and stream.time_base:  # truer than the header's average
                    rate = (len(stamps) - 1) / float((stamps[-1] - stamps[0]) * stream.time_base)
            with av.open(str(path)) as container:
                frame = next(iter(container.decode(video=0)), None)
        except (av.error.FFmpegError, ValueError) as error:
            raise DeviceError(
                stream_name, Fault.UNSUPPORTED, f"{path} is not a video that can be read", mend=mend
            ) from error
        if frame is None:
            raise DeviceError(
                stream_name, Fault.UNSUPPORTED, f"{path} is a video without pictures", mend=mend
            )
        return _pixels(frame, self.config.size), rate, constant, codec


def _ns(pts: int, base: Fraction | None) -> int:
    return round(pts * (base or Fraction(1, 1000)) * 1_000_000_000)


def _pixels(frame: Any, size: tuple[int, int] | None) -> NDArray[np.uint8]:
    """Return BGR pixels, upright, scaled to ``size`` (width, height)."""
    import cv2

    if (
        frame.format.name == "yuv420p"
        and int(frame.color_range) != _FULL_RANGE
        and frame.width % 2 == 0
        and frame.height % 2 == 0
    ):
        # Ten times faster than swscale's way to the same pixels.
        image = cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2BGR_I420)
    else:
        image = frame.to_ndarray(format="bgr24")
    turns = round(getattr(frame, "rotation", 0) / 90) % 4
    if turns:
        image = np.ascontiguousarray(np.rot90(image, turns))
    if size is not None and (image.shape[1], image.shape[0]) != tuple(size):
        image = cv2.resize(image, tuple(size), interpolation=cv2.INTER_AREA)
    return image  # type: ignore[return-value]
