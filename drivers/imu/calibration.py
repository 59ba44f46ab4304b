"""What is wrong with an IMU and how it is worn: the parts ``inertial`` and ``alignment`` of its calibration.

Of each triad, ``corrected = matrix @ (measured - bias)``, in the sensor's frame. Then, where the sensor was
aligned to the segment that it is worn on, ``bone = R(xyzw) @ corrected``, and an orientation sensor -> world
``q`` becomes ``q * conj(xyzw)``, bone -> world.

The frame of a bone, of a person who stands upright with hanging arms, thumbs and palms as in the anatomical
neutral position: x forward, y left, z up along the segment. It turns with the bone.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import StreamInfo
from drivers.errors import ConfigError
from drivers.places import PLACES

if TYPE_CHECKING:
    from scipy.spatial.transform import Rotation

Array = NDArray[np.float64]

_MEND = "Make it again with chorus calibrate imu or chorus calibrate pose"


@dataclasses.dataclass(frozen=True)
class Triad:
    """Errors of three axes: ``corrected = matrix @ (measured - bias)``.

    Attributes:
        bias: (3,) in the unit of the triad: m/s², rad/s or uT.
        matrix: (3, 3), near identity for accelerometers and gyroscopes.
    """

    bias: Array
    matrix: Array

    def __call__(self, measured: Array) -> Array:
        """Return corrected rows (..., 3)."""
        return (measured - self.bias) @ self.matrix.T


@dataclasses.dataclass(frozen=True)
class ImuCalibration:
    """Both parts, each of which may be missing.

    Attributes:
        specific_force, angular_rate, magnetic_field: errors of the triads, in m/s², rad/s and uT.
        alignment: sensor -> bone, or None where it is not known.
        worn_on: place that the alignment is for.
    """

    specific_force: Triad | None = None
    angular_rate: Triad | None = None
    magnetic_field: Triad | None = None
    alignment: Rotation | None = None
    worn_on: str = ""

    @classmethod
    def of(cls, info: StreamInfo) -> ImuCalibration:
        """Return the calibration that a stream carries in its properties.

        Raises:
            ConfigError: it cannot be understood, or is for another place.
        """
        parts: dict[str, Any] = {}
        for name in ("inertial", "alignment"):
            if name in info.properties:
                try:
                    parts[name] = json.loads(info.properties[name])
                except ValueError as error:
                    raise ConfigError(
                        f"{info.name}: property '{name}' is not valid JSON", mend=_MEND
                    ) from error
        found = cls.from_parts(parts, info.name)
        if found.alignment is not None and found.worn_on != info.worn_on:
            raise ConfigError(
                f"{info.name}: its sensor was aligned on {found.worn_on}, and is worn on "
                f"{info.worn_on or 'no place'}",
                mend="Run chorus calibrate pose again, or correct 'worn_on'",
            )
        return found

    @classmethod
    def from_parts(cls, parts: Mapping[str, Any], source: str) -> ImuCalibration:
        """Return what the parts of a calibration file say.

        Raises:
            ConfigError: they cannot be understood.
        """
        try:
            inertial = dict(parts.get("inertial") or {})
            triads: dict[str, Any] = {
                name: _triad(inertial.pop(name)) for name in _TRIADS if name in inertial
            }
            if inertial:
                raise ValueError(f"inertial has an unknown key '{next(iter(inertial))}'")
            if "alignment" not in parts:
                return cls(**triads)
            alignment = parts["alignment"]
            worn_on = alignment["worn_on"]
            if worn_on not in PLACES:
                raise ValueError("alignment.worn_on is no place on the body")
            xyzw = _numbers(alignment["xyzw"], (4,))
            if not 0.9 < np.linalg.norm(xyzw) < 1.1:
                raise ValueError("alignment.xyzw is no unit quaternion")
            from scipy.spatial.transform import Rotation  # takes longer to load than all else that records

            return cls(**triads, alignment=Rotation.from_quat(xyzw), worn_on=worn_on)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise ConfigError(f"{source}: the calibration is malformed: {what}", mend=_MEND) from error

    def parts(self) -> dict[str, Any]:
        """Return the parts as plain values, for :func:`drivers.calibration.write_calibration`."""
        out: dict[str, Any] = {}
        inertial = {
            name: {"bias": triad.bias.tolist(), "matrix": triad.matrix.tolist()}
            for name in _TRIADS
            if (triad := getattr(self, name)) is not None
        }
        if inertial:
            out["inertial"] = inertial
        if self.alignment is not None:
            xyzw = self.alignment.as_quat(canonical=True)
            out["alignment"] = {"worn_on": self.worn_on, "xyzw": [round(v, 6) for v in xyzw.tolist()]}
        return out


_TRIADS = ("specific_force", "angular_rate", "magnetic_field")


def _triad(tree: Any) -> Triad:
    if not isinstance(tree, dict) or set(tree) - {"bias", "matrix"}:
        raise ValueError("a triad has 'bias' and 'matrix'")
    matrix = _numbers(tree.get("matrix", np.eye(3)), (3, 3))
    if abs(np.linalg.det(matrix)) < 1e-6:
        raise ValueError("a matrix is singular")
    return Triad(_numbers(tree.get("bias", np.zeros(3)), (3,)), matrix)


def _numbers(values: Any, shape: tuple[int, ...]) -> Array:
    array = np.array(values, np.float64)
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"expected {' x '.join(map(str, shape))} finite numbers")
    return array
