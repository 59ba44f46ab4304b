"""How far int8 moves joints, on motion that no training saw: a scale per channel, and one per layer.

::

    python -m benchmarks.edge.int8 [free] [base] [--windows 8]

Virtual sensors watch Bandai-Namco's and CMU's held-out motion (CHORUS_DATA). Each network is exported to ONNX
in float, and in 8 bits; distances are between their joints, tick by tick.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch

from fusion.evaluate.runtimes import run
from fusion.evaluate.sources import Asked, load
from fusion.model.checkpoint import load_net
from fusion.model.export import export
from fusion.model.exported import load_exported
from fusion.model.int8 import quantise
from fusion.model.stepper import stepper


def main(argv: list[str] | None = None) -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights", nargs="*", default=["free", "base"], help="names or files")
    parser.add_argument("--windows", type=int, default=8, help="of 4 s")
    asked = parser.parse_args(argv)
    torch.set_num_threads(1)
    for weights in asked.weights:
        net = load_net(weights)
        with tempfile.TemporaryDirectory(prefix="chorus-int8-") as folder:
            whole = Path(folder) / "float.onnx"
            export(net, "onnx", whole)
            small = {name: Path(folder) / f"{name}.onnx" for name in ("channel", "layer")}
            for name, path in small.items():
                quantise(whole, path, per_channel=name == "channel")
            for data in ("bandai", "cmu"):
                batches = load(data, net, Asked(windows=asked.windows)).batches
                expected = [run(stepper(load_exported(whole)), batch)[0]["joints3d"] for batch in batches]
                for name, path in small.items():
                    told = [run(stepper(load_exported(path)), batch)[0]["joints3d"] for batch in batches]
                    pairs = zip(told, expected, strict=True)
                    moved = torch.cat([(one - other).norm(dim=-1).flatten() for one, other in pairs])
                    mm = 1e3 * moved.numpy()
                    print(
                        f"{weights} on {data}, a scale per {name}: mean {mm.mean():.1f} mm, "
                        f"99 % below {np.percentile(mm, 99):.1f}, largest {mm.max():.1f}"
                    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
