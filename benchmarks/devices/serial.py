"""Six serial IMUs at once, each protocol at its full rate, through real drivers into a real recording.

    python -m benchmarks.devices.serial [--minutes 5] [--output FILE.h5] [--auto] [--seed 0]

Each speaks on a pseudo-terminal from when its port is opened (``benchmarks.devices.wires``). Prints for each
rows stored and lost (goal 0), rows that are not exactly those that were sent, in their order (goal 0), the
error of the rate, and the processor time of its driver's process (goal 4 % of a core for up to 200 Hz, twice
that for 400 Hz): from the first row to the end, and with its start. With ``--auto`` no driver is told its
protocol. Exits 0 if all goals hold.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import heapq
import json
import os
import select
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.devices.wires import Wire, wires
from benchmarks.fed_ports import fed_ports
from drivers.rig import load_rig
from recordings.check import check
from recordings.reader import open_recording
from recordings.recorder import record
from recordings.status import RecordStatus

GOAL_SHARE = 4.0
"""Percent of a core for a device of up to 200 Hz; in proportion for faster ones."""
TICKS = os.sysconf("SC_CLK_TCK")
FEEDER = "benchmarks.devices.serial"


@dataclasses.dataclass(frozen=True)
class Result:
    """What became of one device."""

    name: str
    rate_hz: float
    rows: int
    lost: int
    differing: int
    rate_error_ppm: float
    cpu_share: float
    cpu_share_with_start: float
    problems: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Whether the goals hold."""
        exact = self.rows > 0 and self.lost == self.differing == 0 and not self.problems
        return exact and self.cpu_share <= GOAL_SHARE * max(1.0, self.rate_hz / 200.0)


class ProcessorTime(threading.Thread):
    """Reads the processor time of this program's driver processes, twice a second, from /proc."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.used: dict[str, list[tuple[float, float]]] = {}
        self._over = threading.Event()

    def run(self) -> None:
        """See :class:`threading.Thread`."""
        while not self._over.wait(0.5):
            for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):  # noqa: PTH208
                with contextlib.suppress(OSError, ValueError, IndexError):
                    self._note(pid)

    def stop(self) -> None:
        """End it."""
        self._over.set()
        self.join()

    def _note(self, pid: int) -> None:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if int(fields[1]) != os.getpid():
            return
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if b"--only" in words:
            stream = words[words.index(b"--only") + 1].decode()
            used = (int(fields[11]) + int(fields[12])) / TICKS
            self.used.setdefault(stream, []).append((time.monotonic(), used))

    def shares(self, stream: str, begin: float, end: float) -> tuple[float, float]:
        """Return percent of a core from ``begin`` to ``end``, and since the process began."""
        notes = [note for note in self.used.get(stream, []) if note[0] <= end]
        if not notes:
            return float("nan"), float("nan")
        early = next((note for note in notes if note[0] >= begin), notes[0])
        last = notes[-1]
        steady = 100 * (last[1] - early[1]) / max(1e-9, last[0] - early[0])
        return steady, 100 * last[1] / max(1e-9, last[0] - notes[0][0])


def feed(seed: int, masters: list[int]) -> None:
    """Send row k of each device at k / rate from when somebody opened its port."""
    devices = wires(seed)
    poller = select.poll()
    for master in masters:
        poller.register(master, select.POLLHUP)
    due: list[tuple[float, int, int, float]] = []  # when, device, row, when its row 0 was
    waiting = set(range(len(devices)))
    while True:
        if waiting:
            closed = {descriptor for descriptor, event in poller.poll(0) if event & select.POLLHUP}
            for number in [number for number in waiting if masters[number] not in closed]:
                waiting.discard(number)
                begin = time.monotonic() + 0.1
                heapq.heappush(due, (begin, number, 0, begin))
        if not due or (waiting and due[0][0] - time.monotonic() > 0.02):
            time.sleep(0.01)
            continue
        when, number, row, begin = heapq.heappop(due)
        time.sleep(max(0.0, when - time.monotonic()))
        try:
            os.write(masters[number], devices[number].send(row))
        except OSError:
            waiting.add(number)  # it was closed; a device that is opened again begins anew
            continue
        heapq.heappush(due, (begin + (row + 1) / devices[number].rate_hz, number, row + 1, begin))


def write_rig(folder: Path, devices: list[Wire], ports: list[str], auto: bool) -> Path:
    """Write the rig of the recording."""
    streams: dict[str, Any] = {}
    for wire, port in zip(devices, ports, strict=True):
        streams[wire.name] = {"driver": "imu.serial", "port": port, **wire.rig}
        if auto:
            streams[wire.name] |= {"protocol": "auto", "baudrate": "auto"}
    path = folder / "serial.yaml"
    path.write_text(json.dumps({"name": "serial", "streams": streams}))  # JSON is YAML
    return path


def run(seconds: float, path: Path, seed: int = 0, auto: bool = False) -> list[Result]:
    """Record all devices for so long into ``path``."""
    devices = wires(seed)
    meter, began = ProcessorTime(), []

    def on_status(status: RecordStatus) -> None:
        if status.phase == "recording":
            began.append(time.monotonic())

    with tempfile.TemporaryDirectory() as name, fed_ports(len(devices), FEEDER, "--feed", seed) as ports:
        rig = load_rig(write_rig(Path(name), devices, ports, auto))
        meter.start()
        record(rig, path, seconds, on_status=on_status)
        meter.stop()
    report, results = check(path), []
    with open_recording(path) as recording:
        for wire in devices:
            one, stored = report.streams[wire.name], recording.streams[wire.name]
            steady, whole = meter.shares(wire.name, began[0], began[-1])
            results.append(
                Result(
                    name=wire.name,
                    rate_hz=wire.rate_hz,
                    rows=one.samples,
                    lost=one.lost + one.unexplained,
                    differing=wire.differing(np.asarray(stored.data[:])),
                    rate_error_ppm=1e6 * (one.rate_hz / wire.rate_hz - 1),
                    cpu_share=steady,
                    cpu_share_with_start=whole,
                    problems=tuple(text for text in report.problems if wire.name in text),
                )
            )
    return results


def main() -> int:
    """Run it; return the exit status."""
    if sys.argv[1:2] == ["--feed"]:
        feed(int(sys.argv[2]), [int(word) for word in sys.argv[3:]])
        return 0
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--output", type=Path, help="keep the recording under this name")
    parser.add_argument("--auto", action="store_true", help="let the drivers find protocol and baud rate")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = options.output or Path(name) / "serial.h5"
        results = run(60 * options.minutes, path, options.seed, options.auto)
    for one in results:
        print(
            f"{'ok  ' if one.good else 'FAIL'} {one.name:13} {one.rate_hz:3.0f} Hz: {one.rows} rows, "
            f"lost {one.lost}, {one.differing} not as sent, rate {one.rate_error_ppm:+.0f} ppm, "
            f"{one.cpu_share:.2f} % of a core ({one.cpu_share_with_start:.2f} % with its start)"
            + "".join(f"; {problem}" for problem in one.problems)
        )
    return int(not all(one.good for one in results))


if __name__ == "__main__":
    sys.exit(main())
