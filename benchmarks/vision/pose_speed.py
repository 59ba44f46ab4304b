"""``chorus pose`` on real video against MediaPipe's pose solution alone, on the same two cores.

::

    python -m benchmarks.vision.pose_speed --data DIR [--cores 0,1] [--rounds 4] [--install]

Ours: all that ``chorus pose`` does but the film with the overlay: decoding, BlazePose on every picture,
smoothing without lag, CSV, COCO and OpenPose JSON, TRC, screenshots. Theirs: the same file decoded by OpenCV
through ``mediapipe.solutions.pose`` 0.10.21, complexity 1, tracking, with nothing else. Rounds take turns,
each in a process of its own on the same cores; ``--install`` makes the
environment of MediaPipe, in the cache folder.

Goal: 45 pictures a second where MediaPipe has 47.5, a ratio of 0.947: on a busy machine the ratio tells. Exit
status 1: not reached; 2: something is missing.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from benchmarks.mediapipe.turns import main

GOAL = 45.0 / 47.5
VIDEOS = ("video/sports2d/demo.mp4",)
WRITTEN = ("csv", "coco", "openpose", "trc", "screenshots")


def ours(video: Path) -> dict[str, float]:
    """Return what ``chorus pose`` took for a video, from the first picture to the last file."""
    from fusion.pose.inputs import Film
    from fusion.pose.options import PoseOptions
    from fusion.pose.run import pose_of
    from fusion.vision.base import front_end

    source = Film(video)
    with front_end("blazepose") as eyes, tempfile.TemporaryDirectory() as folder:
        shot = next(iter(source.shots(lambda: False)))
        eyes(shot.image, 0)  # the networks prepare themselves
        began, cpu = time.perf_counter(), time.process_time()
        report = pose_of(
            source, eyes, Path(folder) / "out", PoseOptions(write=WRITTEN), lambda: False, lambda *_: None
        )
        seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return {"frames": report.frames, "seconds": seconds, "cpu": cpu, "found": report.seen}


if __name__ == "__main__":
    sys.exit(main("benchmarks.vision.pose_speed", __doc__ or "", VIDEOS, GOAL, ours, "chorus pose"))
