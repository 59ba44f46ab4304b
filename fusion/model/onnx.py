"""One step of the network as an ONNX graph, for runtimes without torch.

Inputs are the features of one tick and the state before it, outputs those of the network and the state after
it; names are ``features.NAME``, ``state.N`` and ``NAME``, ``after.N``, N as in :func:`flat`. Needs the extra
``onnx``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from drivers.errors import ConfigError
from fusion.model.contract import shapes
from fusion.model.net import FusionNet, NetState
from fusion.model.transformer import LayerState


def flat(state: NetState) -> list[Tensor]:
    """Return the tensors of a state, in a fixed order."""
    layers = [tensor for layer in state.layers for tensor in layer]
    return [*layers, *state.sums, *state[2:]]


def folded(tensors: list[Tensor], like: NetState) -> NetState:
    """Return the state whose tensors :func:`flat` would return."""
    count, width = len(like.layers), len(LayerState._fields)
    layers = tuple(LayerState(*tensors[width * i : width * (i + 1)]) for i in range(count))
    rest = tensors[width * count :]
    return NetState(layers, tuple(rest[: len(like.sums)]), *rest[len(like.sums) :])


def first_tick(batch: int = 1, cameras: int = 1) -> dict[str, Tensor]:
    """Return features of a tick in which nothing is present."""
    features = {name: torch.zeros(batch, *shape) for name, shape in shapes(cameras).items()}
    return features | {"time": torch.zeros(batch, dtype=torch.int64)}


class Step(nn.Module):
    """A step of one stream with all it takes and gives as a row of tensors."""

    def __init__(self, net: FusionNet, names: Sequence[str]) -> None:
        super().__init__()
        self.net, self.like, self.names = net, net.init_state(1), tuple(names)

    def forward(self, *values: Tensor) -> tuple[Tensor, ...]:
        features = dict(zip(self.names, values, strict=False))
        outputs, after = self.net.step(features, folded(list(values[len(self.names) :]), self.like))
        return (*outputs.values(), *flat(after))


def export_step(net: FusionNet, path: str | Path, cameras: int = 1) -> None:
    """Write one step of ``net``, for one stream, to a new file ``path``.

    Args:
        net: the network.
        path: of the graph.
        cameras: that it looks through; with more than one it takes :data:`fusion.model.contract.OTHERS` too.

    Raises:
        ConfigError: the extra is not installed, or the file exists.
    """
    path = Path(path)
    if path.exists():
        raise ConfigError(f"{path} exists already", mend="Name another file, or remove it first")
    net = net.eval()
    state, features = flat(net.init_state(1)), first_tick(1, cameras)
    outputs, after = net.step(features, net.init_state(1))
    numbers = range(len(flat(after)))
    try:
        torch.onnx.export(
            Step(net, list(features)).eval(),
            (*features.values(), *state),
            str(path),
            input_names=[*(f"features.{name}" for name in features), *(f"state.{n}" for n in numbers)],
            output_names=[*outputs, *(f"after.{n}" for n in numbers)],
            dynamo=False,
            opset_version=17,
        )
    except ImportError as error:
        raise ConfigError(
            f"ONNX is not installed ({error.name})", mend="pip install 'chorus-fusion[onnx]'"
        ) from None
