"""How long a step of training takes, against the smallest network and with ``torch.compile``.

::

    taskset -c 0,1 python -m benchmarks.training.step [--threads 2] [--compiled]

Figures are CPU seconds and ratios within the run; how long training waits for data is told by
``benchmarks.training.batches``. Goal: ``torch.compile`` makes a step at least 1.25 times as fast.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import torch

from fusion.data.virtual import Clips, VirtualBatches
from fusion.model.losses import LossWeights, fusion_losses
from fusion.model.net import FusionNet, NetConfig
from fusion.virtual.simulated import simulated

GOAL = 1.25


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--window", type=float, default=2.0, help="s")
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--nets", default="form1,tiny,base", help="by commas")
    parser.add_argument("--compiled", action="store_true", help="torch.compile too; takes minutes at first")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    motions = [simulated(seed, options.window + 2.0) for seed in range(3)]
    actions = ("stand", "walk")
    batch = VirtualBatches(Clips(motions, actions), int(options.window * 60), options.batch)[0]
    configs = {
        "form1": NetConfig(actions=actions), "tiny": NetConfig.tiny(actions), "base": NetConfig.base(actions)
    }  # fmt: skip
    first = None
    for name in options.nets.split(","):
        plain = step_s(configs[name], batch, options.steps, compiled=False)
        first = first or plain
        line = f"{name}: {plain:.2f} s of CPU a step, {plain / first:.2f} of the first"
        if options.compiled:
            gain = plain / step_s(configs[name], batch, options.steps, compiled=True)
            verdict = "within" if gain >= GOAL else "NOT within"
            line += f"; compiled {gain:.2f} times as fast, {verdict} the goal of {GOAL:g}"
        print(line)


def step_s(config: NetConfig, batch, steps: int, *, compiled: bool) -> float:
    """Return the median CPU time of a step, s."""
    torch.manual_seed(0)
    net = FusionNet(dataclasses.replace(config, dropout=0.0))
    if compiled:
        net.compile()
    adam = torch.optim.AdamW(net.parameters(), lr=1e-4)
    spent = []
    for _ in range(steps + 2):
        start = time.process_time()
        outputs = net(batch["features"])
        terms = fusion_losses(outputs, batch["targets"], batch["valid"], batch["segment"], LossWeights())
        adam.zero_grad()
        terms["loss"].backward()
        adam.step()
        spent.append(time.process_time() - start)
    return sorted(spent[2:])[steps // 2]


if __name__ == "__main__":
    main()
