"""How fast virtual batches are made, where the time goes, and how long training waits for them.

::

    taskset -c 0,1 python -m benchmarks.training.batches [--sets simulator --data $CHORUS_DATA] [--net tiny]

Goal: training waits at most 5 % of the time on 2 cores. Time of CPU is what compares between machines that
are shared; the share of waiting is that of the loop of training, beside the network's own step.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import torch
from threadpoolctl import threadpool_limits

from fusion.data.virtual import VirtualBatches, VirtualData
from fusion.model.losses import LossWeights, fusion_losses
from fusion.model.net import FusionNet, NetConfig
from fusion.virtual.diversity import vary
from fusion.virtual.impacts import impacts
from fusion.virtual.kinematics import orientations

GOAL = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--window", type=float, default=2.0, help="s")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--sets", default="", help="of motion, by commas; none: simulated bodies")
    parser.add_argument("--data", default=None, help="folder of the sets; default: CHORUS_DATA")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--threads", type=int, default=1, help="of the network")
    parser.add_argument("--net", choices=("tiny", "base", "none"), default="tiny")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    data = VirtualData(
        sets=[name for name in options.sets.split(",") if name],
        root=options.data,
        train_clips=options.clips,
        val_clips=1,
        window_s=options.window,
        batch_size=options.batch,
        batches=options.steps + 2,
        workers=options.workers,
    )
    data.setup("fit")
    batches = data.train_dataloader().dataset
    assert isinstance(batches, VirtualBatches)
    with threadpool_limits(1):
        parts(batches, options.steps)
    if options.net != "none":
        waiting(data, getattr(NetConfig, options.net)(tuple(data.action_names or ())))


def parts(batches: VirtualBatches, steps: int) -> None:
    """Print the time of CPU that each part of a batch takes, on one thread."""
    sensors, rows = batches.sensors, batches.sensors.lead + batches.ticks
    spent: dict[str, float] = {}

    def timed(name: str, what):
        start = time.process_time()
        out = what()
        spent[name] = spent.get(name, 0.0) + time.process_time() - start
        return out

    batches[0]
    for number in range(steps):
        g = torch.Generator().manual_seed(number)
        diversity = batches.diversity
        needed = rows if diversity is None else diversity.source_rows(rows)
        places = timed("windows", lambda: batches.source.draw(batches.batch_size, needed, g))  # noqa: B023
        motions = timed("windows", lambda: batches.source.windows(*places, needed))  # noqa: B023
        if diversity is not None:
            motions = timed("diversity", lambda: vary(motions, rows, diversity, g))  # noqa: B023
        joints = timed("kinematics", lambda: motions.posed().joints)  # noqa: B023
        frames = orientations(motions.rotations)
        seen = timed("cameras", lambda: sensors.cameras(joints, frames, g, sensors.lead))  # noqa: B023
        struck = timed("impacts", lambda: impacts(joints, motions.contacts, sensors.rate_hz))  # noqa: B023
        facing = seen.views.facing
        timed("IMUs", lambda: sensors.imus(joints, frames, struck, facing, g, sensors.lead))  # noqa: B023
        timed("microphones", lambda: sensors.microphones(struck, g, sensors.lead))  # noqa: B023
        timed("whole batch", lambda: batches[number])  # noqa: B023
    whole = spent["whole batch"]
    seconds = batches.batch_size * batches.ticks / sensors.rate_hz
    print(
        f"a batch of {batches.batch_size} windows of {batches.ticks} ticks: {whole / steps * 1e3:.0f} ms of "
        f"CPU, {steps / whole:.1f} batches/s and {seconds * steps / whole:.0f} s of motion a second and core"
    )
    for name, value in sorted(spent.items(), key=lambda item: -item[1]):
        if name != "whole batch":
            print(f"    {name:<14}{value / steps * 1e3:>8.1f} ms {value / whole:>7.0%}")


def waiting(data: VirtualData, config: NetConfig) -> None:
    """Print how long a loop of training waits for batches."""
    net = FusionNet(dataclasses.replace(config, dropout=0.0))
    adam = torch.optim.AdamW(net.parameters(), lr=1e-4)
    waited, learnt = [], []
    start = time.perf_counter()
    for batch in data.train_dataloader():
        got = time.perf_counter()
        terms = fusion_losses(
            net(batch["features"]), batch["targets"], batch["valid"], batch["segment"], LossWeights()
        )
        adam.zero_grad()
        terms["loss"].backward()
        adam.step()
        done = time.perf_counter()
        waited.append(got - start)
        learnt.append(done - got)
        start = done
    waited, learnt = waited[2:], learnt[2:]  # the workers have begun
    share = sum(waited) / (sum(waited) + sum(learnt))
    verdict = "within" if share <= GOAL else "NOT within"
    print(
        f"training ({net.parameter_count / 1e6:.1f} M parameters, {data.workers} worker(s)): "
        f"{len(learnt) / (sum(waited) + sum(learnt)):.2f} steps/s, a step {sum(learnt) / len(learnt):.2f} s, "
        f"waits {share:.1%} of the time: {verdict} the goal of {GOAL:.0%}"
    )


if __name__ == "__main__":
    main()
