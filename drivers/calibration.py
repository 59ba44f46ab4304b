"""Calibration files: what was found of one device, and goes with its stream as properties.

::

    kind: imu                     # or camera: which streams it fits
    made: 2026-03-01T10:00:00Z    # when, of which device and how good, for people
    device: WitMotion IMU on /dev/ttyUSB0
    quality: {...}
    inertial: {...}               # each part becomes the stream's property of that name, as JSON

What a camera's parts hold is told by :mod:`drivers.camera.model`.

A rig names one with ``calibration: wrist.calibration.yaml``. The rows that are recorded stay raw: whoever
reads them applies the properties.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import yaml

from drivers.base import StreamInfo
from drivers.errors import ConfigError

PARTS: dict[str, tuple[str, ...]] = {
    "imu": ("inertial", "alignment"),
    "camera": ("intrinsics", "distortion", "extrinsics", "calibration"),
}
"""Parts of a calibration by the kind of its stream; their content is theirs who make and apply it."""

REMARKS = ("made", "device", "quality", "note")
"""Keys for people; nothing is computed from them."""

MAX_BYTES = 65536
MAX_PART = 4000
"""Characters of a part as JSON: longer texts do not travel on the bus."""


@dataclasses.dataclass(frozen=True)
class CalibrationFile:
    """What one file says.

    Attributes:
        kind: of the streams that it fits.
        parts: plain values by part, see :data:`PARTS`.
        remarks: plain values by :data:`REMARKS`.
    """

    kind: str
    parts: dict[str, Any]
    remarks: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def properties(self) -> dict[str, str]:
        """The parts as properties of a stream: JSON by name."""
        return {name: json.dumps(value, separators=(",", ":")) for name, value in self.parts.items()}

    def properties_for(self, info: StreamInfo) -> dict[str, str]:
        """Return the parts as properties of one stream; a camera's are for the size of its pictures.

        Raises:
            ConfigError: the stream is of another kind, or its pictures of another shape.
        """
        if self.kind != info.kind:
            raise ConfigError(
                f"{info.name}: its calibration is for kind {self.kind}, and it is {info.kind}",
                mend=f"Name one in streams.{info.name}.calibration that was made for it",
            )
        if self.kind != "camera":
            return self.properties
        from drivers.camera.model import model_of, properties_of

        model = model_of(self.properties, (info.shape[1], info.shape[0]), info.name)
        return self.properties if model is None else properties_of(model)


def find_calibration(path: str, folder: str | Path) -> Path:
    """Return the file that a rig in ``folder`` means: relative to the current folder, else to the rig's.

    Raises:
        ConfigError: there is none.
    """
    given = Path(path).expanduser()
    for candidate in [given] if given.is_absolute() else [given, Path(folder) / given]:
        if candidate.is_file():
            return candidate
    raise ConfigError(
        f"there is no calibration file {given}",
        mend="Name one that chorus calibrate wrote, or take 'calibration' out of the rig",
    )


def read_calibration(path: str | Path) -> CalibrationFile:
    """Read a calibration file.

    Raises:
        ConfigError: it cannot be read, or says what nothing understands.
    """
    path = Path(path)
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path} is too large for a calibration", mend=_mend("any"))
        tree = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}", mend=_mend("any")) from error
    except (UnicodeDecodeError, yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid YAML", mend=_mend("any")) from error
    kind = tree.get("kind") if isinstance(tree, dict) else None
    if not isinstance(tree, dict) or kind not in PARTS:
        raise ConfigError(f"{path} is no calibration: it has no kind {' or '.join(PARTS)}", mend=_mend("any"))
    unknown = [str(key) for key in tree if key not in ("kind", *PARTS[kind], *REMARKS)]
    if unknown:
        raise ConfigError(
            f"{path}: a calibration of kind {kind} has no '{unknown[0][:40]}'",
            mend=f"It may have {', '.join((*PARTS[kind], *REMARKS))}",
        )
    parts = {name: tree[name] for name in PARTS[kind] if tree.get(name) is not None}
    if not parts:
        raise ConfigError(f"{path} calibrates nothing", mend=_mend(kind))
    for name, value in parts.items():
        try:
            text = json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ConfigError(f"{path}: {name} holds more than plain values", mend=_mend(kind)) from error
        if len(text) > MAX_PART:
            raise ConfigError(f"{path}: {name} is too long", mend=_mend(kind))
    if kind == "imu":
        from drivers.imu.calibration import ImuCalibration

        ImuCalibration.from_parts(parts, str(path))
    elif "intrinsics" in parts:
        from drivers.camera.model import model_of_parts

        model_of_parts(parts, str(path))
    return CalibrationFile(str(kind), parts, {name: tree[name] for name in REMARKS if name in tree})


def write_calibration(path: str | Path, calibration: CalibrationFile) -> None:
    """Write a calibration file whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    path = Path(path)
    tree = {"kind": calibration.kind, **calibration.remarks, **calibration.parts}
    text = yaml.safe_dump(tree, sort_keys=False, allow_unicode=True, width=100)
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(text, "utf-8")
        beside.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}", mend="Name another file") from error


def _mend(kind: str) -> str:
    what = {"imu": "imu", "camera": "camera"}.get(kind, "imu (or camera)")
    return f"Make one with chorus calibrate {what}"
