"""Joint angles and posture rules on simulated bodies whose angles are commanded.

::

    python -m benchmarks.live.posture [--seeds 3] [--minutes 5] [--weights FILE]

Angles are compared with the command: from rotations, from joints, and both with errors as a tracker makes
them (joints 20 mm, rotations 4 degrees, correlated over 0.3 s); with ``--weights`` also as a network tells
them from a virtual camera and six worn sensors. Rules: planted faults that are named, other words while a
fault lasts, words in minutes without any fault, repetitions counted.
"""

from __future__ import annotations

import argparse
import collections
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from benchmarks.live.posed import ARM_FAULTS, DESK_FAULTS, RATE_HZ, SQUAT_FAULTS, Posed, arms, desk, squats
from fusion.posture import Coach, Reading, load_rules, read
from fusion.virtual.motion import Motions

RULES = Path(__file__).parents[2] / "configs" / "posture"
KINDS: dict[str, tuple[Callable[..., Posed], str, tuple[str, ...]]] = {
    "squat": (squats, "squat.yaml", SQUAT_FAULTS),
    "desk": (desk, "desk.yaml", DESK_FAULTS),
    "arms": (arms, "shoulders.yaml", ARM_FAULTS),
}
JOINT_M, TURN_DEG, TAU_S = 0.02, 4.0, 0.3
UP = np.array([0.0, 0.0, 1.0])


def _coloured(rng: np.random.Generator, shape: tuple[int, ...], size: float) -> np.ndarray:
    """Return noise (T, ...) of a standard deviation, correlated over :data:`TAU_S`."""
    keep = math.exp(-1.0 / (TAU_S * RATE_HZ))
    noise = rng.normal(0.0, size, shape)
    for row in range(1, shape[0]):
        noise[row] = keep * noise[row - 1] + math.sqrt(1.0 - keep**2) * noise[row]
    return noise


def readings(posed: Posed, way: str, seed: int) -> Reading:
    """Return what is read of a body: ``rotations``, ``joints``, each with ``+ errors`` or without."""
    joints = (posed.motion.joints - posed.motion.root[:, None]).numpy().astype(float)
    rotations = posed.motion.rotations.numpy().astype(float)
    if way.endswith("errors"):
        rng = np.random.default_rng((seed, 9))
        joints = joints + _coloured(rng, joints.shape, JOINT_M / math.sqrt(3.0))
        off = _coloured(rng, (*rotations.shape[:2], 3), math.radians(TURN_DEG) / math.sqrt(3.0))
        rotations = Rotation.from_rotvec(off.reshape(-1, 3)).as_matrix().reshape(rotations.shape) @ rotations
    return read(joints, UP, rotations if way.startswith("rotations") else None)


def network(posed: Posed, weights: str, seed: int) -> Reading:
    """Return what is read of the outputs of a network that sees and feels the body."""
    from fusion.model.checkpoint import load_net
    from fusion.virtual.corrupt import corruption
    from fusion.virtual.sensing import SensorRanges, VirtualSensors

    net = load_net(weights).eval()
    ranges = corruption("imus:six,calibrated:5,wearer:bones").ranges(SensorRanges())
    sensors = VirtualSensors(ranges, RATE_HZ)
    lead = sensors.lead
    batch = sensors(
        Motions.windows([posed.motion], [0], len(posed.motion)), torch.Generator().manual_seed(seed)
    )
    state = net.init_state(1)
    kept: dict[str, list[np.ndarray]] = collections.defaultdict(list)
    with torch.no_grad():
        for tick in range(batch["valid"].shape[1]):
            out, state = net.step({k: v[:, tick] for k, v in batch["features"].items()}, state)
            for name in ("joints3d", "rotations", "view"):
                if name in out:
                    kept[name].append(out[name][0].numpy())
    arrays = {name: np.stack([values[0]] * lead + values) for name, values in kept.items()}
    up = arrays["view"][..., :, 2] if "view" in arrays else np.array([0.0, -1.0, 0.0])
    return read(arrays["joints3d"], up, arrays.get("rotations"))


def told(posed: Posed, reading: Reading, file: str) -> tuple[list[str], int, list[str], int]:
    """Return faults missed, how many other words, words without any fault, and repetitions counted."""
    coach = Coach(load_rules(RULES / file))
    said = []
    for row in range(len(posed.motion)):
        here = Reading({name: value[row] for name, value in reading.values.items()}, reading.told_by)
        said += coach.update(round(row / RATE_HZ * 1e9), here)
    named, others, alone = set(), 0, list[str]()
    for word in said:
        if word.what == "ends":
            continue
        at = word.time / 1e9
        during = [n for n, f in enumerate(posed.planted) if f.start - 0.1 <= at <= f.stop + 0.5]
        mine = [n for n in during if posed.planted[n].rule == word.rule]
        named.update(mine)
        others += bool(during) and not mine
        alone += [] if during else [word.rule]
    missed = [fault.rule for number, fault in enumerate(posed.planted) if number not in named]
    return missed, others, alone, len(coach.repetitions)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print errors of angles, then how rules fare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="bodies of each kind")
    parser.add_argument("--minutes", type=float, default=5.0, help="of each body without faults")
    parser.add_argument("--weights", default="", help="of a network")
    args = parser.parse_args(arguments)
    ways = ["rotations", "joints", "rotations + errors", "joints + errors"] + (
        ["network"] if args.weights else []
    )
    print("angles against the command, degrees: mean and 95 % of the absolute error; goal: mean <= 3")
    for way in ways:
        errors: dict[str, list[np.ndarray]] = collections.defaultdict(list)
        rules: collections.Counter[str] = collections.Counter()
        what: collections.Counter[str] = collections.Counter()
        for make, file, _ in KINDS.values():
            for seed in range(args.seeds):
                for faults in (True, False):
                    seconds = 60.0 * args.minutes if not faults else 180.0
                    posed = make(seed, seconds=seconds, faults=faults)
                    reading = (
                        network(posed, args.weights, seed) if way == "network" else readings(posed, way, seed)
                    )
                    for name, true in posed.truth.items():
                        off = np.asarray(reading[name]) - true
                        errors[name.removeprefix("left_").removeprefix("right_")].append(off[60:])
                    missed, others, alone, counted = told(posed, reading, file)
                    rules["planted"] += len(posed.planted)
                    rules["named"] += len(posed.planted) - len(missed)
                    rules["others"] += others
                    rules["alone"] += len(alone)
                    what.update([f"missed {rule}" for rule in missed] + [f"false {rule}" for rule in alone])
                    rules["repetitions"] += posed.repetitions
                    rules["counted"] += counted
                    rules["off"] += abs(counted - posed.repetitions)
                    rules["clean"] += 0 if faults else 1
        print(f"{way}:")
        for name, parts in errors.items():
            off = np.abs((np.concatenate(parts) + 180.0) % 360.0 - 180.0)
            known = off[~np.isnan(off)]
            if len(known):
                seen = len(known) / len(off)
                print(f"  {name:22} {known.mean():6.2f} {np.percentile(known, 95):6.2f}   told {seen:4.0%}")
            else:
                print(f"  {name:22}    cannot be told")
        print(
            f"  planted faults named {rules['named']} of {rules['planted']}; goal: all\n"
            f"  false alarms: {rules['alone']} beside faults and in {rules['clean']} bodies of "
            f"{args.minutes:g} min without; goal: 0; other words during a fault: {rules['others']}\n"
            f"  repetitions counted {rules['counted']} of {rules['repetitions']}, off by {rules['off']}"
            + "".join(f"\n    {text}: {count}" for text, count in sorted(what.items()))
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
