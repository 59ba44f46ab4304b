"""Who is who in the four views of two people who move about and one who looks on, through the live engine.

::

    python -m benchmarks.live.people --data DIR [--views cam01,cam02] [--frames 100] [--weights FILE]

``DIR`` holds ``video/pose2sim/multi_person/cam01.mp4`` to ``cam04.mp4`` (100 pictures each, 60 Hz). Who is
there was counted by eye in pictures 0, 20, 40, 60, 80 and 98 of each view, and does not change between them:
the man in shorts, the woman in white, and in views 1 and 2 a man at the back of the room who watches. The
table below has where each one's trunk is, px. A switch is a picture in which somebody bears another number
than before.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from benchmarks.live.stage import Kept
from drivers.bus.messages import Ended
from fusion.features import FeatureBuilder, FeatureSpec
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.skeletons import BLAZEPOSE33, BODY20
from fusion.tracking.crowd import Crowd
from fusion.tracking.engine import LiveEngine, Timing
from fusion.tracking.footage import open_footage
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Pose
from fusion.vision.blazepose import BlazePose

_SAME_NS = 2_000
"""Ages are float32 seconds: the time of a frame is known to a fraction of 2 us."""
AT = (0, 20, 40, 60, 80, 98)
"""Pictures that were looked at by eye."""
SEEN: dict[str, dict[str, tuple[tuple[int, int], ...]]] = {
    "cam01": {
        "man": ((437, 613), (485, 667), (517, 640), (576, 560), (629, 693), (597, 720)),
        "woman": ((827, 1120), (832, 1120), (848, 1147), (773, 1147), (752, 1147), (811, 1120)),
        "onlooker": ((64, 507),) * 6,
    },
    "cam02": {
        "man": ((560, 597), (581, 613), (544, 640), (560, 613), (539, 667), (491, 693)),
        "woman": ((213, 933), (192, 933), (208, 907), (171, 933), (139, 907), (144, 933)),
        "onlooker": ((811, 720), (811, 693), (816, 667), (811, 693), (800, 693), (800, 693)),
    },
    "cam03": {
        "man": ((640, 747), (555, 773), (491, 747), (469, 693), (405, 720), (411, 693)),
        "woman": ((256, 683), (235, 683), (235, 693), (293, 720), (288, 720), (277, 720)),
    },
    "cam04": {
        "man": ((320, 800), (363, 773), (421, 773), (443, 731), (405, 747), (464, 693)),
        "woman": ((773, 587), (768, 613), (731, 587), (784, 640), (779, 667), (757, 640)),
    },
}
_TRUNK = [BODY20.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("shoulder", "hip")]
_NEAR_PX = 200.0


def named(poses: Sequence[Pose], places: dict[str, NDArray[np.float64]]) -> dict[str, int]:
    """Return the number that each person bears whose trunk is found near the place, px."""
    names = list(places)
    if not poses:
        return {}
    trunks = np.stack([pose.keypoints[_TRUNK].mean(axis=0) for pose in poses])
    cost = np.linalg.norm(trunks[None] - np.stack([places[name] for name in names])[:, None], axis=-1)
    rows, columns = linear_sum_assignment(cost)
    return {names[r]: poses[c].person for r, c in zip(rows, columns, strict=True) if cost[r, c] < _NEAR_PX}


def tracked(path: Path, net: FusionNet, frames: int) -> tuple[list[tuple[int, list[Pose]]], float]:
    """Return the number of each picture with everybody's first poses from it, and CPU seconds a picture.

    Every picture goes through the live engine, which takes the next one when it is done.
    """
    footage = open_footage(path)
    builder = FeatureBuilder([footage.info], BLAZEPOSE33, FeatureSpec(cameras=1))
    eyes = BlazePose(max_people=5, heatmaps=False)
    kept, clock, times = Kept(), 0, []
    engine = LiveEngine(
        builder,
        Crowd(net, eyes.skeleton, builder.spec),
        eyes,
        [kept],
        now=lambda: clock,
        meter=Meter(time.monotonic_ns, live=False),
        timing=Timing(10.0),
    )
    engine.start()
    begun = time.process_time()
    for number, (batch, _) in enumerate(footage.batches()):
        if number >= frames:
            break
        batch.stamps["time"] -= batch.stamps["time"] % 1000  # rounded up, a picture would miss its own tick
        clock = int(batch.stamps["time"][0])
        times.append(clock)
        engine.feed(batch)
        engine.wait_seen(60.0)
    engine.feed(Ended(footage.info.name, len(times), {}))
    engine.wait(60.0)
    engine.stop()
    spent = time.process_time() - begun
    eyes.close()
    out, left = [], dict(zip(times, range(len(times)), strict=True))
    for poses in kept.all:
        at = min(left, key=lambda each: abs(each - (poses[0].frame_time or 0)), default=None)
        if at is not None and abs(at - (poses[0].frame_time or 0)) < _SAME_NS:
            out.append((left.pop(at), [pose for pose in poses if pose.person]))
    return out, spent / max(1, len(times))


def main(arguments: Sequence[str] | None = None) -> int:
    """Print counts and switches, view by view."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--views", default="cam01,cam02,cam03,cam04")
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--weights")
    args = parser.parse_args(arguments)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    net = load_net(args.weights)
    switches = right = pictures = 0
    for view in args.views.split(","):
        known: dict[str, int] = {}
        mine = {"switches": 0, "right": 0, "found": 0}
        path = args.data / "video/pose2sim/multi_person" / f"{view}.mp4"
        told, spent = tracked(path, net, args.frames)
        for number, poses in told:
            places = {
                name: np.array([np.interp(number, AT, [p[axis] for p in track]) for axis in (0, 1)])
                for name, track in SEEN[view].items()
            }
            for name, bears in named(poses, places).items():
                mine["found"] += 1
                mine["switches"] += known.get(name, bears) != bears
                known[name] = bears
            mine["right"] += len(poses) == len(SEEN[view])
        count = len(told)
        print(
            f"{view}: {len(SEEN[view])} people, {count} pictures: "
            f"count right in {mine['right'] / count:.0%}, "
            f"found {mine['found'] / count / len(SEEN[view]):.0%}, switches {mine['switches']}, "
            f"{len(set(known.values()))} numbers; CPU {1e3 * spent:.0f} ms a picture"
        )
        switches, right, pictures = switches + mine["switches"], right + mine["right"], pictures + count
    print(f"switches {switches}; goal: 0. Count right in {right / pictures:.1%} of pictures; goal: >= 95 %")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
