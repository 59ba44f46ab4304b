"""Calibrations of other programs: Qualisys (``.qca.txt``) and Pose2Sim (``Calib.toml``).

Qualisys tells lengths of the picture in 1/64 px from the sensor's corner, places in mm, and a camera whose x
points right, y up and z *backwards*; the rows of its rotation are the camera's axes in the world. Its
coefficients of distortion are those of Brown for the plane at depth 1. Pose2Sim tells what OpenCV does: the
matrix in px, world to camera as a rotation vector, and m.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from scipy.spatial.transform import Rotation

from drivers.camera.model import CameraModel, Pose
from drivers.errors import DataError

MAX_BYTES = 4 << 20
"""Of a calibration: a hundred cameras take less than 0.2 MB."""
SUBPIXELS = 64.0
"""Qualisys' units of length in the picture, in a pixel."""
_TURNED = np.diag([1.0, -1.0, -1.0])
"""Qualisys' camera axes to OpenCV's: y down, z forward."""


def read_calibration(path: Path | str) -> dict[str, CameraModel]:
    """Return the cameras of a calibration of another program, by name, in the order of the file.

    Raises:
        DataError: the file is not there, of an unknown kind or malformed.
    """
    path = Path(path)
    mend = "Give a Qualisys .qca.txt, or a Calib.toml of Pose2Sim"
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"{path} is too large for a calibration", mend=mend)
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"the calibration {path} can't be read: {error.strerror}", mend=mend) from error
    reader: Callable[[bytes, str], dict[str, CameraModel]]
    if data.lstrip()[:1] == b"<":
        reader = _qualisys
    elif path.suffix.lower() == ".toml":
        reader = _pose2sim
    else:
        raise DataError(f"{path} is no calibration that is known", mend=mend)
    try:
        cameras = reader(data, path.name)
    except (KeyError, TypeError, ValueError, AttributeError, ElementTree.ParseError) as error:
        words = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise DataError(f"the calibration {path} is malformed: {words}", mend=mend) from None
    if not cameras:
        raise DataError(f"the calibration {path} names no cameras", mend=mend)
    return cameras


def is_calibration(path: Path | str) -> bool:
    """Whether the name of a file is that of a calibration of another program."""
    name = Path(path).name.lower()
    return name.endswith((".qca.txt", ".toml"))


def _qualisys(data: bytes, name: str) -> dict[str, CameraModel]:
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:  # nothing Qualisys writes, and a way to fill the memory
        raise ValueError("it declares entities")
    cameras: dict[str, CameraModel] = {}
    for camera in ElementTree.fromstring(data).iter("camera"):
        if camera.get("active", "1") == "0":
            continue
        lens, place = _child(camera, "intrinsic"), _child(camera, "transform")
        field = camera.find("fov_video")
        field = _child(camera, "fov_marker") if field is None else field
        left, right, top, bottom = (_number(field, side) for side in ("left", "right", "top", "bottom"))
        rows = np.array([[_number(place, f"r{i}{j}") for j in (1, 2, 3)] for i in (1, 2, 3)])
        centre = np.array([_number(place, axis) for axis in "xyz"]) / 1000.0
        turn = _orthogonal(_TURNED @ rows)
        called = camera.get("serial") or f"camera{len(cameras) + 1}"
        if called in cameras:
            raise ValueError(f"camera {called} stands twice")
        cameras[called] = CameraModel(
            matrix=np.array(
                [
                    [
                        _number(lens, "focalLengthU") / SUBPIXELS,
                        0,
                        _number(lens, "centerPointU") / SUBPIXELS - left,
                    ],
                    [
                        0,
                        _number(lens, "focalLengthV") / SUBPIXELS,
                        _number(lens, "centerPointV") / SUBPIXELS - top,
                    ],
                    [0, 0, 1],
                ]
            ),
            distortion=np.array(
                [
                    _number(lens, "radialDistortion1"),
                    _number(lens, "radialDistortion2"),
                    _number(lens, "tangentalDistortion1"),  # their spelling
                    _number(lens, "tangentalDistortion2"),
                    _number(lens, "radialDistortion3", 0.0),
                ]
            ),
            size=(round(right - left) + 1, round(bottom - top) + 1),
            pose=Pose(turn, -turn @ centre),
            name=called,
            source=f"Qualisys {name}",
        )
    return cameras


def _pose2sim(data: bytes, name: str) -> dict[str, CameraModel]:
    cameras: dict[str, CameraModel] = {}
    for key, entry in tomllib.loads(data.decode("utf-8")).items():
        if key == "metadata":
            continue
        turn = Rotation.from_rotvec(np.asarray(entry["rotation"], float)).as_matrix()
        fisheye = bool(entry.get("fisheye", False))
        called = str(entry.get("name", key))
        cameras[called] = CameraModel(
            matrix=np.asarray(entry["matrix"], float),
            distortion=np.asarray(entry["distortions"], float),
            size=(round(entry["size"][0]), round(entry["size"][1])),
            lens="fisheye" if fisheye else "brown",
            pose=Pose(turn, np.asarray(entry["translation"], float)),
            name=called,
            source=f"Pose2Sim {name}",
        )
    return cameras


def _child(element: ElementTree.Element, name: str) -> ElementTree.Element:
    found = element.find(name)
    if found is None:
        raise ValueError(f"camera {element.get('serial', '?')} has no {name}")
    return found


def _number(element: ElementTree.Element, name: str, otherwise: float | None = None) -> float:
    text: Any = element.get(name, otherwise)
    if text is None:
        raise ValueError(f"{element.tag} has no {name}")
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{element.tag} {name} is {text}")
    return value


def _orthogonal(matrix: np.ndarray) -> np.ndarray:
    """Return the rotation nearest to a matrix that is one but for rounding.

    Raises:
        ValueError: it is none.
    """
    left, sizes, right = np.linalg.svd(matrix)
    if np.abs(sizes - 1).max() > 0.01 or np.linalg.det(matrix) < 0:
        raise ValueError("a rotation is none")
    return left @ right
