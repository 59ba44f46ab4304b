"""Something of ours and MediaPipe's own pose solution, in turns, on the same cores.

Each side runs in a process of its own, so that what else the machine does falls on both. MediaPipe lives in
an environment of its own, since it needs other versions than we do.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

WANTED = "mediapipe==0.10.21"
THEIRS = Path(__file__).with_name("alone.py")

Side = dict[str, float]
"""``frames``, ``seconds``, ``cpu`` (s) and what else a side tells of a video."""


def main(
    module: str, doc: str, videos: tuple[str, ...], goal: float, ours: Callable[[Path], Side], name: str
) -> int:
    """Print how many pictures a second a side of ours and MediaPipe look at.

    Args:
        module: of the benchmark, which is run once more for each round.
        doc: says what it is about.
        videos: below the folder of the data, by default.
        goal: smallest ratio aimed at.
        ours: looks at a video.
        name: of what it is.

    Returns:
        The exit status: 1: not reached; 2: something is missing.
    """
    parser = arguments(doc, videos)
    parser.add_argument("--cores", default="0,1", help="which, by number")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(ours(options.one)))
        return 0
    python = wanted(options)
    if python is None:
        return 2
    cores = {int(core) for core in options.cores.split(",")}
    print(f"cores {options.cores}, load {os.getloadavg()[0]:.1f} of {os.cpu_count()}")
    reached = True
    for file in options.videos:
        video = video_of(options, file)
        if video is None:
            return 2
        mine = [sys.executable, "-m", module, "--one", str(video)]
        theirs = [python, str(THEIRS), str(video), "1"]
        rounds = [(_run(mine, cores), _run(theirs, cores)) for _ in range(options.rounds)]
        reached &= told(file, rounds, goal, name)
    return 0 if reached else 1


def arguments(doc: str, videos: tuple[str, ...]) -> argparse.ArgumentParser:
    """Return what every benchmark against MediaPipe takes: the data, the videos, and where MediaPipe is."""
    parser = argparse.ArgumentParser(description=doc.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CHORUS_DATA", "data")))
    parser.add_argument("--videos", nargs="+", default=list(videos), help="below --data")
    parser.add_argument("--mediapipe", help="a Python that has it")
    parser.add_argument("--install", action="store_true", help="make an environment with it")
    return parser


def wanted(options: argparse.Namespace) -> str | None:
    """Return the Python that has MediaPipe; None, and say so, where there is none."""
    python = options.mediapipe or environment(options.install)
    if python is None:
        print(f"{WANTED} is not there: name a Python that has it with --mediapipe, or give --install")
    return python


def video_of(options: argparse.Namespace, name: str) -> Path | None:
    """Return a video of the data; None, and say so, where it is not there."""
    video = options.data / name
    if video.is_file():
        return video
    print(f"{video} is not there; name the folder of the data with --data")
    return None


def told(file: str, rounds: list[tuple[Side, Side]], goal: float, name: str) -> bool:
    """Print what the rounds came to; return whether the goal is reached."""
    rates = [[side["frames"] / side["seconds"] for side in pair] for pair in rounds]
    ratios = sorted(mine / theirs for mine, theirs in rates)
    middle = statistics.median(ratios)
    print(f"{file}: {rounds[0][0]['frames']:.0f} pictures, {len(rounds)} rounds")
    for side, who in enumerate((name, "MediaPipe alone")):
        rate = statistics.median(pair[side] for pair in rates)
        cpu = statistics.median(1e3 * pair[side]["cpu"] / pair[side]["frames"] for pair in rounds)
        text = f"  {who:<18} {rate:5.1f} pictures/s, {cpu:.1f} ms of CPU a picture"
        if "poses" in rounds[0][side]:
            poses = statistics.median(pair[side]["poses"] / pair[side]["seconds"] for pair in rounds)
            text += f", {poses:.1f} poses/s"
        if "found" in rounds[0][side]:
            text += f", somebody in {rounds[0][side]['found']:.0f}"
        print(text)
    print(
        f"  {'ratio':<18} {middle:5.2f}, rounds {ratios[0]:.2f} to {ratios[-1]:.2f} "
        f"(goal >= {goal:.3g}: {'reached' if middle >= goal else 'NOT reached'})"
    )
    return middle >= goal


def _run(command: list[str], cores: set[int]) -> Side:
    """Run a side on some cores and return what it says."""
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=True,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return json.loads(done.stdout.splitlines()[-1])


def environment(install: bool) -> str | None:
    """Return the Python of an environment that has MediaPipe."""
    folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "chorus" / "mediapipe-0.10.21"
    python = folder / "bin" / "python"
    if not python.is_file() and install:
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", WANTED], check=True)
    return str(python) if python.is_file() else None
