"""Dark pictures made brighter before a network looks at them.

Networks learned from pictures taken by day. A picture taken at night is not only dark: the sensor's noise
is as strong as what is seen. Known remedies, for any front end: ``front_end("blazepose:light=gamma")``.

* ``gain``: every value times the factor that brings the brightest hundredth to white.
* ``gamma``: the exponent that brings the mean lightness to the middle, 0.4 at most three stops away.
* ``clahe``: contrast-limited adaptive histogram equalisation (Zuiderveld 1994), after ``gain``.
* ``denoise``: means over like patches (Buades et al. 2005), after ``gain``. Slow: for single pictures.

Each leaves pictures alone whose mean lightness is above :data:`DARK`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.vision.base import FrontEnd, Person

DARK = 0.22
"""Mean lightness (0 black, 1 white) below which a picture counts as dark."""
MIDDLE = 0.4
"""Mean lightness that ``gamma`` aims at."""
MAX_GAIN = 32.0
"""More only shows the sensor's noise."""
DENOISED_PX = 640
"""``denoise`` looks at pictures no longer than this: networks look at smaller ones, and it is slow."""
LIKENESS = 20.0
"""How strongly ``denoise`` smooths, grey values; chosen on darkened pictures of COCO."""


def lightness(image: NDArray[np.uint8]) -> float:
    """Return the mean lightness of a (H, W, 3) uint8 picture, in [0, 1]; every 8th px is looked at."""
    return float(image[::8, ::8].mean()) / 255.0


def gain(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture times what brings its brightest hundredth to white."""
    white = float(np.percentile(image[::4, ::4].max(axis=2), 99))
    factor = min(255.0 / max(white, 1.0), MAX_GAIN)
    return cv2.convertScaleAbs(image, alpha=max(factor, 1.0))  # pyright: ignore[reportReturnType]


def gamma(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture to the power that brings its mean lightness to :data:`MIDDLE`."""
    mean = min(max(lightness(image), 1e-3), 0.99)
    exponent = min(max(math.log(MIDDLE) / math.log(mean), 1 / 8), 1.0)
    table = np.rint(255 * (np.arange(256) / 255) ** exponent).astype(np.uint8)
    return cv2.LUT(image, table)  # pyright: ignore[reportReturnType]


def clahe(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture with the contrast of its lightness equalised in 8 x 8 parts."""
    lab = cv2.cvtColor(gain(image), cv2.COLOR_BGR2LAB)
    lab[..., 0] = cv2.createCLAHE(clipLimit=4.0, tileGridSize=(8, 8)).apply(lab[..., 0])
    return cv2.cvtColor(lab, cv2.COLOR_LAB2BGR)  # pyright: ignore[reportReturnType]


def denoise(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture as :func:`gain` makes it, its noise averaged over like patches."""
    bright = gain(image)
    height, width = image.shape[:2]
    scale = min(1.0, DENOISED_PX / max(height, width))
    small = cv2.resize(bright, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    clean = cv2.fastNlMeansDenoisingColored(small, None, LIKENESS, LIKENESS, 7, 21)
    return cv2.resize(clean, (width, height))  # pyright: ignore[reportReturnType]


REMEDIES: dict[str, Callable[[NDArray[np.uint8]], NDArray[np.uint8]]] = {
    "clahe": clahe,
    "denoise": denoise,
    "gain": gain,
    "gamma": gamma,
}
"""How dark pictures can be made brighter, by name."""


class Brightened(FrontEnd):
    """A front end that sees dark pictures brighter; others as they are.

    Args:
        eyes: the front end; it is closed with this one.
        light: one of :data:`REMEDIES`.

    Raises:
        ConfigError: there is no such remedy.
    """

    def __init__(self, eyes: FrontEnd, light: str) -> None:
        if light not in REMEDIES:
            eyes.close()
            raise ConfigError(f"light={light} is unknown", mend=f"Choose one of: {', '.join(REMEDIES)}")
        self._eyes, self._remedy = eyes, REMEDIES[light]
        self.name, self.skeleton = eyes.name, eyes.skeleton
        self.still_looks, self.takes_depth = eyes.still_looks, eyes.takes_depth

    def __call__(self, image: NDArray[Any], time_ns: int) -> list[Person]:
        return self._eyes(self._brightened(image), time_ns)

    def still(self, image: NDArray[Any]) -> list[Person]:
        return self._eyes.still(self._brightened(image))

    def _brightened(self, image: NDArray[Any]) -> NDArray[Any]:
        colour = image.ndim == 3 and image.dtype == np.uint8
        return self._remedy(image) if colour and lightness(image) < DARK else image

    def reset(self) -> None:
        self._eyes.reset()

    def close(self) -> None:
        self._eyes.close()
