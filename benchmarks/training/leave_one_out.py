"""What a training of actions is worth, told by its training subjects alone: each is left out once.

    python -m benchmarks.training.leave_one_out             configs/experiment/utd_mhad.yaml, 4 trainings
    python -m benchmarks.training.leave_one_out --suite     with the 25 scenarios of UTD-MHAD
    python -m benchmarks.training.leave_one_out --seeds 0 1 --model.net.width=64  any option of train.py fit

The subjects that the configuration names for the test are never read. Prints each run, and mean and spread
over all runs (standard deviation of the runs, not of the mean). Runs beside one another need an ``--output``
each.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks.training.alone import alone_in
from drivers.errors import ConfigError
from fusion.evaluate.suite import run_suite
from fusion.model.checkpoint import load_net
from fusion.model.train import main as train
from recordings.importers.utd_mhad import find_root

CONFIG = "configs/experiment/utd_mhad.yaml"

Results = dict[str, list[float]]
"""Name of a condition -> top-1 of each run."""


def subjects_of(config: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the subjects that a configuration trains on, and those of its final test."""
    data = yaml.safe_load(Path(config).read_text("utf-8"))["data"]
    module, _, name = data["class_path"].rpartition(".")
    options = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    given = data.get("init_args", {})
    train, test = (given.get(key, options[key].default) for key in ("train_subjects", "test_subjects"))
    return tuple(train), tuple(test)


def fold(
    config: str, held_out: int, subjects: Sequence[int], seed: int, output: Path, options: list[str]
) -> Results:
    """Train without one subject and test on it.

    Raises:
        SystemExit: the training failed; it has said why.
    """
    rest = [subject for subject in subjects if subject != held_out]
    common = [
        *("--config", config, f"--output={output}", f"--seed_everything={seed}", *options),
        *("--data.train_subjects", json.dumps(rest), "--data.test_subjects", json.dumps([held_out])),
    ]
    for argv in (["fit", *common], ["test", *common, f"--ckpt_path={output / 'checkpoints' / 'last.ckpt'}"]):
        status = train(argv)
        if status:
            raise SystemExit(status)
    rows = json.loads((output / "report" / "results.json").read_text("utf-8"))
    return {row["name"]: [row["top1"]] for row in rows}


def broken(checkpoint: Path, held_out: int, seed: int, root: str | None) -> Results:
    """Return what is left of the subject held out when UTD-MHAD's sensors break: the mean of each suite."""
    found = run_suite(load_net(checkpoint), str(find_root(root)), (held_out,), seed)["suites"]
    return {f"suite, {name}": [suite["mean_of_categories"]] for name, suite in found.items()}


def summary(runs: Sequence[Results]) -> list[str]:
    """Return a line for each condition: mean, spread and each run, in per cent."""
    lines = []
    for name in runs[0]:
        values = [100.0 * value for run in runs for value in run[name]]
        spread = statistics.stdev(values) if len(values) > 1 else 0.0
        each = " ".join(f"{value:.1f}" for value in values)
        lines.append(f"{name:<22} {statistics.mean(values):5.1f} +- {spread:4.1f} %   ({each})")
    return lines


def main(argv: list[str] | None = None) -> int:
    """Run all folds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.leave_one_out", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--config", default=CONFIG)
    parser.add_argument("--output", type=Path, default=Path("runs/leave_one_out"))
    parser.add_argument(
        "--subjects", type=int, nargs="+", help="all that may be seen; default: its training's"
    )
    parser.add_argument("--leave", type=int, nargs="+", help="those to leave out; default: each")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--suite", action="store_true", help="also break the sensors; UTD-MHAD")
    parser.add_argument("--data.root", dest="root", help="folder of the data set; default: CHORUS_DATA")
    given, options = parser.parse_known_args(argv)
    options += [f"--data.root={given.root}"] if given.root else []
    known, final = subjects_of(given.config)
    given.subjects = given.subjects or known
    forbidden = set(given.subjects) & set(final)
    if forbidden:
        parser.error(f"subjects {sorted(forbidden)} are the final test's: they tell nothing before it")
    try:
        with alone_in(given.output):
            runs = folds(given, options)
    except ConfigError as error:
        print(f"leave_one_out: {error}", file=sys.stderr)
        return 1
    print("\n".join(["", f"{len(runs)} runs, top-1:", *summary(runs)]))
    return 0


def folds(given: argparse.Namespace, options: list[str]) -> list[Results]:
    """Run each fold with each seed, and print what comes of it."""
    runs: list[Results] = []
    for seed in given.seeds:
        for subject in given.leave or given.subjects:
            folder = given.output / f"without_{subject}_seed_{seed}"
            runs.append(fold(given.config, subject, given.subjects, seed, folder, options))
            if given.suite:
                last = folder / "checkpoints" / "last.ckpt"
                runs[-1] |= broken(last, subject, seed, given.root)
            top = ", ".join(f"{name} {values[0]:.1%}" for name, values in runs[-1].items())
            print(f"subject {subject} left out, seed {seed}: {top}", flush=True)
    return runs


if __name__ == "__main__":
    raise SystemExit(main())
