"""How much of a core it takes to prepare motion and to vary windows of it.

::

    python -m benchmarks.training.motion [--sets cmu,simulator --data $CHORUS_DATA] [--batch 32 --window 3]

Goal: a batch of 32 windows of 3 s within 0.25 s of CPU, so that one core makes several a second.
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Callable

import torch

from fusion.virtual.diversity import NONE, Diversity, draw
from fusion.virtual.library import Library

GOAL_S = 0.25


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--sets", default="simulator", help="of motion, by commas")
    parser.add_argument("--data", default=None, help="folder of the sets; default: CHORUS_DATA")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--window", type=float, default=3.0, help="s")
    parser.add_argument("--repeats", type=int, default=10)
    options = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    library = Library.open(options.sets.split(","), options.data)
    opened = time.process_time() - start
    print(f"{len(library)} clips, {library.minutes:.1f} minutes: {opened:.1f} s of CPU to open")
    train = library.select("train")
    rows = round(options.window * library.rate_hz)
    whole = Diversity()
    parts = {"windows alone": NONE, "all": whole} | {
        f"without {name}": dataclasses.replace(whole, **{name: value})
        for name, value in (
            ("tempo", (1.0, 1.0)),
            ("mirrored", 0.0),
            ("halves", 0.0),
            ("angles", 0.0),
            ("body", 0.0),
        )
    }
    for name, diversity in parts.items():
        generator = torch.Generator().manual_seed(0)
        spent = cpu(lambda d=diversity, g=generator: draw(train, options.batch, rows, d, g), options.repeats)
        note = f" (goal: {GOAL_S} s)" if name == "all" else ""
        print(f"{name:18s} {1000 * spent:6.1f} ms for {options.batch} windows of {options.window:g} s{note}")


def cpu(work: Callable[[], object], repeats: int) -> float:
    """Return the CPU time of one call, s."""
    work()
    start = time.process_time()
    for _ in range(repeats):
        work()
    return (time.process_time() - start) / repeats


if __name__ == "__main__":
    main()
