"""A driver that is killed and started again: how long until its first row.

    python -m benchmarks.recorder.restart [--times 20]

A serial IMU at 200 Hz (the simulator's, on a pseudo-terminal). From the moment the process is started
until the recorder has its first row: the program's start, the hello, the clock's first probes, the
port, the first packet. Once with the spare process that ``chorus record`` keeps, which has imported all
beforehand, and once without: then most of the time goes into imports.
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
SPARE_S = 3.0
"""What ``chorus record`` does while all is well: a spare process has the drivers imported and waits."""


def first_row(subscriber: Subscriber, since_ns: int) -> float:
    """Wait for a row that reached its driver after ``since_ns``; return how long that took, s."""
    while True:
        message = subscriber.receive(30.0)
        if message is None:
            sys.exit("restart: no row within 30 s")
        if isinstance(message, Batch) and len(message) and int(message.stamps["time_host"][0]) > since_ns:
            return (time.monotonic_ns() - since_ns) * 1e-9


def restart(times: int, *, spare: bool) -> list[float]:
    """Kill a driver and start it again, so many times; return how long each first row took, s."""
    took: list[float] = []
    with tempfile.TemporaryDirectory() as folder, Hub() as hub, Subscriber(hub) as subscriber:
        path = Path(folder, "restart.yaml")
        path.write_text(RIG)
        with DriverProcesses(load_rig(path), hub.address) as processes:
            first_row(subscriber, time.monotonic_ns())
            for _ in range(times):
                if spare:
                    processes.prepare()
                    time.sleep(SPARE_S)
                os.kill(processes.pids["wrist"], signal.SIGKILL)
                while "wrist" in processes.running:
                    time.sleep(0.001)
                hub.release("wrist")
                began = time.monotonic_ns()
                processes.restart("wrist")
                took.append(first_row(subscriber, began))
            hub.request_stop()
    return took


def main() -> int:
    """Print the figures; return 0 where the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    options = parser.parse_args()
    medians = []
    for spare in (True, False):
        took = restart(options.times, spare=spare)
        medians.append(statistics.median(took))
        spread = f"({min(took):.3f} to {max(took):.3f}, {len(took)} times)"
        how = "a spare process that waited" if spare else "a new process"
        print(f"first row after {medians[-1]:.3f} s {spread} from {how}")
    reached = medians[0] <= GOAL_S
    print(f"goal (<= {GOAL_S} s): {'reached' if reached else 'missed'}")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
