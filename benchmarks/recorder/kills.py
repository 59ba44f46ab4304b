"""Recorders killed with SIGKILL: what their files still hold.

    python -m benchmarks.recorder.kills [--runs 200] [--jobs 2]

Each run writes a session of an IMU at 1 kHz, sound, a raw and a JPEG camera in real time and is killed
at a random moment, in half of the runs within a flush (its start is told through a pipe, and the killer
spins). Then, with no tool in between: does plain h5py open the file and read every dataset; does
Chorus; is every row there that was acknowledged (taken before a flush that came back) and equal to what
was written; and how much of each stream, in seconds, was handed over and is not in the file?
"""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import os
import random
import select
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, StreamInfo
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

IMU = StreamInfo(name="wrist", kind="imu", dtype="<f4", shape=(6,), rate_hz=1000.0)
SOUND = StreamInfo(name="sound", kind="audio", dtype="<i2", shape=(2,), rate_hz=48000.0, stamping="block")
RAW = StreamInfo(name="raw", kind="camera", dtype="|u1", shape=(120, 160, 3), rate_hz=60.0)
JPEG = StreamInfo(
    name="jpeg", kind="camera", encoding="jpeg", dtype="|u1", shape=(720, 1280, 3), rate_hz=30.0
)
STREAMS = (IMU, SOUND, RAW, JPEG)
GOAL_LOST_S = 0.25
WORD = struct.Struct("<c5d")
"""b'f': a flush begins, b'a': it came back; rows handed over of each stream, and the time of it, s."""


def rows_of(info: StreamInfo, first: int, count: int) -> NDArray[np.generic] | tuple[bytes, ...]:
    """Return what the rows from ``first`` hold; the same at each call."""
    if info.encoding == "jpeg":
        return tuple(
            struct.pack("<q", number) * (2000 + number % 7 * 500) for number in range(first, first + count)
        )
    numbers = np.arange(first, first + count).reshape(-1, *(1,) * len(info.shape))
    return np.broadcast_to(numbers, (count, *info.shape)).astype(info.dtype)


def batch(info: StreamInfo, first: int, count: int) -> Batch:
    """Return those rows with their stamps."""
    stamps = np.zeros(1 if info.stamping == "block" else count, STAMP)
    stamps["seq"] = np.arange(first, first + len(stamps))
    stamps["time"] = stamps["time_host"] = (stamps["seq"] * (1e9 / info.rate_hz)).astype(np.int64)
    return Batch(info.name, stamps, rows_of(info, first, count))


def write(path: Path, told: int) -> None:
    """Write a session until killed, or until the disk is full, and tell of each flush."""
    done = dict.fromkeys((info.name for info in STREAMS), 0)
    writer = SessionWriter(path, SessionAttributes(id="killed", expected=tuple(done)))
    flush = writer.flush

    def telling_flush() -> None:
        rows = tuple(float(count) for count in done.values())
        os.write(told, WORD.pack(b"f", *rows, time.monotonic()))
        flush()
        os.write(told, WORD.pack(b"a", *rows, time.monotonic()))

    writer.flush = telling_flush  # type: ignore[method-assign]
    for info in STREAMS:
        writer.add_stream(info)
    begin = time.monotonic()
    while True:
        for info in STREAMS:
            due = int((time.monotonic() - begin) * info.rate_hz) - done[info.name]
            if due > 0:
                made = batch(info, done[info.name], due)
                done[info.name] += due  # handed over
                writer.append(made)
        writer.poll()
        time.sleep(0.002)


@dataclasses.dataclass
class Outcome:
    """What a killed recorder's file holds.

    Attributes:
        in_flush: it was killed within a flush.
        problem: what plain h5py or Chorus could not do, or empty.
        lost_s: of each stream, handed over before the last sign of life and not in the file, s.
        acknowledged_lost: rows that a flush had made safe, and that are not there.
    """

    in_flush: bool
    problem: str = ""
    lost_s: float = 0.0
    acknowledged_lost: int = 0


def one_run(folder: Path, seed: int) -> Outcome:
    """Write, kill, look."""
    chance = random.Random(seed)
    path = folder / f"killed{seed}.h5"
    near, far = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.recorder.kills", "--write", str(path), "--told", str(far)],
        pass_fds=[far],
    )
    os.close(far)
    aim = seed % 2 == 0
    until = time.monotonic() + 1.0 + chance.uniform(0.3, 4.0)
    lasted: list[float] = []
    begun, last = 0.0, b""
    os.set_blocking(near, False)
    heard = b""
    killed_at = 0.0
    while not killed_at:
        try:
            got = os.read(near, 65536)
            if not got:
                break
            heard += got
            for kind, *_, at in WORD.iter_unpack(got):
                last = kind
                if kind == b"f":
                    begun = at
                else:
                    lasted.append(at - begun)
                    begun = 0.0
        except BlockingIOError:
            pass
        now = time.monotonic()
        if now < until:
            select.select([near], [], [], until - now)
            continue
        if not aim:
            killed_at = now
        elif last == b"f" and begun and now - begun < 0.002 + statistics.median(lasted or [0.01]):
            wait = now + chance.uniform(0.0, 0.9 * statistics.median(lasted or [0.01]))
            while time.monotonic() < wait:
                pass
            killed_at = time.monotonic()
    child.send_signal(signal.SIGKILL)
    child.wait()
    os.set_blocking(near, True)
    while got := os.read(near, 65536):
        heard += got
    os.close(near)
    words = list(WORD.iter_unpack(heard))
    acknowledged = next((word for word in reversed(words) if word[0] == b"a"), (b"a", 0, 0, 0, 0, 0.0))
    outcome = Outcome(in_flush=bool(words) and words[-1][0] == b"f")
    try:
        plainly(path)
        look(path, outcome, acknowledged[1:5], killed_at - float(acknowledged[5]))
    except Exception as error:  # whatever it is, it is what a user would see
        outcome.problem = f"seed {seed}: {type(error).__name__}: {error}"
    else:
        path.unlink()
    return outcome


def plainly(path: Path) -> None:
    """Read every dataset with h5py alone."""

    def read(_: str, found: h5py.Group | h5py.Dataset) -> None:
        if isinstance(found, h5py.Dataset):
            found[()]

    with h5py.File(path) as file:
        file.visititems(read)


def look(path: Path, outcome: Outcome, acknowledged: tuple[float, ...], since_s: float) -> None:
    """Compare with what was written."""
    with open_recording(path) as recording:
        for info, safe in zip(STREAMS, acknowledged, strict=True):
            stream = recording.streams.get(info.name)
            kept = 0 if stream is None else len(stream)
            outcome.acknowledged_lost += max(int(safe) - kept, 0)
            late = max(int(safe) + int(since_s * info.rate_hz) - kept, 0) / info.rate_hz
            outcome.lost_s = max(outcome.lost_s, late)
            if stream is None or not kept:
                continue
            expected = rows_of(info, 0, kept)
            for row in range(kept) if info.encoding == "jpeg" else ():
                assert stream.picture(row) == expected[row], f"{info.name}: picture {row} differs"
            if info.encoding != "jpeg":
                assert np.array_equal(stream.data[:], np.asarray(expected)), f"{info.name}: rows differ"


def main() -> int:
    """Print the counts; return 0 where nothing was lost that may not be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1, help="of the first run")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--told", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write is not None:
        write(options.write, options.told)
    with (
        tempfile.TemporaryDirectory() as folder,
        concurrent.futures.ThreadPoolExecutor(options.jobs) as jobs,
    ):
        seeds = range(options.seed, options.seed + options.runs)
        outcomes = list(jobs.map(lambda seed: one_run(Path(folder), seed), seeds))
    bad = [outcome.problem for outcome in outcomes if outcome.problem]
    lost = sorted(outcome.lost_s for outcome in outcomes if not outcome.problem)
    acknowledged = sum(outcome.acknowledged_lost for outcome in outcomes)
    print(f"{len(outcomes)} recorders killed, {sum(one.in_flush for one in outcomes)} of them within a flush")
    print(f"  open and equal to what was written, without a tool: {len(outcomes) - len(bad)}")
    print(f"  acknowledged rows lost: {acknowledged}")
    if lost:
        print(f"  lost of a stream: median {statistics.median(lost):.3f} s, most {lost[-1]:.3f} s")
    print(*(f"  {problem}" for problem in bad), sep="\n", end="\n" if bad else "")
    good = not bad and not acknowledged and bool(lost) and lost[-1] <= GOAL_LOST_S
    print(f"goals (all open, <= {GOAL_LOST_S} s, no acknowledged row): {'reached' if good else 'missed'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
