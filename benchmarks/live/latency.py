"""How old poses are when they come out, with a camera at 30 Hz, six IMUs and sound; and whether that lasts.

::

    python -m benchmarks.live.latency --data DIR [--seconds 60] [--size 1280x720] [--cores 0,1]
    python -m benchmarks.live.latency --data DIR --seconds 3600         # memory flat, latency unchanged?

``chorus live`` runs as a user runs it, with its drivers, on the cores that are named: a film loops at 30 Hz
(``camera.file``, JPEG), six WitMotion sensors send 100 Hz to pseudo-terminals, a simulated microphone 48 kHz.
The sensors themselves are in this process, on the other cores. Told are the goals of

* a picture, from its arrival to the first published pose that knows of it: p50 30 ms, p95 45 ms;
* rows of an IMU, from their arrival to the first published pose that knows of them: p95 20 ms;
* poses a second: 60;

and, of runs of ten minutes and more, whether the second half takes more memory than the first (by more than
5 %) or is later (by more than a fifth, and 5 ms). Exit status 1: something is missed. On a machine that
others use the same run says more about them: the load is told, and how many of its threads have real-time
priority (``fusion/tracking/turn.py``); ``-- --priority=normal`` asks for none.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

import yaml

from benchmarks.live.beside import PLACES
from benchmarks.live.real_video import RATE_HZ, VIDEO, WitMotionSensor

LINE = re.compile(r"([\d.]+) poses/s  frame (\S+)/(\S+) ms  sample (\S+)/(\S+) ms")
FRAME_P50, FRAME_P95, SAMPLE_P95, POSES = 30.0, 45.0, 20.0, 59.5
GROWN, LATER, LATER_MS = 0.05, 0.2, 5.0
LONG_S = 600.0
EVERY_S = 5.0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CHORUS_DATA", "data")))
    parser.add_argument("--video", default=VIDEO, help="below --data")
    parser.add_argument("--size", default="", help="of the pictures, WIDTHxHEIGHT; by default the film's own")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--cores", default="0,1", help="for chorus live and its drivers, by number")
    parser.add_argument("--nice", type=int, default=0)
    parser.add_argument("--output", type=Path, help="keep table, film and summary here")
    parser.add_argument("--film", action="store_true", help="write the film, too")
    parser.add_argument("--vision", default="blazepose")
    parser.add_argument("options", nargs="*", help="of chorus live, after --")
    options = parser.parse_args()
    video = options.data / options.video
    if not video.is_file():
        print(f"{video} is not there; name the folder of the data with --data")
        return 2
    sensors = [WitMotionSensor(phase / 3) for phase in range(len(PLACES))]
    for sensor in sensors:
        sensor.start()
    with tempfile.TemporaryDirectory(prefix="chorus-latency-") as folder:
        output = options.output or Path(folder) / "run"
        rig = write_rig(Path(folder), video.resolve(), [sensor.port for sensor in sensors], options)
        summary, watched = run(rig, output, options)
    for sensor in sensors:
        sensor.stop.set()
    return report(summary, watched, options)


def write_rig(folder: Path, video: Path, ports: list[str], options: argparse.Namespace) -> Path:
    """Write the rig and return its path."""
    camera = {"driver": "camera.file", "path": str(video), "loop": True, "fps": 30.0}
    if options.size:
        camera["size"] = [int(side) for side in options.size.split("x")]
    streams: dict[str, dict[str, object]] = {
        "camera": camera,
        "microphone": {"driver": "simulator.microphone"},
    }
    for name, port in zip(PLACES, ports, strict=True):
        streams[name] = {"driver": "imu.serial", "port": port, "worn_on": name, "rate_hz": RATE_HZ}
    path = folder / "latency.yaml"
    path.write_text(yaml.safe_dump({"name": "latency", "vision": options.vision, "streams": streams}))
    return path


class Watched(threading.Thread):
    """What a run prints each second, and its memory, every few seconds.

    Attributes:
        lines: (seconds, poses a second, p50 and p95 of frames, p50 and p95 of samples, ms).
        memory: (seconds, MB of the engine's process, MB of its drivers).
        said: why a device no longer takes part.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        super().__init__(daemon=True)
        self._process, self._begin = process, time.monotonic()
        self.lines: list[tuple[float, ...]] = []
        self.said = ""
        self.memory: list[tuple[float, float, float]] = []
        assert process.stdout is not None
        threading.Thread(target=self._read, args=(process.stdout,), daemon=True).start()

    def _read(self, said: IO[str]) -> None:
        for line in said:
            found = LINE.search(line)
            if found:
                self.lines.append((time.monotonic() - self._begin, *map(float, found.groups())))
            elif "goes on without" in line:
                self.said = line.strip()

    def run(self) -> None:
        while self._process.poll() is None:
            time.sleep(EVERY_S)
            if self.lines:  # what is prepared before the first pose is no leak
                engine = memory(self._process.pid)
                children = sum(memory(pid) for pid in children_of(self._process.pid))
                if engine and children:
                    self.memory.append((time.monotonic() - self._begin, engine, children))


def run(rig: Path, output: Path, options: argparse.Namespace) -> tuple[dict, Watched]:
    """Track the rig; return the summary and what was seen meanwhile."""
    command = [sys.executable, "-m", "fusion.cli", "live", str(rig), "--duration", str(options.seconds)]
    command += ["--output", str(output), f"--film={str(options.film).lower()}", *options.options]
    cores = {int(core) for core in options.cores.split(",")}

    def prepare() -> None:
        os.sched_setaffinity(0, cores)
        os.nice(options.nice)

    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=prepare,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    watched = Watched(process)
    watched.start()
    if process.wait():
        raise SystemExit(f"chorus live ended with status {process.returncode}")
    watched.join()
    return json.loads((output / "summary.json").read_text()), watched


def report(summary: dict, watched: Watched, options: argparse.Namespace) -> int:
    """Print figures and goals; return the exit status."""
    missed = 0

    def told(what: str, figure: float, goal: float, unit: str, *, least: bool = False) -> None:
        nonlocal missed
        good = figure >= goal if least else figure <= goal
        missed += not good
        sign = ">=" if least else "<="
        print(f"{what:52} {figure:7.1f} {unit:5} (goal {sign} {goal:g}: {'reached' if good else 'MISSED'})")

    frame, sample = summary["frame_to_pose"], summary["sample_to_pose"]
    if frame["p50_ms"] is None or sample["p50_ms"] is None:
        print(f"no picture, or no row of an IMU, reached a pose: {watched.said}")
        return 1
    print(f"cores {options.cores}, load {os.getloadavg()[0]:.1f} of {os.cpu_count()}, {options.seconds:g} s")
    told("poses", summary["poses_per_s"], POSES, "/s", least=True)
    told("picture arrived -> pose, p50", frame["p50_ms"], FRAME_P50, "ms")
    told("picture arrived -> pose, p95", frame["p95_ms"], FRAME_P95, "ms")
    told("IMU rows arrived -> pose, p95", sample["p95_ms"], SAMPLE_P95, "ms")
    print(f"{'IMU rows arrived -> pose, p50':52} {sample['p50_ms']:7.1f} ms")
    for name, what in (
        ("frame_latency", "newest picture captured"),
        ("sample_latency", "newest sample captured"),
    ):
        print(
            f"{what + ' -> pose, p50, p95':52} "
            f"{summary[name]['p50_ms']:7.1f} {summary[name]['p95_ms']:7.1f} ms"
        )
    print(
        f"{'pictures looked at, skipped':52} {summary['frames_per_s']:7.1f} /s, {summary['frames_skipped']}"
    )
    print(f"{'ticks late, left out':52} {summary['late_ticks']:7d} {summary['skipped_ticks']:7d}")
    print(f"{'threads with real-time priority':52} {summary['first_threads']:7d}")
    if options.seconds < LONG_S:
        return int(missed > 0)
    early, late = halves(watched.memory)
    for column, what in ((1, "memory of the engine"), (2, "memory of its drivers")):
        before, after = (statistics.median(row[column] for row in half) for half in (early, late))
        print(f"{what + ', first and second half':52} {before:7.0f} {after:7.0f} MB")
        told(f"{what}, grown", 100 * (after / before - 1), 100 * GROWN, "%")
    early, late = halves(watched.lines)
    for column, what in ((2, "pictures"), (4, "samples")):
        before, after = (statistics.median(row[column] for row in half) for half in (early, late))
        print(f"{'latency of ' + what + ', first and second half':52} {before:7.1f} {after:7.1f} ms")
        told(f"latency of {what}, later", after - before, max(LATER * before, LATER_MS), "ms")
    return int(missed > 0)


def halves(rows: list) -> tuple[list, list]:
    """Return the first and the second half, without the first tenth: caches fill."""
    rows = rows[len(rows) // 10 :]
    return rows[: len(rows) // 2], rows[len(rows) // 2 :]


def memory(pid: int) -> float:
    """Return what a process holds, MB; 0 where it is gone."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


def children_of(pid: int) -> list[int]:
    """Return the processes that a process started."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


if __name__ == "__main__":
    sys.exit(main())
