"""A network stepped through the ticks of one stream, as fast as this machine can.

ONNX Runtime takes about half the time of traced torch, and that half the time of torch as it is
(``python -m benchmarks.fusion.step``); all give the same numbers. Nothing here needs torch: what does is
imported for networks that are torch's own (:mod:`fusion.model.torchsteps`), and an exported graph
(:mod:`fusion.model.exported`) is stepped without.
"""

from __future__ import annotations

import abc
import copy
import functools
import importlib.util
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.model.exported import ExportedNet
from fusion.model.graphs import Graph, initial_state

if TYPE_CHECKING:
    from fusion.model.net import FusionNet

Network: TypeAlias = "FusionNet | ExportedNet"
"""What live tracking steps: ``config.actions`` names its actions, :func:`stepper` steps it."""

Runtime = Literal["auto", "onnx", "traced", "torch"]

Values = Mapping[str, NDArray[Any]]


class Stepper(abc.ABC):
    """Steps one stream."""

    runtime: str

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


class GraphStepper(Stepper):
    """A graph of one step, see :mod:`fusion.model.onnx` for the names of what it takes and tells.

    A graph for several cameras is given fewer as well: those that are not there see nobody.

    Args:
        graph: the graph.
    """

    def __init__(self, graph: Graph) -> None:
        self.runtime = graph.runtime
        self._graph = graph
        self._first = initial_state(graph)
        self._features = {
            name.removeprefix("features."): value.shape
            for name, value in graph.inputs.items()
            if name.startswith("features.")
        }
        self.reset()

    def reset(self) -> None:
        self._state = self._first

    def __call__(self, features: Values) -> dict[str, NDArray[Any]]:
        given = {
            f"features.{name}": self._given(features, name, shape) for name, shape in self._features.items()
        }
        told = self._graph.run({**self._state, **given})
        self._state = {name: told.pop(name.replace("state", "after")) for name in self._first}
        return {name: value[0] for name, value in told.items() if not name.startswith("after.")}

    def _given(self, features: Values, name: str, shape: tuple[int, ...]) -> NDArray[Any]:
        if not name.startswith("others"):
            return np.asarray(features[name])[None]
        out = np.zeros(shape, np.float32)
        if name in features:
            out[0, : len(features[name])] = features[name]
        return out


@functools.cache
def has_onnx() -> bool:
    """Return whether the extra ``onnx`` is installed."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnx", "onnxruntime"))


def stepper(net: Network, cameras: int = 1, runtime: Runtime = "auto") -> Stepper:
    """Return what steps a network through one stream.

    Args:
        net: the network.
        cameras: that it looks through.
        runtime: ``auto``: ONNX Runtime where it is installed, else traced torch. A graph has its own.

    Raises:
        ConfigError: ONNX is asked for and not installed; or a graph is to be run by torch, or was not
            exported for so many cameras.
    """
    if isinstance(net, ExportedNet):
        if runtime not in ("auto", net.graph.runtime):
            raise ConfigError(
                f"{net.path.name} is an exported graph, which '{runtime}' does not run",
                mend="Leave --runtime away, or name a .safetensors file",
            )
        net.check_cameras(cameras)
        return GraphStepper(net.graph)
    from fusion.model.torchsteps import TorchStepper, TracedStepper, onnx_stepper

    chosen = ("onnx" if has_onnx() else "traced") if runtime == "auto" else runtime
    kinds = {"onnx": onnx_stepper, "traced": TracedStepper, "torch": TorchStepper}
    return kinds[chosen](net, cameras)
