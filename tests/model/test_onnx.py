"""The exported step gives what torch gives, tick by tick."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from drivers.errors import ConfigError
from fusion.model.contract import shapes
from fusion.model.net import FusionNet, NetConfig
from fusion.model.onnx import export_step, flat, folded


def test_a_state_survives_being_flattened() -> None:
    state = FusionNet(NetConfig(width=16, layers=2, heads=2, window=4, form=2)).init_state(1)
    again = folded(flat(state), state)
    assert all(torch.equal(a, b) for a, b in zip(flat(again), flat(state), strict=True))
    assert again.seen is state.seen


@pytest.mark.parametrize(("form", "cameras"), [(1, 1), (2, 1), (2, 3)])
def test_onnx_runtime_steps_to_the_same_numbers(form: int, cameras: int, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="the extra onnx is not installed")
    pytest.importorskip("onnx", reason="the extra onnx is not installed")
    torch.manual_seed(0)
    net = FusionNet(NetConfig(width=32, layers=2, heads=2, window=8, form=form)).eval()
    path = tmp_path / "step.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        export_step(net, path, cameras)
    with pytest.raises(ConfigError, match="exists already"):
        export_step(net, path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    wanted = {value.name for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    state = net.init_state(1)
    kept = {f"state.{n}": tensor.numpy() for n, tensor in enumerate(flat(state))}
    g = torch.Generator().manual_seed(1)
    for number in range(20):
        features = {name: torch.randn(1, *shape, generator=g) for name, shape in shapes(cameras).items()}
        features["time"] = torch.tensor([10**15 + number * 16_666_667])
        for name in ("vision", "inertial", "audio", "others")[: 3 + (cameras > 1)]:
            features[f"{name}_present"] = (features[f"{name}_present"] > 0.0).float()
            features[f"{name}_age"] = features[f"{name}_age"].abs()
        expected, state = net.step(features, state)
        given = {f"features.{name}": value.numpy() for name, value in features.items()} | kept
        got = dict(zip(names, session.run(None, {name: given[name] for name in wanted}), strict=True))
        kept = {name: got[name.replace("state", "after")] for name in kept}
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value.numpy(), atol=1e-4, rtol=0)
