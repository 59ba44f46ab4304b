"""Virtual IMUs on pseudo-terminals that speak the WitMotion protocol with known bytes.

As a program it writes to the master ends it inherited::

    python -m benchmarks.recorder.imu_feeder RATE FD...
"""

from __future__ import annotations

import os
import select
import sys
import time

import numpy as np
from numpy.typing import NDArray

PERIOD = 65521
"""Samples after which the known values begin again; a prime, so that no two devices repeat together."""


def known_counts(device: int) -> NDArray[np.int16]:
    """Return (PERIOD, 6) known int16 values: acceleration and angular rate of a device's samples."""
    return np.random.default_rng(1000 + device).integers(-32768, 32768, (PERIOD, 6)).astype(np.int16)


def packets(counts: NDArray[np.int16]) -> list[bytes]:
    """Return the bytes of each sample: an acceleration and an angular rate packet of 11 bytes each."""
    out = []
    for row in counts.astype("<i2"):
        sample = b""
        for kind, values in ((0x51, row[:3]), (0x52, row[3:])):
            packet = bytes([0x55, kind]) + values.tobytes() + b"\x00\x00"
            sample += packet + bytes([sum(packet) & 0xFF])
        out.append(sample)
    return out


def main() -> None:
    """Send sample k of each device at k / rate, while somebody has its port open."""
    rate, masters = float(sys.argv[1]), [int(word) for word in sys.argv[2:]]
    samples = [packets(known_counts(device)) for device in range(len(masters))]
    poller = select.poll()
    for master in masters:
        poller.register(master, select.POLLHUP)
    begin, number = time.monotonic(), 0
    while True:
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        closed = {descriptor for descriptor, event in poller.poll(0) if event & select.POLLHUP}
        for master, sample in zip(masters, samples, strict=True):
            if master not in closed:
                os.write(master, sample[number % PERIOD])
        number += 1


if __name__ == "__main__":
    main()
