"""Silence for C libraries that talk on the error stream."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet_stderr() -> Iterator[None]:
    """Keep what C libraries print on the error stream away from the user.

    ALSA, PortAudio and OpenCV write many lines for every failed attempt; the typed error says it in one.
    """
    sys.stderr.flush()
    try:
        kept = os.dup(2)
    except OSError:  # there is no error stream
        yield
        return
    try:
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a descriptor is needed, not a path
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
