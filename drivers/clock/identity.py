"""Which clock a process reads."""

from __future__ import annotations

import functools
import platform
import subprocess
import time
import uuid
from pathlib import Path


@functools.cache
def clock_identity() -> str:
    """Name the monotonic clock of this process.

    Equal names are one clock: times can be compared without any estimate. On Linux a clock lives as
    long as the boot and belongs to a time namespace; elsewhere host and boot are all that is known.
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return _identity_elsewhere()
    try:
        namespace = str(Path("/proc/self/ns/time").readlink())
    except OSError:  # kernels before 5.6 have one clock
        namespace = "time:[0]"
    return f"{boot}/{namespace}"


def _identity_elsewhere() -> str:
    boot = ""
    if platform.system() == "Darwin":
        try:
            command = ["/usr/sbin/sysctl", "-n", "kern.bootsessionuuid"]
            boot = subprocess.run(
                command, capture_output=True, text=True, timeout=5, check=False
            ).stdout.strip()
        except (OSError, subprocess.SubprocessError):
            boot = ""
    if not boot:
        # Minutes, because the clock of day may be set meanwhile. Where two processes fall on two
        # minutes they estimate an offset that they need not: safe.
        boot = str((time.time_ns() - time.monotonic_ns()) // (60 * 10**9))
    return f"{platform.node()}/{uuid.getnode():012x}/{boot}"
