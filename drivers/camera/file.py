"""A video file as a camera, at its own pace or at ``fps``.

A thread decodes a little ahead; :meth:`VideoFileDriver.read` hands each picture on when it is due. When
the machine cannot keep pace, pictures are left out and counted (``driver_queue``): a file camera may
lose, it never drifts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import queue
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import Driver, DriverContext, EndOfStream, Samples, StreamInfo
from drivers.camera.pictures import camera_info, one_picture, to_payload
from drivers.errors import DeviceError, Fault
from drivers.files import find_file

AHEAD = 12
"""Pictures decoded before they are due: rides out a stall of 0.2 s at 60 Hz."""
LATE_NS = 250_000_000
"""A picture later than this is left out."""
HOPELESS = 300
"""Pictures left out in a row while falling further behind: decoding alone is too slow."""
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


@dataclasses.dataclass(slots=True)
class _Picture:
    number: int
    due: int  # ns after the first picture
    stamp: int  # presentation time, ns, going on over loops
    payload: Any  # JPEG bytes, pixels, or None where left out


class VideoFileDriver(Driver[VideoFileConfig]):
    """Pictures of a file; ``time_device`` is the presentation time."""

    Config = VideoFileConfig
    reopens = False

    def __init__(self, config: VideoFileConfig, context: DriverContext) -> None:
        super().__init__(config, context)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self._begun = threading.Event()
        self._queue: queue.Queue[_Picture | Exception] = queue.Queue(AHEAD)
        self._start = 0
        self._next: _Picture | None = None
        self._end: Exception | None = None
        self._left_out = 0
        self._rate, self._file_rate = 0.0, 30.0  # shown, and in the file, Hz
        self._shape = (0, 0)

    def open(self) -> StreamInfo:
        """Open the file and decode its first picture.

        Raises:
            DeviceError: no such file, not a video, or a video without pictures.
        """
        self.close()
        path = find_file(self.context, self.config.path)
        first, rate, constant, codec = self._probe(path)
        self._shape = (first.shape[0], first.shape[1])
        self._file_rate = rate or 30.0
        self._rate = self.config.fps or rate
        self._stop, self._begun = threading.Event(), threading.Event()
        self._queue = queue.Queue(AHEAD)
        self._next, self._end, self._left_out, self._start = None, None, 0, 0
        if self.config.start_s:
            self._start = self.context.epoch_ns + round(self.config.start_s * 1e9)
            self._begun.set()
        self._thread = threading.Thread(target=self._produce, args=(path,), daemon=True)
        self._thread.start()
        return camera_info(
            self.context,
            self._shape,
            rate_hz=self._rate,
            regular=bool(self.config.fps) or constant,
            device=f"video file {path.name}",
            properties={"codec": codec, "file_rate_hz": f"{rate:.6g}"},
        )

    def read(self, timeout_s: float) -> Samples | None:
        """Return the next picture when it is due; see :class:`Driver`."""
        deadline = time.monotonic_ns() + int(timeout_s * 1e9)
        while True:
            if self._next is None and not self._fetch(deadline):
                return self._losses_at_the_end()
            picture = self._next
            assert picture is not None
            if not self._begun.is_set():
                self._start = time.monotonic_ns() - picture.due
                self._begun.set()
            if picture.payload is None:
                self._left_out += 1
                self._next = None
                continue
            wait = self._start + picture.due - time.monotonic_ns()
            if wait > 0:
                rest = deadline - time.monotonic_ns()
                time.sleep(max(0, min(wait, rest)) / 1e9)
                if wait > rest:
                    return None
            lost = {"driver_queue": self._left_out} if self._left_out else {}
            self._next, self._left_out = None, 0
            return one_picture(picture.payload, picture.number, time.monotonic_ns(), picture.stamp, lost)

    def _losses_at_the_end(self) -> Samples | None:
        """Return the losses that no later picture will carry, as samples without rows."""
        if self._end is None:
            return None
        if not self._left_out:
            raise self._end
        lost, self._left_out = {"driver_queue": self._left_out}, 0
        none = np.empty(0, np.int64)
        return Samples(data=(), time_host=none, time_device=none, seq=none.astype(np.uint64), lost=lost)

    def close(self) -> None:
        """Stop decoding and let the file go."""
        self._stop.set()
        self._begun.set()
        if self._thread is not None:
            while self._thread.is_alive():
                with contextlib.suppress(queue.Empty):
                    self._queue.get_nowait()  # it may wait for room
                self._thread.join(0.01)
            self._thread = None

    def _fetch(self, deadline: int) -> bool:
        if self._end is not None:
            raise self._end
        if self._thread is None:
            raise DeviceError(
                self.context.stream, Fault.FAILED, "it was read while closed", mend="Open it first"
            )
        try:
            item = self._queue.get(timeout=max(0.0, (deadline - time.monotonic_ns()) / 1e9))
        except queue.Empty:
            return False
        if isinstance(item, Exception):
            self._end = item  # every later read ends in the same way
            return False
        self._next = item
        return True

    # The thread that decodes ahead.

    def _produce(self, path: Path) -> None:
        try:
            for picture in self._pictures(path):
                self._queue.put(picture)
                if self._stop.is_set():
                    return
            self._queue.put(EndOfStream())
        except Exception as error:  # it is raised again where the pictures are read
            self._queue.put(error)

    def _pictures(self, path: Path) -> Iterator[_Picture]:
        """Yield every picture with its number, due time and stamp, over all loops."""
        number, offset = 0, 0
        cache = _Cache(self.config.cache_mb << 20 if self.config.loop else 0)
        run, worst = 0, 0  # pictures left out in a row, and how late the first of them was
        for _ in itertools.count() if self.config.loop else range(1):
            end, filled = 0, cache.complete
            source = iter(cache.items) if filled else self._decode(path)
            for stamp, image in source:
                end = stamp + int(1e9 / self._file_rate)
                due = int(number * 1e9 / self.config.fps) if self.config.fps else offset + stamp
                late = time.monotonic_ns() - self._start - due if self._begun.is_set() else 0
                payload = None
                if late <= LATE_NS:
                    run = 0
                    payload = image if filled else to_payload(image, self.context.store, self.config.quality)
                else:
                    worst, run = (late, 1) if run == 0 else (worst, run + 1)
                    if run > HOPELESS and late > worst:
                        raise self._too_slow(path)
                if not filled:
                    cache.add(stamp, payload)
                yield _Picture(number, due, offset + stamp, payload)
                number += 1
            offset += end
            cache.end_of_pass()

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

    def _too_slow(self, path: Path) -> DeviceError:
        return DeviceError(
            self.context.stream,
            Fault.FAILED,
            f"{path} cannot be decoded at {self._rate:g} pictures a second on this machine",
            mend="Set a lower 'fps', or make it smaller: ffmpeg -i FILE -vf scale=960:-2 small.mp4",
        )


class _Cache:
    """The pictures of one pass, if all of them are there and fit into ``limit`` bytes."""

    def __init__(self, limit: int) -> None:
        self.items: list[tuple[int, Any]] = []
        self.complete = False
        self._room = self._limit = limit
        self._whole = limit > 0

    def add(self, stamp: int, payload: Any) -> None:
        self._room -= 0 if payload is None else len(payload) if isinstance(payload, bytes) else payload.nbytes
        self._whole = self._whole and payload is not None and self._room >= 0
        if self._whole:
            self.items.append((stamp, payload))
        else:
            self.items = []

    def end_of_pass(self) -> None:
        """Keep what this pass left, or try again with the next one where it fell short of pictures."""
        if not self.complete:
            self.complete = self._whole and bool(self.items)
            self._whole, self._room = self._room >= 0 and self._limit > 0, self._limit
            if not self.complete:
                self.items = []


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
