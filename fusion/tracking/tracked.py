"""A video or a picture, tracked frame by frame into a folder: the same each time, as fast as it goes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.base import Batch
from fusion.features import FeatureBuilder
from fusion.model.stepper import Network
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
from fusion.vision.screenshots import Screenshots

_SAME_NS = 2_000
"""Ages are float32 seconds: the time of a frame is known to a fraction of 2 us."""
_MIN_SCORE = 0.05


class ScreenshotSink(Sink):
    """Writes a picture with its skeleton now and then; see :class:`fusion.vision.screenshots.Screenshots`.

    Args:
        folder: that is made.
        every_s: seconds from one to the next; 0: only the last picture is kept.
        width: larger pictures are made so wide, px.
    """

    name = "screenshots"
    wants_pictures = True

    def __init__(self, folder: Path, every_s: float, width: int = 1280) -> None:
        self._shots = Screenshots(folder, every_s, width)
        self._waiting: tuple[int, Picture] | None = None

    def picture(self, time: int, image: Picture) -> None:
        """Keep a picture until its pose comes."""
        if self._shots.due(time):
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
        canvas, scale = self._shots.canvas(image)
        for pose in drawn(poses):
            points = (pose.keypoints + 0.5) * scale - 0.5
            draw_skeleton(canvas, points, BODY20, score=pose.score, threshold=_MIN_SCORE)
            if pose.person:
                draw_name(canvas, points, pose.person, wears=pose.wears)
        self._shots.write(time, canvas)


def track_footage(
    options: LiveOptions,
    net: Network,
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
