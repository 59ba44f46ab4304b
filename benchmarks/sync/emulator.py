"""A network of chosen delays between two network namespaces, in user space (Linux, root).

    python -m benchmarks.sync.emulator '{"there": {...}, "back": {...}, "seed": 1, ...}'

Two TUN devices, one in each namespace; packets read from the one are written to the other after a
delay, in order. For kernels without netem. Started by ``benchmarks.sync.hosts``.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import json
import os
import select
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.sync.conditions import Way

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SPIN_S = 0.0003  # sleeping is not more exact than that


def tun(device: str, namespace: str, address: str, peer: str) -> int:
    """Make a TUN device, move it into a namespace and bring it up; return its descriptor."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
    inside = ["ip", "-n", namespace]
    for command in (
        ["ip", "link", "set", device, "netns", namespace],
        [*inside, "addr", "add", address, "peer", peer, "dev", device],
        [*inside, "link", "set", device, "up", "txqueuelen", "2000"],
    ):
        subprocess.run(command, check=True)
    return descriptor


class Emulator:
    """Carries packets between two descriptors.

    Args:
        ends: the two TUN devices.
        ways: delays from the first to the second, and back.
        seed: of the delays.
    """

    def __init__(self, ends: tuple[int, int], ways: tuple[Way, Way], seed: int) -> None:
        self._ends, self._ways = ends, ways
        self._rng = np.random.default_rng(seed)
        self._due: list[tuple[float, int, int, bytes]] = []
        self._last = [0.0, 0.0]
        self._count = 0
        self._poll = select.poll()
        for end in ends:
            self._poll.register(end, select.POLLIN)

    def step(self) -> None:
        """Wait for packets or for one to be due, and carry what there is."""
        left = self._due[0][0] - time.monotonic() if self._due else 0.05
        ready = self._poll.poll(max(0.0, left - SPIN_S) * 1e3 if left > SPIN_S else 0)
        now = time.monotonic()
        for end, _ in ready:
            self._read(self._ends.index(end), now)
        while self._due and self._due[0][0] <= time.monotonic():
            _, _, way, packet = heapq.heappop(self._due)
            with contextlib.suppress(OSError):  # the far end is down
                os.write(self._ends[1 - way], packet)

    def _read(self, way: int, now: float) -> None:
        delays = self._ways[way]
        while True:
            try:
                packet = os.read(self._ends[way], 65536)
            except BlockingIOError:
                return
            if delays.loss and self._rng.random() < delays.loss:
                continue
            late = delays.base_ms
            if delays.exponential_ms:
                late += self._rng.exponential(delays.exponential_ms)
            self._last[way] = max(self._last[way], now + late / 1e3)
            self._count += 1
            heapq.heappush(self._due, (self._last[way], self._count, way, packet))


def main() -> None:
    """Run until killed, or until whoever started this is gone."""
    told: dict[str, Any] = json.loads(sys.argv[1])
    ends = tuple(
        tun(f"chorus{told['run']}{letter}", namespace, address, peer)
        for letter, namespace, address, peer in (
            ("a", told["near"], told["near_address"], told["far_address"]),
            ("b", told["far"], told["far_address"], told["near_address"]),
        )
    )
    with contextlib.suppress(OSError, PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(10))
    emulator = Emulator(ends, (Way(**told["back"]), Way(**told["there"])), told["seed"])  # type: ignore[arg-type]
    print("up", flush=True)
    parent = os.getppid()
    while os.getppid() == parent and Path("/proc").exists():
        emulator.step()


if __name__ == "__main__":
    main()
