"""Human3.6M in the layout of 3d-pose-baseline: cameras, 3D joints, and key points where they were detected.

C. Ionescu et al., "Human3.6M", PAMI 2014. Users bring it::

    ROOT/S9/MyPoses/3D_positions/Walking 1.h5             3D_positions (96, T)  mm, world, 50 Hz
    ROOT/S9/StackedHourglass/Walking_1.60457274.h5        poses (T, 16, 2)      px, MPII order; optional
    ROOT/cameras.h5                                       /subject9/camera1/{R, T, f, c, k, p, Name}

The layout has positions and no rotations of segments: nothing tells what a worn sensor would feel.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError

USUAL = (0, 1, 2, 3, 6, 7, 8, 12, 13, 14, 15, 17, 18, 19, 25, 26, 27)
"""The usual 17 of the 32 joints, in the order of ``fusion.skeletons.HUMAN36M17``."""

SUBJECTS = (1, 5, 6, 7, 8, 9, 11)
TEST_SUBJECTS = (9, 11)
FRAME_RATE_HZ = 50.0
SIZE_PX = 1000


@dataclasses.dataclass(frozen=True)
class View:
    """A camera: (3, 3) world to camera, (3,) m, px, px, radial and tangential distortion."""

    name: str
    rotation: NDArray[np.float64]
    place: NDArray[np.float64]
    focal: NDArray[np.float64]
    centre: NDArray[np.float64]
    radial: NDArray[np.float64]
    tangential: NDArray[np.float64]

    def camera(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (..., 3) m of the world in camera axes: x right, y down, z forward."""
        return (points - self.place) @ self.rotation.T

    def world(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (..., 3) m in camera axes where they are in the world."""
        return points @ self.rotation + self.place

    def project(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return px (..., 2) of points (..., 3) m in camera axes, by Brown's distortion."""
        x, y = np.moveaxis(points[..., :2] / points[..., 2:], -1, 0)
        r2 = x * x + y * y
        k1, k2, k3 = self.radial
        p1, p2 = self.tangential
        bent = 1.0 + r2 * (k1 + r2 * (k2 + r2 * k3))
        u = x * bent + 2.0 * p1 * x * y + p2 * (r2 + 2.0 * x * x)
        v = y * bent + p1 * (r2 + 2.0 * y * y) + 2.0 * p2 * x * y
        return np.stack([u, v], axis=-1) * self.focal + self.centre


@dataclasses.dataclass(frozen=True)
class Sequence:
    """One subject doing one thing before one camera: the files' names."""

    positions: Path
    detections: Path | None
    view: View


def sequences(root: Path, subjects: tuple[int, ...] = TEST_SUBJECTS) -> list[Sequence]:
    """Return all sequences of ``subjects``, in order.

    Raises:
        DataError: cameras or positions are missing or malformed.
    """
    found = []
    for subject in subjects:
        views = _views(root / "cameras.h5", subject)
        for positions in sorted((root / f"S{subject}" / "MyPoses" / "3D_positions").glob("*.h5")):
            stem = positions.stem.replace(" ", "_")
            for view in views:
                seen = root / f"S{subject}" / "StackedHourglass" / f"{stem}.{view.name}.h5"
                found.append(Sequence(positions, seen if seen.is_file() else None, view))
    if not found:
        raise DataError(
            f"Human3.6M: no positions of subjects {subjects} in {root}",
            mend="They are files like S9/MyPoses/3D_positions/Walking 1.h5",
        )
    return found


def _views(path: Path, subject: int) -> list[View]:
    views = []
    for number in range(1, 5):
        names = ("R", "T", "f", "c", "k", "p", "Name")
        values = {n: _values(path, f"subject{subject}/camera{number}/{n}") for n in names}
        shapes = {"R": 9, "T": 3, "f": 2, "c": 2, "k": 3, "p": 2}
        if any(values[n].size != size for n, size in shapes.items()):
            raise DataError(
                f"Human3.6M: {path.name} has no camera {number} of subject {subject}", mend=_AGAIN
            )
        flat: dict[str, Any] = {n: values[n].astype(np.float64).ravel() for n in shapes}
        # R is stored transposed: x_cam = R.T @ (X - T).
        rotation = values["R"].astype(np.float64).reshape(3, 3).T
        name = "".join(chr(int(code)) for code in values["Name"].ravel())
        views.append(View(name, rotation, flat["T"] / 1e3, flat["f"], flat["c"], flat["k"], flat["p"]))
    return views


_AGAIN = "Make the files again as 3d-pose-baseline describes"


def _values(path: Path, name: str) -> NDArray[Any]:
    try:
        with h5py.File(path, "r") as file:
            value = file[name]
            if not isinstance(value, h5py.Dataset):
                raise KeyError(name)
            return np.asarray(value[()])
    except (OSError, KeyError) as error:
        why = "is missing" if not path.is_file() else f"has no {name} ({type(error).__name__})"
        raise DataError(f"Human3.6M: {path.name} {why}", mend=_AGAIN) from None


def read(sequence: Sequence) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return joints (T, 17, 3) m in camera axes, and detected key points (T, 16, 2) px where there are any.

    Raises:
        DataError: a file is malformed.
    """
    raw = _values(sequence.positions, "3D_positions")
    if raw.ndim != 2 or raw.shape[0] != 96 or raw.shape[1] < 2 or not np.isfinite(raw).all():
        what = f"Human3.6M: {sequence.positions.name} has 3D_positions {raw.shape}, not finite (96, T)"
        raise DataError(what, mend=_AGAIN)
    world = raw.T.reshape(-1, 32, 3)[:, USUAL].astype(np.float64) / 1e3
    if sequence.detections is None:
        return sequence.view.camera(world), None
    poses = _values(sequence.detections, "poses").astype(np.float64)
    if poses.shape[1:] != (16, 2) or abs(len(poses) - len(world)) > 2:
        what = f"Human3.6M: {sequence.detections.name} has poses {poses.shape}, not ({len(world)}, 16, 2)"
        raise DataError(what, mend=_AGAIN)
    count = min(len(poses), len(world))
    return sequence.view.camera(world[:count]), poses[:count]
