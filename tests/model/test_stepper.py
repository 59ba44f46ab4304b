"""Each runtime steps to the same numbers, and forgets when told to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from drivers.errors import MissingDependency
from fusion.model import stepper as module
from fusion.model.contract import shapes
from fusion.model.net import FusionNet, NetConfig
from fusion.model.stepper import Runtime, has_onnx, stepper


def ticks(count: int, cameras: int) -> list[dict[str, np.ndarray]]:
    draw = np.random.default_rng(3)
    made = []
    for number in range(count):
        tick = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes(cameras).items()}
        tick["time"] = np.array(10**15 + number * 16_666_667)
        for name in [name for name in tick if name.endswith("present")]:
            tick[name] = (tick[name] > 0).astype(np.float32)
        for name in [name for name in tick if name.endswith("age")]:
            tick[name] = np.abs(tick[name])
        made.append(tick)
    return made


@pytest.mark.parametrize(("form", "cameras"), [(1, 1), (2, 1), (2, 2)])
@pytest.mark.parametrize("runtime", ["onnx", "traced"])
def test_all_runtimes_give_the_same_numbers(runtime: Runtime, form: int, cameras: int) -> None:
    if runtime == "onnx" and not has_onnx():
        pytest.skip("needs the extra onnx")
    torch.manual_seed(0)
    net = FusionNet(NetConfig(width=32, layers=2, heads=2, window=8, form=form))
    plain, fast = stepper(net, cameras, "torch"), stepper(net, cameras, runtime)
    made = ticks(30, cameras)
    first: dict[str, np.ndarray] = {}
    for tick in made:
        expected, got = plain(tick), fast(tick)
        assert got.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_allclose(got[name], value, atol=1e-4, rtol=0)
        first = first or got
    again = fast(made[0])
    assert any(np.abs(again[name] - first[name]).max() > 1e-4 for name in first)  # it remembers
    fast.reset()
    for name, value in fast(made[0]).items():
        np.testing.assert_allclose(value, first[name], atol=1e-6, rtol=0)


def test_the_fastest_that_is_installed_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    net = FusionNet(NetConfig(width=16, layers=1, heads=2, window=4))
    monkeypatch.setattr(module, "has_onnx", lambda: False)
    assert stepper(net).runtime == "traced"
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingDependency, match="ONNX Runtime is not installed"):
        stepper(net, runtime="onnx")
