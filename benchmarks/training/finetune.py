"""A newcomer's own actions: sessions are recorded, labelled anew, learnt from, and judged on unseen people.

    python -m benchmarks.training.finetune           records 9 minutes, trains twice, prints the table
    python -m benchmarks.training.finetune --people 2 1 --seconds 20 --options --trainer.max_steps=20   small

The simulated rig records several bodies, each by another camera. Their labels become a new set of actions
through ``chorus label``: some merged under a new name, some told apart by the side they are done with, which
the packaged weights never learnt. Then ``finetune.yaml`` from those weights, and the same from nothing.
Training takes no notice of the recorded truth; the table does. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from drivers.rig import load_rig
from drivers.simulator.anatomy import BodyShape
from drivers.simulator.body import Body
from fusion.cli import main as chorus
from fusion.evaluate.actions import ActionScores
from fusion.evaluate.segments import SegmentalF1
from recordings.reader import open_recording

ROOT = Path(__file__).resolve().parents[2]
RIG = ROOT / "configs" / "rigs" / "simulated.yaml"
CONFIG = ROOT / "configs" / "experiment" / "finetune.yaml"

PEOPLE: dict[str, list[tuple[int, float, float, tuple[float, float, float]]]] = {
    "train": [
        (11, 1.62, -25.0, (3.6, 0.6, 1.2)),
        (12, 1.71, 20.0, (3.9, -0.8, 1.4)),
        (13, 1.80, 0.0, (4.2, 0.2, 1.1)),
        (14, 1.90, -10.0, (3.7, -0.3, 1.6)),
    ],
    "test": [(21, 1.68, 15.0, (3.9, 0.4, 1.4)), (22, 1.85, -20.0, (3.7, -0.6, 1.2))],
}
"""Seed, stature in m, where the body looks at first in deg, and where its camera stands in m."""

RENAMED = {"stand": "idle", "walk": "on foot", "march": "on foot", "squat": "exercise", "jump": "exercise"}
RENAMED |= {"clap": "applaud", "wave": "greet", "reach": "fetch"}
BY_SIDE = ("wave", "reach")
"""Told apart by the hand that does them."""


def record(folder: Path, people: Sequence[int], seconds: float) -> None:
    """Record those sessions that are not there yet."""
    for part, count in zip(PEOPLE, people, strict=True):
        for seed, stature, heading, camera in PEOPLE[part][:count]:
            path = folder / part / f"{seed}.h5"
            if path.exists():
                continue
            options = [
                f"--duration={seconds:g}",
                f"--output={path}",
                f"--streams.camera.position={list(camera)}",
            ]
            for name in load_rig(RIG).streams:
                options += [f"--streams.{name}.seed={seed}", f"--streams.{name}.stature={stature}"]
                options += [f"--streams.{name}.heading_deg={heading}"]
            _call("record", str(RIG), *options)
            relabel(path, seed, stature, heading)


def relabel(path: Path, seed: int, stature: float, heading: float) -> None:
    """Give a session's labels other names, as a person would: through a table."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        _call("label", str(path), "--csv")
    body = Body(seed, (), BodyShape.scaled(stature), 1.0, float(torch.tensor(heading).deg2rad()))
    table = path.with_suffix(".csv")
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(io.StringIO(said.getvalue()))
        writer = csv.writer(file)
        writer.writerow(["start", "stop", "action", "who"])
        for row in rows:
            name, middle = row["action"], 0.5 * (float(row["start_s"]) + float(row["stop_s"]))
            side = f" {body.segments(middle, middle)[0].side}" if name in BY_SIDE else ""
            writer.writerow([row["start_s"], row["stop_s"], RENAMED[name] + side, "newcomer"])
    _call("label", str(path), str(table), "--replace")


def train(folder: Path, name: str, options: Sequence[str]) -> tuple[Path, float, float]:
    """Train with the configuration; return the checkpoint, and its minutes by the clock and of CPU."""
    output = folder / name
    last = output / "checkpoints" / "last.ckpt"
    took = output / "minutes.json"
    if not took.exists():
        command = [sys.executable, str(ROOT / "train.py"), "fit", f"--config={CONFIG}", f"--output={output}"]
        command += [
            f"--data.session={folder / 'train'}",
            "--data.truth=",
            f"--data.cache={folder / 'keypoints'}",
        ]
        begin, before = time.monotonic(), os.times()
        subprocess.run([*command, *options], check=True)
        after = os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        took.write_text(json.dumps([(time.monotonic() - begin) / 60.0, cpu / 60.0]))
    return last, *json.loads(took.read_text())


def evaluate(weights: Path | str, data: Path) -> dict[str, dict[str, float]]:
    """Return the rows of ``chorus evaluate``, by name."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        _call("evaluate", str(weights), str(data), "--json", "--window_s=20")
    return {row["name"]: row for row in json.loads(said.getvalue())["rows"]}


def live(weights: Path, session: Path, output: Path) -> dict[str, float]:
    """Return the scores of what ``chorus live`` says of a session, tick by tick."""
    if not output.exists():
        _call("live", f"--source={session}", f"--weights={weights}", f"--output={output}", "--film=false")
    with (output / "poses.csv").open(encoding="utf-8") as file:
        told = {int(row["time_ns"]): row["action"] for row in csv.DictReader(file)}
    with open_recording(session) as recording:
        labels = recording.labels
    names = sorted({one.action for one in labels} | set(told.values()))
    target = torch.full((len(told),), -1)
    times = torch.tensor(list(told))
    for one in labels:
        target[(times >= one.start) & (times < one.stop)] = names.index(one.action)
    named = torch.tensor([names.index(name) for name in told.values()])
    scores, segments = ActionScores(len(names)), SegmentalF1()
    scores.update(named, target)
    segments.update(named[None], target[None])
    return {**scores.compute(), **segments.compute()}


SHOWN = ("top1", "mean_class", "f1@10", "f1@25", "f1@50")


def line(name: str, values: dict[str, float], more: str = "") -> str:
    """Return a line of the table."""
    return f"| {name} | {' | '.join(f'{100.0 * values[key]:.1f} %' for key in SHOWN)} | {more} |"


def main(argv: list[str] | None = None) -> int:
    """Do it all, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training.finetune", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--output", type=Path, default=Path("runs/finetune_trial"))
    parser.add_argument("--people", type=int, nargs=2, default=[4, 2], help="to learn from, and unseen")
    parser.add_argument("--seconds", type=float, default=90.0, help="length of each session")
    parser.add_argument("--options", nargs=argparse.REMAINDER, default=[], help="of train.py fit")
    given = parser.parse_args(argv)
    folder = given.output.resolve()
    record(folder, given.people, given.seconds)
    fine, minutes, cpu = train(folder, "finetuned", given.options)
    nothing = ["--model.init_weights=null", "--model.keep=0", "--model.optimiser.body=1", *given.options]
    scratch, scratch_minutes, scratch_cpu = train(folder, "scratch", nothing)
    test = folder / "test"
    tuned, before = evaluate(fine, test), evaluate("default", test)
    print("| | top-1 | mean of classes | F1@10 | F1@25 | F1@50 | minutes (of CPU) |")
    print("|---|---|---|---|---|---|---|")
    print(line("fine-tuned", tuned["all sensors"], f"{minutes:.1f} ({cpu:.1f})"))
    for name in ("without inertial", "without vision", "without audio"):
        print(line(f"the same, {name}", tuned[name]))
    said = [live(fine, path, folder / f"live_{path.stem}") for path in sorted(test.glob("*.h5"))]
    print(line("fine-tuned, chorus live", {key: sum(s[key] for s in said) / len(said) for key in SHOWN}))
    by_itself = evaluate(scratch, test)["all sensors"]
    print(line("from nothing", by_itself, f"{scratch_minutes:.1f} ({scratch_cpu:.1f})"))
    print(line("most frequent action", tuned["constant"]))
    print("\n| MPJPE mm | all sensors | without inertial | without vision |\n|---|---|---|---|")
    for name, rows in (("before", before), ("fine-tuned", tuned)):
        cells = [
            f"{rows[key]['mpjpe_mm']:.1f}" for key in ("all sensors", "without inertial", "without vision")
        ]
        print(f"| {name} | {' | '.join(cells)} |")
    return 0


def _call(*argv: str) -> None:
    status = chorus(list(argv))
    if status:
        raise SystemExit(status)


if __name__ == "__main__":
    sys.exit(main())
