"""A driver that is killed and started again: how long until its first row.

    python -m benchmarks.recorder.restart [--times 20]

A serial IMU at 200 Hz (the simulator's, on a pseudo-terminal). From the moment the process is started
until the recorder has its first row: the program's start, the hello, the clock's first probes, the
port, the first packet.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from drivers.base import Batch
from drivers.bus import Hub, Subscriber
from drivers.process import DriverProcesses
from drivers.rig import load_rig

RIG = """
streams:
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 200}
"""
GOAL_S = 0.3


def first_row(subscriber: Subscriber, since_ns: int) -> float:
    """Wait for a row that reached its driver after ``since_ns``; return how long that took, s."""
    while True:
        message = subscriber.receive(30.0)
        if message is None:
            sys.exit("restart: no row within 30 s")
        if isinstance(message, Batch) and len(message) and int(message.stamps["time_host"][0]) > since_ns:
            return (time.monotonic_ns() - since_ns) * 1e-9


def main() -> int:
    """Print the figures; return 0 where the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Hub() as hub, Subscriber(hub) as subscriber:
        path = Path(folder, "restart.yaml")
        path.write_text(RIG)
        with DriverProcesses(load_rig(path), hub.address) as processes:
            first_row(subscriber, time.monotonic_ns())
            for _ in range(options.times):
                os.kill(processes.pids["wrist"], signal.SIGKILL)
                while "wrist" in processes.running:
                    time.sleep(0.001)
                hub.release("wrist")
                began = time.monotonic_ns()
                processes.restart("wrist")
                took.append(first_row(subscriber, began))
            hub.request_stop()
    spread = f"({min(took):.3f} to {max(took):.3f}, {len(took)} times)"
    print(f"first row after {statistics.median(took):.3f} s {spread}")
    reached = statistics.median(took) <= GOAL_S
    print(f"goal (<= {GOAL_S} s): {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
