"""The whole fused pipeline on real video against MediaPipe's pose solution alone, on the same two cores.

::

    python -m benchmarks.live.rate --data DIR [--cores 0,1] [--rounds 4] [--install | --mediapipe PYTHON]

Ours: a video file is decoded, BlazePose looks at every picture, six IMUs at 100 Hz and a microphone at 48 kHz
are made beside it, the network fuses them at 60 Hz, and each pose is written into a table. Theirs: the same
file is decoded by OpenCV and goes through ``mediapipe.solutions.pose`` 0.10.21, complexity 1, tracking, with
nothing else. The rounds take turns, each in a process of its own on the same cores, so that what else the
machine does falls on both; told are the median ratio and how far the rounds lie apart. MediaPipe lives in an
environment of its own, since it needs other versions than we do: ``--install`` makes it in the cache folder.

Goal: 1.25 times the pictures a second of MediaPipe alone. Exit status 1: not reached; 2: something is
missing.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.live.beside import streams, with_sensors
from benchmarks.mediapipe.turns import main
from drivers.base import Batch

GOAL = 1.25
VIDEOS = ("video/sports2d/demo.mp4", "video/pose2sim/single_person/cam01.mp4")


def ours(video: Path) -> dict[str, float]:
    """Return what the fused pipeline took for a video."""
    import torch

    from fusion.features import FeatureBuilder
    from fusion.model.checkpoint import load_net
    from fusion.tracking.footage import open_footage
    from fusion.tracking.meter import Meter
    from fusion.tracking.sequential import run_batches
    from fusion.tracking.sinks import CsvSink
    from fusion.vision.base import front_end

    torch.set_num_threads(1)
    net = load_net(None)
    began: list[float] = []

    def timed(items: Iterator[tuple[Batch, bool]]) -> Iterator[tuple[Batch, bool]]:
        for number, item in enumerate(items):
            if not number:
                began.extend([time.perf_counter(), time.process_time()])
            yield item

    with front_end("blazepose") as eyes, tempfile.TemporaryDirectory() as folder:
        warm = next(iter(open_footage(video).frames))[1]
        eyes(warm, 0)
        eyes.reset()
        footage = dataclasses.replace(open_footage(video), sound=None)  # the sensors bring their own
        builder = FeatureBuilder([footage.info, *streams()], eyes.skeleton)
        meter = Meter(time.monotonic_ns, live=False)
        sink = CsvSink(Path(folder) / "poses.csv", net.config.actions)
        run_batches(timed(with_sensors(footage.batches())), builder, net, eyes, [sink], meter=meter)
        sink.close()
    seconds, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    return {"frames": meter.frames, "poses": meter.poses, "seconds": seconds, "cpu": cpu}


if __name__ == "__main__":
    sys.exit(main("benchmarks.live.rate", __doc__ or "", VIDEOS, GOAL, ours, "chorus, fused"))
