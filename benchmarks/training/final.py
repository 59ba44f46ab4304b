"""The final figures on UTD-MHAD and Berkeley MHAD: opens the test subjects, once all choices are made.

    python -m benchmarks.training.final --open
    python -m benchmarks.training.final --open --resume --sets berkeley_mhad

Trains each configuration with each seed and tests it on the subjects that no choice has seen.
One set of weights per seed gives skeleton + inertial, either missing, and the suite of 25 scenarios.
With ``--resume`` what a run before it has tested already is not trained or tested again, and what it was
training goes on after its last whole epoch. Several may run beside one another, on other ``--seeds`` of the
same ``--output``; one more with ``--resume`` then prints all.

| row | goal |
|---|---|
| skeleton + inertial, the network run once | 98.8 % |
| the same weights run thrice: both, each alone, their scores added | 98.8 % |
| inertial only, trained for it | 92 % |
| skeleton only, trained for it | 97.5 % |
| skeleton missing / inertial missing, weights of the first | 88 % / 96 % |
| 25 scenarios, equal mean of five categories, weights of the first | 89.5 % |
| six accelerometers (Berkeley MHAD) | 97 % |
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path

from benchmarks.training.alone import alone_in
from drivers.errors import ConfigError
from fusion.evaluate.suite import run_suite
from fusion.model.checkpoint import load_net
from fusion.model.train import main as train
from recordings.importers.utd_mhad import find_root

GOALS: dict[str, float] = {
    "skeleton + inertial": 98.8,
    "skeleton + inertial, thrice": 98.8,
    "inertial only": 92.0,
    "skeleton only": 97.5,
    "skeleton missing": 88.0,
    "inertial missing": 96.0,
    "suite, as published": 89.5,
    "suite, noise by channel": 89.5,
    "six accelerometers": 97.0,
}
FUSED = "utd_mhad"
ALONE = {
    "utd_mhad_inertial": ("inertial only", "inertial alone"),
    "utd_mhad_skeleton": ("skeleton only", "vision alone"),
}
SUITE = Path("report") / "suite.json"
SETS = ("utd_mhad", "berkeley_mhad")


def trained(
    name: str, seed: int, output: Path, options: list[str], resume: bool
) -> tuple[Path, dict[str, float]]:
    """Train and test a configuration; return its checkpoint, and top-1 of each condition.

    Raises:
        ConfigError: another run is using its folder.
        SystemExit: the training failed; it has said why.
    """
    folder = output / f"{name}_seed_{seed}"
    config = f"configs/experiment/{name}.yaml"
    common = ["--config", config, f"--output={folder}", f"--seed_everything={seed}", *options]
    last, told = folder / "checkpoints" / "last.ckpt", folder / "report" / "results.json"
    there = [f"--ckpt_path={last}"]
    asked = (["fit", *common, *(there if resume and last.is_file() else [])], ["test", *common, *there])
    with alone_in(folder):
        if not (resume and told.is_file()):
            told.unlink(missing_ok=True)  # a run that stops leaves no figures of the one before
            (folder / SUITE).unlink(missing_ok=True)
            for argv in asked:
                status = train(argv)
                if status:
                    raise SystemExit(status)
    return last, {row["name"]: row["top1"] for row in json.loads(told.read_text("utf-8"))}


def broken(last: Path, seed: int, root: str | None) -> dict[str, float]:
    """Return the mean of the five categories of each suite, and keep it beside the weights."""
    folder = last.parent.parent
    with alone_in(folder):
        kept = folder / SUITE
        if not kept.is_file():
            found = run_suite(load_net(last), str(find_root(root)), seed=seed)
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
        suites = json.loads(kept.read_text("utf-8"))["suites"]
    return {f"suite, {name}": suite["mean_of_categories"] for name, suite in suites.items()}


def one_seed(
    seed: int, sets: list[str], root: str | None, output: Path, options: list[str], resume: bool = False
) -> dict[str, float]:
    """Return all rows of one seed, per cent."""
    rows: dict[str, float] = {}
    if "utd_mhad" in sets:
        last, tops = trained(FUSED, seed, output, options, resume)
        rows |= {
            "skeleton + inertial": tops["all sensors"],
            "skeleton + inertial, thrice": tops["council of three"],
            "skeleton missing": tops["inertial alone"],
            "inertial missing": tops["vision alone"],
        }
        rows |= broken(last, seed, root)
        for name, (row, condition) in ALONE.items():
            rows[row] = trained(name, seed, output, options, resume)[1][condition]
    if "berkeley_mhad" in sets:
        tops = trained("berkeley_mhad", seed, output, options, resume)[1]
        rows["six accelerometers"] = tops["all sensors"]
    return {name: 100.0 * rows[name] for name in GOALS if name in rows}


def main(argv: list[str] | None = None) -> int:
    """Run all seeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.final", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--open", action="store_true", help="read the test subjects: choices end here")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--output", type=Path, default=Path("runs/final"))
    parser.add_argument("--data", default=None, help="folder of the data sets; default: CHORUS_DATA")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--resume", action="store_true", help="keep what was trained and tested already")
    given, options = parser.parse_known_args(argv)
    if not given.open:
        parser.error("this opens the test subjects; say --open when all choices are made")
    if given.data:
        options.append(f"--data.root={given.data}")
    runs = []
    for seed in given.seeds:
        try:
            runs.append(one_seed(seed, given.sets, given.data, given.output, options, given.resume))
        except ConfigError as error:
            print(f"final: {error}", file=sys.stderr)
            return 1
        print(
            f"seed {seed}: " + ", ".join(f"{name} {value:.1f} %" for name, value in runs[-1].items()),
            flush=True,
        )
    for name in runs[0]:
        goal, values = GOALS[name], [run[name] for run in runs]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        mean = statistics.mean(values)
        print(
            f"{name:<28} {mean:5.1f} +- {spread:4.1f} %   goal {goal:g} {'met' if mean >= goal else 'MISSED'}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
