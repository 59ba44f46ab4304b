"""``chorus export-model``: graphs that give what torch gives, and a table that says so."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from drivers.errors import ConfigError, DataError, WeightsError
from fusion.commands.export_model import main
from fusion.evaluate.sources import Asked, load
from fusion.heatmapnet.checkpoint import save_heatmapnet
from fusion.heatmapnet.net import HeatmapConfig, HeatmapNet
from fusion.model.checkpoint import load_net, save_net
from fusion.model.export import export as write
from fusion.model.exported import load_exported
from fusion.model.graphs import open_graph
from fusion.model.int8 import quantise
from fusion.model.net import FusionNet, NetConfig
from fusion.model.stepper import stepper

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    config = dataclasses.replace(
        NetConfig.tiny(("stand", "wave")), width=32, layers=3, heads=2, window=16, first=1
    )
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    save_net(FusionNet(config), path)
    return str(path)


def export(weights: str, to: str, path: Path, *more: str) -> Path:
    assert main([weights, "--to", to, "--output", str(path), *more], "export-model") == 0
    return path


def differences(weights: str, path: Path, ticks: int = 60) -> dict[str, float]:
    """Return the largest difference of each output from torch over a window of a simulated motion."""
    net = load_net(weights)
    plain, graph = stepper(net, 1, "torch"), stepper(load_exported(path))
    window = load("simulator", net, Asked(windows=1, window_s=ticks / 60)).batches[0]["features"]
    worst: dict[str, float] = {}
    for number in range(ticks):
        tick = {name: value[0, number].numpy() for name, value in window.items()}
        expected, got = plain(tick), graph(tick)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            worst[name] = max(worst.get(name, 0.0), float(np.abs(got[name] - value).max()))
    return worst


def test_the_onnx_step_gives_what_torch_gives(weights: str, tmp_path: Path) -> None:
    path = export(weights, "onnx", tmp_path / "step.onnx")
    assert max(differences(weights, path).values()) < 1e-4
    assert load_exported(path).config.actions == ("stand", "wave")
    assert [each.name for each in tmp_path.iterdir()] == ["step.onnx"]


def test_int8_is_smaller_and_says_nearly_the_same(weights: str, tmp_path: Path) -> None:
    small = export("free", "onnx-int8", tmp_path / "int8.onnx")
    assert small.stat().st_size < 10e6
    assert small.stat().st_size < 0.5 * export("free", "onnx", tmp_path / "float.onnx").stat().st_size
    worst = differences("free", small)
    assert 1e-4 < worst["joints3d"] < 0.03  # m; it is another network, but not a worse one
    assert open_graph(small).about["precision"] == "int8"


def test_layers_that_write_the_pose_are_kept_so_that_it_is_not_shaken(tmp_path: Path) -> None:
    whole, kept, every = (tmp_path / f"{name}.onnx" for name in ("whole", "kept", "every"))
    net = load_net("free")
    write(net, "onnx", whole)
    quantise(whole, kept)
    quantise(whole, every, keep=())
    window = load("simulator", net, Asked(windows=1, window_s=1.0)).batches[0]["features"]
    joints = {}
    for path in (whole, kept, every):
        step = stepper(load_exported(path))
        ticks = [{name: value[0, n].numpy() for name, value in window.items()} for n in range(60)]
        joints[path] = np.stack([step(tick)["joints3d"] for tick in ticks])
    shaken = {path: np.diff(joints[path] - joints[whole], axis=0).std() for path in (kept, every)}
    assert shaken[kept] < 0.7 * shaken[every]
    assert every.stat().st_size < kept.stat().st_size < 0.5 * whole.stat().st_size


def test_the_litert_step_gives_what_torch_gives(weights: str, tmp_path: Path) -> None:
    pytest.importorskip("litert_torch", reason="the extra litert is not installed")
    assert max(differences(weights, export(weights, "litert", tmp_path / "step.tflite")).values()) < 1e-4


@pytest.mark.parametrize("kind", ["depth", "colour"])
def test_a_heatmapnet_is_exported_with_its_joints(kind: Literal["depth", "colour"], tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = HeatmapNet(
        HeatmapConfig(("a", "b"), kind, width=64, height=64, channels=8, blocks=1, stages=2)
    ).eval()
    save_heatmapnet(net, tmp_path / "h.safetensors")
    path = export(str(tmp_path / "h.safetensors"), "onnx", tmp_path / "h.onnx")
    graph = open_graph(path)
    crops = torch.rand(graph.inputs["crops"].shape)
    with torch.no_grad():
        expected = net(crops).sigmoid().numpy()
    np.testing.assert_allclose(graph.run({"crops": crops.numpy()})["heatmaps"], expected, atol=1e-5)
    with pytest.raises(WeightsError, match="not of a step"):
        load_exported(path)
    with pytest.raises(ConfigError, match="not made int8"):
        main([str(tmp_path / "h.safetensors"), "--to=onnx-int8", f"--output={tmp_path / 'i.onnx'}"], "")


def test_the_table_sets_runtimes_beside_one_another(
    weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = export(weights, "onnx", tmp_path / "float.onnx")
    words = ["--table=simulator", "--windows=1", "--window_s=0.5", f"--beside={first}"]
    export(weights, "onnx-int8", tmp_path / "int8.onnx", *words)
    said = capsys.readouterr().out
    for word in ("simulator", "torch", "int8.onnx", "float.onnx", "MPJPE", "CPU ms"):
        assert word in said


def test_what_makes_no_sense_is_refused_and_leaves_nothing(weights: str, tmp_path: Path) -> None:
    (tmp_path / "there.onnx").write_bytes(b"mine")
    for words, said in (
        (["--to=onnx", "--output=a.tflite"], "ends in .onnx"),
        (["--to=litert", "--output=a.onnx"], "ends in .tflite"),
        (["--to=onnx", f"--output={tmp_path / 'there.onnx'}"], "exists already"),
        (["--to=onnx", f"--output={tmp_path / 'no' / 'a.onnx'}"], "no folder"),
        (["--to=onnx", "--output=a.onnx", "--cameras=0"], "--cameras"),
        (["--to=onnx", "--output=a.onnx", "--windows=0"], "--windows"),
        (["--to=coreml", "--output=a.onnx"], "coreml"),
        (["--to=onnx-int8", "--output=a.onnx", "--calibrate=data"], "--calibrate"),
    ):
        with pytest.raises(ConfigError, match=said):
            main([weights, *words], "export-model")
    with pytest.raises(WeightsError):
        main([str(tmp_path / "there.onnx"), "--to=onnx", f"--output={tmp_path / 'b.onnx'}"], "")
    for words, kind in (
        (["--table=nowhere"], DataError),
        (["--table=simulator", f"--beside={tmp_path / 'there.onnx'}"], WeightsError),
    ):
        with pytest.raises(kind):
            main([weights, "--to=onnx", f"--output={tmp_path / 'b.onnx'}", *words], "")
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("there.onnx", b"mine")]
