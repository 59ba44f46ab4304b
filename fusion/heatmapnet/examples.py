"""Crops of a data set that a HeatmapNet knows: to calibrate an exported one on, and to measure it by.

A network of depth takes UTD-MHAD's maps, one of colour whatever is annotated as COCO or MPII are.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from drivers.errors import DataError
from fusion.data.pictures import PictureData
from fusion.data.utd_depth import UtdDepthData
from fusion.heatmapnet.net import HeatmapConfig


def crops_of(
    data: str, config: HeatmapConfig, part: Literal["train", "test"], count: int
) -> dict[str, Tensor]:
    """Return a batch of crops, evenly from all of the data, the same ones each time.

    Args:
        data: UTD-MHAD's folder or archive; or a file of annotations, or a folder that holds some.
        config: of the network: what crops show, how large they are, which joints are looked for.
        part: ``train``: what is learned from, varied as in training; ``test``: the others, as they are.
        count: of crops at most.

    Returns:
        ``crop`` (N, C, H, W), ``points`` (N, J, 2) in cells, ``known`` (N, J), ``height`` (N,) px ...

    Raises:
        DataError: the data is not there, malformed, or has nobody for this network.
    """
    height, width = config.height, config.width
    if config.input == "depth":
        source = UtdDepthData(data, height=height, width=width, workers=0)
    else:
        val = "" if part == "train" else data
        source = PictureData(data, val, config.joints, height, width, workers=0)
    source.setup("fit" if part == "train" else "test")
    loader: Any = source.train_dataloader() if part == "train" else source.test_dataloader()
    if not loader:
        raise DataError(f"{data} has nobody to measure by", mend="chorus data check FOLDER")
    crops = loader.dataset
    places = np.unique(np.linspace(0, len(crops) - 1, min(count, len(crops))).astype(int)).tolist()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return torch.utils.data.default_collate([crops[place] for place in places])
