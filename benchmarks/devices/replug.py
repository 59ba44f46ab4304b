"""Serial IMUs that are unplugged and plugged in again while they are recorded, beside devices that stay.

    python -m benchmarks.devices.replug [--times 50] [--rate 200] [--keep FILE.h5]

Four IMUs on pseudo-terminals (a new one at each return, under the same link) go on measuring while they are
away, with a counter, with a clock, and with neither. Each row tells its number, so that what is missing in
the file can be compared with what the ledger says is missing, gap by gap. Beside them a fifth IMU, a camera
and a microphone (simulated) that nobody touches.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.devices.plugged import RIG, numbers, plugged
from drivers.rig import load_rig
from recordings.check import examine
from recordings.reader import open_recording
from recordings.recorder import record
from recordings.returns import returns_of
from recordings.status import RecordStatus
from recordings.stream_reader import StreamReader

KINDS = {
    "counted": "counted",
    "clocked": "clocked",
    "bare": "bare",
    "witmotion": "witmotion",
    "steady": "counted",
}
TOLERANCE = {"counted": 0, "clocked": 0, "bare": 2, "witmotion": 2}
"""Rows by which a gap on the ledger may differ from the truth. Without counter or clock it is a time, and
either end of that is an arrival: up to a look at the port (4 ms) and the turn of a row late."""
STEADY_RATE = 0.002
"""The others' effective rate may differ by this share from the nominal one: nothing slowed them down."""
BEFORE_S, AFTER_S = 2.0, 2.0
"""Time before the first cable is pulled, and after the last device is back, s."""


@dataclasses.dataclass(frozen=True)
class Gaps:
    """What was found of a stream that was unplugged.

    Attributes:
        returns: how often it came back.
        missing: rows that are not in the file between its first and its last row.
        counted: rows on the ledger as lost.
        worst: the largest difference between truth and ledger of a single gap, rows.
        unexplained: rows that the ledger can't account for.
    """

    returns: int
    missing: int
    counted: int
    worst: int
    unexplained: int


def rig_text(folder: Path, rate_hz: float) -> str:
    """Return the rig: the virtual devices of ``folder`` and the simulated ones."""
    streams: dict[str, object] = {
        name: {"driver": "imu.serial", "port": str(folder / name), "rate_hz": rate_hz, **RIG[kind]}
        for name, kind in KINDS.items()
    }
    streams["camera"] = {"driver": "simulator.camera", "fps": 20}
    streams["sound"] = {"driver": "simulator.microphone"}
    return json.dumps({"name": "replug", "streams": streams})


def gaps_of(kind: str, stream: StreamReader, returns: int) -> Gaps:
    """Compare the numbers that the rows of a stream tell with those that its driver gave them."""
    told = np.diff(numbers(kind, stream.data[:]))
    given = np.diff(stream.stamps["seq"].astype(np.int64))
    return Gaps(
        returns=returns,
        missing=int((told - 1).sum()),
        counted=sum(stream.ledger.lost.values()),
        worst=int(np.abs(told - given).max()),
        unexplained=stream.ledger.unexplained,
    )


def run(times: int, rate_hz: float, path: Path) -> list[str]:
    """Record, print the figures, and return what falls short of its goal, a line each."""
    short: list[str] = []
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rig = folder / "rig.yaml"
        with plugged(folder, rate_hz, times, **KINDS) as devices:
            rig.write_text(rig_text(folder, rate_hz))

            def watch() -> None:
                assert devices.stdout is not None
                devices.stdout.readline()  # all are plugged in for good
                stop.wait(AFTER_S)
                stop.set()

            def begin(status: RecordStatus) -> None:
                if status.phase == "recording" and status.elapsed_s > BEFORE_S and not begun:
                    assert devices.stdin is not None
                    begun.append("pull")
                    devices.stdin.write("pull\n")
                    devices.stdin.flush()

            begun: list[str] = []
            watcher = threading.Thread(target=watch, daemon=True)
            watcher.start()
            summary = record(load_rig(rig), path, on_status=begin, stop=stop)
    print(f"{summary.duration_s:.0f} s recorded; exit code {summary.exit_code} (goal 0)")
    short += summary.problems
    report = examine(path)
    print(f"chorus check: {len(report.problems)} problems (goal 0)")
    short += report.problems
    with open_recording(path) as recording:
        for stream, tolerance in TOLERANCE.items():
            reader = recording.streams[stream]
            found = gaps_of(KINDS[stream], reader, len(returns_of(recording, reader).stamps))
            print(
                f"{stream}: back {found.returns} times (goal {times}); {found.missing} rows missing, "
                f"{found.counted} on the ledger; a gap is off by {found.worst} at most (goal {tolerance}); "
                f"{found.unexplained} unexplained (goal 0)"
            )
            if found.returns != times:
                short.append(f"{stream}: came back {found.returns} times, not {times}")
            if found.worst > tolerance:
                short.append(f"{stream}: a gap is off by {found.worst} rows")
            short += [f"{stream}: {found.unexplained} unexplained"] * bool(found.unexplained)
        for stream in ("steady", "camera", "sound"):
            reader = recording.streams[stream]
            lost = sum(reader.ledger.lost.values()) + reader.ledger.unexplained
            rate = report.streams[stream].rate_hz / reader.info.rate_hz
            longest = float(np.diff(reader.stamps["time"].astype(np.int64)).max()) * 1e-6
            print(
                f"{stream}, not touched: {lost} lost (goal 0), {100 * rate:.3f} % of its rate "
                f"(goal 100 +- 0.2), longest from row to row {longest:.1f} ms"
            )
            if lost or abs(rate - 1) > STEADY_RATE:
                short.append(f"{stream}: was disturbed")
    return short


def main(words: Sequence[str] | None = None) -> int:
    """Print the figures; return 0 where every goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--times", type=int, default=50, help="how often each is unplugged")
    parser.add_argument("--rate", type=float, default=200.0, help="rows a second of each IMU")
    parser.add_argument("--keep", type=Path, help="where to leave the session file")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        short = run(options.times, options.rate, options.keep or Path(folder, "replug.h5"))
    for line in short:
        print(f"falls short: {line}")
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
