"""One step of the network as an ONNX graph, for runtimes without torch.

Inputs are the features of one tick and the state before it, outputs those of the network and the state after
it; names are ``features.NAME``, ``state.N`` and ``NAME``, ``after.N``, N as in :func:`flat`. Needs the extra
``onnx``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from drivers.errors import ConfigError, MissingDependency
from fusion.model.contract import shapes
from fusion.model.exported import FORMAT, VERSION
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


class StepParts(NamedTuple):
    """What exporters need of one step of a stream.

    Attributes:
        step: the module.
        example: what it is given: features of a tick in which nothing is present, and the first state.
        names: of what it takes and of what it gives.
        about: what the graph says of itself.
    """

    step: Step
    example: tuple[Tensor, ...]
    names: tuple[list[str], list[str]]
    about: dict[str, str]


def step_parts(net: FusionNet, cameras: int = 1) -> StepParts:
    """Return the parts of one step of ``net``, which is put into evaluation, through so many cameras."""
    net = net.eval()
    features = first_tick(1, cameras)
    outputs, after = net.step(features, net.init_state(1))
    # Clones: the first keys and values are one tensor, and would become one input.
    state = [tensor.clone() for tensor in flat(net.init_state(1))]
    numbers = range(len(flat(after)))
    names = (
        [*(f"features.{name}" for name in features), *(f"state.{n}" for n in numbers)],
        [*outputs, *(f"after.{n}" for n in numbers)],
    )
    step = Step(net, list(features)).eval()
    return StepParts(step, (*features.values(), *state), names, about(net, cameras))


def export_step(net: FusionNet, path: str | Path, cameras: int = 1, *, folded: bool = True) -> None:
    """Write one step of ``net``, for one stream, to a new file ``path``.

    Args:
        net: the network.
        path: of the graph.
        cameras: that it looks through; with more than one it takes :data:`fusion.model.contract.OTHERS` too.
        folded: work out what is constant; else each weight stays as it is in the network.

    Raises:
        ConfigError: the file exists.
        MissingDependency: the extra is not installed.
    """
    path = Path(path)
    if path.exists():
        raise ConfigError(f"{path} exists already", mend="Name another file, or remove it first")
    write_onnx(*step_parts(net, cameras), path, folded=folded)


def write_onnx(
    net: nn.Module,
    example: tuple[Tensor, ...],
    names: tuple[Sequence[str], Sequence[str]],
    told: Mapping[str, str],
    path: Path,
    *,
    folded: bool = True,
) -> None:
    """Write a module as an ONNX graph.

    Args:
        net: takes and gives tensors, one after the other.
        example: what it is given.
        names: of what it takes and of what it gives.
        told: what the graph says of itself.
        path: of the graph.
        folded: as of :func:`export_step`.

    Raises:
        MissingDependency: the extra is not installed.
    """
    try:
        import onnx

        torch.onnx.export(
            net,
            example,
            str(path),
            input_names=list(names[0]),
            output_names=list(names[1]),
            dynamo=False,
            opset_version=17,
            do_constant_folding=folded,
        )
    except ImportError as error:
        raise MissingDependency(
            f"ONNX is not installed ({error.name})", mend="pip install 'chorus-fusion[onnx]'"
        ) from None
    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(told))
    onnx.save(model, str(path))


def about(net: FusionNet, cameras: int = 1) -> dict[str, str]:
    """Return what the graph of a step says of itself, read by :mod:`fusion.model.exported`."""
    others = net.config.form == 2 and net.sensors.knows_others
    return {
        "format": FORMAT,
        "version": VERSION,
        "actions": json.dumps(net.config.actions),
        "cameras": str(cameras),
        "others": "yes" if others else "no",
        "window": str(net.config.window),
    }
