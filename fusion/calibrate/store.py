"""Calibration files beside a rig, and the rig that names them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from drivers.errors import ConfigError
from fusion.calibrate.rigfile import write_values

KEY = "calibration"


def name_in_rig(rig: Path | str, files: Mapping[str, Path]) -> tuple[str, ...]:
    """Let cameras of a rig use their files; the rig as it was is kept as ``NAME.bak``.

    Args:
        rig: the YAML file.
        files: by stream; named relative to the rig where they lie below it.

    Raises:
        ConfigError: the rig has none of the cameras, or can't be edited surely; then it is as it was.
    """
    folder = Path(rig).resolve().parent
    values: dict[str, str] = {}
    for name, file in files.items():
        path = Path(file).resolve()
        short = os.path.relpath(path, folder) if path.is_relative_to(folder) else str(path)
        values[name] = short.replace(os.sep, "/")
    written = write_values(rig, KEY, values)
    if not written:
        raise ConfigError(
            f"{rig} has no camera called {' or '.join(files)}, so nothing names the files",
            mend=f"Name them by hand: {KEY}: {next(iter(values.values()))}",
        )
    return written
