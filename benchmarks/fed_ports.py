"""Serial ports with a program behind them that plays the devices."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tty
from collections.abc import Iterator


@contextlib.contextmanager
def fed_ports(count: int, feeder: str, *words: object) -> Iterator[list[str]]:
    """Yield the paths of ``count`` ports.

    Args:
        feeder: module that is run with ``words`` and the descriptors of the ports' far ends, which hang up
            (POLLHUP) while nobody has the port open.
    """
    masters, paths = [], []
    for _ in range(count):
        master, slave = os.openpty()
        tty.setraw(slave)
        paths.append(os.ttyname(slave))
        os.close(slave)
        masters.append(master)
    command = [sys.executable, "-m", feeder, *map(str, words), *map(str, masters)]
    process = subprocess.Popen(command, pass_fds=masters)
    try:
        yield paths
    finally:
        process.terminate()
        process.wait(10)
        for master in masters:
            os.close(master)
