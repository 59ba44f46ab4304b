"""Files that stand in for devices: where they lie, and what is said when they don't."""

from __future__ import annotations

from pathlib import Path

from drivers.base import DriverContext
from drivers.errors import DeviceError, Fault


def find_file(context: DriverContext, path: str) -> Path:
    """Return the file that a rig means: relative to the current folder, else to the rig's.

    Raises:
        DeviceError: there is no such file, or it may not be read.
    """
    given = Path(path).expanduser()
    candidates = [given] if given.is_absolute() else [given, Path(context.folder) / given]
    found = next((item for item in candidates if item.exists()), None)
    if found is None:
        raise DeviceError(
            context.stream,
            Fault.NOT_FOUND,
            f"there is no file {given}",
            mend="Set 'path' to a file that exists",
        )
    if not found.is_file():
        raise DeviceError(
            context.stream, Fault.UNSUPPORTED, f"{found} is not a file", mend="Set 'path' to a file"
        )
    try:
        with found.open("rb"):
            pass
    except OSError as error:
        raise DeviceError(
            context.stream,
            Fault.PERMISSION,
            f"{found} cannot be read: {error.strerror}",
            mend=f"Run 'chmod u+r {found}'",
        ) from error
    return found
