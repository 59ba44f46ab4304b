"""A video or a picture, tracked frame by frame into a folder: the same each time, as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from drivers.base import Batch
from drivers.errors import RecordingError
from fusion.features import FeatureBuilder
from fusion.model.net import FusionNet
from fusion.skeletons import BODY20
from fusion.tracking.footage import open_footage
from fusion.tracking.meter import Meter, Summary
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs
from fusion.tracking.pose import Pose, drawn
from fusion.tracking.sequential import run_batches
from fusion.tracking.sinks import Picture, Sink
from fusion.vision.base import front_end_of
from fusion.vision.overlay import draw_name, draw_skeleton

_SAME_NS = 2_000
"""Ages are float32 seconds: the time of a frame is known to a fraction of 2 us."""
_MIN_SCORE = 0.05


class ScreenshotSink(Sink):
    """Writes a picture with its skeleton now and then: ``000012.50s.jpg``.

    Args:
        folder: that is made.
        every_s: seconds from one to the next; 0: only the last picture is kept.
        width: larger pictures are made so wide, px.
        most: when there are so many, every other one goes and the interval doubles.
    """

    name = "screenshots"
    wants_pictures = True

    def __init__(self, folder: Path, every_s: float, width: int = 1280, most: int = 60) -> None:
        self._folder, self._every_ns, self._width, self._most = folder, round(every_s * 1e9), width, most
        self._waiting: tuple[int, Picture] | None = None
        self._due = 0
        self.files: list[Path] = []
        folder.mkdir(parents=True, exist_ok=False)

    def picture(self, time: int, image: Picture) -> None:
        """Keep a picture until its pose comes."""
        if time >= self._due:
            self._waiting = (time, image)

    def pose(self, pose: Pose) -> None:
        """Write the picture that the pose came from, if it is time to."""
        self.poses([pose])

    def poses(self, poses: Sequence[Pose]) -> None:
        """Write the picture that everybody's poses came from, if it is time to."""
        pose = poses[0]
        if self._waiting is None or pose.frame_time is None:
            return
        time, image = self._waiting
        if abs(time - pose.frame_time) > _SAME_NS:
            return
        self._waiting = None
        self._due = time + self._every_ns
        if not self._every_ns and self.files:
            self.files.pop().unlink()
        self._write(self._folder / f"{time / 1e9:09.2f}s.jpg", image, poses)
        if len(self.files) > self._most:
            for path in self.files[1::2]:
                path.unlink()
            self.files = self.files[::2]
            self._every_ns *= 2

    def _write(self, path: Path, image: Picture, poses: Sequence[Pose]) -> None:
        scale = min(1.0, self._width / image.shape[1])
        size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
        canvas = cv2.resize(image, size, interpolation=cv2.INTER_AREA) if scale < 1 else image.copy()
        canvas = np.ascontiguousarray(canvas, np.uint8)
        for pose in drawn(poses):
            points = (pose.keypoints + 0.5) * scale - 0.5
            draw_skeleton(canvas, points, BODY20, score=pose.score, threshold=_MIN_SCORE)
            if pose.person:
                draw_name(canvas, points, pose.person, wears=pose.wears)
        if not cv2.imwrite(str(path), canvas, [cv2.IMWRITE_JPEG_QUALITY, 88]):
            raise RecordingError(f"{path} cannot be written", mend="Free some space, or give another folder")
        self.files.append(path)


def track_footage(
    options: LiveOptions,
    net: FusionNet,
    vision: str,
    outputs: Outputs,
    stop: Callable[[], bool] = lambda: False,
    *,
    progress: Callable[[float, int], None] | None = None,
    screenshots_s: float | None = None,
    on_pose: Callable[[Pose], None] | None = None,
) -> Summary:
    """Track ``options.source``, a video or a picture, and write what comes of it.

    Args:
        options: choices.
        net: the network.
        vision: name of the front end.
        outputs: where to.
        stop: asked at each frame whether to stop early.
        progress: called at each frame with the fraction done (0 where the file does not say how long it is)
            and the number of frames.
        screenshots_s: write a picture with its skeleton each so many seconds; None: none, but of a picture
            always.
        on_pose: called with each pose.

    Raises:
        DataError: it is neither, it is damaged or cut off.
    """
    assert options.source is not None
    footage = open_footage(Path(options.source))
    if footage.still:
        outputs.films = False
    with front_end_of(vision, options.people) as eyes:
        builder = FeatureBuilder(footage.infos, eyes.skeleton, options.features, 0.0)
        meter = Meter(time.monotonic_ns, live=False)
        sinks = outputs.open(net.config.actions, pictures=True, threaded=False)
        if footage.still or screenshots_s is not None:
            every_s = 0.0 if footage.still else float(screenshots_s or 1.0)
            sinks.append(ScreenshotSink(outputs.folder / "screenshots", every_s, options.film_width))
        total = footage.seconds * 1e9

        def on_batch(batch: Batch) -> None:
            if progress is not None and batch.stream == footage.info.name:
                progress(min(1.0, int(batch.stamps["time"][-1]) / total) if total else 0.0, meter.frames)

        try:
            run_batches(
                footage.batches(),
                builder,
                net,
                eyes,
                sinks,
                meter=meter,
                people=options.people,
                duration_s=options.duration,
                on_pose=on_pose,
                on_batch=on_batch,
                stop=stop,
            )
        finally:
            summary = outputs.close(meter)
    return summary
