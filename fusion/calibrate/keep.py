"""Keeping what was calibrated: a file for each stream, named in the rig."""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drivers.calibration import CalibrationFile, find_calibration, read_calibration, write_calibration
from drivers.errors import ConfigError
from drivers.rig import load_rig
from fusion.calibrate.rigfile import CALIBRATION, write_values


@dataclasses.dataclass(frozen=True)
class Kept:
    """What was written.

    Attributes:
        files: by stream.
        rig: streams of the rig that name their file now.
        unsaid: why the rig could not be written, or empty.
    """

    files: dict[str, Path]
    rig: tuple[str, ...] = ()
    unsaid: str = ""


def keep(
    parts: Mapping[str, Mapping[str, Any]],
    remarks: Mapping[str, Mapping[str, Any]],
    rig: str | None,
    output: str | None,
) -> Kept:
    """Write the calibration of each stream, keeping the other parts of a file that the rig names already.

    Args:
        parts: new parts of a calibration of kind imu, by stream.
        remarks: for people, by stream.
        rig: where the streams are, or None.
        output: folder, or the file where there is one stream; by default the rig's folder, else the
        current one.

    Raises:
        ConfigError: a file cannot be written.
    """
    folder = Path(rig).expanduser().parent if rig is not None else Path()
    known = load_rig(rig).streams if rig is not None else {}
    files: dict[str, Path] = {}
    named: dict[str, str] = {}
    for stream, part in parts.items():
        path = _path(stream, folder, output, alone=len(parts) == 1)
        before: dict[str, Any] = {}
        if stream in known and known[stream].calibration:
            old = find_calibration(known[stream].calibration, folder)
            before = read_calibration(old).parts
            path = old if output is None else path
        elif path.is_file():
            before = read_calibration(path).parts
        now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        write_calibration(path, CalibrationFile("imu", {**before, **part}, {"made": now, **remarks[stream]}))
        files[stream] = path
        named[stream] = _relative(path, folder)
    if rig is None:
        return Kept(files)
    fresh = {
        stream: name for stream, name in named.items() if stream in known and not known[stream].calibration
    }
    if output is not None:
        fresh = {stream: name for stream, name in named.items() if stream in known}
    try:
        return Kept(files, write_values(rig, CALIBRATION, fresh) if fresh else ())
    except ConfigError as error:
        return Kept(files, (), str(error))


def _path(stream: str, folder: Path, output: str | None, *, alone: bool) -> Path:
    name = f"{stream}.calibration.yaml"
    if output is None:
        return folder / name
    given = Path(output).expanduser()
    return given if alone and given.suffix in (".yaml", ".yml") else given / name


def _relative(path: Path, folder: Path) -> str:
    try:
        return str(path.resolve().relative_to(folder.resolve()))
    except ValueError:
        return str(path.resolve())
