"""Virtual IMUs on pseudo-terminals whose cables are pulled and plugged in again; they measure meanwhile.

As a program it makes the ports, tells when they are there, begins to pull cables at a line on its standard
input, and goes on until that closes::

    python -m benchmarks.devices.plugged FOLDER RATE TIMES NAME=PROTOCOL...

A port is a link ``FOLDER/NAME``. TIMES it is removed and its pseudo-terminal hung up, and after a while
the link points to a new pseudo-terminal. A port whose name begins with ``steady`` stays.

Protocols: ``counted``, lines with a counter and a clock; ``clocked``, lines with a clock; ``bare``, lines
without either; ``witmotion``, packets without either. Each row tells its number in its values, so that a
recording shows what is missing (:func:`numbers`).
"""

from __future__ import annotations

import contextlib
import os
import random
import select
import subprocess
import sys
import time
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.imu.serial.witmotion import packet

TICK_S = 0.001
PLUGGED_S, AWAY_S = (0.8, 1.6), (0.15, 2.0)
"""How long a device sends to somebody before it is unplugged, and is away, drawn evenly."""
STEP = 1000
"""Numbers are told as two digits to this base, on two axes."""

RIG = {
    "counted": {
        "protocol": "lines",
        "columns": ["seq", "t", "ax", "ay", "az", "gx", "gy", "gz"],
        "units": ["1", "ms", "m/s^2", "m/s^2", "m/s^2", "rad/s", "rad/s", "rad/s"],
        "counter_bits": 16,
    },
    "clocked": {
        "protocol": "lines",
        "columns": ["t", "ax", "ay", "az", "gx", "gy", "gz"],
        "units": ["ms", "m/s^2", "m/s^2", "m/s^2", "rad/s", "rad/s", "rad/s"],
    },
    "bare": {
        "protocol": "lines",
        "columns": ["ax", "ay", "az", "gx", "gy", "gz"],
        "units": ["m/s^2", "m/s^2", "m/s^2", "rad/s", "rad/s", "rad/s"],
    },
    "witmotion": {"protocol": "witmotion"},
}
"""What a rig says of each kind of device, besides ``driver: imu.serial`` and its port."""


def row(kind: str, number: int, rate_hz: float) -> bytes:
    """Return the bytes of row ``number``."""
    high, low = divmod(number, STEP)
    if kind == "witmotion":
        return packet(0x51, (high, low, 2048, 0)) + packet(0x52, (0, 0, 0, 0))
    values = f"{high},{low},9.8,0,0,0\n"
    clock = f"{round(number * 1000 / rate_hz)},"
    before = {"counted": f"{number % 65536},{clock}", "clocked": clock, "bare": ""}[kind]
    return (before + values).encode()


def numbers(kind: str, data: NDArray[Any]) -> NDArray[np.int64]:
    """Return the numbers (N,) that recorded rows (N, C) tell."""
    values = np.asarray(data, np.float64)[:, :2]
    if kind == "witmotion":
        values = values / (16 * 9.80665) * 32768
    digits = np.rint(values).astype(np.int64)
    return digits[:, 0] * STEP + digits[:, 1]


class Plugged:
    """One device: it measures always, and sends while it is plugged in and somebody has its port open."""

    def __init__(self, path: Path, kind: str, rate_hz: float) -> None:
        self.path, self.kind, self.rate_hz = path, kind, rate_hz
        self.unplugged = 0  # so many times
        self.heard_s = 0.0  # since when somebody has its port open, monotonic; 0: nobody
        self._master = -1
        self._begun_ns = time.monotonic_ns()
        self._number = 0

    def plug(self) -> None:
        """Make a new pseudo-terminal, and point the link there."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        link = self.path.with_suffix(".new")
        link.symlink_to(os.ttyname(slave))
        os.close(slave)
        link.rename(self.path)

    def unplug(self) -> None:
        """Remove the port, as a cable that is pulled does."""
        self.path.unlink()
        os.close(self._master)
        self._master, self.heard_s = -1, 0.0
        self.unplugged += 1

    def tick(self, now_ns: int) -> None:
        """Measure what is due; send it if somebody listens."""
        due = int((now_ns - self._begun_ns) * 1e-9 * self.rate_hz)
        first, self._number = self._number, max(self._number, due)
        if self._master < 0 or first == self._number:
            return
        poll = select.poll()
        poll.register(self._master, select.POLLHUP)
        if poll.poll(0):
            return
        self.heard_s = self.heard_s or now_ns * 1e-9
        data = b"".join(row(self.kind, number, self.rate_hz) for number in range(first, self._number))
        with contextlib.suppress(OSError):  # nobody reads: a real port loses its bytes as well
            os.write(self._master, data)


def main(words: Sequence[str]) -> None:
    """Run the devices until standard input closes."""
    folder, rate_hz, times, *given = words
    chance = random.Random(7)
    devices = [
        Plugged(Path(folder, name), kind, float(rate_hz))
        for name, kind in (word.split("=") for word in given)
    ]
    for device in devices:
        device.plug()
    print("plugged in", flush=True)
    moving = [device for device in devices if not device.path.name.startswith("steady")]
    due = {id(device): chance.uniform(*PLUGGED_S) for device in moving}  # since it is heard, or away
    away_s: dict[int, float] = {}  # since when, monotonic
    begun = told = False
    while True:
        if select.select([sys.stdin], [], [], TICK_S)[0]:
            if not sys.stdin.readline():
                return
            begun = True
        for device in devices:
            device.tick(time.monotonic_ns())
        for device in moving if begun else ():
            key, now = id(device), time.monotonic()
            if key in away_s:
                if now - away_s[key] > due[key]:
                    device.plug()
                    del away_s[key]
                    due[key] = chance.uniform(*PLUGGED_S)
            elif device.unplugged < int(times) and device.heard_s and now - device.heard_s > due[key]:
                device.unplug()
                away_s[key] = now
                due[key] = chance.uniform(*AWAY_S)
        over = not away_s and all(device.unplugged == int(times) and device.heard_s for device in moving)
        if over and not told:
            told = True
            print("all plugged in for good", flush=True)


@contextlib.contextmanager
def plugged(folder: Path, rate_hz: float, times: int, **kinds: str) -> Iterator[subprocess.Popen[str]]:
    """Run the program: first it says that all is plugged in, then, when it is so for good."""
    command = [sys.executable, "-m", "benchmarks.devices.plugged", str(folder), str(rate_hz), str(times)]
    command += [f"{name}={kind}" for name, kind in kinds.items()]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        if not process.stdout.readline():
            raise RuntimeError("the virtual devices did not start")
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


if __name__ == "__main__":
    main(sys.argv[1:])
