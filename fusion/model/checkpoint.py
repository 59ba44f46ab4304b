"""Weights of a FusionNet, see :mod:`fusion.model.container`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from torch import Tensor

from drivers.errors import WeightsError
from fusion.model import container
from fusion.model.attention import LATER
from fusion.model.net import FusionNet, NetConfig
from fusion.model.packaged import DEFAULT, PACKAGED

KIND = container.Kind("FusionNet", "chorus-fusion-net", ("1", "2"), packaged=DEFAULT)
"""Version 1 had networks of form 1 only, and no word of it."""


def config_from_dict(values: dict[str, Any]) -> NetConfig:
    """Build a :class:`NetConfig` from plain values.

    Raises:
        WeightsError: an unknown or missing value, or one of a wrong type.
    """
    try:
        config = NetConfig(**{**values, "actions": tuple(str(name) for name in values["actions"])})
        sizes = (config.width, config.layers, config.heads, config.window, config.taps, config.memory)
        if any(not isinstance(size, int) or not 0 < size <= 65536 for size in sizes) or not config.actions:
            raise ValueError("sizes must be positive integers")
    except (TypeError, KeyError, ValueError) as error:
        raise WeightsError(
            f"the weights' configuration is not one of a FusionNet ({error})",
            mend="Use weights written by this version, or train again",
        ) from None
    return config


def save_net(
    net: FusionNet, path: str | Path, *, half: bool = False, notes: dict[str, str] | None = None
) -> None:
    """Write ``net`` to ``path``.

    Args:
        net: the network.
        path: a new file ending in ``.safetensors``.
        half: store float16, half the size.
        notes: further text to keep in the file: what it was trained on ...

    Raises:
        WeightsError: the file exists already.
    """
    container.write(KIND, net, dataclasses.asdict(net.config), path, half=half, notes=notes)


def load_net(path: str | Path | None = None) -> FusionNet:
    """Return the network of a ``.safetensors`` or ``.ckpt`` file, in eval mode on the CPU, float32.

    Args:
        path: the file, or a name of those packaged; None or ``default``: free.

    Raises:
        WeightsError: no such file, or not weights of a FusionNet.
    """
    name = DEFAULT if path in (None, "default") else str(path)
    path = PACKAGED.get(name, Path(name))
    config, tensors = container.read(KIND, path)
    try:
        net = FusionNet(config_from_dict(config))
    except ValueError as error:
        raise KIND.foreign(path, str(error)) from None
    container.fill(net, _completed(net, tensors), path)
    return net


def _completed(net: FusionNet, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return ``tensors`` with what weights from before there were several cameras lack: as never learned."""
    own = net.state_dict()
    names = (f"sensors.{name}" for name in LATER)
    return {name: own[name] for name in names if name in own} | tensors
