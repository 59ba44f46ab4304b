"""One's own actions from the weights that come along: named by the labels, learnt by the head, poses kept."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from waving import CHEST, SECOND, stamped

from drivers.errors import ConfigError, DataError
from drivers.simulator.actions import ACTIONS
from fusion.data.sessions import SessionData
from fusion.data.virtual import Clips, VirtualBatches
from fusion.model.checkpoint import DEFAULT, load_net, save_net
from fusion.model.losses import LossWeights, fusion_losses, kept_loss
from fusion.model.module import FusionModule
from fusion.model.net import FusionNet, NetConfig
from fusion.model.optimiser import ACTION_HEAD, OptimiserConfig
from fusion.model.train import main
from fusion.virtual.simulated import simulated
from recordings.editing.label import label
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

CONFIG = Path(__file__).resolve().parents[2] / "configs" / "experiment" / "finetune.yaml"
ROWS = "start,stop,action\n0.5,2,shake\n2,4,rest\n4.5,5.5,shake\n"


def recorded(path: Path, rows: str = ROWS) -> Path:
    """Write 6 s of an IMU that shakes at some times, labelled as ``rows`` say."""
    times = np.arange(600) * (SECOND // 100)
    data = np.zeros((600, 6), np.float32)
    data[:, 2] = 9.81
    data[:, 0] = 5.0 * np.sin(times / SECOND * 40.0) * ((times < 2 * SECOND) | (times > 4 * SECOND))
    with SessionWriter(path, SessionAttributes(id="x", rig=""), sync_s=0) as writer:
        writer.add_stream(CHEST)
        writer.append(stamped("chest", times, data))
    table = path.with_suffix(".csv")
    table.write_text(rows, "utf-8")
    if len(rows.splitlines()) > 1:
        label(path, table)
    return path


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return recorded(tmp_path / "a.h5")


def begin(folder: Path, form: int, session: Path) -> tuple[list[str], NetConfig]:
    """Return the arguments of a short training that begins from small weights, and their configuration."""
    torch.manual_seed(0)
    small = NetConfig(width=16, layers=2, heads=2, window=8, form=form, actions=("stand", "walk", "rest"))
    weights = folder / "small.safetensors"
    save_net(FusionNet(small), weights)
    argv = [
        "--config", str(CONFIG), f"--data.session={session}", f"--output={folder / 'run'}",
        f"--model.init_weights={weights}", f"--model.sizes_of={weights}", "--data.batch_size=4",
        "--data.cache=null", "--data.window_s=0.5", "--data.windows=8", "--trainer.max_epochs=1",
        "--trainer.check_val_every_n_epoch=1",
    ]  # fmt: skip
    return argv, small


@pytest.mark.parametrize("form", [1, 2])
def test_a_network_learns_the_actions_that_sessions_are_labelled_with(
    form: int, session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv, small = begin(tmp_path, form, session)
    assert main(["fit", *argv]) == 0
    assert "rest: 2.0 s to learn from, 0.0 s to validate on" in capsys.readouterr().out
    after = load_net(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert after.config == dataclasses.replace(small, actions=("rest", "shake"), dropout=0.1)


def test_a_checkpoint_is_tested_by_its_own_actions_and_not_gone_on_with_by_others(
    session: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    argv, _ = begin(tmp_path, 1, session)
    assert main(["fit", *argv]) == 0
    other = recorded(tmp_path / "b.h5", ROWS.replace("shake", "turn"))
    argv[2] = f"--data.session={other}"
    assert main(["test", *argv, f"--ckpt_path={tmp_path / 'run' / 'checkpoints' / 'last.ckpt'}"]) == 0
    assert "test/top1" in capsys.readouterr().out
    assert main(["fit", *argv, "--trainer.max_epochs=2", "--ckpt_path=last"]) == 1
    assert "2 actions (rest, shake), the network 2 actions (rest, turn)" in capsys.readouterr().err


def test_the_body_learns_more_slowly_than_the_head() -> None:
    module = FusionModule(
        NetConfig(width=16, layers=1, heads=2, window=8), OptimiserConfig(lr=1e-2, body=0.1)
    )
    names = {id(parameter): name for name, parameter in module.net.named_parameters()}
    module.trainer = type("Trainer", (), {"estimated_stepping_batches": 10})()  # type: ignore[assignment]
    groups = module.configure_optimizers()["optimizer"].param_groups
    rates = {names[id(p)]: group["initial_lr"] for group in groups for p in group["params"]}
    assert set(rates) == set(names.values())
    for name, rate in rates.items():
        assert rate == pytest.approx(1e-2 if name.startswith(ACTION_HEAD) else 1e-3)


def test_what_is_kept_is_all_but_the_action_and_grows_with_what_changed() -> None:
    batch = VirtualBatches(Clips([simulated(3, 2.5)], ACTIONS), 30, 2)[0]
    net = FusionNet(NetConfig(width=16, layers=2, heads=2, window=8, form=2)).eval()
    with torch.no_grad():
        before = net(batch["features"])
        assert float(kept_loss(before, before, batch["valid"])) == 0.0
        other = {**before, "action": before["action"] + 5.0}
        assert float(kept_loss(other, before, batch["valid"])) == 0.0
        moved = [
            float(kept_loss({**before, "joints3d": before["joints3d"] + by}, before, batch["valid"]))
            for by in (0.01, 0.02)
        ]
    assert 0.0 < 3.0 * moved[0] < moved[1]


def test_an_action_that_flickers_costs_more_than_one_that_changes_once() -> None:
    targets = {"action": torch.full((1, 12), -1)}
    weights = LossWeights(**{**dict.fromkeys(LossWeights.__dataclass_fields__, 0.0), "steady": 1.0})
    costs = []
    for on in (range(0), range(6, 12), range(0, 12, 2)):
        logits = torch.zeros(1, 12, 2)
        logits[0, list(on), 1] = 3.0
        segment = torch.tensor([-1])
        costs.append(fusion_losses({"action": logits}, targets, torch.ones(1, 12), segment, weights)["loss"])
    assert float(costs[0]) == 0.0
    assert 8.0 * costs[1] < costs[2]


def test_the_packaged_weights_can_be_begun_from() -> None:
    net = NetConfig(actions=("mine", "yours"))
    module = FusionModule(net, init_weights="default", sizes_of="default", keep=1.0)
    packaged = load_net(DEFAULT)
    same = dataclasses.replace(packaged.config, actions=net.actions, dropout=net.dropout)
    assert module.net.config == same
    assert torch.equal(module.net.norm.weight, packaged.norm.weight)
    assert not any("before" in name for name in module.state_dict())


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("start,stop,action\n", "nothing is labelled"),
        (ROWS.replace("rest", "shake"), "only 'shake' is labelled"),
    ],
)
def test_labels_that_tell_nothing_apart_are_refused_before_a_run_begins(
    rows: str, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    session = recorded(tmp_path / "a.h5", rows)
    assert (
        main(["fit", "--config", str(CONFIG), f"--data.session={session}", f"--output={tmp_path}/run"]) == 1
    )
    said = [line for line in capsys.readouterr().err.splitlines() if not line.startswith("Seed set")]
    assert len(said) == 1
    assert says in said[0]
    assert "chorus label SESSION.h5 LABELS.csv" in said[0]
    assert not (tmp_path / "run").exists()


def test_whole_sessions_are_kept_for_validation_and_never_learnt_from(session: Path, tmp_path: Path) -> None:
    other = recorded(tmp_path / "other" / "b.h5", ROWS)
    data = SessionData(str(session), val_session=str(other.parent), window_s=1.0, batch_size=64)
    data.setup("fit")
    assert data.action_names == ("rest", "shake")
    assert data.labelled_s()["shake"] == pytest.approx((2.5, 2.5), abs=0.1)
    with pytest.raises(DataError, match="Leave it out of one"):
        SessionData(str(session), val_session=str(tmp_path)).setup("fit")
    everything = SessionData(str(session), window_s=1.0, val_part=0.0)
    everything.setup("fit")
    assert everything.val_dataloader() == []
    with pytest.raises(ConfigError, match="val_part"):
        SessionData(str(session), val_part=1.5)
