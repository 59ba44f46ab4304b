"""Weights of a HeatmapNet, see :mod:`fusion.model.container`."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from drivers.errors import WeightsError
from fusion.heatmapnet.net import HeatmapConfig, HeatmapNet
from fusion.model import container

KIND = container.Kind("HeatmapNet", "chorus-heatmap-net", ("1",))


def save_heatmapnet(
    net: HeatmapNet, path: str | Path, *, half: bool = False, notes: dict[str, str] | None = None
) -> None:
    """Write a network to a new file ending in ``.safetensors``, as :func:`container.write` does.

    Raises:
        WeightsError: the file exists already.
    """
    config = {**dataclasses.asdict(net.config), "joints": list(net.config.joints)}
    container.write(KIND, net, config, path, half=half, notes=notes)


def load_heatmapnet(path: str | Path) -> HeatmapNet:
    """Return the network of a ``.safetensors`` or ``.ckpt`` file, in eval mode on the CPU, float32.

    Raises:
        WeightsError: no such file, or not weights of a HeatmapNet.
    """
    config, tensors = container.read(KIND, Path(path))
    net = HeatmapNet(config_from_dict(config))
    container.fill(net, tensors, Path(path))
    return net


def config_from_dict(values: dict[str, Any]) -> HeatmapConfig:
    """Build a :class:`HeatmapConfig` from plain values.

    Raises:
        WeightsError: an unknown or missing value, or a wrong one.
    """
    try:
        config = HeatmapConfig(**{**values, "joints": tuple(str(name) for name in values["joints"])})
        if max(config.height, config.width, config.channels, config.blocks, config.stages) > 4096:
            raise ValueError("sizes beyond 4096")
    except (TypeError, KeyError, ValueError) as error:
        raise WeightsError(
            f"the weights' configuration is not one of a HeatmapNet ({error})",
            mend="Use weights written by this version, or train again",
        ) from None
    return config
