"""The film of a run: each picture that was looked at, with the fused skeleton drawn on it."""

from __future__ import annotations

import collections
from collections.abc import Sequence
from pathlib import Path

import cv2

from fusion.skeletons import BODY20
from fusion.tracking.pose import Pose, action_name, drawn
from fusion.tracking.sinks import Picture, Sink
from fusion.vision.film import Film
from fusion.vision.overlay import draw_name, draw_skeleton

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
        self._actions = tuple(actions)
        self._waiting: collections.deque[tuple[int, Picture]] = collections.deque()
        self._film = Film(path, width)

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
        self._film.close()

    def _write(self, time: int, image: Picture, poses: Sequence[Pose]) -> None:
        canvas, scale = self._film.canvas(image)
        for pose in drawn(poses):
            points = (pose.keypoints + 0.5) * scale - 0.5  # centres of pixels are whole numbers
            draw_skeleton(canvas, points, BODY20, score=pose.score, threshold=_MIN_SCORE)
            if pose.person:
                draw_name(canvas, points, pose.person, wears=pose.wears)
        if poses:
            self._caption(canvas, poses[0])
        self._film.write(time, canvas)

    def _caption(self, canvas: Picture, pose: Pose) -> None:
        action, probability = action_name(pose, self._actions)
        text = f"{pose.time / 1e9:8.2f} s  {action} {probability:.0%}  {len(pose.fed)} sensors"
        size = canvas.shape[1] / 1200
        for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
            cv2.putText(
                canvas, text, (10, int(30 * max(size, 0.5))), cv2.FONT_HERSHEY_SIMPLEX,
                max(size, 0.5) * 0.8, colour, thick, cv2.LINE_AA,
            )  # fmt: skip
