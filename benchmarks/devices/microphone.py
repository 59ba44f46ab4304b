"""A microphone on a sound server's null sink, for minutes: is every sample there, and its rate known?

    python -m benchmarks.devices.microphone [--minutes 10] [--keep FILE.h5]

Each two samples that are played tell their number, so that what is missing in the file can be told to the
sample. The truth of the rate is what another client of the server (``parec``) gets: samples over the host's
monotonic clock, the line below all arrivals. It has nothing in common with PortAudio's times, by which the
driver goes. (The sink's own clock is the host's, up to what it rounds at each of its blocks.)
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.recorder.null_sink import RATE, sound_server
from drivers.rig import load_rig
from recordings.check import examine
from recordings.reader import open_recording
from recordings.recorder import record

RIG = "streams: {sound: {driver: microphone.portaudio, device: pulse, rate: 48000}}\n"
BASE = 1 << 15
PIECE = 1 << 16
FORMAT = ["--format=s16le", f"--rate={RATE}", "--channels=1", "--raw"]
GOAL_PPM = 5.0


def numbered(start: int, stop: int) -> NDArray[np.int16]:
    """Return samples ``start`` to ``stop`` (even) of a sound that tells its numbers.

    Even ones hold the low digit of a pair's number, odd ones, below zero, the high digit.
    """
    pair = np.arange(start // 2, stop // 2)
    samples = np.empty(2 * len(pair), np.int16)
    samples[0::2] = pair % BASE
    samples[1::2] = -1 - pair // BASE
    return samples


@dataclasses.dataclass(frozen=True)
class Heard:
    """What the numbers in a recording tell.

    Attributes:
        told: samples between the first and the last that tell a number.
        missing: of them, those that were played and are neither in the file nor counted.
        doubled: samples that are there once more than they were played.
        silent: samples within, at which the player had nothing to play.
    """

    told: int
    missing: int
    doubled: int
    silent: int


def hear(data: NDArray[np.int16], seq: NDArray[np.int64]) -> Heard:
    """Compare the numbers that samples (N,) tell with those, (N,), that the driver gave them."""
    low, high = data[:-1].astype(np.int64), data[1:].astype(np.int64)
    joined = np.diff(seq) == 1
    pairs = np.flatnonzero((low >= 0) & (high < 0) & joined)
    told = 2 * (low[pairs] + BASE * (-1 - high[pairs]))
    step, taken = np.diff(told), np.diff(seq[pairs])
    jumps = np.flatnonzero(step != taken)
    off = (step - taken)[jumps]
    silent = np.array([int((data[pairs[at] : pairs[at + 1]] == 0).sum()) for at in jumps], np.int64)
    paused = (off < 0) & (silent >= -off)  # the player was late: silence between, nothing lost
    return Heard(
        told=int(seq[pairs[-1]] - seq[pairs[0]]) + 2 if len(pairs) else 0,
        missing=int(off[off > 0].sum()),
        doubled=int(-off[(off < 0) & ~paused].sum()),
        silent=int(-off[paused].sum()),
    )


def lower_line(count: NDArray[np.int64], arrival_ns: NDArray[np.int64]) -> float:
    """Return the slope, counts per s, of the line below all arrivals (N,): the hull's edge at the middle."""
    x = (count - count[0]).astype(np.float64)
    y = (arrival_ns - arrival_ns[0]) * 1e-9
    hull: list[int] = []
    for i in range(len(x)):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (y[b] - y[a]) * (x[i] - x[a]) < (y[i] - y[a]) * (x[b] - x[a]):
                break
            hull.pop()
        hull.append(i)
    middle = x[-1] / 2
    at = next(k for k in range(1, len(hull)) if x[hull[k]] >= middle)
    a, b = hull[at - 1], hull[at]
    return float((x[b] - x[a]) / (y[b] - y[a]))


class Player(threading.Thread):
    """Plays the numbered sound until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        command = ["pacat", "--device=known", "--latency-msec=2000", *FORMAT]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE)
        self.start()

    def run(self) -> None:
        """Write piece after piece; the server takes them at its own pace."""
        assert self._process.stdin is not None
        start = 0
        try:
            while True:
                self._process.stdin.write(numbered(start, start + PIECE).tobytes())
                start += PIECE
        except (BrokenPipeError, ValueError):
            return

    def stop(self) -> None:
        """End it."""
        self._process.kill()
        self._process.wait()
        self.join()
        with contextlib.suppress(BrokenPipeError):  # what was buffered
            assert self._process.stdin is not None
            self._process.stdin.close()


class Witness(threading.Thread):
    """Another client that counts the samples it gets, and when."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        command = ["parec", "--device=known.monitor", "--latency-msec=10", *FORMAT]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, bufsize=0)
        self._got: list[tuple[int, int]] = []
        self.start()

    def run(self) -> None:
        """Count."""
        assert self._process.stdout is not None
        count = 0
        while data := self._process.stdout.read(1 << 16):
            count += len(data)
            self._got.append((count // 2, time.monotonic_ns()))

    def stop(self) -> float:
        """End it; return the rate it saw, samples per s."""
        self._process.kill()
        self._process.wait()
        self.join()
        assert self._process.stdout is not None
        self._process.stdout.close()
        count, arrival = np.array(self._got, np.int64).T
        settled = arrival > arrival[0] + 3 * 10**9  # a server hands on in another rhythm at first
        return lower_line(count[settled], arrival[settled])


def run(minutes: float, path: Path) -> list[str]:
    """Record, print the figures, and return what falls short, a line each."""
    with tempfile.TemporaryDirectory() as name:
        rig = Path(name, "rig.yaml")
        rig.write_text(RIG)
        with sound_server(Path(name)):
            player, witness = Player(), Witness()
            try:
                summary = record(load_rig(rig), path, minutes * 60)
            finally:
                truth = witness.stop()
                player.stop()
    report = examine(path)
    short = [*summary.problems, *report.problems]
    with open_recording(path) as recording:
        stream = recording.streams["sound"]
        lost, unexplained = dict(stream.ledger.lost), stream.ledger.unexplained
        heard = hear(np.asarray(stream.data[:])[:, 0], stream.row_seq.astype(np.int64))
    rate = report.streams["sound"].rate_hz
    ppm = (rate / truth - 1) * 1e6
    print(f"{report.streams['sound'].samples} samples recorded; lost {lost or 0}, {unexplained} unexplained")
    print(
        f"of {heard.told} that tell their number: {heard.missing} missing and not counted (goal 0), "
        f"{heard.doubled} twice (goal 0); {heard.silent} of silence where the player was late"
    )
    print(f"rate: {rate:.4f} Hz, the other client's {truth:.4f} Hz: {ppm:+.2f} ppm (goal +-{GOAL_PPM:g})")
    share = heard.told / max(report.streams["sound"].samples, 1)
    if unexplained or heard.missing or heard.doubled:
        short.append(f"{unexplained + heard.missing + heard.doubled} samples are unexplained")
    if share < 0.9:
        short.append(f"only {100 * share:.0f} % of the samples tell their number")
    if abs(ppm) > GOAL_PPM:
        short.append(f"the rate is off by {ppm:+.2f} ppm")
    return short


def main(words: Sequence[str] | None = None) -> int:
    """Print the figures; return 0 where every goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--keep", type=Path, help="where to leave the session file")
    options = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        short = run(options.minutes, options.keep or Path(folder, "sound.h5"))
    for line in short:
        print(f"falls short: {line}")
    return int(bool(short))


if __name__ == "__main__":
    sys.exit(main())
