"""A folder of runs belongs to one program at a time: two that share it test one another's checkpoints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from drivers.errors import ConfigError

LOCK = ".in_use"
"""File in the folder that is locked; the system lets go of it however the program ends."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make ``folder`` and keep it from other programs meanwhile.

    Raises:
        ConfigError: another program is using it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ConfigError(
            f"another run is using the folder {folder}",
            mend="Give this one its own with --output=FOLDER, or wait until that has ended",
        ) from None
    try:
        yield
    finally:
        lock.release()
