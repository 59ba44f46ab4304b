"""Pictures as an MP4 file whose presentation times are the times of capture, with the sound beside them."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

from drivers.base import Batch, StreamInfo

_TIME_BASE = Fraction(1, 90_000)
"""Of the film's time stamps, s; the usual one of MPEG."""
_SOUND_HZ = 48_000
"""Sound is brought to this rate, which every player has."""

Picture = NDArray[np.uint8]
Sound = tuple[StreamInfo, Iterator[Batch]]
"""A stream and its blocks (N, 1) int16, with times from the first picture, ns; as ``sound_of`` gives it."""


class Film:
    """An MP4 file that grows picture by picture; its size is that of the first.

    Usage::

        canvas, scale = film.canvas(image)  # draw on it: x_canvas = (x + 0.5) * scale - 0.5
        film.write(time_ns, canvas)

    Args:
        path: file to create.
        width: larger pictures are made so wide, px.
        sound: what is heard beside them.
    """

    def __init__(self, path: Path, width: int = 1280, sound: Sound | None = None) -> None:
        self._path = path
        self._width = width
        self._first: int | None = None
        self._last_pts = -1
        self.frames = 0
        path.open("xb").close()
        self._container = av.open(str(path), "w", format="mp4")
        self._stream: av.VideoStream | None = None
        self._sound = None if sound is None else _Track(*sound)

    def canvas(self, image: Picture) -> tuple[Picture, NDArray[np.float64]]:
        """Return a picture (H, W, 3) BGR in the size of the film, to draw on, and its scale (2,) x, y."""
        scale = np.full(2, min(1.0, self._width / image.shape[1]))
        size = (round(image.shape[1] * scale[0]) // 2 * 2, round(image.shape[0] * scale[1]) // 2 * 2)
        if self._stream is not None and size != (self._stream.width, self._stream.height):
            size = (self._stream.width, self._stream.height)  # another camera's picture
            scale = np.array([size[0] / image.shape[1], size[1] / image.shape[0]])
        whole = bool((scale == 1).all())
        # INTER_AREA takes eight times as long, and shows only where pictures become much smaller.
        how = cv2.INTER_LINEAR if scale.min() > 0.5 else cv2.INTER_AREA
        canvas = image.copy() if whole else cv2.resize(image, size, interpolation=how)
        return np.ascontiguousarray(canvas[: size[1], : size[0]], np.uint8), scale

    def write(self, time: int, canvas: Picture) -> None:
        """Write a picture that :meth:`canvas` gave, captured at ``time`` ns, later than the one before.

        Raises:
            OSError: the file cannot be written.
        """
        stream = self._stream or self._begin((canvas.shape[1], canvas.shape[0]))
        self._first = time if self._first is None else self._first
        pts = max(self._last_pts + 1, round((time - self._first) * 90_000 / 1_000_000_000))
        # As swscale does it, in a fraction of its time.
        planes = np.asarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = pts, _TIME_BASE
        self._container.mux(stream.encode(frame))
        if self._sound is not None:
            self._sound.until(time - self._first, self._container)
        self._last_pts = pts
        self.frames += 1

    def close(self) -> None:
        """Finish the file; without any picture there is no file."""
        try:
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
                if self._sound is not None:
                    self._sound.close(self._container)
        finally:
            self._container.close()
            if not self.frames:
                self._path.unlink(missing_ok=True)

    def _begin(self, size: tuple[int, int]) -> av.VideoStream:
        name, options = _codec()
        stream = self._container.add_stream(name, options=options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _TIME_BASE
        stream.codec_context.thread_count = 1
        if name == "mpeg4":
            stream.bit_rate = 4_000_000
        if self._sound is not None:
            self._sound.begin(self._container)
        self._stream = stream
        return stream


class _Track:
    """Sound beside the pictures, as AAC."""

    def __init__(self, info: StreamInfo, blocks: Iterator[Batch]) -> None:
        self._rate = round(info.rate_hz)
        self._blocks = blocks
        self._next = next(blocks, None)
        self._stream: av.AudioStream | None = None
        self._to_aac = av.AudioResampler(format="fltp", layout="mono", rate=_SOUND_HZ)

    def begin(self, container: OutputContainer) -> None:
        stream = container.add_stream("aac", rate=_SOUND_HZ, layout="mono")
        assert isinstance(stream, av.AudioStream)
        stream.bit_rate = 128_000
        self._stream = stream

    def until(self, time: int, container: OutputContainer) -> None:
        """Write what is heard up to a time, ns from the first picture."""
        while self._next is not None and int(self._next.stamps["time"][0]) <= time:
            heard = np.ascontiguousarray(np.asarray(self._next.data).reshape(1, -1))
            frame = av.AudioFrame.from_ndarray(heard, format="s16", layout="mono")
            frame.sample_rate, frame.time_base = self._rate, Fraction(1, self._rate)
            frame.pts = int(self._next.stamps["seq"][0])
            self._encode(frame, container)
            self._next = next(self._blocks, None)

    def close(self, container: OutputContainer) -> None:
        self._encode(None, container)
        assert self._stream is not None
        container.mux(self._stream.encode(None))

    def _encode(self, frame: av.AudioFrame | None, container: OutputContainer) -> None:
        assert self._stream is not None
        for part in self._to_aac.resample(frame):
            container.mux(self._stream.encode(part))


def _codec() -> tuple[str, dict[str, str]]:
    """Return the encoder to use and its options: H.264 where this build has it."""
    try:
        av.Codec("libx264", "w")
    except (av.error.FFmpegError, ValueError):  # an av without x264
        return "mpeg4", {}
    return "libx264", {"preset": "ultrafast", "crf": "23", "tune": "zerolatency"}
