"""What the network attends to while the camera is covered: a window with a gap, as a picture.

::

    python -m benchmarks.fusion.attention WEIGHTS --plot docs/images/attention.png [--set cmu] [--gap 4]

Virtual sensors (six IMUs, camera, microphone) on motion held out of training; all camera frames are missing
in the middle of each window. Drawn, as means over windows: attention over the tokens of the sensors, joint
error beside what the network says of it, and error of the wrists against that of the trunk.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch

from benchmarks.fusion.sensors_that_fail import STANDARD
from fusion.evaluate.sources import RATE_HZ, Asked, load
from fusion.model.attention import TOKENS
from fusion.model.checkpoint import load_net
from fusion.skeletons import BODY20
from fusion.virtual.corrupt import corruption

WINDOW_S = 12.0
_KINDS = ("vision", "inertial", "audio")
_TRUNK = [BODY20.index(name) for name in ("spine", "neck", "left_shoulder", "right_shoulder")]
_WRISTS = [BODY20.index(name) for name in ("left_wrist", "right_wrist")]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("--plot", type=Path, required=True)
    parser.add_argument("--set", default="cmu", help="of motion")
    parser.add_argument("--windows", type=int, default=32)
    parser.add_argument("--gap", type=float, default=4.0, help="s")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    net = load_net(options.weights).eval()
    asked = Asked(
        options.seed, options.windows, WINDOW_S, corruption=corruption(f"{STANDARD},gap:{options.gap:g}")
    )
    shares, errors, told = [], [], []
    with torch.no_grad():
        for batch in load(options.set, net, asked).batches:
            out = net(batch["features"])
            shares.append(_by_kind(out["attention"]))
            errors.append((out["joints3d"] - batch["targets"]["joints3d"]).norm(dim=-1) * 1000.0)
            told.append(torch.exp(0.5 * out["joints3d_logvar"]) * 3.0**0.5 * 1000.0)
    share, error = torch.cat(shares).mean(0).numpy(), torch.cat(errors).mean(0).numpy()
    spread = torch.cat(told).mean(0).numpy()
    draw(options.plot, share, error, spread, options.gap)
    gap = _gap(len(share), options.gap)
    before = slice(gap.start - round(2 * RATE_HZ), gap.start)
    for name, where in (("2 s before", before), ("while nothing is seen", gap)):
        parts = ", ".join(
            f"{kind} {value:.0%}" for kind, value in zip(_KINDS, share[where].mean(0), strict=True)
        )
        said = f"error {error[where].mean():.1f} mm, told {spread[where].mean():.1f} mm"
        print(f"{name}: attention {parts}; {said}")


def _gap(ticks: int, seconds: float) -> slice:
    length = round(seconds * RATE_HZ)
    first = max(0, (ticks - length) // 2)
    return slice(first, first + length)


def _by_kind(attention: torch.Tensor) -> torch.Tensor:
    """Return (B, T, 3) the weights of vision, all inertial sensors and sound."""
    kinds = ["vision" if t == "vision" else "audio" if t == "audio" else "inertial" for t in TOKENS]
    columns = [[i for i, own in enumerate(kinds) if own == kind] for kind in _KINDS]
    return torch.stack([attention[..., own].sum(-1) for own in columns], dim=-1)


def draw(path: Path, share: np.ndarray, error: np.ndarray, told: np.ndarray, gap_s: float) -> None:
    """Draw attention (T, 3), errors (T, 20) mm and what the network says of them (T, 20) mm."""
    from matplotlib.figure import Figure

    time = np.arange(len(share)) / RATE_HZ
    figure = Figure(figsize=(9, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.stackplot(time, share.T, labels=("camera", "inertial sensors", "sound"), alpha=0.8)
    above.set_ylabel("attention")
    above.set_ylim(0, 1)
    below.plot(time, error.mean(1), label="all joints, error", color="C3")
    below.plot(time, told.mean(1), label="all joints, as told", color="C3", linestyle="--")
    below.plot(time, error[:, _WRISTS].mean(1), label="wrists, error", color="C4")
    below.plot(time, error[:, _TRUNK].mean(1), label="trunk, error", color="C0")
    below.set_ylabel("mm")
    below.set_ylim(bottom=0)
    below.set_xlabel("s since the network was switched on")
    gap = _gap(len(share), gap_s)
    for panel in (above, below):
        panel.axvspan(gap.start / RATE_HZ, gap.stop / RATE_HZ, color="0.85", zorder=0)
        panel.legend(loc="upper right", fontsize="small", ncols=4)
        panel.margins(x=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
