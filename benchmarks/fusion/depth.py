"""Depth as the visual stream: 3D pose from heatmaps of depth maps and one inertial sensor.

::

    python -m benchmarks.fusion.depth WEIGHTS --eyes HEATMAPNET [--subjects 2 4 6 8] [--seeds 5]

UTD-MHAD, trials that have depth. Truth is Kinect's skeleton, relative to its hips; the error is that of all
20 joints. Covered: half of the frames, in bursts of a second, other ones for each seed. Goal: with half the
frames covered, fused below vision alone by 25 %. Beside: the joints as they are found, held while the camera
is covered, and the mean pose.
"""

from __future__ import annotations

import argparse
import statistics

import torch
from torch import Tensor

from fusion.data.batches import Batch
from fusion.data.utd_seen import UtdSeenData
from fusion.evaluate import lifted
from fusion.evaluate.conditions import without
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.virtual.corrupt import corruption

FROM_M = 3.0  # of configs/experiment/utd_depth.yaml, as the rate is by default
BASELINES = ("as found, held", "mean pose")
CONDITIONS = {"fused": (), "vision only": ("inertial",), "inertial only": ("vision",)}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights", nargs="+", help="one file for each training seed")
    parser.add_argument("--eyes", required=True, help="weights of the HeatmapNet")
    parser.add_argument("--root", help="of the data; by default CHORUS_DATA")
    parser.add_argument("--subjects", type=int, nargs="+", default=[2, 4, 6, 8])
    parser.add_argument("--train_subjects", type=int, nargs="+", default=[1, 3, 5, 7])
    parser.add_argument("--seeds", type=int, default=5, help="of what is covered")
    options = parser.parse_args()
    data = UtdSeenData(
        options.eyes,
        from_m=FROM_M,
        root=options.root,
        train_subjects=tuple(options.train_subjects),
        test_subjects=tuple(options.subjects),
    )
    data.setup("test")
    batches = list(data.test_dataloader())
    found: dict[tuple[str, str], list[float]] = {}
    for level, name in (("0", "whole"), ("0.5", "half covered")):
        for seed in range(options.seeds if level != "0" else 1):
            covered = [_covered(batch, level, seed + 1000 * n) for n, batch in enumerate(batches)]
            for weights in options.weights:
                net = load_net(weights)
                for condition, masked in CONDITIONS.items():
                    error = _error(covered, lambda b, n=net, m=masked: _joints(n, b, m))
                    found.setdefault((condition, name), []).append(error)
            mean = lifted.mean_pose(covered)
            for baseline, guess in (
                (BASELINES[0], lambda b, m=mean: lifted.held(b, m)),
                (BASELINES[1], lambda b, m=mean: m.expand_as(b["targets"]["joints3d"])),
            ):
                found.setdefault((baseline, name), []).append(_error(covered, guess))
    told = f"{sum(len(batch['valid']) for batch in batches)} trials of subjects {options.subjects}"
    print(f"MPJPE against Kinect, mm (mean, spread of seeds); {told}")
    print("\n| | whole | half covered |\n|---|---|---|")
    for condition in (*CONDITIONS, *BASELINES):
        cells = (_cell(found[condition, name]) for name in ("whole", "half covered"))
        print(f"| {condition} | {' | '.join(cells)} |")
    less = 1.0 - statistics.mean(found["fused", "half covered"]) / statistics.mean(
        found["vision only", "half covered"]
    )
    print(f"\nhalf covered: fused is {100 * less:.0f} % below vision alone (goal 25 %)")


def _covered(batch: Batch, level: str, seed: int) -> Batch:
    if level == "0":
        return batch
    return corruption(f"blackout:{level}").batch(batch, torch.Generator().manual_seed(seed))


@torch.no_grad()
def _joints(net: FusionNet, batch: Batch, masked: tuple[str, ...]) -> Tensor:
    return net(without(batch, masked)["features"])["joints3d"]


def _error(batches: list[Batch], guess) -> float:
    total, count = 0.0, 0.0
    for batch in batches:
        away = (guess(batch) - batch["targets"]["joints3d"]).norm(dim=-1)
        known = batch["targets"]["joints3d_known"]
        total, count = total + float((away * known).sum()), count + float(known.sum())
    return 1000.0 * total / count


def _cell(values: list[float]) -> str:
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}"


if __name__ == "__main__":
    main()
