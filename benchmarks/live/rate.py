"""The whole fused pipeline on real video against MediaPipe's pose solution alone, on the same two cores.

::

    python -m benchmarks.live.rate --data DIR [--cores 0,1] [--rounds 4] [--install | --mediapipe PYTHON]

Ours: a video file is decoded, BlazePose looks at every picture, six IMUs at 100 Hz and a microphone at 48 kHz
are made beside it, the network fuses them at 60 Hz, and each pose is written into a table. Theirs: the same
file is decoded by OpenCV and goes through ``mediapipe.solutions.pose`` 0.10.21, complexity 1, tracking, with
nothing else. The rounds take turns, each in a process of its own on the same cores, so that what else the
machine does falls on both; told are the median ratio and how far the rounds lie apart. MediaPipe lives in an
environment of its own, since it needs other versions than we do: ``--install`` makes it in the cache folder.

Goal: 1.25 times the pictures a second of MediaPipe alone. Exit status 1: not reached; 2: something is
missing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.live.beside import streams, with_sensors
from drivers.base import Batch

GOAL = 1.25
VIDEOS = ("video/sports2d/demo.mp4", "video/pose2sim/single_person/cam01.mp4")
WANTED = "mediapipe==0.10.21"
THEIRS = Path(__file__).with_name("mediapipe_alone.py")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CHORUS_DATA", "data")))
    parser.add_argument("--videos", nargs="+", default=list(VIDEOS), help="below --data")
    parser.add_argument("--cores", default="0,1", help="which, by number")
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--mediapipe", help="a Python that has it")
    parser.add_argument("--install", action="store_true", help="make an environment with it")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(ours(options.one)))
        return 0
    cores = {int(core) for core in options.cores.split(",")}
    python = options.mediapipe or environment(options.install)
    if python is None:
        print(f"{WANTED} is not there: name a Python that has it with --mediapipe, or give --install")
        return 2
    print(f"cores {options.cores}, load {os.getloadavg()[0]:.1f} of {os.cpu_count()}")
    reached = True
    for name in options.videos:
        video = options.data / name
        if not video.is_file():
            print(f"{video} is not there; name the folder of the data with --data")
            return 2
        rounds = []
        for _ in range(options.rounds):
            rounds.append(
                (
                    run([sys.executable, "-m", "benchmarks.live.rate", "--one", str(video)], cores),
                    run([python, str(THEIRS), str(video), "1"], cores),
                )
            )
        reached &= told(name, rounds)
    return 0 if reached else 1


def told(name: str, rounds: list[tuple[dict[str, float], dict[str, float]]]) -> bool:
    """Print what the rounds came to; return whether the goal is reached."""
    rates = [[each["frames"] / each["seconds"] for each in pair] for pair in rounds]
    ratios = sorted(mine / theirs for mine, theirs in rates)
    middle = statistics.median(ratios)
    mine, theirs = (statistics.median(rate[side] for rate in rates) for side in (0, 1))
    cpu = [
        statistics.median(1e3 * pair[side]["cpu"] / pair[side]["frames"] for pair in rounds)
        for side in (0, 1)
    ]
    poses = statistics.median(pair[0]["poses"] / pair[0]["seconds"] for pair in rounds)
    print(f"{name}: {rounds[0][0]['frames']:.0f} pictures, {len(rounds)} rounds")
    print(
        f"  chorus, fused      {mine:5.1f} pictures/s, {poses:5.1f} poses/s, {cpu[0]:.1f} ms of CPU a picture"
    )
    print(f"  MediaPipe alone    {theirs:5.1f} pictures/s, {cpu[1]:.1f} ms of CPU a picture")
    print(
        f"  ratio              {middle:.2f}, rounds {ratios[0]:.2f} to {ratios[-1]:.2f} "
        f"(goal >= {GOAL}: {'reached' if middle >= GOAL else 'NOT reached'})"
    )
    return middle >= GOAL


def run(command: list[str], cores: set[int]) -> dict[str, float]:
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


def ours(video: Path) -> dict[str, float]:
    """Return what the fused pipeline took for a video."""
    import torch

    from fusion.features import FeatureBuilder
    from fusion.model.checkpoint import load_net
    from fusion.tracking.footage import open_footage
    from fusion.tracking.meter import Meter
    from fusion.tracking.sequential import run_batches
    from fusion.tracking.sinks import CsvSink
    from fusion.vision.base import front_end

    torch.set_num_threads(1)
    net = load_net(None)
    began: list[float] = []

    def timed(items: Iterator[tuple[Batch, bool]]) -> Iterator[tuple[Batch, bool]]:
        for number, item in enumerate(items):
            if not number:
                began.extend([time.perf_counter(), time.process_time()])
            yield item

    with front_end("blazepose") as eyes, tempfile.TemporaryDirectory() as folder:
        warm = next(iter(open_footage(video).frames))[1]
        eyes(warm, 0)
        eyes.reset()
        footage = dataclasses.replace(open_footage(video), sound=None)  # the sensors bring their own
        builder = FeatureBuilder([footage.info, *streams()], eyes.skeleton)
        meter = Meter(time.monotonic_ns, live=False)
        sink = CsvSink(Path(folder) / "poses.csv", net.config.actions)
        run_batches(timed(with_sensors(footage.batches())), builder, net, eyes, [sink], meter=meter)
        sink.close()
    seconds, cpu = time.perf_counter() - began[0], time.process_time() - began[1]
    return {"frames": meter.frames, "poses": meter.poses, "seconds": seconds, "cpu": cpu}


if __name__ == "__main__":
    sys.exit(main())
