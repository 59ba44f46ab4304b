"""Berkeley MHAD as batches: six accelerometers on one grid, whenever their radio said so."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from benchmarks.training import final, leave_one_out
from drivers.errors import ConfigError, DataError
from fusion.cli import main
from fusion.data.augment import AugmentConfig
from fusion.data.berkeley_mhad import WORN, BerkeleyBatches, BerkeleyMhadData, BerkeleyTrials, on_grid, tilted
from fusion.model.checkpoint import save_net
from fusion.model.net import FEATURES, FusionNet, NetConfig
from recordings.importers import berkeley_mhad as mhad

EPOCH_S = 1_309_539_264.0
CONFIG = Path(__file__).resolve().parents[2] / "configs" / "experiment" / "berkeley_mhad.yaml"


def wave(times: np.ndarray, sensor: int, action: int) -> np.ndarray:
    """Specific force in g at times since the trial's start."""
    swing = 0.5 * np.sin(2 * np.pi * (0.5 + 0.3 * action) * times + sensor)
    return np.stack([swing, 0.0 * times, 1.0 + 0.0 * times], axis=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three subjects, actions 1 and 4, two repetitions; rows arrive late, in groups."""
    root, rng = tmp_path_factory.mktemp("berkeley"), np.random.default_rng(0)
    (root / "Time_stamps").mkdir()
    for subject in (1, 2, 8):
        for action in (1, 4):
            for repetition in (1, 2):
                name = f"s{subject:02}_a{action:02}_r{repetition:02}"
                frames = EPOCH_S + np.arange(60) / 22.0
                lines = [f"{n} {t:.6f}" for n, t in enumerate(frames)]
                (root / "Time_stamps" / f"time_stamps_img_{name}.txt").write_text("\n".join(lines))
                for sensor in range(1, 7):
                    folder = root / "Accelerometer" / f"Shimmer{sensor:02}"
                    folder.mkdir(parents=True, exist_ok=True)
                    count = 110 + 3 * sensor
                    taken = 0.02 * sensor + np.arange(count) / mhad.RATE_HZ
                    late = np.maximum.accumulate(
                        taken + rng.exponential(0.03, count) * (np.arange(count) % 5 > 0)
                    )
                    force = wave(taken, sensor, action)
                    rows = [
                        f"{x:.5f} {y:.5f} {z:.5f} {EPOCH_S + t:.6f}"
                        for (x, y, z), t in zip(force, late, strict=True)
                    ]
                    (folder / f"acc_h{sensor:02}_{name}.txt").write_text("\n".join(rows))
    return root


def test_up_is_found_from_force_alone_and_the_heading_does_not_jump() -> None:
    rng = np.random.default_rng(0)
    ticks = np.arange(200) / 25.0
    roll = Rotation.from_euler("x", 4.0 * np.sin(0.3 * ticks)[:, None])  # beyond upside down, and back
    force = np.stack([roll.inv().apply([0.0, 0.0, 1.0]), np.tile([0.0, 0.6, -0.8], (200, 1))], axis=1)
    force = force + 0.05 * rng.normal(size=force.shape)
    x, y = np.split(tilted(force.astype(np.float32), 25.0), 2, axis=-1)
    turned = np.stack([x, y, np.cross(x, y)], axis=-1)
    np.testing.assert_allclose(np.linalg.det(turned), 1.0, atol=1e-5)
    level = np.einsum("tsij,tsj->tsi", turned, force)
    assert level[:, 1, 2].min() > 0.8, "what lies still is upright"
    assert level[50:, 0, 2].min() > 0.4, "what rolls is, but for the second that the mean lags"
    steps = Rotation.from_matrix((turned[1:] @ turned[:-1].swapaxes(-1, -2)).reshape(-1, 3, 3)).magnitude()
    assert np.degrees(steps).max() < 15.0


def test_late_arrivals_do_not_move_what_was_measured(made: Path) -> None:
    trial = mhad.read_trial(made, mhad.Key(1, 4, 1))
    grid = on_grid(trial, 25.0)
    assert grid.shape[1:] == (6, 3)
    times = 0.12 + np.arange(len(grid)) / 25.0  # the last sensor begins last
    for sensor in range(6):
        np.testing.assert_allclose(grid[:, sensor], wave(times, sensor + 1, 4), atol=0.03)


def test_batches_follow_the_contract_and_variation_keeps_gravity(made: Path) -> None:
    data = BerkeleyMhadData(str(made), train_subjects=(1, 2), test_subjects=(8,), batch_size=4)
    data.setup("test")
    batch = next(iter(data.test_dataloader()))
    assert {name: tuple(value.shape[2:]) for name, value in batch["features"].items()} == FEATURES
    assert sorted(batch["segment"].tolist()) == [0, 0, 3, 3]
    worn = batch["features"]["inertial_present"].amax(dim=(0, 1)) > 0
    assert int(worn.sum()) == len(set(WORN)) == 6
    assert float(batch["features"]["vision_present"].sum()) == 0.0
    trials = BerkeleyTrials([mhad.read_trial(made, mhad.Key(1, 4, 1))], 25.0)
    trials.force = torch.tensor([0.0, 0.6, 0.8]).expand_as(trials.force).clone()
    calm = AugmentConfig(force_gain=0.0, force_noise=0.0, crop=0.4)
    batches = BerkeleyBatches(trials, 25.0, calm)
    first, second = batches([0, 0]), batches([0, 0])
    there = first["features"]["inertial_present"] > 0.5
    force = first["features"]["inertial"][..., :3].norm(dim=-1)[there]
    torch.testing.assert_close(force, torch.ones_like(force), atol=1e-4, rtol=0.0)
    assert not torch.equal(first["features"]["inertial"][:, :20], second["features"]["inertial"][:, :20])
    assert float(first["features"]["inertial"][..., 3:6].abs().max()) == 0.0, "there is no angular rate"


def test_subjects_are_of_one_part_and_must_be_there(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="at once"):
        BerkeleyMhadData(str(made), train_subjects=(1, 2), test_subjects=(2,))
    with pytest.raises(DataError, match="no trials of subjects"):
        BerkeleyMhadData(str(made), train_subjects=(1,), test_subjects=(9,)).setup("test")
    monkeypatch.delenv("CHORUS_DATA", raising=False)
    with pytest.raises(DataError, match="Set CHORUS_DATA"):
        BerkeleyMhadData().setup("fit")


def test_it_is_evaluated_and_its_subjects_are_left_out(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    path = tmp_path / "net.safetensors"
    save_net(FusionNet(NetConfig(width=16, layers=1, heads=2, window=8, actions=mhad.ACTIONS)), path)
    assert main(["evaluate", str(path), str(made), "--subjects=8", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["kind"], said["windows"]) == ("Berkeley MHAD", 4)
    assert next(r["top1"] for r in said["rows"] if r["name"] == "nearest mean") == 1.0
    assert leave_one_out.subjects_of(str(CONFIG)) == ((1, 2, 3, 4, 5, 6, 7), (8, 9, 10, 11, 12))
    small = ("--model.net.width=16", "--model.net.layers=1", "--model.net.heads=2", "--model.net.window=8")
    asked = ["--config", str(CONFIG), "--output", str(tmp_path), "--subjects", "1", "2"]
    assert leave_one_out.main([*asked, f"--data.root={made}", "--trainer.max_epochs=1", *small]) == 0
    assert "2 runs, top-1:" in capsys.readouterr().out
    asked = ["--seeds", "0", "1", "--sets", "berkeley_mhad", "--output", str(tmp_path / "final")]
    assert final.main(["--open", *asked, "--data", str(made), "--trainer.max_epochs=1", *small]) == 0
    said = capsys.readouterr().out
    assert "six accelerometers" in said.splitlines()[-1]
    rows = json.loads((tmp_path / "final/berkeley_mhad_seed_1/report/results.json").read_text("utf-8"))
    assert {row["count"] for row in rows} == {4}, "the final subjects, all their trials"
