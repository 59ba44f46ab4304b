"""A disk that fills up at a random moment: what the file holds, and what the user is told.

    sudo python -m benchmarks.recorder.disk_full [--runs 20]

Each run records onto a disk of its own (a tmpfs of 8 to 40 MB, mounted for it), in turns with the room
running out under the recorder while others fill it: a further file takes the rest of the disk, too fast
for any reserve. Then: does the file open with plain h5py and with Chorus, are all rows there that a
flush had made safe, did the recorder say in one line what happened, and was its exit code not 0?
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.recorder.kills import WORD, Outcome, look, plainly

PATIENCE_S = 60.0


def fill(folder: Path) -> None:
    """Take all the room that is left."""
    with contextlib.suppress(OSError), (folder / "other").open("wb", buffering=0) as other:
        while True:
            other.write(bytes(65536))


def one_run(folder: Path, seed: int) -> tuple[Outcome, str, int]:
    """Record until the disk is full: what the file holds, the last line of the program, its exit code."""
    chance = random.Random(seed)
    path = folder / "full.h5"
    near, far = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.recorder.kills", "--write", str(path), "--told", str(far)],
        pass_fds=[far],
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(far)
    if seed % 2:
        time.sleep(1.0 + chance.uniform(0.2, 2.0))
        fill(folder)
    try:
        _, errors = child.communicate(timeout=PATIENCE_S)
    except subprocess.TimeoutExpired:
        child.kill()
        _, errors = child.communicate()
    heard = b""
    while got := os.read(near, 65536):
        heard += got
    os.close(near)
    words = list(WORD.iter_unpack(heard))
    acknowledged = next((word for word in reversed(words) if word[0] == b"a"), (b"a", 0, 0, 0, 0, 0.0))
    outcome = Outcome(in_flush=False)
    try:
        plainly(path)
        look(path, outcome, acknowledged[1:5], 0.0)
    except Exception as error:  # whatever it is, it is what a user would see
        outcome.problem = f"seed {seed}: {type(error).__name__}: {error}"
    (folder / "other").unlink(missing_ok=True)
    path.unlink(missing_ok=True)
    return outcome, (errors.strip().splitlines() or [""])[-1], child.returncode


def main() -> int:
    """Print the counts; return 0 where all is as it should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    options = parser.parse_args()
    opened = told = failed = lost = 0
    problems: list[str] = []
    for seed in range(options.runs):
        megabytes = random.Random(seed).randint(8, 40)
        with tempfile.TemporaryDirectory() as name:
            mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "chorus-benchmark", name]
            if subprocess.run(mount, check=False).returncode:
                sys.exit("disk_full: a small disk can't be mounted; run it as root")
            try:
                outcome, words, code = one_run(Path(name), seed)
            finally:
                subprocess.run(["umount", name], check=True)
        opened += not outcome.problem
        lost += outcome.acknowledged_lost
        told += "full" in words or "No space left" in words
        failed += code not in (0, -9)
        problems += [outcome.problem] if outcome.problem else []
    print(f"{options.runs} disks filled up, half of them by another program")
    print(f"  open and equal to what was written: {opened}")
    print(f"  rows lost that a flush had made safe: {lost}")
    print(f"  said in one line that the disk is full: {told}")
    print(f"  exit code not 0: {failed}")
    print(*(f"  {problem}" for problem in problems), sep="\n", end="\n" if problems else "")
    good = opened == told == failed == options.runs and not lost
    print(f"goals (all of them): {'reached' if good else 'missed'}")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
