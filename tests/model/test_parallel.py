"""Two processes that train together learn what one process learns of batches twice as large."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from drivers.simulator.actions import ACTIONS
from fusion.data.subjects import SimilarLengths
from fusion.data.virtual import Clips, Numbers, VirtualBatches
from fusion.virtual.simulated import simulated

ROOT = Path(__file__).resolve().parents[2]
SMALL = (
    "--data.train_clips=2", "--data.val_clips=1", "--data.seconds=3.0", "--data.window_s=0.5",
    "--data.batch_size=3", "--data.fixed=true", "--data.workers=0", "--model.net.form=2",
    "--model.net.width=16", "--model.net.layers=2", "--model.net.heads=2", "--model.net.window=8",
    "--trainer.max_epochs=20", "--trainer.limit_val_batches=0", "--best=null",
)  # fmt: skip


def losses(folder: Path, *options: str, launcher: tuple[str, ...] = ()) -> list[dict[str, float]]:
    config = str(ROOT / "configs" / "experiment" / "simulated.yaml")
    command = [sys.executable, *launcher, str(ROOT / "train.py"), "fit", "--config", config]
    command.append(f"--output={folder}")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([*command, *SMALL, *options], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    with next(folder.glob("csv/*/metrics.csv")).open() as file:
        rows = [row for row in csv.DictReader(file) if row.get("train/loss")]
    return [{name: float(value) for name, value in row.items() if name.startswith("train/")} for row in rows]


def test_the_losses_of_two_processes_are_those_of_one(tmp_path: Path) -> None:
    one = losses(tmp_path / "one", "--data.batches=1", "--data.joined=2")
    two = losses(tmp_path / "two", "--data.batches=2", "--trainer.devices=2", "--trainer.strategy=ddp")
    assert len(one) == len(two) == 20
    for alone, together in zip(one, two, strict=True):
        assert together == pytest.approx(alone, abs=1e-5, rel=1e-5)
    assert one[-1]["train/loss"] < one[0]["train/loss"]


def test_torchrun_gives_the_losses_of_one_process(tmp_path: Path) -> None:
    one = losses(tmp_path / "one", "--data.batches=1", "--data.joined=2")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
    words = ("--data.batches=2", "--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.accelerator=cpu")
    two = losses(tmp_path / "two", *words, launcher=torchrun)
    assert len(one) == len(two) == 20
    for alone, together in zip(one, two, strict=True):
        assert together == pytest.approx(alone, abs=1e-5, rel=1e-5)


def test_batches_joined_are_the_batches_one_after_another() -> None:
    clips = Clips([simulated(3, 2.5)], ACTIONS)
    alone, both = VirtualBatches(clips, 30, 2), VirtualBatches(clips, 30, 2, joined=2)
    for name, value in both[1]["features"].items():
        assert torch.equal(value, torch.cat([alone[2]["features"][name], alone[3]["features"][name]]))


@pytest.mark.parametrize("world", [2, 3])
def test_processes_share_batches_without_overlap(world: int, monkeypatch: pytest.MonkeyPatch) -> None:
    passes = []
    for rank in range(world):
        monkeypatch.setattr("fusion.data.virtual.share", lambda rank=rank: (rank, world))
        monkeypatch.setattr("fusion.data.subjects.share", lambda rank=rank: (rank, world))
        numbers, again = Numbers(4), Numbers(5, again=True)
        trials = SimilarLengths(torch.arange(10.0, 70.0), 10, 0)
        assert len(list(trials)) == len(trials) == 6 // world
        passes.append(([*numbers, *numbers], list(again), [n for batch in trials for n in batch]))
    assert sorted(n for p in passes for n in p[0]) == list(range(8 * world))
    assert {n for p in passes for n in p[1]} == set(range(5))
    assert len({len(p[1]) for p in passes}) == 1
    assert len({n for p in passes for n in p[2]}) >= 50
