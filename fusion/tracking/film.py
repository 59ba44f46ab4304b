"""The film of a run: each picture that was looked at, with the fused skeleton drawn on it."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import av.error
import cv2
import numpy as np

from fusion.skeletons import BODY20
from fusion.tracking.pose import Pose, action_name, drawn
from fusion.tracking.sinks import Picture, Sink
from fusion.vision.overlay import draw_name, draw_skeleton

_TIME_BASE = Fraction(1, 90_000)
"""Of the film's time stamps, s; the usual one of MPEG."""

_WAITING = 8
"""Pictures that wait for their pose at most; older ones are drawn without."""

_MIN_SCORE = 0.05


class FilmSink(Sink):
    """Writes an MP4 file whose presentation times are the times of capture.

    A picture is drawn with the first pose that used it.

    Args:
        path: file to create.
        actions: names of the actions, written on the picture.
        width: larger pictures are made so wide, px.
    """

    name = "film"
    wants_pictures = True

    def __init__(self, path: Path, actions: Sequence[str], width: int = 1280) -> None:
        self._path = path
        self._actions = tuple(actions)
        self._width = width
        self._waiting: collections.deque[tuple[int, Picture]] = collections.deque()
        self._first: int | None = None
        self._last_pts = -1
        self.frames = 0
        path.open("xb").close()
        self._container = av.open(str(path), "w", format="mp4")
        self._stream: av.VideoStream | None = None

    def picture(self, time: int, image: Picture) -> None:
        """Keep a picture until its pose comes."""
        self._waiting.append((time, image))
        while len(self._waiting) > _WAITING:
            self._write(*self._waiting.popleft(), ())

    def pose(self, pose: Pose) -> None:
        """Draw the picture the pose came from, once."""
        self.poses([pose])

    def poses(self, poses: Sequence[Pose]) -> None:
        """Draw everybody into the picture that their poses came from, once."""
        pose = poses[0]
        if pose.frame_time is None:
            return
        # Ages are float32 seconds: the time of the frame is known to a fraction of 2 us.
        while self._waiting and self._waiting[0][0] <= pose.frame_time + 2_000:
            time, image = self._waiting.popleft()
            used = abs(time - pose.frame_time) <= 2_000
            self._write(time, image, poses if used else ())

    def close(self) -> None:
        """Write what is left and finish the file; without any picture there is no file."""
        while self._waiting:
            self._write(*self._waiting.popleft(), ())
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if not self.frames:
            self._path.unlink(missing_ok=True)

    def _write(self, time: int, image: Picture, poses: Sequence[Pose]) -> None:
        scale = np.full(2, min(1.0, self._width / image.shape[1]))
        size = (round(image.shape[1] * scale[0]) // 2 * 2, round(image.shape[0] * scale[1]) // 2 * 2)
        if self._stream is not None and size != (self._stream.width, self._stream.height):
            size = (self._stream.width, self._stream.height)  # another camera's picture
            scale = np.array([size[0] / image.shape[1], size[1] / image.shape[0]])
        whole = bool((scale == 1).all())
        # INTER_AREA takes eight times as long, and shows only where pictures become much smaller.
        how = cv2.INTER_LINEAR if scale.min() > 0.5 else cv2.INTER_AREA
        canvas = image.copy() if whole else cv2.resize(image, size, interpolation=how)
        canvas = np.ascontiguousarray(canvas[: size[1], : size[0]], np.uint8)
        for pose in drawn(poses):
            points = (pose.keypoints + 0.5) * scale - 0.5  # centres of pixels are whole numbers
            draw_skeleton(canvas, points, BODY20, score=pose.score, threshold=_MIN_SCORE)
            if pose.person:
                draw_name(canvas, points, pose.person, wears=pose.wears)
        if poses:
            self._caption(canvas, poses[0])
        stream = self._stream or self._begin(size)
        self._first = time if self._first is None else self._first
        pts = max(self._last_pts + 1, round((time - self._first) * 90_000 / 1_000_000_000))
        # As swscale does it, in a fraction of its time.
        planes = np.asarray(cv2.cvtColor(canvas, cv2.COLOR_BGR2YUV_I420), np.uint8)
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = pts, _TIME_BASE
        self._container.mux(stream.encode(frame))
        self._last_pts = pts
        self.frames += 1

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
        self._stream = stream
        return stream

    def _caption(self, canvas: Picture, pose: Pose) -> None:
        action, probability = action_name(pose, self._actions)
        text = f"{pose.time / 1e9:8.2f} s  {action} {probability:.0%}  {len(pose.fed)} sensors"
        size = canvas.shape[1] / 1200
        for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(
                canvas, text, (10, int(30 * max(size, 0.5))), cv2.FONT_HERSHEY_SIMPLEX,
                max(size, 0.5) * 0.8, colour, thick, cv2.LINE_AA,
            )  # fmt: skip


def _codec() -> tuple[str, dict[str, str]]:
    """Return the encoder to use and its options: H.264 where this build has it."""
    try:
        av.Codec("libx264", "w")
    except (av.error.FFmpegError, ValueError):  # an av without x264
        return "mpeg4", {}
    return "libx264", {"preset": "ultrafast", "crf": "23", "tune": "zerolatency"}
