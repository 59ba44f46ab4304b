"""What a top-down network takes and gives, described by a small YAML file.

::

    weights: my_hrnet.onnx       # beside this file, or an absolute path
    width: 192                   # of the crop of a person, px
    height: 256
    colour: rgb
    mean: [123.675, 116.28, 103.53]
    std: [58.395, 57.12, 57.375]
    output: heatmap              # or simcc
    alignment: udp
    skeleton: coco17             # a name of fusion.skeletons, or a list of joint names

Descriptions of well-known networks come with the package (:func:`known`): those need only the weights.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Literal

import yaml

from drivers.errors import ConfigError, WeightsError
from drivers.typed import build
from fusion.skeletons import SKELETONS
from fusion.weights import digest

FOLDER = Path(__file__).parent / "networks"
"""Of the descriptions that come with the package."""
MAX_SIDE = 2048
"""Px: a larger crop is a mistake."""
MAX_YAML = 1 << 16
"""Bytes of a description."""


@dataclasses.dataclass(frozen=True)
class NetworkDescription:
    """What a top-down network takes and gives.

    Attributes:
        width, height: of the crop that it takes, px.
        output: a map for each joint, or a distribution over x and one over y (SimCC; Li et al. 2022).
        skeleton: name of a joint set, or the joints' names in the network's order.
        weights: its file, relative to the description.
        layout: order of the input's axes.
        colour: order of its channels.
        mean, std: a channel's value is (px - mean) / std, px from 0 to 255, in the order of ``colour``.
        outputs: names of the outputs to read, x before y for SimCC; empty: as the graph has them.
        background: the last map is not a joint's.
        alignment: of cells with the crop: cell k of n lies at ``k / n`` of it (edge: most networks), at
            ``k / (n - 1)`` (udp: unbiased data processing, Huang et al. 2020) or ``(k + 1/2) / n`` (centre).
        decode: the highest cell; a quarter cell towards its higher neighbour (Newell et al. 2016); the top of
            a Gaussian through it (dark: Zhang et al. 2020); the weighted mean around it.
        blur: cells, odd: width of the filter before ``dark``.
        split: SimCC: bins a px.
        activation: what is still to be done to the output.
        gain: a sure joint's value is 1 after it is multiplied with this.
        padding: side of the crop over that of the person's box.
        confident: smallest mean of the joints' values, 0 to 1, at which there is a person.
        sha256: of the weights, hexadecimal; others are refused. Empty: any.
        about, source, licence: in words, for ``chorus weights list``.
    """

    width: int
    height: int
    output: Literal["heatmap", "simcc"]
    skeleton: str | list[str]
    weights: str = ""
    layout: Literal["nchw", "nhwc"] = "nchw"
    colour: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    outputs: list[str] = dataclasses.field(default_factory=list)
    background: bool = False
    alignment: Literal["edge", "udp", "centre"] = "edge"
    decode: Literal["argmax", "quarter", "dark", "mean"] = "dark"
    blur: int = 11
    split: float = 2.0
    activation: Literal["none", "sigmoid"] = "none"
    gain: float = 1.0
    padding: float = 1.25
    confident: float = 0.3
    sha256: str = ""
    about: str = ""
    source: str = ""
    licence: str = ""

    def __post_init__(self) -> None:
        if not (16 <= self.width <= MAX_SIDE and 16 <= self.height <= MAX_SIDE):
            raise ValueError(f"width {self.width} and height {self.height} are not from 16 to {MAX_SIDE} px")
        if isinstance(self.skeleton, str) and self.skeleton not in SKELETONS:
            raise ValueError(f"skeleton '{self.skeleton}' is none of {', '.join(SKELETONS)}")
        if not self.joints or len(set(self.joints)) != len(self.joints):
            raise ValueError("skeleton has no joints, or one of them twice")
        if not all(value > 0 for value in (*self.std, self.split, self.gain)):
            raise ValueError("std, split and gain must be more than 0")
        if not 1 <= self.padding <= 4 or not 0 < self.confident < 1:
            raise ValueError("padding is not from 1 to 4, or confident not between 0 and 1")
        if self.blur < 1 or self.blur % 2 == 0:
            raise ValueError("blur is not odd")

    @property
    def joints(self) -> tuple[str, ...]:
        """Names of the joints, in the network's order."""
        return SKELETONS[self.skeleton] if isinstance(self.skeleton, str) else tuple(self.skeleton)


def known() -> dict[str, Path]:
    """Return the descriptions that come with the package, by name."""
    return {path.stem: path for path in sorted(FOLDER.glob("*.yaml"))}


def read_description(path: str | Path) -> NetworkDescription:
    """Return what a YAML file, or the name of one of :func:`known`, says.

    Raises:
        ConfigError: it is missing, no YAML, or a key is unknown, missing or makes no sense.
    """
    place = known().get(str(path), Path(path))
    names = ", ".join(known())
    if not place.is_file():
        raise ConfigError(
            f"there is no description {path} of a network", mend=f"Write one, or choose one of: {names}"
        )
    try:
        with place.open("rb") as file:
            text = file.read(MAX_YAML + 1)
        if len(text) > MAX_YAML:
            raise ConfigError(f"{path} is too large to be a description", mend="Give a small YAML file")
        tree = yaml.safe_load(text.decode("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise ConfigError(
            f"{path} is not a YAML file: {reason}", mend=f"Write one like {FOLDER.name}/*.yaml"
        ) from None
    return build(NetworkDescription, tree, "", str(path))


def checked_weights(description: NetworkDescription, file: str | Path, beside: str | Path = "") -> Path:
    """Return the weights' path: ``file``, else what the description names.

    Args:
        description: of the network.
        file: as the user names it; empty: as the description does.
        beside: the description's own path.

    Raises:
        WeightsError: there is no such file, or its SHA-256 is another.
    """
    path = Path(file) if file else Path(beside).parent / description.weights
    if not file and not description.weights:
        raise WeightsError(
            f"{beside}: no weights are named",
            mend="Add `weights: FILE` to it, or `:weights=FILE` to the name",
        )
    if not path.is_file():
        where = f", which you can get from {description.source}" if description.source else ""
        raise WeightsError(f"there is no weights file {path}", mend=f"Name an existing one{where}")
    if description.sha256 and digest(path) != description.sha256.lower():
        raise WeightsError(
            f"{path} has SHA-256 {digest(path)[:16]}..., expected {description.sha256[:16]}...: refused",
            mend="Obtain it again, or describe your network with a YAML file of its own",
        )
    return path
