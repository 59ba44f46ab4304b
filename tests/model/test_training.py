"""Training: every configuration builds, a batch is learnt, checkpoints come back without pickle."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from drivers.errors import ConfigError, WeightsError
from drivers.simulator.actions import ACTIONS
from fusion.data.virtual import Clips, VirtualBatches
from fusion.model.checkpoint import DEFAULT, PACKAGED, load_net, save_net
from fusion.model.losses import LossWeights, fusion_losses
from fusion.model.module import FusionModule, ModalityDropout, begin_from
from fusion.model.net import FusionNet, NetConfig
from fusion.model.ship import main as ship
from fusion.model.train import command_line, main
from fusion.virtual.camera import CameraRanges
from fusion.virtual.frames import FrameRanges
from fusion.virtual.sensing import SensorRanges
from fusion.virtual.simulated import simulated

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = sorted((ROOT / "configs" / "experiment").glob("*.yaml")) + sorted(
    (ROOT / "configs" / "debug").glob("*.yaml")
)
SMALL = (
    "--data.train_clips=2", "--data.val_clips=1", "--data.seconds=2.0", "--data.window_s=0.5",
    "--data.batch_size=2", "--data.batches=2", "--data.val_batches=1", "--data.workers=0",
    "--model.net.width=16", "--model.net.layers=1",
    "--model.net.heads=2", "--model.net.window=8",
)  # fmt: skip


@pytest.fixture(scope="module")
def batches() -> VirtualBatches:
    return VirtualBatches(Clips([simulated(seed, 2.5) for seed in (1, 2)], ACTIONS), 60, 2)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_configuration_builds(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cli = command_line(["--config", str(path)], run=False)
    if isinstance(cli.model, FusionModule):
        assert tuple(cli.model.net.config.actions) == tuple(cli.datamodule.action_names)
    else:
        crop = cli.model.net.config
        assert (crop.width, crop.height) == cli.datamodule.size
    assert (cli.trainer.max_epochs or 0) > 0


def test_inertial_of_another_window_comes_only_where_vision_tells_what_is_true(
    batches: VirtualBatches, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = batches[0]
    module = FusionModule(dropout=ModalityDropout(vision=0.5, inertial=0.0, foreign=1.0, ramp=0.0))
    monkeypatch.setattr(module, "_trainer", SimpleNamespace(global_step=0, estimated_stepping_batches=1))
    plain = {name: value.repeat(8, *[1] * (value.ndim - 1)) for name, value in batch["features"].items()}
    plain["inertial_present"].fill_(1.0)
    rows = torch.arange(len(plain["inertial"]))
    plain["inertial"] = rows[:, None, None, None].expand_as(plain["inertial"]).float()
    plain["vision_present"].fill_(1.0)
    told = module.drop_modalities(plain, batch["valid"].repeat(8, 1))
    seen = told["vision_present"].flatten(1).any(dim=1)
    whose = told["inertial"][:, 0, 0, 0].long()
    assert seen.any()
    assert not seen.all()
    assert torch.equal(whose[seen], rows.roll(1)[seen])
    assert torch.equal(whose[~seen], rows[~seen])


def test_a_batch_is_learnt_by_heart(batches: VirtualBatches) -> None:
    torch.manual_seed(0)
    batch = batches[0]
    actions = tuple("abcdefgh")
    net = FusionNet(NetConfig(width=48, layers=2, heads=4, window=60, dropout=0.0, actions=actions))
    adam = torch.optim.Adam(net.parameters(), lr=3e-3)
    history = []
    for _ in range(130):
        outputs = net(batch["features"])
        terms = fusion_losses(outputs, batch["targets"], batch["valid"], batch["segment"], LossWeights())
        adam.zero_grad()
        terms["loss"].backward()
        adam.step()
        history.append({name: float(value.detach()) for name, value in terms.items()})
    assert history[-1]["joints3d"] < 0.3 * history[0]["joints3d"]
    assert history[-1]["action"] < 0.1 * history[0]["action"]
    assert history[-1]["contact"] < 0.3 * history[0]["contact"]


def test_fit_resume_and_test_from_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(ROOT / "configs" / "experiment" / "simulated.yaml")
    common = ["--config", config, f"--output={tmp_path}", "--trainer.check_val_every_n_epoch=1", *SMALL]
    assert main(["fit", *common, "--trainer.max_epochs=1"]) == 0
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert str(last) in capsys.readouterr().out
    first = torch.load(last, weights_only=True)
    assert first["epoch"] == 0
    assert main(["fit", *common, "--trainer.max_epochs=2", "--ckpt_path=last"]) == 0
    newest = max((tmp_path / "checkpoints").glob("last*.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    second = torch.load(newest, weights_only=True)
    assert (second["epoch"], second["global_step"]) == (1, 2 * first["global_step"])
    assert main(["test", *common, f"--ckpt_path={newest}"]) == 0
    assert "test/mpjpe_mm" in capsys.readouterr().out
    logs = sorted((tmp_path / "csv").rglob("metrics.csv"))
    with logs[0].open(encoding="utf-8") as file:
        assert {"train/loss", "val/mpjpe_mm", "val/top1"} <= set(next(csv.reader(file)))
    assert list((tmp_path / "tensorboard").rglob("events.*"))
    net = load_net(newest)
    assert net.config.width == 16
    assert not net.training


def test_each_epoch_is_kept_though_the_best_was_an_earlier_one(tmp_path: Path) -> None:
    """Validated every third epoch only, and stopped in between."""
    config = str(ROOT / "configs" / "experiment" / "simulated.yaml")
    common = ["--config", config, f"--output={tmp_path}", "--trainer.check_val_every_n_epoch=3", *SMALL]
    assert main(["fit", *common, "--trainer.max_epochs=2"]) == 0
    last = tmp_path / "checkpoints" / "last.ckpt"
    assert torch.load(last, weights_only=True)["epoch"] == 1
    assert main(["fit", *common, "--trainer.max_epochs=4", "--ckpt_path=last"]) == 0
    assert torch.load(last, weights_only=True)["epoch"] == 3
    assert torch.load(tmp_path / "checkpoints" / "best.ckpt", weights_only=True)["epoch"] == 2
    assert [path.name for path in sorted(last.parent.iterdir())] == ["best.ckpt", "last.ckpt"]


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        ([], "nothing to do"),
        (["fit", "--config", "absent.yaml"], "there is no configuration absent.yaml"),
        (["fit", "--config", "{utd}", "--model.net.widht=3"], "model.net.widht"),
        (["fit", "--config", "{utd}", "--data.rooot=3"], "UtdMhadData has no option 'rooot'"),
        (["fit", "--config", "{utd}"], "Set CHORUS_DATA"),
        (["fit", "--config", "{utd}", "--data.root=absent"], "neither the folders"),
        (["fit", "--config", "{utd}", "--ckpt_path", "absent.ckpt"], "there is no checkpoint absent.ckpt"),
        (["test", "--config", "{utd}", "--ckpt_path", "damaged.ckpt"], "damaged.ckpt holds no weights"),
        (["fit", "--config", "{session}"], "Give --data.session"),
        (["fit", "--config", "{session}", "--data.session=absent.h5"], "absent.h5"),
        (["fit", "--config", "{utd}", "--data.root=made"], "no trials"),
    ],
)
def test_a_wrong_call_gets_one_line_and_no_traceback(
    argv: list[str],
    says: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("CHORUS_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "made" / "Skeleton").mkdir(parents=True)
    (tmp_path / "made" / "Inertial").mkdir()
    (tmp_path / "damaged.ckpt").write_bytes(b"junk")
    names = {
        "utd": str(ROOT / "configs" / "experiment" / "utd_mhad.yaml"),
        "session": str(ROOT / "configs" / "experiment" / "demo.yaml"),
    }
    assert main([word.format(**names) if "{" in word else word for word in argv]) != 0
    lines = [line for line in capfd.readouterr().err.splitlines() if line and not line.startswith("Seed set")]
    assert len(lines) == 1
    assert says in lines[0]


def test_weights_come_back_exactly_and_halved_ones_nearly(tmp_path: Path, batches: VirtualBatches) -> None:
    net = FusionNet(NetConfig(width=32, layers=1, heads=2, window=16, actions=("a", "b"))).eval()
    save_net(net, tmp_path / "full.safetensors")
    save_net(net, tmp_path / "half.safetensors", half=True, notes={"trained_on": "nothing"})
    features = batches[0]["features"]
    with torch.no_grad():
        expected = net(features)
        full = load_net(tmp_path / "full.safetensors")
        half = load_net(tmp_path / "half.safetensors")
        assert full.config == net.config
        for name, value in expected.items():
            assert torch.equal(full(features)[name], value)
            torch.testing.assert_close(half(features)[name], value, atol=0.05, rtol=0.05)
    assert (tmp_path / "half.safetensors").stat().st_size < 0.6 * (
        tmp_path / "full.safetensors"
    ).stat().st_size
    with pytest.raises(WeightsError, match="exists already"):
        save_net(net, tmp_path / "full.safetensors")


def test_what_are_no_weights_is_refused_by_name(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    (tmp_path / "a.safetensors").write_bytes(b"nonsense")
    (tmp_path / "a.ckpt").write_bytes(b"nonsense")
    save_file({"x": torch.zeros(3)}, str(tmp_path / "foreign.safetensors"))
    config = json.dumps({**dataclasses.asdict(NetConfig()), "width": "128"})
    metadata = {"format": "chorus-fusion-net", "version": "1", "net": config}
    save_file({"x": torch.zeros(3)}, str(tmp_path / "odd.safetensors"), metadata=metadata)
    metadata["net"] = json.dumps(dataclasses.asdict(NetConfig()))
    save_file({"x": torch.zeros(3)}, str(tmp_path / "other.safetensors"), metadata=metadata)
    torch.save({"hyper_parameters": {"net": {"width": 3}}, "state_dict": {}}, tmp_path / "poor.ckpt")
    for name in (
        "absent.ckpt",
        "a.safetensors",
        "a.ckpt",
        "foreign.safetensors",
        "odd.safetensors",
        "poor.ckpt",
    ):
        with pytest.raises(WeightsError) as caught:
            load_net(tmp_path / name)
        assert "\n" not in str(caught.value)
    with pytest.raises(WeightsError, match="do not fit"):
        load_net(tmp_path / "other.safetensors")


def test_fine_tuning_keeps_the_rows_of_actions_that_both_know() -> None:
    sizes = {"width": 32, "layers": 1, "heads": 2}
    source = FusionNet(NetConfig(**sizes, actions=("walk", "wave")))
    net = FusionNet(NetConfig(**sizes, actions=("jump", "wave")))
    fresh = net.labels.action[1].weight.detach().clone()
    begin_from(net, source)
    assert torch.equal(net.labels.action[1].weight[1], source.labels.action[1].weight[1])
    assert torch.equal(net.labels.action[1].weight[0], fresh[0])
    assert torch.equal(net.norm.weight, source.norm.weight)
    with pytest.raises(ConfigError, match="other sizes"):
        begin_from(FusionNet(NetConfig(width=16, layers=1, heads=2)), source)


def test_shipped_weights_keep_a_share_of_those_they_began_from(tmp_path: Path, capsys: Any) -> None:
    config = NetConfig(width=16, layers=1, heads=2, window=8, actions=("stand", "wave"))
    before, after = FusionNet(config), FusionNet(config)
    save_net(before, tmp_path / "before.safetensors")
    save_net(after, tmp_path / "after.safetensors")
    source, target = str(tmp_path / "after.safetensors"), tmp_path / "new.safetensors"
    assert ship([source, str(target), "both", "--beside", f"{tmp_path / 'before.safetensors'}:0.25"]) == 0
    made = load_net(target).state_dict()
    for name, value in after.state_dict().items():
        expected = 0.75 * value + 0.25 * before.state_dict()[name]
        assert torch.allclose(made[name], expected, atol=2e-3), name  # float16
    for wrong, said in (
        (":0.5", "WEIGHTS:SHARE"),
        (f"{source}:2", "0 to 1"),
        ("free:0.5", "another network"),
    ):
        assert ship([source, str(tmp_path / "no.safetensors"), "--beside", wrong]) == 1
        assert said in capsys.readouterr().err
        assert not (tmp_path / "no.safetensors").exists()
    assert ship([source, "--beside", "base:0.5"]) == 2


@pytest.mark.parametrize(("name", "most"), [("free", 2_000_000), ("base", 8_000_000)])
def test_the_packaged_weights_are_small_and_follow_the_simulator(name: str, most: int) -> None:
    file = PACKAGED[name]
    assert load_net(name).parameter_count <= most
    assert file.stat().st_size <= 2 * most  # float16
    assert "Never trained on" in file.with_suffix(".md").read_text("utf-8")
    net = load_net(name)
    if name == DEFAULT:
        assert torch.equal(load_net().norm.weight, load_net("default").norm.weight)
        assert torch.equal(load_net().norm.weight, net.norm.weight)
    camera = CameraRanges(frames=FrameRanges(blackout=0.0), dark=0.0, furniture=0.0, prone=0.0, limb_swap=0.0)
    motions = [simulated(seed, 4.0) for seed in (1, 2)]
    batch = VirtualBatches(Clips(motions, ACTIONS), 120, 6, SensorRanges(camera=camera), seed=5)[0]
    with torch.no_grad():
        outputs = net(batch["features"])
    error = (outputs["joints3d"] - batch["targets"]["joints3d"]).norm(dim=-1)[:, 30:].mean()
    assert float(error) < 0.12
