"""The file under a session that is to be written: new, or as another recorder left it."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Literal

import h5py

from drivers.errors import RecordingError, RecordingExists
from recordings.ordered_file import OrderedFile

_CACHE_BYTES = 64 << 10
"""HDF5 keeps so much of each dataset that it writes itself; what was written is never read again."""
_INDEX_BYTES = 4 << 20
"""HDF5 keeps so much of the chunk indexes; by default up to 32 MB, so that memory grows for hours."""


def reopen(path: Path) -> OrderedFile:
    """Open a session file to go on with.

    Raises:
        RecordingError: it is not there, may not be written, or another program writes it.
    """
    try:
        return OrderedFile(path, existing=True)
    except FileNotFoundError:
        raise RecordingError(f"{path} is not there", mend="Give the session file to go on with") from None
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN) and os.access(path, os.W_OK):
            raise RecordingError(
                f"{path} is being written by another program", mend="Stop that recorder first"
            ) from error
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RecordingError(
            f"{path} can't be opened for writing ({reason})", mend="Check its permissions"
        ) from error


def create(path: Path) -> OrderedFile:
    """Create a session file, and its folder.

    Raises:
        RecordingExists: it is there already.
        RecordingError: it can't be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return OrderedFile(path)
    except FileExistsError:
        raise RecordingExists(
            f"{path} exists already and is not overwritten", mend="give another name with --output"
        ) from None
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise RecordingError(
            f"{path} can't be created ({reason})",
            mend="give a name in a folder you may write to with --output",
        ) from error


def hdf5(file: OrderedFile, mode: Literal["r+", "w"]) -> h5py.File:
    """Return the HDF5 file in it, to be written for hours.

    It has the oldest form with checksums on HDF5's own structures; newer ones refuse to open after a crash.
    """
    opened = h5py.File(file, mode, libver=("v108", "v108"), rdcc_nbytes=_CACHE_BYTES)
    config = opened.id.get_mdc_config()
    config.max_size = max(_INDEX_BYTES, config.initial_size)
    opened.id.set_mdc_config(config)
    return opened
