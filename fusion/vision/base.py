"""What every vision front end is: a picture in, people with heatmaps and key points out.

::

    picture (H, W, 3) BGR -> FrontEnd -> [Person, ...]

Picture coordinates are OpenCV's: x to the right, y down, in pixels, (0, 0) at the *centre* of the
first pixel. Camera axes are x right, y down, z forward, in metres.
"""

from __future__ import annotations

import abc
import dataclasses
import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError


@dataclasses.dataclass(frozen=True, slots=True)
class Heatmaps:
    """A heatmap for each joint, over a region of the picture.

    Attributes:
        values: (J, h, w) float32, evidence in [0, 1] that the joint is at the cell.
        to_picture: (2, 3) float64, picture px = ``to_picture @ [column, row, 1]`` for the centre of
            the cell at (row, column).
    """

    values: NDArray[np.float32]
    to_picture: NDArray[np.float64]


@dataclasses.dataclass(frozen=True, slots=True)
class Person:
    """One person in one picture. J joints in the order of the front end's ``skeleton``.

    Attributes:
        keypoints: (J, 2) float32, px.
        score: (J,) float32 in [0, 1], how visible the joint is; 0 where it was not found.
        variance: (J, 3) float32, px²: var_x, cov_xy, var_y.
        box: (x, y, width, height), px; top left corner and size.
        heatmaps: the evidence the key points were read from, or None.
        world: (J, 3) float32 m, camera-aligned axes (x right, y down, z forward), relative to the
            middle of the hips; None where the front end gives no depth.
        peak: (J,) float32, height of each heatmap's peak; None: as ``score``.
    """

    keypoints: NDArray[np.float32]
    score: NDArray[np.float32]
    variance: NDArray[np.float32]
    box: tuple[float, float, float, float]
    heatmaps: Heatmaps | None = None
    world: NDArray[np.float32] | None = None
    peak: NDArray[np.float32] | None = None

    @property
    def peaks(self) -> NDArray[np.float32]:
        """(J,) heights of the heatmaps' peaks; the scores where the front end gives no peaks."""
        return self.score if self.peak is None else self.peak


class FrontEnd(abc.ABC):
    """Finds people in pictures. It may follow them from picture to picture: one per camera.

    Attributes:
        name: as in the registry; names the recorded features.
        skeleton: (J) joint names.
    """

    name: str
    skeleton: tuple[str, ...]

    @abc.abstractmethod
    def __call__(self, image: NDArray[Any], time_ns: int) -> list[Person]:
        """Return the people in a picture, the most certain first; empty where nobody is seen.

        Args:
            image: (H, W, 3) uint8, BGR; for front ends that take depth (H, W) uint16 mm, 0 where unknown.
            time_ns: session time of the picture, ns; not decreasing between calls.
        """

    def reset(self) -> None:
        """Forget what was followed: the next picture is the first of another film."""
        return

    def close(self) -> None:
        """Let networks and threads go."""
        return

    def __enter__(self) -> FrontEnd:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


FRONT_ENDS: dict[str, str] = {
    "blazepose": "fusion.vision.blazepose:BlazePose",
    "heatmapnet": "fusion.vision.heatmapnet:HeatmapNetEnd",
    "markers": "fusion.vision.markers:Markers",
}
"""Names to ``module:class``, imported late: a front end may need a large library or weights."""


SEVERAL: tuple[str, ...] = ("blazepose", "markers")
"""Front ends that look for several people."""


def front_end_of(name: str, people: int) -> FrontEnd:
    """Return a new front end that looks for so many people.

    Raises:
        ConfigError: the name is unknown, or it looks for one person only.
        WeightsError: its network could not be obtained.
    """
    if people == 1 or name not in FRONT_ENDS:
        return front_end(name)
    if name not in SEVERAL:
        raise ConfigError(
            f"the vision front end '{name}' looks for one person only",
            mend=f"Choose one of {', '.join(SEVERAL)} with --vision, or --people=1",
        )
    return front_end(name, max_people=people)


def front_end(name: str, **options: Any) -> FrontEnd:
    """Return a new front end by its name.

    Args:
        name: one of :data:`FRONT_ENDS`.
        options: of the front end's own constructor.

    Raises:
        ConfigError: the name or an option is unknown.
        WeightsError: its network could not be obtained.
    """
    from drivers.errors import ChorusError

    if name not in FRONT_ENDS:
        raise ConfigError(
            f"no vision front end is called '{name}'", mend=f"Choose one of: {', '.join(sorted(FRONT_ENDS))}"
        )
    module, _, cls = FRONT_ENDS[name].partition(":")
    factory = getattr(importlib.import_module(module), cls)
    try:
        return factory(**options)
    except ChorusError:
        raise
    except TypeError as error:
        raise ConfigError(
            f"vision front end '{name}' was given a wrong option: {error}",
            mend=f"See the constructor of {FRONT_ENDS[name].replace(':', '.')} for its options",
        ) from error
