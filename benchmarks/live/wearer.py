"""Who of three simulated people wears the sensors, through the live engine, while they change hands.

::

    python -m benchmarks.live.wearer [--rounds 8] [--seconds 60] [--sensors six|two] [--weights FILE]

Each round draws three bodies that do random actions before one camera (:mod:`benchmarks.live.stage`); the
sensors (with errors of mounting and heading, and of consumer parts) are those of one of them for half of the
time and of another for the rest. Scored: the share of ticks in which the right person is said to wear them,
from 3 s after the start and after the change; how far everybody's joints are off; and how far they jump, in
the tick in which the sensors come or go, beside what they move in other ticks. The sensors are on another
body from one tick to the next, as no sensors can be: what joints move in that tick itself is not counted.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
from collections.abc import Sequence

import numpy as np
import torch

from benchmarks.live.stage import RATE_HZ, Stage, play_live
from fusion.features.spec import FeatureSpec
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.skeletons import BODY20
from fusion.tracking.crowd import Crowd
from fusion.tracking.pose import Pose

GRACE_S = 3.0
TWO = (4, 10)  # left forearm and left shin


@dataclasses.dataclass
class Score:
    """What rounds came to.

    Attributes:
        right, scored: ticks in which the right person was named, of those that count.
        took: how long it took to name the right one, s.
        off: mean error of the joints of a tick, m, of the wearer and of others.
        jumps, steps: largest step of a joint from one tick to the next, m: where sensors came or went, and
            else.
    """

    right: int = 0
    scored: int = 0
    took: list[float] = dataclasses.field(default_factory=list)
    off: dict[bool, list[float]] = dataclasses.field(default_factory=lambda: {True: [], False: []})
    jumps: list[float] = dataclasses.field(default_factory=list)
    steps: list[float] = dataclasses.field(default_factory=list)

    def take(self, ticks: Sequence[Sequence[Pose]], stage: Stage, change_s: float) -> None:
        """Add a round; people are numbered in the order in which they stand there."""
        took: dict[int, float] = {}
        before: dict[int, Pose] = {}
        for poses in ticks:
            seconds = poses[0].time / 1e9
            true, since = (0, seconds) if seconds < change_s else (1, seconds - change_s)
            good = any(pose.wears and pose.person == true + 1 for pose in poses)
            if good:
                took.setdefault(true, since)
            if since >= GRACE_S:
                self.right, self.scored = self.right + good, self.scored + 1
            row = min(round(seconds * RATE_HZ), stage.ticks - 1)
            for pose in poses:
                if not 0 < pose.person <= stage.people:
                    continue
                truth = stage.joints[pose.person - 1, row]
                self.off[pose.wears].append(float(np.linalg.norm(pose.joints - truth, axis=1).mean()))
                last = before.get(pose.person)
                if last is not None and abs(seconds - change_s) > 1.5 / RATE_HZ:
                    step = float(np.linalg.norm(pose.joints - last.joints, axis=1).max())
                    (self.jumps if last.wears != pose.wears else self.steps).append(step)
            before = {pose.person: pose for pose in poses}
        self.took += [took.get(true, math.inf) for true in (0, 1)]


def run(net: FusionNet, seed: int, seconds: float, two: bool, score: Score) -> None:
    """Play a round and score it."""
    stage = Stage(seed, seconds, keep=TWO if two else None)
    crowd = Crowd(net, BODY20, FeatureSpec())
    ticks = play_live(stage, crowd, lambda s: 0 if s < seconds / 2 else 1)
    score.take(ticks, stage, seconds / 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print how often the wearer is named, and how soon."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sensors", choices=("six", "two"), default="six")
    parser.add_argument("--weights")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    net, score = load_net(args.weights), Score()
    for n in range(args.rounds):
        run(net, args.seed + n, args.seconds, args.sensors == "two", score)
    print(
        f"{args.rounds} rounds of 3 people, {args.sensors} sensors that change hands once: the wearer "
        f"is named in {score.right / score.scored:.1%} of ticks; goal: >= 98 %"
    )
    took = score.took
    print(f"first named after {np.median(took):.1f} s (median), at worst {max(took):.1f} s; goal: 3 s")
    wearer, others = (1e3 * float(np.mean(score.off[wears])) for wears in (True, False))
    print(f"joints off by {wearer:.0f} mm of the wearer, {others:.0f} mm of others")
    if score.jumps:
        jumps, steps = 1e3 * np.array(score.jumps), 1e3 * np.array(score.steps)
        print(
            f"where sensors come or go a joint moves by {np.median(jumps):.0f} mm in a tick (median), "
            f"at most {jumps.max():.0f} mm; goal: 100 mm. In other ticks the largest step is "
            f"{np.median(steps):.0f} mm (median), {np.percentile(steps, 99):.0f} mm (99 %)"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
