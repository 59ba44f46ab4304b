"""Files of weights: one safetensors file with the configuration in its metadata; no pickle.

A checkpoint of Lightning (``.ckpt``) is read too, with ``weights_only=True``.
"""

from __future__ import annotations

import dataclasses
import json
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from drivers.errors import WeightsError


@dataclasses.dataclass(frozen=True)
class Kind:
    """What a file holds the weights of.

    Attributes:
        name: of the network, for errors.
        format: written into the file.
        versions: that this program reads, the newest last.
        packaged: a name of weights that come with the package; empty: there are none.
    """

    name: str
    format: str
    versions: tuple[str, ...]
    packaged: str = ""

    def foreign(self, path: Path, why: str) -> WeightsError:
        """Return the error that a file is none of these."""
        return WeightsError(
            f"{path} holds no weights of a {self.name} ({why})",
            mend="Name a .safetensors or .ckpt file written by train.py",
        )


def write(
    kind: Kind,
    net: nn.Module,
    config: Mapping[str, Any],
    path: str | Path,
    *,
    half: bool = False,
    notes: Mapping[str, str] | None = None,
) -> None:
    """Write a network's weights.

    Args:
        kind: of network.
        net: the network.
        config: its configuration as plain values.
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
    about = {"format": kind.format, "version": kind.versions[-1], "net": json.dumps(dict(config))}
    content = save(
        {name: value.contiguous() for name, value in tensors.items()}, metadata={**about, **(notes or {})}
    )
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise WeightsError(f"{path} exists already", mend="Name another file, or remove it first") from None


def read(kind: Kind, path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the configuration and the weights, as stored, of a ``.safetensors`` or ``.ckpt`` file.

    Raises:
        WeightsError: no such file, or not weights of that kind.
    """
    if not path.is_file():
        other = f", or {kind.packaged}" if kind.packaged else ""
        raise WeightsError(
            f"there are no weights at {path}", mend=f"Name a .safetensors or .ckpt file{other}"
        )
    config, tensors = _lightning(kind, path) if path.suffix == ".ckpt" else _safetensors(kind, path)
    if not isinstance(config, dict):
        raise kind.foreign(path, "it has no configuration")
    return config, tensors


def fill(net: nn.Module, tensors: Mapping[str, Tensor], path: Path) -> None:
    """Give a network weights of a file, as float32, and put it into evaluation.

    Raises:
        WeightsError: they don't fit it.
    """
    try:
        net.load_state_dict({n: v.float() if v.is_floating_point() else v for n, v in tensors.items()})
    except (RuntimeError, ValueError) as error:
        raise WeightsError(
            f"the weights in {path} do not fit their own configuration ({str(error).splitlines()[0]})",
            mend="Use weights written by this version, or train again",
        ) from None
    net.eval()


def _safetensors(kind: Kind, path: Path) -> tuple[Any, dict[str, Tensor]]:
    try:
        with safetensors.safe_open(str(path), framework="pt") as file:
            metadata = file.metadata() or {}
        if metadata.get("format") != kind.format:
            raise kind.foreign(path, "it says it is something else")
        if metadata.get("version") not in kind.versions:
            raise WeightsError(
                f"{path} is of version {metadata.get('version')}, "
                f"this program reads up to {kind.versions[-1]}",
                mend="Install the version of Chorus that wrote it, or newer",
            )
        return json.loads(metadata["net"]), load_file(str(path))
    except (safetensors.SafetensorError, KeyError, ValueError, OSError) as error:
        raise kind.foreign(path, str(error)) from None


def _lightning(kind: Kind, path: Path) -> tuple[Any, dict[str, Tensor]]:
    if not zipfile.is_zipfile(path):
        raise kind.foreign(path, "it is damaged or something else")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        config, state = content["hyper_parameters"]["net"], content["state_dict"]
    except (
        pickle.UnpicklingError, RuntimeError, KeyError, TypeError, ValueError, EOFError, OSError
    ) as error:  # fmt: skip
        raise kind.foreign(path, str(error).splitlines()[0] if str(error) else type(error).__name__) from None
    prefix = "net."
    return config, {name[len(prefix) :]: value for name, value in state.items() if name.startswith(prefix)}
