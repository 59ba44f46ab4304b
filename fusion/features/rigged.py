"""Calibrated cameras of a session as what :mod:`fusion.features.several` needs of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.camera.model import CameraModel
from drivers.errors import ConfigError
from fusion.geometry.lens import normalised, project

Floats = NDArray[np.float64]


class CalibratedRig:
    """C cameras that stand still: a :class:`fusion.features.several.Rig`, the reference first.

    Args:
        models: of the cameras, each with a pose, for pictures of the size that is looked at.

    Raises:
        ConfigError: where one of them stands is unknown.
    """

    def __init__(self, models: Sequence[CameraModel]) -> None:
        self.models = tuple(models)
        poses = [model.pose for model in self.models]
        for model, pose in zip(self.models, poses, strict=True):
            if pose is None:
                raise ConfigError(
                    f"where camera {model.name or '?'} stands is unknown",
                    mend="Find out with chorus calibrate extrinsics",
                )
        known = [pose for pose in poses if pose is not None]
        self.turns = np.stack([pose.rotation for pose in known])
        self.shifts = np.stack([pose.translation for pose in known])
        self.focal = np.array([model.matrix[0, 0] / model.size[0] for model in self.models])

    @property
    def bearings(self) -> NDArray[np.float32]:
        """(C, 3) cosine, sine and 1 of where each camera stands, see :data:`fusion.model.contract.OTHERS`.

        About the vertical of the reference camera, which is taken for level: whatever the world's axes are.
        """
        forward = (self.turns[0] @ self.turns[:, 2, :, None])[..., 0]
        flat = np.stack([forward[:, 2], -forward[:, 0]], axis=-1)
        flat /= np.maximum(np.linalg.norm(flat, axis=-1, keepdims=True), 1e-9)
        return np.concatenate([flat, np.ones((len(flat), 1))], axis=-1).astype(np.float32)

    def straight(self, places: Floats) -> Floats:
        """Return rays (C, J, 2) of places (C, J, 2)."""
        pixels = (_place_to_pixel(m, p) for m, p in zip(self.models, places, strict=True))
        return np.stack([normalised(m, p) for m, p in zip(self.models, pixels, strict=True)])

    def bent(self, rays: Floats) -> Floats:
        """Return the reference camera's places (J, 2) of rays (J, 2)."""
        model = self.models[0]
        own = CameraModel(model.matrix, model.distortion, model.size, model.lens)
        pixels = project(own, np.concatenate([rays, np.ones((len(rays), 1))], axis=-1))
        width, height = model.size
        return (pixels - [width / 2, height / 2]) / width


def _place_to_pixel(model: CameraModel, places: Floats) -> Floats:
    width, height = model.size
    return places * width + [width / 2, height / 2]
