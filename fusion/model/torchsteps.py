"""Steppers of networks that are torch's own, see :mod:`fusion.model.stepper`."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fusion.engines import onnx_runtime
from fusion.model.graphs import OnnxGraph
from fusion.model.net import FusionNet
from fusion.model.onnx import Step, export_step, first_tick, flat
from fusion.model.stepper import GraphStepper, Stepper, Values


class TorchStepper(Stepper):
    """Torch as it is: nothing to prepare.

    Args:
        net: the network; it is put into evaluation.
        cameras: that it looks through.
    """

    runtime = "torch"

    def __init__(self, net: FusionNet, cameras: int = 1) -> None:
        self.net = net.eval()
        self._features = first_tick(1, cameras)
        self.reset()
        net.step(self._features, self._state)  # torch prepares itself at the first step; the state stays

    def reset(self) -> None:
        self._state = self.net.init_state(1)

    def __call__(self, features: Values) -> dict[str, NDArray[Any]]:
        inputs = {name: torch.from_numpy(np.array(features[name]))[None] for name in self._features}
        outputs, self._state = self.net.step(inputs, self._state)
        return {name: value[0].numpy() for name, value in outputs.items()}


class TracedStepper(Stepper):
    """A step recorded by torch and run without Python; arguments as of :class:`TorchStepper`."""

    runtime = "traced"

    def __init__(self, net: FusionNet, cameras: int = 1) -> None:
        net = net.eval()
        features = first_tick(1, cameras)
        self._features = tuple(features)
        self._first = flat(net.init_state(1))
        step = Step(net, list(features)).eval()
        example = (*features.values(), *self._first)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that the recording takes for constant: they are
            self._names = list(net.step(features, net.init_state(1))[0])
            self._run = torch.jit.freeze(torch.jit.trace(step, example, check_trace=False))  # type: ignore[arg-type]
            for _ in range(3):  # it makes itself faster while it runs first
                self._run(*example)
        self.reset()

    def reset(self) -> None:
        self._state = self._first

    @torch.inference_mode()
    def __call__(self, features: Values) -> dict[str, NDArray[Any]]:
        inputs = [torch.from_numpy(np.array(features[name]))[None] for name in self._features]
        values = self._run(*inputs, *self._state)
        self._state = list(values[len(self._names) :])
        return {name: v[0].numpy() for name, v in zip(self._names, values, strict=False)}


def onnx_stepper(net: FusionNet, cameras: int = 1) -> GraphStepper:
    """Return a stepper on ONNX Runtime; arguments as of :class:`TorchStepper`.

    Raises:
        MissingDependency: the extra ``onnx`` is not installed.
    """
    onnx_runtime("onnx")  # before a second is spent on exporting
    with tempfile.TemporaryDirectory(prefix="chorus-step-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        path = Path(folder) / "step.onnx"
        export_step(net, path, cameras)
        return GraphStepper(OnnxGraph(path))
