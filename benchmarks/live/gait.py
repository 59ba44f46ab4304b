"""Steps and cadence of people who walk, as the network's pose stream tells them, against the truth.

::

    python -m benchmarks.live.gait [--weights FILE] [--bodies 6] [--cmu] [--seconds 20]

Virtual camera, six worn sensors, microphone; simulated bodies that walk, stand, squat and reach, and with
``--cmu`` the walks of CMU's subjects 07 and 08 (08 is held out of training), made to go on. A step is right
if it lies within 150 ms of a true one of the same foot; the first second is not scored. Cadence is told at
the last step of each bout of six or more. All of it is causal; the delay is from the contact to the pose
that told it.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.live.walks import RATE_HZ, cmu_walks, simulated_walk
from fusion.gait import GaitTracker
from fusion.gait.steps import PAUSE_S
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.skeletons import BODY20
from fusion.virtual.corrupt import corruption
from fusion.virtual.motion import Motion, Motions
from fusion.virtual.sensing import SensorRanges, VirtualSensors

ANKLES = [BODY20.index("left_ankle"), BODY20.index("right_ankle")]
NEAR_S, SETTLE_S, END_S, LEAST = 0.15, 1.0, 0.3, 6


@dataclasses.dataclass
class Score:
    """What came out over bodies."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    off_s: list[float] = dataclasses.field(default_factory=list)
    delay_s: list[float] = dataclasses.field(default_factory=list)
    cadence: list[float] = dataclasses.field(default_factory=list)

    def __str__(self) -> str:
        """Return it with the goals."""
        whole = 2 * self.right + self.wrong + self.missed
        off, cadence = 1e3 * np.array(self.off_s or [np.nan]), np.array(self.cadence or [np.nan])
        return (
            f"  steps right {self.right}, wrong {self.wrong}, missed {self.missed}: "
            f"F1 {2 * self.right / max(whole, 1):.3f}; goal: >= 0.97\n"
            f"  moment of contact off by {np.abs(off).mean():.0f} ms on average, "
            f"95 % {np.percentile(np.abs(off), 95):.0f} ms, bias {off.mean():+.0f} ms; goal: <= 30 ms\n"
            f"  cadence of {len(self.cadence)} bouts off by {100 * np.abs(cadence).mean():.2f} % on average, "
            f"at worst {100 * np.abs(cadence).max():.2f} %; goal: <= 1 %\n"
            f"  told {1e3 * np.median(self.delay_s or [np.nan]):.0f} ms after the contact (median)"
        )


def onsets(contact: NDArray[np.bool_]) -> list[float]:
    """Return when a foot comes to the ground, s."""
    return [(row + 0.5) / RATE_HZ for row in np.flatnonzero(np.diff(contact.astype(int)) == 1)]


def score(
    probability: NDArray[np.floating], feet: NDArray[np.floating], truth: NDArray[np.bool_], into: Score
) -> None:
    """Add one body.

    Args:
        probability: (T, 2) that feet stand.
        feet: (T, 2, 3) m, ankles.
        truth: (T, 2).
        into: what it is added to.
    """
    tracker, told = GaitTracker(), []
    end = len(truth) / RATE_HZ - END_S
    true = [[t for t in onsets(truth[:, foot]) if SETTLE_S < t < end] for foot in (0, 1)]
    every = sorted(t for foot in (0, 1) for t in onsets(truth[:, foot]))
    for row in range(len(truth)):
        for step in tracker.update(round(row / RATE_HZ * 1e9), probability[row], feet[row]):
            told.append((step.time / 1e9, step.side == "right"))
            into.delay_s.append((step.told - step.time) / 1e9)
        gait = tracker.gait()
        now = row / RATE_HZ
        # One second after a bout's last step, or at the end, its cadence is compared.
        if gait is not None and (abs(now - gait.time / 1e9 - 1.0) < 0.5 / RATE_HZ or row == len(truth) - 1):
            mine = bout(every, gait.time / 1e9)
            if len(mine) >= LEAST and gait.bout >= LEAST:
                recent = mine[-13:]
                into.cadence.append(gait.cadence / (60 * (len(recent) - 1) / (recent[-1] - recent[0])) - 1.0)
    for foot in (0, 1):
        left = [t for t, right in told if right == bool(foot)]
        for at in true[foot]:
            near = min(left, key=lambda t: abs(t - at), default=np.inf)
            if abs(near - at) <= NEAR_S:
                left.remove(near)
                into.right += 1
                into.off_s.append(near - at)
            else:
                into.missed += 1
        into.wrong += sum(SETTLE_S < t < end for t in left)


def bout(steps: list[float], last: float) -> list[float]:
    """Return the true steps of the bout that a step belongs to, up to it."""
    out: list[float] = []
    for at in steps:
        if at > last + NEAR_S:
            break
        if out and at - out[-1] > PAUSE_S:
            out = []
        out.append(at)
    return out


def scored(net: FusionNet, motions: Sequence[Motion], into: Score, seed: int) -> None:
    """Let virtual sensors sense bodies of one length, and the network tell of them."""
    ranges = corruption("imus:six,calibrated:5,wearer:bones").ranges(SensorRanges())
    sensors = VirtualSensors(ranges, RATE_HZ)
    for at in range(0, len(motions), 6):
        some = motions[at : at + 6]
        rows = min(len(motion) for motion in some)
        batch = sensors(
            Motions.windows(some, [0] * len(some), rows), torch.Generator().manual_seed(seed * 1000 + at)
        )
        with torch.no_grad():
            out = net(batch["features"])  # the same numbers as tick by tick
        for number, motion in enumerate(some):
            probability = torch.sigmoid(out["contact"][number]).numpy()
            joints = out["joints3d"][number].numpy()
            score(probability, joints[:, ANKLES], motion.contacts[sensors.lead : rows].numpy(), into)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what steps and cadence come to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--weights", default=None, help="of the network; by default those of the package")
    parser.add_argument("--bodies", type=int, default=6, help="simulated ones")
    parser.add_argument("--cmu", action="store_true", help="also CMU's walks (needs CHORUS_DATA)")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each CMU walk; simulated ones twice")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    torch.set_num_threads(1)
    net = load_net(args.weights).eval()
    kinds = {
        "simulated": [simulated_walk(1000 * args.seed + n, 2 * args.seconds) for n in range(args.bodies)]
    }
    if args.cmu:
        walks = cmu_walks(args.seconds)
        kinds["CMU 07"] = [walk for walk in walks if walk.clip.startswith("07")]
        kinds["CMU 08, held out of training"] = [walk for walk in walks if walk.clip.startswith("08")]
    for kind, motions in kinds.items():
        into = Score()
        scored(net, motions, into, args.seed)
        print(f"{kind}: {len(motions)} bodies\n{into}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
