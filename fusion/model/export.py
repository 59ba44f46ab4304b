"""Trained networks as graphs for other runtimes: what ``chorus export-model`` writes."""

from __future__ import annotations

import json
import tempfile
import warnings
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from drivers.errors import ConfigError, WeightsError
from fusion.heatmapnet.checkpoint import KIND as HEATMAP_KIND
from fusion.heatmapnet.checkpoint import load_heatmapnet
from fusion.heatmapnet.net import CHANNELS, HeatmapNet
from fusion.model.checkpoint import load_net
from fusion.model.net import FusionNet
from fusion.model.onnx import export_step, step_parts, write_onnx

Target = Literal["onnx", "onnx-int8", "litert"]
CALIBRATED_ON = 96
"""Crops."""
SUFFIX: dict[Target, str] = {"onnx": ".onnx", "onnx-int8": ".onnx", "litert": ".tflite"}


class Evidence(nn.Module):
    """A HeatmapNet that tells evidence in [0, 1] instead of logits."""

    def __init__(self, net: HeatmapNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """Return (B, J, H / 4, W / 4) of crops (B, C, H, W)."""
        return self.net(crops).sigmoid()


def load_any(weights: str) -> FusionNet | HeatmapNet:
    """Return the network of a file, of whichever kind it is.

    Raises:
        WeightsError: no such file, or neither kind's.
    """
    try:
        return load_net(weights)
    except WeightsError as error:
        try:
            return load_heatmapnet(weights)
        except WeightsError:
            raise error from None


def export(
    net: FusionNet | HeatmapNet, to: Target, path: Path, cameras: int = 1, calibrate: str = ""
) -> None:
    """Write ``net`` to a new file.

    Args:
        net: the network.
        to: what kind of graph.
        path: of the graph.
        cameras: that a FusionNet looks through at most.
        calibrate: data by which a HeatmapNet is made int8, as of :func:`fusion.heatmapnet.examples.crops_of`.

    Raises:
        ConfigError: the file exists, or has another kind's ending; or there is nothing to calibrate on.
        DataError: what there is can't be read.
        MissingDependency: an extra is not installed.
    """
    check_output(path, to)
    if to == "onnx-int8" and isinstance(net, HeatmapNet) and not calibrate:
        raise ConfigError(
            "a HeatmapNet is not made int8 without pictures to calibrate its convolutions on",
            mend="Give --calibrate DATA, such as what it was trained on; or use --to onnx or --to litert",
        )
    with tempfile.TemporaryDirectory(prefix=".chorus-export-", dir=path.parent) as folder:
        made = Path(folder) / path.name
        if isinstance(net, FusionNet):
            _fusion(net, to, made, cameras)
        else:
            _heatmaps(net, to, made, calibrate)
        made.rename(path)  # a file that is there is whole


def check_output(path: Path, to: Target) -> None:
    """Refuse a path that no graph can be written to.

    Raises:
        ConfigError: the file exists, or has another kind's ending, or there is no such folder.
    """
    if path.suffix != SUFFIX[to]:
        raise ConfigError(f"--output is {path}", mend=f"Name a file that ends in {SUFFIX[to]}")
    if path.exists():
        raise ConfigError(f"{path} exists already", mend="Name another file, or remove it first")
    if not path.parent.is_dir():
        raise ConfigError(f"there is no folder {path.parent}", mend="Make it first")


def _fusion(net: FusionNet, to: Target, path: Path, cameras: int) -> None:
    if to == "litert":
        from fusion.model.litert import write_litert

        write_litert(*step_parts(net, cameras), path)
        return
    whole = path.with_name("whole.onnx") if to == "onnx-int8" else path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about itself
        export_step(net, whole, cameras)
    if to == "onnx-int8":
        from fusion.model.int8 import quantise

        quantise(whole, path)


def _heatmaps(net: HeatmapNet, to: Target, path: Path, calibrate: str) -> None:
    config = net.config
    told = {
        "format": HEATMAP_KIND.format,
        "version": HEATMAP_KIND.versions[-1],
        "joints": json.dumps(config.joints),
        "input": config.input,
    }
    crops = torch.zeros(1, CHANNELS[config.input], config.height, config.width)
    if to == "litert":
        from fusion.model.litert import write_litert

        write_litert(Evidence(net), (crops,), (["crops"], ["heatmaps"]), told, path)
        return
    whole = path.with_name("whole.onnx") if to == "onnx-int8" else path
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_onnx(Evidence(net).eval(), (crops,), (["crops"], ["heatmaps"]), told, whole)
    if to == "onnx-int8":
        from fusion.heatmapnet.examples import crops_of
        from fusion.model.int8 import quantise_calibrated

        given = crops_of(calibrate, config, "train", CALIBRATED_ON)["crop"]
        quantise_calibrated(whole, path, given[:, None].numpy())
