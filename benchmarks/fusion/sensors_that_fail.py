"""What a network makes of moving bodies when its sensors fail: virtual sensors, motion held out of training.

::

    python -m benchmarks.fusion.sensors_that_fail WEIGHTS [--sets bandai,cmu] [--windows 64] [--seeds 3]

Six sensors (head, pelvis, forearms, shins) with mounting errors of 5.7 degrees on average and headings off
by up to 30 degrees that wander, a random camera, a microphone, bones measured within 5 mm: each condition
changes one thing about the same windows of motion. Windows last 6 s, of which the first 2 s are not scored:
the network has just been switched on. All of it is simulation; mean and range over seeds of sensors and
windows.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import statistics

import torch

from fusion.data.batches import Batch
from fusion.evaluate.conditions import without
from fusion.evaluate.pose import WindowScores
from fusion.evaluate.sources import RATE_HZ, Asked, load
from fusion.model.blind import scored
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.virtual.corrupt import corruption
from fusion.virtual.parts import COMMON_SIX

BODY = "wearer:bones"
STANDARD = f"imus:six,calibrated:30,{BODY}"
TIGHT = f"imus:six,calibrated:5,{BODY}"
SETTLE_S = 2.0
WINDOW_S = 6.0


@dataclasses.dataclass(frozen=True)
class Condition:
    """One line of a table.

    Attributes:
        name: what is said of it.
        corrupt: corruptions, :mod:`fusion.virtual.corrupt`.
        masked: taken away from the network.
        of: the condition that it is set beside, if any.
        goal: largest value of ``metric`` that is aimed at: in its unit, or per cent more than ``of``.
        metric: of :data:`fusion.evaluate.pose.UNITS`.
        window_s: length of the windows.
    """

    name: str
    corrupt: str = STANDARD
    masked: tuple[str, ...] = ()
    of: str = ""
    goal: dict[str, float] | float | None = None
    metric: str = "mpjpe_mm"
    window_s: float = WINDOW_S


def conditions() -> list[Condition]:
    """Return the lines of the table."""
    also = STANDARD + ","
    out = [
        Condition("fused", goal={"bandai": 20.0, "cmu": 45.0}),
        Condition("fused, PA", goal={"cmu": 33.0}, metric="pa_mpjpe_mm"),
        Condition("vision only", masked=("inertial",), goal={"bandai": 45.0, "cmu": 80.0}),
        Condition("IMUs only", masked=("vision",), goal={"bandai": 26.0, "cmu": 60.0}),
        Condition("IMUs only, headings within 5 deg", TIGHT, masked=("vision",)),
        Condition("fused, headings within 5 deg", TIGHT),
        Condition("fused, only the stature known", "imus:six,calibrated:30,wearer:stature", of="fused"),
        Condition("fused, nothing known of the body", "imus:six,calibrated:30,wearer:unknown", of="fused"),
        Condition("half of the frames black, bursts of 1 s", also + "blackout:0.5", of="fused", goal=5.0),
        Condition("5 s black", also + "gap:5", of="fused", goal=15.0, window_s=9.0),
        Condition("errors of key points doubled", also + "noise:2", of="fused", goal=5.0),
    ]
    out += [Condition(f"dark {n}", f"{also}dark:{n}", of="fused") for n in (1, 2, 3)]
    out += [Condition(f"blurred {n}", f"{also}blur:{n}", of="fused") for n in (1, 2, 3)]
    out += [
        Condition("1 of 6 IMUs lost", also + "imu_lost:1", of="fused", goal=8.0),
        Condition("3 of 6 IMUs lost", also + "imu_lost:3", of="fused", goal=25.0),
        Condition(
            "headings 45 deg further off", f"{TIGHT},heading:45",
            of="fused, headings within 5 deg", goal=8.0, window_s=12.0,
        ),
        Condition(
            "error of those headings, deg", f"{TIGHT},heading:45",
            goal=5.0, metric="heading_deg", window_s=12.0,
        ),
        Condition("wrist", f"imus:wrist,calibrated:30,{BODY}", of="vision only", goal=-10.0),
        Condition("wrists", f"imus:wrists,calibrated:30,{BODY}", of="vision only", goal=-20.0),
        Condition("wrists and head", f"imus:wrists_head,calibrated:30,{BODY}", of="vision only", goal=-30.0),
        Condition("acceleration error, m/s²", goal=2.0, metric="acceleration_m_s2"),
        Condition("lag, ticks", goal=1.0, metric="lag_ticks"),
        Condition("jitter, m/s³", metric="jitter_m_s3"),
        Condition("contact F1, legs hidden, sound 10 dB", f"legs:both,{BODY},sound:10", metric="contact_f1"),
        Condition("contact F1, legs hidden, no sound", f"legs:both,{BODY},sound:off", metric="contact_f1"),
    ]  # fmt: skip
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("weights")
    parser.add_argument("--sets", default="bandai,cmu", help="of motion, by commas")
    parser.add_argument("--windows", type=int, default=64, help="of each condition and seed")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="", help="conditions whose names hold this")
    parser.add_argument("--subsets", action="store_true", help="every set of 1 and 3 lost sensors by itself")
    options = parser.parse_args()
    net = load_net(options.weights).eval()
    for name in options.sets.split(","):
        print(
            f"{name}: simulation, held out of training; {options.seeds} seeds, {options.windows} windows each"
        )
        found: dict[str, list[float]] = {}
        for condition in conditions():
            if options.only and options.only not in condition.name:
                continue
            values = [score(net, name, condition, options.windows, s) for s in range(options.seeds)]
            found[condition.name] = values
            print(line(name, condition, found), flush=True)
        if options.subsets:
            print_subsets(net, name, options.windows)


def line(data: str, condition: Condition, found: dict[str, list[float]]) -> str:
    """Return a line of the table."""
    values = found[condition.name]
    digits = 3 if condition.metric == "contact_f1" else 1
    low, middle, high = (f"{v:.{digits}f}" for v in (min(values), statistics.mean(values), max(values)))
    text = f"  {condition.name:<42}{middle:>8}  ({low} to {high})"
    goal = condition.goal.get(data) if isinstance(condition.goal, dict) else condition.goal
    value = statistics.mean(values)
    if condition.of and condition.of in found:
        base = found[condition.of]
        ratios = [100.0 * (a / b - 1.0) for a, b in zip(values, base, strict=True)]
        value = statistics.mean(ratios)
        text += f"  {value:+6.1f} % of {condition.of}"
    elif condition.of:
        goal = None
    if goal is not None:
        text += f"   goal {goal:g}{' %' if condition.of else ''}: {'met' if value <= goal else 'NOT met'}"
    return text


def batches(net: FusionNet, data: str, corrupt: str, windows: int, window_s: float, seed: int) -> list[Batch]:
    """Return windows, the time that the network needs to settle marked as not valid."""
    asked = Asked(seed, windows, window_s, corruption=corruption(corrupt))
    made = load(data, net, asked).batches
    for batch in made:
        batch["valid"][:, : round(SETTLE_S * RATE_HZ)] = 0.0
    return made


@torch.no_grad()
def score(net: FusionNet, data: str, condition: Condition, windows: int, seed: int) -> float:
    """Return the condition's metric."""
    scores = WindowScores(RATE_HZ, len(net.config.actions))
    corrupt = f"{condition.corrupt}"
    for batch in batches(net, data, corrupt, windows, condition.window_s, seed):
        if condition.metric == "heading_deg":  # after 10 s of view
            batch["valid"][:, : round(10.0 * RATE_HZ)] = 0.0
        given = without(batch, condition.masked)
        scores.update(scored(net(given["features"]), given), batch)
    return scores.compute()[condition.metric]


def print_subsets(net: FusionNet, data: str, windows: int) -> None:
    """Print what every set of one and of three lost sensors costs."""
    whole = score(net, data, Condition(""), windows, 0)
    for size in (1, 3):
        costs = {}
        for lost in itertools.combinations(COMMON_SIX, size):
            corrupt = f"{STANDARD},imu_without:{'+'.join(lost)}"
            costs[lost] = 100.0 * (score(net, data, Condition("", corrupt), windows, 0) / whole - 1.0)
        worst = max(costs, key=lambda lost: costs[lost])
        print(
            f"  all {len(costs)} sets of {size} lost: mean {statistics.mean(costs.values()):+.1f} %, "
            f"worst {costs[worst]:+.1f} % ({', '.join(worst)})"
        )


if __name__ == "__main__":
    main()
