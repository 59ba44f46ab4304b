"""H.264 as a session holds it: one packet a picture, no picture waits for a later one.

x264 with ``tune=zerolatency`` and no B frames hands out the packet of a picture as soon as it has the
picture, so that row i of the index is picture i and nothing is under way when a recorder is killed. A key
frame each second, with the parameter sets before it (Annex B), lets a reader begin there. Colours are
those of JPEG: full range, ITU-R BT.601, 4:2:0.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.codec.context import ThreadType
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import PictureType, VideoFrame
from numpy.typing import NDArray

from drivers.base import StreamInfo
from drivers.camera.pictures import jpeg_size
from recordings.encoding import NotAPicture, Settings

KEY_NS = 1_000_000_000
"""A picture so long after the last key frame becomes one."""

_PIXELS = "yuvj420p"
_NEVER = 1_000_000  # pictures between key frames that x264 would set itself


def even(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (height, width) as encoded: 4:2:0 colour needs even sides; readers cut the rest off."""
    return shape[0] + shape[0] % 2, shape[1] + shape[1] % 2


class Encoder:
    """Encodes the pictures of one stream in order; not for several threads at once.

    Args:
        info: the stream; its shape is (height, width, 3).
        settings: of x264.

    Raises:
        FFmpegError: the library has no such encoder or preset.
    """

    def __init__(self, info: StreamInfo, settings: Settings) -> None:
        self._shape = info.shape
        self._jpeg = _context("mjpeg", "r")
        height, width = even(info.shape)
        coder = _context("libx264", "w")
        coder.width, coder.height, coder.pix_fmt = width, height, _PIXELS
        coder.framerate = Fraction(max(round(info.rate_hz), 1))
        coder.gop_size, coder.max_b_frames, coder.thread_count = _NEVER, 0, 1
        coder.options = {
            "preset": settings.preset,
            "tune": "zerolatency",
            "crf": str(settings.crf),
            "forced-idr": "1",
        }
        coder.open()
        self._coder = coder
        self._count = 0
        self._key_time: int | None = None

    def __call__(self, picture: bytes | NDArray[np.uint8], time_ns: int) -> tuple[bytes, bool]:
        """Return the packet of a picture, and whether it is a key frame.

        Args:
            picture: JPEG bytes, or (H, W, 3) uint8 BGR.
            time_ns: session time of the picture: decides on key frames.

        Raises:
            NotAPicture: it is none of the announced size.
            FFmpegError: the encoder failed.
        """
        frame = self._frame(picture)
        frame.pts = self._count
        key = self._key_time is None or not 0 <= time_ns - self._key_time < KEY_NS
        frame.pict_type = PictureType.I if key else PictureType.NONE
        packets = self._coder.encode(frame)
        if len(packets) != 1:
            raise RuntimeError(f"x264 made {len(packets)} packets of one picture")
        self._count += 1
        if packets[0].is_keyframe:
            self._key_time = time_ns
        return bytes(packets[0]), bool(packets[0].is_keyframe)

    def _frame(self, picture: bytes | NDArray[np.uint8]) -> VideoFrame:
        height, width = self._shape[:2]
        if not isinstance(picture, np.ndarray):
            if jpeg_size(picture) != (height, width):
                raise NotAPicture
            try:
                frames = self._jpeg.decode(av.Packet(picture))
            except FFmpegError as error:
                raise NotAPicture from error
            if len(frames) != 1:
                raise NotAPicture
            if (height, width) == even(self._shape):
                return frames[0].reformat(format=_PIXELS)
            pixels: NDArray[Any] = frames[0].to_ndarray(format="bgr24")
        else:
            pixels = picture
        if pixels.shape != self._shape:
            raise NotAPicture
        high, wide = even(self._shape)
        pixels = np.pad(pixels, ((0, high - height), (0, wide - width), (0, 0)), mode="edge")
        return VideoFrame.from_ndarray(pixels, format="bgr24").reformat(
            format=_PIXELS, dst_color_range="JPEG"
        )


class Decoder:
    """Decodes packets from a key frame on, in order."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._coder = _context("h264", "r")

    def __call__(self, packet: bytes) -> NDArray[np.uint8] | None:
        """Return the (last) picture of a row's bytes as (H, W, 3) uint8 BGR, or None where there is none.

        A row that begins a trimmed stream holds the packets from its key frame on.
        """
        last: Any = None
        try:
            for unit in (*self._coder.parse(packet), *self._coder.parse(None)):
                for frame in self._coder.decode(unit):
                    last = frame
        except FFmpegError:
            return None
        if last is None or (last.height, last.width) != even(self._shape):
            return None
        return last.to_ndarray(format="bgr24")[: self._shape[0], : self._shape[1]]


def _context(name: str, mode: str) -> VideoCodecContext:
    made: Any = av.CodecContext.create(name, mode)  # type: ignore[call-overload]
    made.thread_count, made.thread_type = 1, ThreadType.NONE
    if mode == "r":
        made.flags |= 1 << 19  # AV_CODEC_FLAG_LOW_DELAY: no picture is held back
    return made
