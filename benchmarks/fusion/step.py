"""What a streamed tick costs on one thread, early and late, and how far it is from the full window.

::

    python -m benchmarks.fusion.step [--net base] [--weights free]
    python -m benchmarks.fusion.step --weights free --late 216000 --runtimes onnx    # an hour of ticks

Goals: 95 % of the steps of ``base`` within 4 ms, the same at tick 100 as at tick 100,000, and at most 1e-4
between the stream and the full window. Times are of CPU, which other programs on the machine hardly change.
``chorus live`` takes ONNX Runtime where the extra ``onnx`` is installed, else traced torch.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch
from torch import Tensor

from fusion.model.checkpoint import load_net
from fusion.model.net import FEATURES, FusionNet, NetConfig
from fusion.model.stepper import Runtime, Stepper, has_onnx, stepper

P95_MS, DIFFERENCE = 4.0, 1e-4
RUNTIMES: dict[Runtime, str] = {"torch": "torch", "traced": "traced torch", "onnx": "ONNX Runtime"}
Features = dict[str, Tensor]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--net", choices=("tiny", "base"), default="base")
    parser.add_argument("--weights", default=None, help="measure these instead: a file, or free")
    parser.add_argument("--ticks", type=int, default=500, help="timed, early and late")
    parser.add_argument("--late", type=int, default=5000, help="tick at which late begins")
    parser.add_argument("--runtimes", nargs="+", choices=list(RUNTIMES), default=list(RUNTIMES))
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = load_net(options.weights) if options.weights else FusionNet(getattr(NetConfig, options.net)())
    net = net.eval()
    ticks = [tick(number) for number in range(options.ticks)]
    print(f"{net.parameter_count / 1e6:.1f} M parameters, one thread, ms of CPU a step")
    for runtime, name in (
        (runtime, RUNTIMES[runtime]) for runtime in RUNTIMES if runtime in options.runtimes
    ):
        if runtime == "onnx" and not has_onnx():
            print("ONNX Runtime: not installed (pip install 'chorus-fusion[onnx]')")
            continue
        told(name, stepper(net, runtime=runtime), ticks, options.late)
    difference = against_the_window(net, ticks[: 3 * net.config.window])
    verdict = "within" if difference <= DIFFERENCE else "NOT within"
    print(f"stream against full window: {difference:.1e}, {verdict} the goal of {DIFFERENCE:.0e}")


def tick(number: int) -> Features:
    """Features of a tick: a frame at each second one, half of the sensors, sound."""
    g = torch.Generator().manual_seed(number)
    f = {name: torch.randn(1, *shape, generator=g) for name, shape in FEATURES.items()}
    f["time"] = torch.tensor([10**15 + number * 16_666_667])
    f["vision"][..., 3:6] = f["vision"][..., 3:6].abs() * 1e-3
    f["vision_age"] = torch.full((1,), 0.03 + 0.0166 * (number % 2))
    f["vision_present"] = torch.ones(1, FEATURES["vision_present"][0])
    f["inertial_present"] = (torch.arange(FEATURES["inertial_present"][0])[None] % 2 == 0).float()
    f["inertial_age"] = torch.full((1, *FEATURES["inertial_age"]), 0.01)
    f["audio_present"], f["audio_age"] = torch.ones(1), torch.zeros(1)
    return f


def told(name: str, step: Stepper, ticks: list[Features], late: int) -> None:
    """Print the cost of early and of late steps."""
    rows = [{key: value[0].numpy() for key, value in features.items()} for features in ticks]

    def timed() -> np.ndarray:
        spent = []
        for features in rows:
            start = time.process_time_ns()
            step(features)
            spent.append((time.process_time_ns() - start) * 1e-6)
        return np.array(spent)

    for features in rows[:20]:
        step(features)
    early = timed()
    for number in range(late - len(ticks) - 20):
        step(rows[number % len(rows)])
    after = timed()
    p95 = [float(np.percentile(spent, 95)) for spent in (early, after)]
    verdict = "within" if max(p95) <= P95_MS else "NOT within"
    print(
        f"{name}: median {np.median(early):.2f}, p95 {p95[0]:.2f} from tick 20, "
        f"median {np.median(after):.2f}, p95 {p95[1]:.2f} from tick {late}: "
        f"{verdict} the goal of {P95_MS:g} ms; late / early {np.median(after) / np.median(early):.2f}"
    )


def against_the_window(net: FusionNet, ticks: list[Features]) -> float:
    """Return the largest difference of any output between the stream and the full window."""
    whole = {name: torch.stack([f[name] for f in ticks], dim=1) for name in FEATURES}
    with torch.no_grad():
        full = net(whole)
    state, worst = net.init_state(), 0.0
    for number, features in enumerate(ticks):
        outputs, state = net.step(features, state)
        differences = [(value - full[name][:, number]).abs().max() for name, value in outputs.items()]
        worst = max(worst, *(float(value) for value in differences))
    return worst


if __name__ == "__main__":
    main()
