"""By how much several cameras beat one: the same windows of motion, the reference camera alone and helped.

::

    python -m benchmarks.fusion.several_cameras WEIGHTS [--sets bandai] [--windows 64] [--cameras 2,3]

Sensors are those of ``benchmarks.fusion.sensors_that_fail``; cameras stand anywhere, are calibrated within
0.1 degrees and 8 mm and have frames, delays and blackouts of their own. ``geometry`` is the network without
the tokens of further cameras: depth and hidden joints from where rays meet, and nothing else. Columns: joints
of the network; the error of depth from the pelvis in the features themselves, mm; the share of joints that
they know. All of it is simulation.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics

import torch

from benchmarks.fusion.sensors_that_fail import STANDARD, WINDOW_S, batches
from fusion.data.batches import Batch
from fusion.evaluate.conditions import without
from fusion.evaluate.pose import WindowScores
from fusion.evaluate.sources import RATE_HZ
from fusion.model.checkpoint import load_net
from fusion.model.contract import OTHERS
from fusion.model.net import FusionNet

GOALS = {"": -10.0, "inertial": -15.0}
"""Per cent that two cameras should be below one, by what is masked."""


@dataclasses.dataclass(frozen=True)
class Line:
    """What came out of one way to look.

    Attributes:
        mpjpe_mm, pa_mm: of the network's joints.
        depth_mm: median error of the depth in the features.
        seen: share of joints in the features.
    """

    mpjpe_mm: float
    pa_mm: float
    depth_mm: float
    seen: float


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("--sets", default="bandai", help="of motion, by commas")
    parser.add_argument("--windows", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--cameras", default="2,3", help="numbers of cameras, by commas")
    parser.add_argument("--covered", type=float, default=0.5, help="share in which the reference is covered")
    options = parser.parse_args()
    net = load_net(None if options.weights == "default" else options.weights).eval()
    for name in options.sets.split(","):
        print(
            f"{name}: simulation, held out of training; {options.seeds} seeds, {options.windows} windows each"
        )
        for count in map(int, options.cameras.split(",")):
            for covered in (0.0, options.covered):
                compare(net, name, count, covered, options.windows, options.seeds)


def compare(
    net: FusionNet,
    data: str,
    count: int,
    covered: float,
    windows: int,
    seeds: int,
    window_s: float = WINDOW_S,
) -> None:
    """Print the reference camera alone and with the others, fused and without inertial sensors."""
    lost = f",covered:{covered:g}" if covered else ""
    title = f"{count} cameras" + (f", the reference covered {covered:.0%} of the time" if covered else "")
    print(f"  {title:<62}{'MPJPE':>8}{'PA':>7}{'depth':>7}{'seen':>6}")
    pairs = []
    for seed in range(seeds):
        known = f"{STANDARD},cameras:{count}"
        alone = batches(net, data, f"{known}+uncalibrated{lost}", windows, window_s, seed)
        pairs.append((alone, batches(net, data, known + lost, windows, window_s, seed)))
    for masked in GOALS:
        taken = (masked,) if masked else ()
        one = [look(net, [without(b, taken) for b in pair[0]]) for pair in pairs]
        helped = [look(net, [without(geometry(b), taken) for b in pair[1]]) for pair in pairs]
        whole = [look(net, [without(b, taken) for b in pair[1]]) for pair in pairs]
        what = "no inertial sensors" if masked else "six inertial sensors"
        show(f"one camera, {what}", one)
        show(f"geometry, {what}", helped, one)
        show(f"all, {what}", whole, one, GOALS[masked] if count == 2 and not covered else None)


def geometry(batch: Batch) -> Batch:
    """Return the batch without the tokens of further cameras."""
    features = {name: value for name, value in batch["features"].items() if name not in OTHERS}
    return {**batch, "features": features}


@torch.no_grad()
def look(net: FusionNet, made: list[Batch]) -> Line:
    """Return what the network makes of windows."""
    scores, errors, seen = WindowScores(RATE_HZ, len(net.config.actions)), [], []
    for batch in made:
        scores.update(net(batch["features"]), batch)
        vision, valid = batch["features"]["vision"], batch["valid"] > 0.5
        known = (vision[..., 8] > 0.5) & (batch["features"]["vision_present"] > 0.5) & valid[..., None]
        errors.append((vision[..., 7] - batch["targets"]["joints3d"][..., 2]).abs()[known])
        seen.append(batch["features"]["vision_present"][valid].flatten())
    values = scores.compute()
    depth = 1000.0 * float(torch.cat(errors).median()) if sum(map(len, errors)) else float("nan")
    return Line(values["mpjpe_mm"], values["pa_mpjpe_mm"], depth, float(torch.cat(seen).mean()))


def show(name: str, lines: list[Line], of: list[Line] | None = None, goal: float | None = None) -> None:
    """Print a line of the table: means over the seeds, and by how much it is off the reference alone."""
    mean = [statistics.mean(getattr(line, f.name) for line in lines) for f in dataclasses.fields(Line)]
    text = f"    {name:<60}{mean[0]:8.1f}{mean[1]:7.1f}{mean[2]:7.0f}{mean[3]:6.2f}"
    if of is not None:
        off = statistics.mean(100.0 * (a.mpjpe_mm / b.mpjpe_mm - 1.0) for a, b in zip(lines, of, strict=True))
        text += f"  {off:+6.1f} %"
        if goal is not None:
            text += f"   goal {goal:g} %: {'met' if off <= goal else 'NOT met'}"
    print(text, flush=True)


if __name__ == "__main__":
    main()
