"""What is known of a camera: its lens, and where it stands; one YAML file each.

::

    world (m) --rotation, translation--> camera (x right, y down, z forward) --lens--> picture (px)

A rig names the file with ``intrinsics: camera.yaml`` of a stream, and so it comes into every session: see
:func:`properties_of` and :func:`model_of`. Picture coordinates are OpenCV's, (0, 0) at the centre of the
first pixel. Distortion is OpenCV's, in its order of coefficients:

* ``brown``: k1 k2 p1 p2 k3 (Brown 1966, Conrady 1919)
* ``rational``: k1 k2 p1 p2 k3 k4 k5 k6, for wide lenses
* ``fisheye``: k1 k2 k3 k4 of the angle (Kannala and Brandt 2006), for very wide ones
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from numpy.typing import NDArray

from drivers.errors import ConfigError

FORMAT = "chorus-camera"
VERSION = 1
COEFFICIENTS: dict[str, int] = {"brown": 5, "rational": 8, "fisheye": 4}
"""How many coefficients each model of distortion has."""
ROUNDING_PX = 2.0
"""Sides may differ by so much from the same shape: encoders like even numbers."""

FACTS = ("size", "name", "reprojection_px", "views", "date", "source")
"""Keys of a camera file that tell of the calibration itself."""

Lens = Literal["brown", "rational", "fisheye"]


@dataclasses.dataclass(frozen=True)
class Pose:
    """Where a camera stands: ``x_camera = rotation @ X_world + translation``.

    Attributes:
        rotation: (3, 3), world to camera.
        translation: (3,) m.
    """

    rotation: NDArray[np.float64]
    translation: NDArray[np.float64]

    @property
    def centre(self) -> NDArray[np.float64]:
        """(3,) m, the camera in the world."""
        return -self.rotation.T @ self.translation


@dataclasses.dataclass(frozen=True)
class CameraModel:
    """A calibrated camera.

    Attributes:
        matrix: (3, 3) [[fx, 0, cx], [0, fy, cy], [0, 0, 1]], px.
        distortion: coefficients, see the module.
        size: width and height of the pictures it holds for, px.
        lens: model of distortion.
        pose: where it stands in the world, or None where that is unknown.
        name: of the camera.
        reprojection_px: root mean square distance of what was seen from what the model says, px; NaN where
            it is unknown.
        views: pictures of the board it was made from.
        date: of the calibration, ISO 8601.
        source: what it was made by or read from.
    """

    matrix: NDArray[np.float64]
    distortion: NDArray[np.float64]
    size: tuple[int, int]
    lens: Lens = "brown"
    pose: Pose | None = None
    name: str = ""
    reprojection_px: float = math.nan
    views: int = 0
    date: str = ""
    source: str = ""

    def __post_init__(self) -> None:
        matrix = np.asarray(self.matrix, float)
        distortion = np.asarray(self.distortion, float).ravel()
        if self.lens not in COEFFICIENTS:
            raise ValueError(f"its lens is '{self.lens}', not one of {', '.join(COEFFICIENTS)}")
        if matrix.shape != (3, 3) or not np.isfinite(matrix).all() or min(matrix[0, 0], matrix[1, 1]) <= 0:
            raise ValueError(
                "its matrix is not [[fx, 0, cx], [0, fy, cy], [0, 0, 1]] with positive fx and fy"
            )
        if not np.allclose(matrix[[0, 1, 2, 2, 2], [1, 0, 0, 1, 2]], [0, 0, 0, 0, 1]):
            raise ValueError("its matrix has skew or no last row of 0, 0, 1, which pictures of today lack")
        if len(distortion) > COEFFICIENTS[self.lens] or not np.isfinite(distortion).all():
            raise ValueError(f"a {self.lens} lens has {COEFFICIENTS[self.lens]} numbers of distortion")
        if len(self.size) != 2 or min(self.size) < 1:
            raise ValueError("its size is not a width and a height in px")
        distortion = np.pad(distortion, (0, COEFFICIENTS[self.lens] - len(distortion)))
        object.__setattr__(self, "matrix", matrix)
        object.__setattr__(self, "distortion", distortion)
        object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        if self.pose is not None:
            turn = np.asarray(self.pose.rotation, float)
            place = np.asarray(self.pose.translation, float).ravel()
            if turn.shape != (3, 3) or place.shape != (3,) or not np.isfinite(place).all():
                raise ValueError("its world is not a rotation of 3x3 and a translation of 3 numbers")
            if not np.allclose(turn @ turn.T, np.eye(3), atol=1e-4) or np.linalg.det(turn) < 0:
                raise ValueError("the rotation of its world is none: rows must be orthogonal, right-handed")
            object.__setattr__(self, "pose", Pose(turn, place))

    def scaled(self, size: tuple[int, int]) -> CameraModel:
        """Return the model for the same pictures in another size (width, height), px.

        Raises:
            ConfigError: that size is of another shape, so that part of the picture would be cut off.
        """
        if tuple(size) == self.size:
            return self
        x, y = size[0] / self.size[0], size[1] / self.size[1]
        if abs(x - y) * min(self.size) > ROUNDING_PX:
            raise ConfigError(
                f"the calibration{f' of {self.name}' if self.name else ''} is for pictures of "
                f"{self.size[0]}x{self.size[1]} px, not {size[0]}x{size[1]}",
                mend="Calibrate in the size that is recorded, as another shape cuts the picture",
            )
        return self.placed((x, y), (0.0, 0.0), size)

    def placed(
        self, scale: tuple[float, float], corner: tuple[float, float], size: tuple[int, int]
    ) -> CameraModel:
        """Return the model for pictures that show the same scaled, with its corner at another place.

        Args:
            scale: px of the new picture for one of the old, across and down.
            corner: where the old picture's upper left corner lies in the new one, px.
            size: width and height of the new picture, px.
        """
        matrix = self.matrix.copy()
        for axis in (0, 1):
            matrix[axis, axis] *= scale[axis]
            matrix[axis, 2] = (matrix[axis, 2] + 0.5) * scale[axis] - 0.5 + corner[axis]
        return dataclasses.replace(self, matrix=matrix, size=size)


def load_camera(path: Path | str) -> CameraModel:
    """Read a camera file.

    Raises:
        ConfigError: it is not there, no camera file, or holds what no camera has.
    """
    path = Path(path).expanduser()
    mend = "Make one with chorus calibrate camera"
    try:
        tree = yaml.safe_load(path.read_text("utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"there is no camera file {path}", mend=mend) from None
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        words = getattr(error, "strerror", None) or "it is no YAML"
        raise ConfigError(f"the camera file {path} can't be read: {words}", mend=mend) from None
    if not isinstance(tree, dict) or tree.get("format") != FORMAT:
        raise ConfigError(f"{path} is no camera file: it lacks 'format: {FORMAT}'", mend=mend)
    if tree.get("version") != VERSION:
        raise ConfigError(
            f"{path} has version {tree.get('version')} of the camera file, this program reads {VERSION}",
            mend="pip install --upgrade chorus-fusion",
        )
    try:
        return _from_tree(tree)
    except (KeyError, TypeError, ValueError) as error:
        words = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise ConfigError(f"the camera file {path} is malformed: {words}", mend=mend) from None


def save_camera(model: CameraModel, path: Path | str) -> None:
    """Write a camera file.

    Raises:
        ConfigError: it can't be written.
    """
    path = Path(path).expanduser()
    head = (
        "# A camera, see docs/calibration.md; name it in a rig: intrinsics: "
        f"{path.name}\n# matrix in px, distortion as OpenCV orders it, world to camera in m\n"
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + yaml.safe_dump(to_tree(model), sort_keys=False, width=110), "utf-8")
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}", mend="Name another file") from error


def to_tree(model: CameraModel) -> dict[str, Any]:
    """Return a model as plain values."""
    tree: dict[str, Any] = {"format": FORMAT, "version": VERSION}
    if model.name:
        tree["name"] = model.name
    tree |= {
        "size": list(model.size),
        "lens": model.lens,
        "matrix": model.matrix.tolist(),
        "distortion": model.distortion.tolist(),
    }
    if math.isfinite(model.reprojection_px):
        tree["reprojection_px"] = round(model.reprojection_px, 4)
    if model.views:
        tree["views"] = model.views
    for key in ("date", "source"):
        if getattr(model, key):
            tree[key] = getattr(model, key)
    if model.pose is not None:
        tree["world"] = {
            "rotation": model.pose.rotation.tolist(),
            "translation": model.pose.translation.tolist(),
        }
    return tree


def _from_tree(tree: Mapping[str, Any]) -> CameraModel:
    unknown = set(tree) - {"format", "version", "name", "size", "lens", "matrix", "distortion"}
    unknown -= {"reprojection_px", "views", "date", "source", "world"}
    if unknown:
        raise ValueError(f"it has an unknown key '{min(map(str, unknown))}'")
    world = tree.get("world")
    pose = None
    if world is not None:
        pose = Pose(np.asarray(world["rotation"], float), np.asarray(world["translation"], float))
    width, height = tree["size"]
    return CameraModel(
        matrix=np.asarray(tree["matrix"], float),
        distortion=np.asarray(tree["distortion"], float),
        size=(int(width), int(height)),
        lens=tree.get("lens", "brown"),
        pose=pose,
        name=str(tree.get("name", "")),
        reprojection_px=float(tree.get("reprojection_px", math.nan)),
        views=int(tree.get("views", 0)),
        date=str(tree.get("date", "")),
        source=str(tree.get("source", "")),
    )


def properties_of(model: CameraModel) -> dict[str, str]:
    """Return a model as ``properties`` of a camera's stream, JSON text each.

    ``intrinsics`` [fx, fy, cx, cy] px, ``distortion`` {"lens", "coefficients"}, ``calibration`` (size, date
    ...) and, where it is known, ``extrinsics`` {"R": 3x3, "t": [3] m}, world to camera.
    """
    fx, fy, cx, cy = model.matrix[[0, 1, 0, 1], [0, 1, 2, 2]].tolist()
    told = to_tree(model)
    facts = {key: value for key, value in told.items() if key in FACTS}
    properties = {
        "intrinsics": json.dumps([fx, fy, cx, cy]),
        "distortion": json.dumps({"lens": model.lens, "coefficients": model.distortion.tolist()}),
        "calibration": json.dumps(facts),
    }
    if model.pose is not None:
        pose = {"R": model.pose.rotation.tolist(), "t": model.pose.translation.tolist()}
        properties["extrinsics"] = json.dumps(pose)
    return properties


def model_of(properties: Mapping[str, str], size: tuple[int, int], stream: str = "") -> CameraModel | None:
    """Return the model that a stream's ``properties`` tell, or None where they tell no intrinsics.

    Args:
        properties: of its StreamInfo.
        size: width and height of its pictures, px.
        stream: its name, for errors.

    Raises:
        ConfigError: they are malformed.
    """
    if "intrinsics" not in properties:
        return None
    try:
        fx, fy, cx, cy = (float(value) for value in json.loads(properties["intrinsics"]))
        bent = json.loads(properties.get("distortion", '{"lens": "brown", "coefficients": []}'))
        facts = json.loads(properties.get("calibration", "{}"))
        told = json.loads(properties["extrinsics"]) if "extrinsics" in properties else None
        return CameraModel(
            matrix=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
            distortion=np.asarray(bent["coefficients"], float),
            size=tuple(facts.get("size", size)),
            lens=bent["lens"],
            pose=None if told is None else Pose(np.asarray(told["R"], float), np.asarray(told["t"], float)),
            name=str(facts.get("name", stream)),
            reprojection_px=float(facts.get("reprojection_px", math.nan)),
            views=int(facts.get("views", 0)),
            date=str(facts.get("date", "")),
            source=str(facts.get("source", "")),
        ).scaled(size)
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f"{stream or 'the stream'}: its calibration is malformed ({' '.join(str(error).split())})",
            mend="Give a camera file instead, from chorus calibrate camera",
        ) from None
