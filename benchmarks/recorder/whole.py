"""The whole recorder under the load of a laboratory: what it loses, how much processor and memory it takes.

    python -m benchmarks.recorder.whole [--seconds 600] [--cores 2] [--keep FILE]

Three cameras of 1280x720 JPEG pictures (about 120 kB) at 30 fps, eight IMUs at 200 Hz and eight
channels of sound at 48 kHz, each published by a process of its own, in real time; ``chorus record`` in
another, on ``--cores`` cores that it shares with all of them. Printed: rows published, stored and lost;
the processor time of the recorder (bus, clocks, writer, checksums) as a share of one core; its memory,
each minute, and the slope of that. The publishers send what was made before, so that only the recorder
and the bus are measured.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from drivers.base import NO_TIME, Batch, StreamInfo

CAMERAS = tuple(
    StreamInfo(
        name=f"camera{n}", kind="camera", encoding="jpeg", dtype="|u1", shape=(720, 1280, 3), rate_hz=30.0
    )
    for n in range(3)
)
IMUS = tuple(
    StreamInfo(name=f"imu{n}", kind="imu", shape=(10,), rate_hz=200.0, regular=True) for n in range(8)
)
SOUND = StreamInfo(
    name="sound", kind="audio", dtype="<i2", shape=(8,), rate_hz=48000.0, regular=True, stamping="block"
)
STREAMS = (*CAMERAS, *IMUS, SOUND)
PICTURE_BYTES = 120_000
EACH_S = {"camera": 1 / 30, "imu": 0.02, "audio": 0.02}
GOAL_CPU, GOAL_MB = 60.0, 400.0


def publish(name: str, address: str, seconds: float) -> None:
    """Be one publisher, with the device clock that the loop of drivers uses; print the rows at the end."""
    from drivers.base import Samples
    from drivers.bus import Publisher
    from drivers.bus.messages import Ended
    from drivers.loop import Stamper

    info = next(one for one in STREAMS if one.name == name)
    chance = np.random.default_rng(5)
    picture = chance.integers(0, 256, PICTURE_BYTES, np.uint8).tobytes()
    values = (
        chance.normal(0, 1000, (48000, *info.shape)).astype(info.dtype) if info.encoding == "array" else None
    )
    rows, begin = 0, time.monotonic()
    with Publisher(address, info, timeout_s=60.0) as publisher:
        stamper = Stamper(info, publisher.host_clock)
        while (now := time.monotonic()) < begin + seconds and not publisher.stop_requested:
            due = int((now - begin) * info.rate_hz) - rows
            if due > 0:
                stamped = 1 if info.stamping == "block" else due
                seq = np.arange(rows, rows + stamped, dtype=np.uint64)
                host = np.full(stamped, time.monotonic_ns())
                data = (
                    (picture,) * due
                    if values is None
                    else np.take(values, range(rows, rows + due), 0, mode="wrap")
                )
                samples = Samples(data=data, time_host=host, time_device=np.full(stamped, NO_TIME), seq=seq)
                publisher.publish(Batch(name, stamper(samples), data))
                rows += due
            time.sleep(max(0.0, EACH_S[info.kind] - (time.monotonic() - now)))
        publisher.end(Ended(name, rows, {}))
        publisher.close(linger_s=30.0)
    print(json.dumps({"name": name, "rows": rows}))


def record(output: str) -> None:
    """Record until all streams have ended; print the memory each second, and the summary."""
    from drivers.rig import load_rig
    from recordings.recorder import record as record_rig
    from recordings.status import RecordStatus

    said: list[float] = []

    def status(now: RecordStatus) -> None:
        if not said:
            print(now.address, flush=True)
        if not said or time.monotonic() - said[-1] > 1.0:
            said.append(time.monotonic())
            memory.append((time.monotonic(), resident_mb()))

    memory: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "whole.yaml")
        streams = "".join(
            f"  {one.name}: {{driver: imu.serial, port: x, protocol: witmotion, remote: true}}\n"
            for one in STREAMS
        )
        path.write_text(f"streams:\n{streams}")
        summary = record_rig(load_rig(path), output, on_status=status, start_s=120.0)
    lost = {name: stream.lost for name, stream in summary.streams.items() if stream.lost}
    told = {
        "rows": {name: stream.rows for name, stream in summary.streams.items()},
        "lost": lost,
        "unexplained": sum(stream.unexplained for stream in summary.streams.values()),
        "problems": summary.problems,
        "cpu_s": summary.cpu_s,
        "duration_s": summary.duration_s,
        "memory": memory,
    }
    print(json.dumps(told))


def resident_mb() -> float:
    """Return the memory that this process has now, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def main() -> int:
    """Print the figures; return 0 where the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="keep the session as this file")
    parser.add_argument("--role", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.role:
        role, *rest = options.role
        publish(rest[0], rest[1], float(rest[2])) if role == "publish" else record(rest[0])
        return 0
    with contextlib.suppress(AttributeError):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory(dir=options.keep.parent if options.keep else None) as folder:
        output = Path(folder, "whole.h5")
        code = run(output, options.seconds)
        if options.keep:
            output.rename(options.keep)
        return code


def run(output: Path, seconds: float) -> int:
    """Record once and print what came of it."""

    def role(*words: object) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "benchmarks.recorder.whole", "--role", *map(str, words)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    recorder = role("record", output)
    assert recorder.stdout is not None
    address = recorder.stdout.readline().strip()
    publishers = [role("publish", one.name, address, seconds) for one in STREAMS]
    published = {
        told["name"]: told["rows"]
        for told in (json.loads(one.communicate()[0].splitlines()[-1]) for one in publishers)
    }
    told = json.loads(recorder.communicate()[0].splitlines()[-1])
    missing = {name: rows - told["rows"].get(name, 0) for name, rows in published.items()}
    missing = {name: rows for name, rows in missing.items() if rows}
    share = 100 * told["cpu_s"] / told["duration_s"]
    size = output.stat().st_size / 1e6
    rows = sum(published.values())
    print(f"{seconds:.0f} s, {rows} rows published in {len(STREAMS)} streams; file {size:.0f} MB")
    print(f"  missing: {missing or 'nothing'}; lost: {told['lost'] or 'nothing'}")
    print(f"  {told['unexplained']} unexplained")
    print(f"  {'; '.join(told['problems']) or 'no problems'}")
    print(f"  recorder and bus: {share:.1f} % of a core")
    at, memory = np.array(told["memory"]).T
    settled = at > at[0] + 0.2 * (at[-1] - at[0])
    slope, doubt = line(at[settled], memory[settled])
    print(
        f"  memory: {statistics.median(memory):.0f} MB, most {memory.max():.0f} MB; after the first fifth "
        f"{slope * 3600:+.1f} +- {2 * doubt * 3600:.1f} MB an hour"
    )
    good = not missing and not told["problems"] and share <= GOAL_CPU and memory.max() <= GOAL_MB
    goals = f"0 lost, <= {GOAL_CPU:.0f} % of a core, <= {GOAL_MB:.0f} MB"
    print(f"goals ({goals}): {'reached' if good else 'missed'}")
    return 0 if good else 1


def line(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """Return slope and its standard error, of means over a twelfth: memory moves in steps."""
    block = np.floor((x - x[0]) / max((x[-1] - x[0]) / 12, 1.0))
    means = np.array([(x[block == one].mean(), y[block == one].mean()) for one in np.unique(block)])
    fit, covariance = np.polyfit(means[:, 0], means[:, 1], 1, cov=True)
    return float(fit[0]), float(np.sqrt(covariance[0, 0]))


if __name__ == "__main__":
    sys.exit(main())
