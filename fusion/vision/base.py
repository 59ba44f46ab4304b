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
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError

STILL_STEP_NS = 33_000_000
"""Between two looks at a picture that stands alone."""
MAX_GAP_NS = 1_000_000_000
"""After a longer pause followed people are looked for again."""


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


def check_picture(image: NDArray[Any]) -> None:
    """Raise ValueError where something is no picture (H, W, 3) uint8."""
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"expected a (H, W, 3) uint8 picture, received {image.shape} {image.dtype}")


class Pauses:
    """Tells when those who were followed have to be looked for again: after :data:`MAX_GAP_NS` without a
    picture, and where times go back."""

    def __init__(self) -> None:
        self._last_ns: int | None = None

    def __call__(self, time_ns: int) -> bool:
        """Return whether there was a pause before a picture of this time, ns."""
        last, self._last_ns = self._last_ns, time_ns
        return last is not None and not 0 <= time_ns - last <= MAX_GAP_NS


class FrontEnd(abc.ABC):
    """Finds people in pictures. It may follow them from picture to picture: one per camera.

    Attributes:
        name: as in the registry; names the recorded features.
        skeleton: (J) joint names.
        still_looks: a picture that stands alone is looked at so often, until somebody is found.
        takes_depth: it looks at depth maps instead of pictures.
    """

    name: str
    skeleton: tuple[str, ...]
    still_looks: int = 1
    takes_depth: bool = False

    @abc.abstractmethod
    def __call__(self, image: NDArray[Any], time_ns: int) -> list[Person]:
        """Return the people in a picture, the most certain first; empty where nobody is seen.

        Args:
            image: (H, W, 3) uint8, BGR; for front ends that take depth (H, W) uint16 mm, 0 where unknown.
            time_ns: session time of the picture, ns; not decreasing between calls.
        """

    def still(self, image: NDArray[Any]) -> list[Person]:
        """Return the people in a picture that stands alone, which may take several looks.

        Args:
            image: as :meth:`__call__` takes it.
        """
        self.reset()
        for look in range(self.still_looks):
            people = self(image, look * STILL_STEP_NS)
            if people:
                return people
        return []

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
    "onnx": "fusion.vision.topdown:OnnxPose",
    "opencv-dnn": "fusion.vision.topdown:OpenCVPose",
    "openpose": "fusion.vision.openpose:OpenPose",
    "posenet": "fusion.vision.posenet:PoseNet",
}
"""Names to ``module:class``, imported late: a front end may need a large library or weights."""


SEVERAL: tuple[str, ...] = ("blazepose", "markers", "onnx", "opencv-dnn", "openpose", "posenet")
"""Front ends that look for several people."""

_OPTION = re.compile(r"[a-z][a-z0-9_]*=")


def parse_front_end(text: str) -> tuple[str, dict[str, Any]]:
    """Return the name and the options that ``NAME[:FILE][:key=value]...`` stands for.

    FILE is the option ``weights``. Values are numbers, ``true`` and ``false``, or text.

    Raises:
        ConfigError: an option is told twice.
    """
    name, *parts = text.split(":")
    file: list[str] = []
    options: dict[str, Any] = {}
    for part in parts:
        if not _OPTION.match(part):
            if options:  # a colon within a value
                last = next(reversed(options))
                options[last] = f"{options[last]}:{part}"
            else:
                file.append(part)
            continue
        key, _, value = part.partition("=")
        if key in options:
            raise ConfigError(f"the vision front end '{text}' tells {key} twice", mend="Tell it once")
        options[key] = value
    read: dict[str, Any] = {key: _value(value) for key, value in options.items()}
    if file:
        if "weights" in read:
            raise ConfigError(f"the vision front end '{text}' names two files", mend="Name one")
        read["weights"] = ":".join(file)
    return name, read


def _value(text: str) -> Any:
    if text in ("true", "false"):
        return text == "true"
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def short(text: str) -> str:
    """Return a front end's text, to show, without the folders of its files."""
    return ":".join(
        f"{key}{mark}{Path(value).name}"
        for key, mark, value in (
            part.partition("=") if _OPTION.match(part) else ("", "", part) for part in text.split(":")
        )
    )


def identity(name: str) -> str:
    """Return a text that differs where key points may: the front end's, and the state of its files."""
    states = []
    for value in parse_front_end(name)[1].values():
        path = Path(str(value))
        if path.is_file():
            state = path.stat()
            states.append(f"{state.st_size}-{state.st_mtime_ns}")
    return ":".join([name, *states])


def front_end_of(name: str, people: int) -> FrontEnd:
    """Return a new front end that looks for so many people in colour pictures.

    Args:
        name: as :func:`front_end` takes it.
        people: how many at most.

    Raises:
        ConfigError: the name is unknown, or it looks for one person only, or at depth maps.
        WeightsError: its network could not be obtained.
    """
    kind, options = parse_front_end(name)
    if people == 1 or kind not in FRONT_ENDS:
        made = front_end(name)
        if made.takes_depth:
            made.close()
            raise ConfigError(
                f"the network of '{name}' looks at depth maps, not at pictures",
                mend="Give one that was trained on pictures: docs/training.md",
            )
        return made
    if kind not in SEVERAL:
        raise ConfigError(
            f"the vision front end '{kind}' looks for one person only",
            mend=f"Choose one of {', '.join(SEVERAL)} with --vision, or --people=1",
        )
    return front_end(kind, **{"max_people": people, **options})


def front_end(name: str, **options: Any) -> FrontEnd:
    """Return a new front end by its name.

    Args:
        name: one of :data:`FRONT_ENDS`, with a file and options where it takes some:
            ``NAME[:FILE][:key=value]...``, such as ``onnx:rtmpose.yaml`` or ``blazepose:light=gamma``.
        options: of the front end's own constructor; and ``light``, how dark pictures are made brighter
            for any of them (see :mod:`fusion.vision.light`). They outdo those within the name.

    Raises:
        ConfigError: the name or an option is unknown.
        WeightsError: its network could not be obtained.
    """
    from drivers.errors import ChorusError

    kind, told = parse_front_end(name)
    if kind not in FRONT_ENDS:
        raise ConfigError(
            f"no vision front end is called '{kind}'", mend=f"Choose one of: {', '.join(sorted(FRONT_ENDS))}"
        )
    options = {**told, **options}
    light = options.pop("light", None)
    module, _, cls = FRONT_ENDS[kind].partition(":")
    factory = getattr(importlib.import_module(module), cls)
    try:
        made: FrontEnd = factory(**options)
    except ChorusError:
        raise
    except TypeError as error:
        raise ConfigError(
            f"vision front end '{kind}' was given a wrong option: {error}",
            mend=f"See the constructor of {FRONT_ENDS[kind].replace(':', '.')} for its options",
        ) from error
    if light is None:
        return made
    from fusion.vision.light import Brightened

    return Brightened(made, str(light))
