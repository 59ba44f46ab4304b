"""Wireless sensors: what a phone over UDP costs and loses, and what breaks the parsers of what they send.

    python -m benchmarks.devices.wireless [--seconds 20] [--kilobytes 1000]

Prints rows lost and rows that are not what was sent of a phone that sends 200 times a second (goal 0), the
processor it takes in % of a core (goal 4), and for each parser the exceptions among random and mutated bytes
(goal 0). Exits 0 if all goals hold.
"""

from __future__ import annotations

import argparse
import json
import random
import socket
import struct
import sys
import threading
import time

import numpy as np

from drivers.base import DriverContext
from drivers.imu.parser import Parser
from drivers.imu.wireless.datagram import DatagramParser
from drivers.imu.wireless.packet import Layout
from drivers.imu.wireless.packets import PacketParser
from drivers.imu.wireless.udp import APPS, UdpImuConfig, UdpImuDriver

RATE, CORE_GOAL = 200, 4.0
FIELDS = [
    {"name": "seq", "at": "n"},
    {"name": "t", "at": "t", "unit": "us"},
    {"name": ["ax", "ay", "az"], "at": "a", "unit": "m/s^2"},
    {"name": ["gx", "gy", "gz"], "at": "g", "unit": "rad/s"},
]
PACKET = {
    "header": [{"name": "seq", "type": "u16"}, {"name": "t", "type": "u32", "unit": "us"}],
    "sample": [
        {"name": ["ax", "ay", "az"], "type": "i16", "unit": "mg"},
        {"name": ["gx", "gy", "gz"], "type": "i16", "unit": "deg/s", "scale": 0.1},
    ],
}


def datagram(n: int) -> bytes:
    """Row n as JSON."""
    return json.dumps({"n": n, "t": n * 5000, "a": [n % 97, 0, 9.75], "g": [0, -(n % 89), 0.5]}).encode()


def send(port: int, count: int) -> None:
    """Send rows at their rate, on a clock that never drifts."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as phone:
        begin = time.monotonic()
        for n in range(count):
            time.sleep(max(0.0, begin + n / RATE - time.monotonic()))
            phone.sendto(datagram(n), ("127.0.0.1", port))


def phone(seconds: float) -> tuple[int, int, float]:
    """Read a phone; return rows lost, rows that are not what was sent, and processor in % of a core."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {"listen": f"127.0.0.1:{port}", "format": "json", "fields": FIELDS, "rate_hz": RATE}
    driver, count = UdpImuDriver(UdpImuConfig(**options), DriverContext("phone")), int(seconds * RATE)
    sender = threading.Thread(target=send, args=(port, count), daemon=True)
    threading.Timer(0.2, sender.start).start()
    driver.open()
    wrong = rows = 0
    first = None
    cpu, begin = time.thread_time(), time.monotonic()
    while time.monotonic() < begin + seconds + 5:
        samples = driver.read(0.1)
        if samples is None:
            continue
        first = int(samples.seq[0]) if first is None else first
        n = samples.time_device // 5_000_000
        wrong += int((np.abs(samples.data[:, 0] - n % 97) + np.abs(samples.data[:, 4] + n % 89) > 1e-5).sum())
        rows += len(samples)
        if n[-1] == count - 1:
            break
    cost = 100 * (time.thread_time() - cpu) / (time.monotonic() - begin)
    driver.close()
    return count - rows, wrong, cost


def fuzz(parser: Parser, good: bytes, size: int, chance: random.Random) -> int:
    """Feed random and mutated messages; return how many raised."""
    raised = fed = 0
    while fed < size:
        data = bytearray(chance.randbytes(chance.randrange(1, 200)) if chance.random() < 0.3 else good)
        for _ in range(chance.randrange(4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        data = data[: chance.randrange(1, len(data) + 1)] if chance.random() < 0.1 else data
        try:
            parser.feed(bytes(data), fed * 1000)
            parser.take()
        except Exception:
            raised += 1
        fed += len(data)
    return raised


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.devices.wireless")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--kilobytes", type=int, default=1000)
    options = parser.parse_args()
    lost, wrong, cost = phone(options.seconds)
    print(f"phone, JSON over UDP, {RATE} Hz: {lost} rows lost, {wrong} not what was sent (goal 0)")
    print(f"  {cost:.1f} % of a core (goal {CORE_GOAL:g})")
    fine = lost == wrong == 0 and cost <= CORE_GOAL
    osc = b"/x/accel\0\0\0\0,fff\0\0\0\0" + struct.pack(">3f", 1, 2, 3)
    csv = b"5.2, 3, 0.1, 0.2, 9.81, 4, 0.01, 0.02, 0.03"
    cases = {
        "json": (DatagramParser("json", FIELDS), datagram(5)),
        "csv": (DatagramParser(*APPS["sensorstream"]), csv),
        "osc": (DatagramParser(*APPS["zigsim"]), osc),
        "packets": (PacketParser(Layout(PACKET), RATE), struct.pack("<HI6h", 1, 2, 3, 4, 5, 6, 7, 8)),
    }
    for name, (one, good) in cases.items():
        raised = fuzz(one, good, options.kilobytes * 1000, random.Random(1))
        print(f"{name}: {raised} exceptions in {options.kilobytes * 1000:,} bytes (goal 0)")
        fine = fine and not raised
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
