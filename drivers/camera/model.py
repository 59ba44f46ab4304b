"""What is known of a camera: its lens, and where it stands.

::

    world (m) --rotation, translation--> camera (x right, y down, z forward) --lens--> picture (px)

A calibration file of a camera (:mod:`drivers.calibration`) holds one, and so it goes with its stream into
every session: see :func:`parts_of`, :func:`properties_of` and :func:`model_of`. Picture coordinates are
OpenCV's, (0, 0) at the centre of the first pixel. Distortion is OpenCV's, in its order of coefficients:

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
from numpy.typing import NDArray

from drivers.calibration import PARTS, CalibrationFile, read_calibration, write_calibration
from drivers.errors import ConfigError

COEFFICIENTS: dict[str, int] = {"brown": 5, "rational": 8, "fisheye": 4}
"""How many coefficients each model of distortion has."""
ROUNDING_PX = 2.0
"""Sides may differ by so much from the same shape: encoders like even numbers."""

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
        covariance: (4 + D, 4 + D) of the errors of [fx, fy, cx, cy, *distortion]; None where unknown.
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
    covariance: NDArray[np.float64] | None = None

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
        if self.covariance is not None:
            object.__setattr__(self, "covariance", _covariance(self.covariance, 4 + len(distortion)))
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
        covariance = self.covariance
        if covariance is not None:
            each = np.concatenate([scale, scale, np.ones(len(self.distortion))])
            covariance = covariance * np.outer(each, each)
        return dataclasses.replace(self, matrix=matrix, size=size, covariance=covariance)


def _covariance(given: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """Return the covariance of ``count`` errors, whole.

    Raises:
        ValueError: there can be no such errors.
    """
    found = np.asarray(given, float)
    if found.shape != (count, count) or not np.isfinite(found).all():
        raise ValueError(f"its covariance is not that of {count} numbers")
    spread = np.sqrt(np.maximum(np.diag(found), 0))
    safe = np.where(spread > 0, spread, 1.0)
    scaled = found / np.outer(safe, safe)
    if not np.allclose(scaled, scaled.T, atol=1e-6) or np.linalg.eigvalsh(scaled).min() < -1e-6:
        raise ValueError("its covariance is none: it is not symmetric, or a variance is negative")
    return found


def load_camera(path: Path | str) -> CameraModel:
    """Read the calibration file of a camera.

    Raises:
        ConfigError: it is not there, is none of a camera, or holds what no camera has.
    """
    found = read_calibration(Path(path).expanduser())
    if found.kind != "camera" or "intrinsics" not in found.parts:
        raise ConfigError(
            f"{path} tells no camera's lens", mend="Give a file that chorus calibrate camera wrote"
        )
    return model_of_parts(found.parts, str(path))


def save_camera(model: CameraModel, path: Path | str) -> None:
    """Write the calibration file of a camera.

    Raises:
        ConfigError: it can't be written.
    """
    path = Path(path).expanduser()
    remarks = {"made": model.date, "device": model.name, "note": model.source}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", mend="Name another file") from error
    told = {key: value for key, value in remarks.items() if value}
    write_calibration(path, CalibrationFile("camera", parts_of(model), told))


def parts_of(model: CameraModel) -> dict[str, Any]:
    """Return a model as parts of a calibration file, plain values.

    ``intrinsics`` [fx, fy, cx, cy] px, ``distortion`` {"lens", "coefficients"}, ``calibration`` (size, name,
    reprojection_px, views, date, source, covariance: rows of its lower half) and, where it
    is known, ``extrinsics`` {"R": 3x3, "t": [3] m}, world to camera.
    """
    facts: dict[str, Any] = {"size": list(model.size)}
    facts |= {key: getattr(model, key) for key in ("name", "views", "date", "source") if getattr(model, key)}
    if math.isfinite(model.reprojection_px):
        facts["reprojection_px"] = round(model.reprojection_px, 4)
    if model.covariance is not None:
        # Eight digits: the file stays legible, and what follows from them the same.
        half = model.covariance[np.tril_indices(len(model.covariance))]
        facts["covariance"] = [float(f"{value:.8g}") for value in half]
    parts: dict[str, Any] = {
        "intrinsics": model.matrix[[0, 1, 0, 1], [0, 1, 2, 2]].tolist(),
        "distortion": {"lens": model.lens, "coefficients": model.distortion.tolist()},
        "calibration": facts,
    }
    if model.pose is not None:
        parts["extrinsics"] = {"R": model.pose.rotation.tolist(), "t": model.pose.translation.tolist()}
    return parts


def properties_of(model: CameraModel) -> dict[str, str]:
    """Return a model as ``properties`` of a camera's stream: :func:`parts_of`, JSON text each."""
    return {name: json.dumps(part) for name, part in parts_of(model).items()}


def model_of(properties: Mapping[str, str], size: tuple[int, int], stream: str = "") -> CameraModel | None:
    """Return the model that a stream's ``properties`` tell, or None where they tell no intrinsics.

    Args:
        properties: of its StreamInfo.
        size: width and height of its pictures, px.
        stream: its name, for errors.

    Raises:
        ConfigError: they are malformed, or for pictures of another shape.
    """
    if "intrinsics" not in properties:
        return None
    where = stream or "the stream"
    try:
        parts = {name: json.loads(properties[name]) for name in PARTS["camera"] if name in properties}
    except ValueError as error:
        raise _malformed(where, str(error)) from None
    try:
        return model_of_parts(parts, where, size).scaled(size)
    except ConfigError as error:
        raise ConfigError(f"{stream}: {error.what}" if stream else error.what, mend=error.mend) from error


def model_of_parts(parts: Mapping[str, Any], where: str, size: tuple[int, int] | None = None) -> CameraModel:
    """Return the model that parts of a calibration file tell, see :func:`parts_of`.

    Args:
        parts: plain values.
        where: they stand, for errors.
        size: width and height in px where the parts don't tell.

    Raises:
        ConfigError: they are malformed.
    """
    try:
        fx, fy, cx, cy = (float(value) for value in parts["intrinsics"])
        bent = parts.get("distortion", {"lens": "brown", "coefficients": []})
        facts, told = parts.get("calibration", {}), parts.get("extrinsics")
        width, height = facts["size"] if size is None else facts.get("size", size)
        return CameraModel(
            matrix=np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]),
            distortion=np.asarray(bent["coefficients"], float),
            size=(int(width), int(height)),
            lens=bent["lens"],
            pose=None if told is None else Pose(np.asarray(told["R"], float), np.asarray(told["t"], float)),
            name=str(facts.get("name", "")),
            reprojection_px=float(facts.get("reprojection_px", math.nan)),
            views=int(facts.get("views", 0)),
            date=str(facts.get("date", "")),
            source=str(facts.get("source", "")),
            covariance=_whole(facts.get("covariance"), 4 + COEFFICIENTS[bent["lens"]]),
        )
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise _malformed(where, f"it has no {error}" if isinstance(error, KeyError) else str(error)) from None


def _whole(half: Any, count: int) -> NDArray[np.float64] | None:
    """Return the symmetric (count, count) of which a file keeps the lower half."""
    if half is None:
        return None
    whole = np.zeros((count, count))
    rows, columns = np.tril_indices(count)
    if len(half) != len(rows):
        raise ValueError(f"its covariance has {len(half)} numbers, not {len(rows)}")
    whole[rows, columns] = whole[columns, rows] = np.asarray(half, float)
    return whole


def _malformed(where: str, why: str) -> ConfigError:
    return ConfigError(
        f"{where}: the calibration of the camera is malformed ({' '.join(why.split())})",
        mend="Make one with chorus calibrate camera",
    )
