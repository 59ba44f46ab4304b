"""A network stepped through the ticks of one stream, as fast as this machine can.

ONNX Runtime takes about half the time of traced torch, and that half the time of torch as it is
(``python -m benchmarks.fusion.step``); all give the same numbers.
"""

from __future__ import annotations

import abc
import copy
import functools
import importlib.util
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.model.net import FusionNet
from fusion.model.onnx import Step, export_step, first_tick, flat

Runtime = Literal["auto", "onnx", "traced", "torch"]

Values = Mapping[str, NDArray[Any]]


class Stepper(abc.ABC):
    """Steps one stream.

    Args:
        net: the network; it is put into evaluation.
        cameras: that it looks through.
    """

    runtime: str

    def __init__(self, net: FusionNet, cameras: int = 1) -> None:
        self.net = net.eval()
        self.features = first_tick(1, cameras)
        self._first = flat(net.init_state(1))

    @abc.abstractmethod
    def __call__(self, features: Values) -> dict[str, NDArray[Any]]:
        """Return the network's outputs for the next tick.

        Args:
            features: as in :func:`fusion.model.contract.shapes`, without a batch axis.
        """

    @abc.abstractmethod
    def reset(self) -> None:
        """Forget what was: the next tick is the first."""

    def fork(self) -> Stepper:
        """Return one that steps another stream through the same network, from its first tick."""
        other = self.twin()
        other.reset()
        return other

    def twin(self) -> Stepper:
        """Return one that goes on from here by itself."""
        return copy.copy(self)  # a state is replaced at each step, never changed


class TorchStepper(Stepper):
    """Torch as it is: nothing to prepare."""

    runtime = "torch"

    def __init__(self, net: FusionNet, cameras: int = 1) -> None:
        super().__init__(net, cameras)
        self.reset()
        net.step(self.features, self._state)  # torch prepares itself at the first step; the state stays

    def reset(self) -> None:
        self._state = self.net.init_state(1)

    def __call__(self, features: Values) -> dict[str, NDArray[Any]]:
        inputs = {name: torch.from_numpy(np.array(features[name]))[None] for name in self.features}
        outputs, self._state = self.net.step(inputs, self._state)
        return {name: value[0].numpy() for name, value in outputs.items()}


class TracedStepper(Stepper):
    """A step recorded by torch and run without Python."""

    runtime = "traced"

    def __init__(self, net: FusionNet, cameras: int = 1) -> None:
        super().__init__(net, cameras)
        step = Step(net, list(self.features)).eval()
        example = (*self.features.values(), *self._first)
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of sizes that the recording takes for constant: they are
            self._names = list(net.step(self.features, net.init_state(1))[0])
            self._run = torch.jit.freeze(torch.jit.trace(step, example, check_trace=False))  # type: ignore[arg-type]
            for _ in range(3):  # it makes itself faster while it runs first
                self._run(*example)
        self.reset()

    def reset(self) -> None:
        self._state = self._first

    @torch.inference_mode()
    def __call__(self, features: Values) -> dict[str, NDArray[Any]]:
        inputs = [torch.from_numpy(np.array(features[name]))[None] for name in self.features]
        values = self._run(*inputs, *self._state)
        self._state = list(values[len(self._names) :])
        return {name: v[0].numpy() for name, v in zip(self._names, values, strict=False)}


class OnnxStepper(Stepper):
    """ONNX Runtime on one thread; needs the extra ``onnx``.

    Raises:
        ConfigError: the extra is not installed.
    """

    runtime = "onnx"

    def __init__(self, net: FusionNet, cameras: int = 1) -> None:
        super().__init__(net, cameras)
        try:
            import onnxruntime
        except ImportError:
            raise ConfigError(
                "ONNX Runtime is not installed", mend="pip install 'chorus-fusion[onnx]'"
            ) from None
        with tempfile.TemporaryDirectory(prefix="chorus-step-") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter about itself
            path = Path(folder) / "step.onnx"
            export_step(net, path, cameras)
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(
                path.read_bytes(), options, providers=["CPUExecutionProvider"]
            )
        self._wanted = [value.name for value in self._session.get_inputs()]
        self._told = [value.name for value in self._session.get_outputs()]
        self.reset()

    def reset(self) -> None:
        self._state = {f"state.{n}": value.numpy() for n, value in enumerate(self._first)}

    def __call__(self, features: Values) -> dict[str, NDArray[Any]]:
        given = self._state | {f"features.{name}": np.asarray(features[name])[None] for name in self.features}
        values = self._session.run(self._told, {name: given[name] for name in self._wanted})
        told: dict[str, Any] = dict(zip(self._told, values, strict=True))
        self._state = {name: told.pop(name.replace("state", "after")) for name in self._state}
        return {name: value[0] for name, value in told.items()}


@functools.cache
def has_onnx() -> bool:
    """Return whether the extra ``onnx`` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def stepper(net: FusionNet, cameras: int = 1, runtime: Runtime = "auto") -> Stepper:
    """Return what steps a network through one stream.

    Args:
        net: the network.
        cameras: that it looks through.
        runtime: ``auto``: ONNX Runtime where it is installed, else traced torch.

    Raises:
        ConfigError: ONNX is asked for and not installed.
    """
    chosen = ("onnx" if has_onnx() else "traced") if runtime == "auto" else runtime
    kinds = {"onnx": OnnxStepper, "traced": TracedStepper, "torch": TorchStepper}
    return kinds[chosen](net, cameras)
