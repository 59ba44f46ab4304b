"""Weights for inference: one safetensors file with the configuration in its metadata; no pickle.

A checkpoint of Lightning (``.ckpt``) is read too, with ``weights_only=True``.
"""

from __future__ import annotations

import dataclasses
import json
import zipfile
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor

from drivers.errors import WeightsError
from fusion.model.attention import LATER
from fusion.model.net import FusionNet, NetConfig

DEFAULT = Path(__file__).parent / "weights" / "simulated_tiny.safetensors"
"""The weights that come with the package: trained on the simulator alone, see the card beside it."""

FORMAT = "chorus-fusion-net"
_VERSION = 2
_READS = ("1", "2")
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
    path = Path(path)
    tensors = {name: value.detach().cpu() for name, value in net.state_dict().items()}
    if half:
        tensors = {
            name: value.half() if value.is_floating_point() else value for name, value in tensors.items()
        }
    metadata = {
        "format": FORMAT,
        "version": str(_VERSION),
        "net": json.dumps(dataclasses.asdict(net.config)),
        **(notes or {}),
    }
    content = save({name: value.contiguous() for name, value in tensors.items()}, metadata=metadata)
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise WeightsError(f"{path} exists already", mend="Name another file, or remove it first") from None


def load_net(path: str | Path | None = None) -> FusionNet:
    """Return the network of a ``.safetensors`` or ``.ckpt`` file, in eval mode on the CPU, float32.

    Args:
        path: the file; by default the weights that come with the package.

    Raises:
        WeightsError: no such file, or not weights of a FusionNet.
    """
    path = DEFAULT if path is None else Path(path)
    if not path.is_file():
        raise WeightsError(
            f"there are no weights at {path}", mend="Name a .safetensors or .ckpt file with --weights"
        )
    config, tensors = _read_lightning(path) if path.suffix == ".ckpt" else _read_safetensors(path)
    try:
        net = FusionNet(config)
        net.load_state_dict(_completed(net, {name: value.float() for name, value in tensors.items()}))
    except (RuntimeError, ValueError) as error:
        raise WeightsError(
            f"the weights in {path} do not fit their own configuration ({str(error).splitlines()[0]})",
            mend="Use weights written by this version, or train again",
        ) from None
    return net.eval()


def _completed(net: FusionNet, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return ``tensors`` with what weights from before there were several cameras lack: as never learned."""
    own = net.state_dict()
    names = (f"sensors.{name}" for name in LATER)
    return {name: own[name] for name in names if name in own} | tensors


def _read_safetensors(path: Path) -> tuple[NetConfig, dict[str, Tensor]]:
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
        if metadata.get("format") != FORMAT:
            raise _foreign(path, "it says it is something else")
        if metadata.get("version") not in _READS:
            raise WeightsError(
                f"{path} is of version {metadata.get('version')}, this program reads up to {_VERSION}",
                mend="Install the version of Chorus that wrote it, or newer",
            )
        config = config_from_dict(json.loads(metadata["net"]))
        return config, load_file(str(path))
    except (safetensors.SafetensorError, KeyError, ValueError, OSError) as error:
        raise _foreign(path, str(error)) from None


def _read_lightning(path: Path) -> tuple[NetConfig, dict[str, Tensor]]:
    import pickle

    if not zipfile.is_zipfile(path):
        raise _foreign(path, "it is damaged or something else")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        config = config_from_dict(content["hyper_parameters"]["net"])
        state = content["state_dict"]
    except (
        pickle.UnpicklingError,
        RuntimeError,
        KeyError,
        TypeError,
        ValueError,
        EOFError,
        OSError,
    ) as error:
        raise _foreign(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    prefix = "net."
    return config, {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}


def _foreign(path: Path, why: str) -> WeightsError:
    return WeightsError(
        f"{path} holds no weights of a FusionNet ({why})",
        mend="Name a .safetensors or .ckpt file written by train.py",
    )
