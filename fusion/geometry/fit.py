"""A calibration for the pictures that are there, which may be a little other than those it was made with.

Video programs make 1080 columns of 1088, in one of three ways: they cut some off, squeeze them, or shrink the
picture evenly and lay black bars around it. Sizes don't tell which; black bars do.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from drivers.camera.model import ROUNDING_PX, CameraModel
from drivers.errors import ConfigError

Fit = Literal["auto", "bars", "crop", "squeeze"]

DARK = 24
"""A row or column whose mean is less is black: video black is 16 of 255."""
BAR_PX = 3.0
"""Bars may be off by so much of what the sizes ask for."""


def fitted(model: CameraModel, picture: NDArray[np.uint8], how: Fit = "auto") -> CameraModel:
    """Return the model for pictures like the one given.

    Args:
        model: for pictures of another size.
        picture: (H, W, 3) BGR, one of them.
        how: ``bars``: shrunk evenly, black bars around; ``crop``: cut off evenly at both sides; ``squeeze``:
            each side scaled by itself; ``auto``: by the sizes, and by black bars.

    Raises:
        ConfigError: the picture is of another shape, and has no bars that explain it.
    """
    size = (picture.shape[1], picture.shape[0])
    x, y = size[0] / model.size[0], size[1] / model.size[1]
    if how == "auto" and abs(x - y) * min(model.size) <= ROUNDING_PX:
        return model.scaled(size)
    if how == "squeeze":
        return model.placed((x, y), (0.0, 0.0), size)
    scale = max(x, y) if how == "crop" else min(x, y)
    corner = tuple((side - scale * was) / 2 for side, was in zip(size, model.size, strict=True))
    if how == "auto":
        found = _bars(picture)
        if not all(abs(bar - max(there, 0.0)) <= BAR_PX for bar, there in zip(found, corner, strict=True)):
            raise ConfigError(
                f"the calibration{f' of {model.name}' if model.name else ''} is for pictures of "
                f"{model.size[0]}x{model.size[1]} px, not {size[0]}x{size[1]}, and no black bars tell more",
                mend="Say it with --fit=crop, --fit=squeeze or --fit=bars",
            )
    return model.placed((scale, scale), (corner[0], corner[1]), size)


def _bars(picture: NDArray[np.uint8]) -> tuple[float, float]:
    """Return how wide the black bars are, px: the mean of left and right, and of top and bottom."""
    wide = []
    for axis in (0, 1):
        bright = picture.mean(axis=(axis, 2)) >= DARK
        inside = np.flatnonzero(bright)
        wide.append((inside[0] + len(bright) - 1 - inside[-1]) / 2 if len(inside) else 0.0)
    return wide[0], wide[1]
