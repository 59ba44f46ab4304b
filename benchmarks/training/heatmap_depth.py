"""A HeatmapNet on UTD-MHAD depth from nothing: subjects 1, 3, 5, 7 learn, 2, 4, 6, 8 are opened at the end.

::

    python -m benchmarks.training.heatmap_depth                 two cores: one learns, one makes crops
    python -m benchmarks.training.heatmap_depth --output runs/d --trainer.max_epochs=2

One command trains and tests ``configs/experiment/heatmap_utd_depth.yaml`` and prints minutes and PCK beside
the goals. The run's folder gets checkpoints, logs and ``report/``: results.json, pck.png (the curve),
learning.png, pictures.png (truth in red, found in green). Whatever else is given goes to train.py.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path

import torch

from fusion.model.train import main as train

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "experiment" / "heatmap_utd_depth.yaml"
GOAL_PCK, GOAL_MIN = 90.0, 60.0


def cpu_minutes() -> float:
    """Return the CPU that this process and those it waited for have taken."""
    kinds = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(use.ru_utime + use.ru_stime for use in map(resource.getrusage, kinds)) / 60.0


def main(argv: list[str] | None = None) -> int:
    """Train, test, print; 0 where both goals are met."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--output", default="runs/heatmap_utd_depth", help="folder of the run, a new one")
    parser.add_argument("--threads", type=int, default=1, help="of the network; crops have a process beside")
    asked, others = parser.parse_known_args(argv)
    output = Path(asked.output)
    if (output / "checkpoints").exists():
        parser.error(f"{output} holds a run already: give another --output")
    torch.set_num_threads(asked.threads)
    options = [f"--config={CONFIG}", f"--output={output}", *others]
    start, used = time.monotonic(), cpu_minutes()
    if code := train(["fit", *options], "train.py"):
        return code
    minutes, used = (time.monotonic() - start) / 60.0, cpu_minutes() - used
    last = output / "checkpoints" / "last.ckpt"
    if code := train(["test", *options, f"--ckpt_path={last}"], "train.py"):
        return code
    found = json.loads((output / "report" / "results.json").read_text())
    print(f"training: {minutes:.1f} min (goal {GOAL_MIN:.0f}), {used:.1f} min of CPU by this process")
    print(
        f"PCK@0.1 {found['pck10']} % (goal {GOAL_PCK:.0f} %), PCK@0.05 {found['pck05']} %, "
        f"mean error {found['mean_error_percent']} % of the height; "
        f"{found['joints']} joints in {found['crops']} maps of unseen people"
    )
    print(f"curve and pictures: {output / 'report'}")
    return 0 if found["pck10"] >= GOAL_PCK and minutes <= GOAL_MIN else 1


if __name__ == "__main__":
    sys.exit(main())
