"""Keeps what is in memory off the disk: a picture that is not stored must not end in a crash dump."""

from __future__ import annotations

import contextlib
import sys

PR_SET_DUMPABLE = 4
"""Of prctl(2), from ``linux/prctl.h``."""


def forbid_dumps() -> None:
    """Let this process leave no core dump, and no other process of the same user read its memory.

    On Linux, where a dump may also be piped to a program whatever the limit on its size, and on other POSIX
    systems by that limit; Windows writes none unless its user asked for them.
    """
    if sys.platform == "win32":
        return
    import resource

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    if sys.platform == "linux":
        import ctypes

        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)
