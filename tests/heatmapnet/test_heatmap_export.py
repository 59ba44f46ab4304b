"""HeatmapNets as graphs in 8 bits, calibrated on crops, and the table that sets runtimes side by side."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "datasets"))  # made_sets

from made_sets import make_coco

from drivers.errors import DataError, WeightsError
from fusion.commands.arguments import UsageError
from fusion.commands.export_model import main
from fusion.heatmapnet.checkpoint import save_heatmapnet
from fusion.heatmapnet.examples import crops_of
from fusion.heatmapnet.net import HeatmapConfig, HeatmapNet
from fusion.model.graphs import open_graph
from fusion.skeletons import BODY20, COCO17

pytest.importorskip("onnx", reason="the extra onnx is not installed")
pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")

DEPTH = HeatmapConfig(BODY20, "depth", width=64, height=64, channels=16, blocks=1)
COLOUR = HeatmapConfig(COCO17, "colour", width=64, height=96, channels=16, blocks=1)


def written(config: HeatmapConfig, folder: Path) -> tuple[HeatmapNet, str]:
    """Return a network whose evidence differs from cell to cell, and its file."""
    torch.manual_seed(0)
    net = HeatmapNet(config).eval()
    with torch.no_grad():
        net.head.weight.mul_(400.0)
        assert net.head.bias is not None
        net.head.bias.zero_()
    save_heatmapnet(net, folder / "h.safetensors")
    return net, str(folder / "h.safetensors")


@pytest.fixture(params=["depth", "colour"])
def known(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[HeatmapConfig, str]:
    """A network's sizes, and data that it is of."""
    if request.param == "depth":
        return DEPTH, str(request.getfixturevalue("made_depth"))
    return COLOUR, str(next(make_coco(tmp_path / "coco").rglob("person_keypoints_*.json")))


def test_int8_is_smaller_and_sees_nearly_the_same(
    known: tuple[HeatmapConfig, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config, data = known
    net, weights = written(config, tmp_path)
    small, whole = tmp_path / "int8.onnx", tmp_path / "float.onnx"
    assert main([weights, "--to=onnx", f"--output={whole}"], "") == 0
    words = [f"--calibrate={data}", f"--table={data}", f"--beside={whole}"]
    assert main([weights, "--to=onnx-int8", f"--output={small}", *words], "") == 0
    said = capsys.readouterr().out
    for word in ("crops", "torch", "int8.onnx", "float.onnx", "PCK@0.1", "CPU ms"):
        assert word in said
    assert small.stat().st_size < 0.5 * whole.stat().st_size
    graph = open_graph(small)
    assert graph.about["precision"] == "int8"
    assert graph.about["joints"] == open_graph(whole).about["joints"]
    crops = crops_of(data, config, "test", 8)["crop"]
    with torch.no_grad():
        expected = net(crops).sigmoid().numpy()
    got = np.concatenate([graph.run({"crops": crop[None].numpy()})["heatmaps"] for crop in crops])
    assert expected.std() > 0.1
    assert 1e-4 < np.abs(got - expected).mean() < 0.02
    assert np.corrcoef(got.ravel(), expected.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("config", [DEPTH, COLOUR], ids=["depth", "colour"])
def test_the_litert_graph_sees_what_torch_sees(config: HeatmapConfig, tmp_path: Path) -> None:
    pytest.importorskip("litert_torch", reason="the extra litert is not installed")
    net, weights = written(config, tmp_path)
    assert main([weights, "--to=litert", f"--output={tmp_path / 'h.tflite'}"], "") == 0
    graph = open_graph(tmp_path / "h.tflite")
    crops = torch.rand(graph.inputs["crops"].shape)
    with torch.no_grad():
        expected = net(crops).sigmoid().numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(graph.run({"crops": crops.numpy()})["heatmaps"], expected, atol=1e-5)


def test_examples_are_the_same_each_time_and_no_more_than_there_are(
    known: tuple[HeatmapConfig, str],
) -> None:
    config, data = known
    one, other = (crops_of(data, config, "train", 5) for _ in range(2))
    assert 1 <= len(one["crop"]) <= 5
    torch.testing.assert_close(one["crop"], other["crop"], atol=0, rtol=0)
    assert tuple(one["crop"].shape[2:]) == (config.height, config.width)


def test_what_can_not_be_calibrated_leaves_nothing(tmp_path: Path) -> None:
    _, weights = written(DEPTH, tmp_path)
    words = [weights, f"--output={tmp_path / 'h.onnx'}", f"--calibrate={tmp_path}"]
    with pytest.raises(DataError):
        main([*words, "--to=onnx-int8"], "")
    assert main(["free", "--to=onnx", f"--output={tmp_path / 's.onnx'}"], "") == 0
    with pytest.raises(WeightsError, match="not of a HeatmapNet"):
        main([*words[:2], "--to=onnx", f"--table={tmp_path}", f"--beside={tmp_path / 's.onnx'}"], "")
    with pytest.raises(UsageError, match="--calibrate is of"):
        main([*words, "--to=onnx"], "")
    assert [path.name for path in tmp_path.glob("h*")] == ["h.safetensors"]
