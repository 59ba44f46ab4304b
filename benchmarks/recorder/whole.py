"""The whole recorder at real rates: three cameras, eight IMUs and eight channels of sound, on two cores.

    python -m benchmarks.recorder.whole [--seconds 600] [--hours 1] [--h264 1] [--cores 2] [--keep FILE.h5]

``chorus record`` with the processes of its drivers: 3 cameras of 1280x720 JPEG at 30 fps, 8 simulated
IMUs at 200 Hz, 8 channels of 48 kHz sound. Pictures and sound of the simulator are made beforehand, so
that what the simulator costs is not in the way. Everything, drivers too, is pinned to ``--cores``.

Printed: rows and losses of each stream; processor time of the recorder (hub, subscriber, writer), of
the drivers; resident memory of the recorder over time, with the slope of a straight line through its
second half and the slope's 95 % interval. ``--h264 N`` stores that many of the cameras as H.264.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile
from av.video.stream import VideoStream
from numpy.typing import NDArray
from scipy import stats

from drivers.rig import load_rig
from drivers.simulator.camera import CameraConfig
from drivers.simulator.microphone import MicrophoneConfig
from drivers.simulator.sound import Sound
from drivers.simulator.view import Painter
from recordings.check import check
from recordings.recorder import record

CAMERAS, FPS, SIZE = 3, 30, (1280, 720)
IMUS, IMU_HZ = 8, 200
CHANNELS, SOUND_HZ = 8, 48_000
LOOP_S = 4
PLACES = (
    "left_forearm",
    "right_forearm",
    "left_shin",
    "right_shin",
    "left_thigh",
    "right_thigh",
    "pelvis",
    "chest",
)
GOAL_CPU = 0.60
"""Of one core, for recorder and bus."""
GOAL_RSS = 400.0
"""MB."""
GRAIN = 2.0
"""Standard deviation of a camera's noise, grey levels: without it pictures would be far too small."""
BLOCKS = 20
"""Neighbouring samples of memory are alike: the line goes through the means of so many blocks."""


def film(path: Path) -> None:
    """Write some seconds of the simulated body with a camera's grain."""
    config = CameraConfig(width=SIZE[0], height=SIZE[1])
    painter, chance = Painter(config.view(), 0), np.random.default_rng(0)
    grain = [chance.normal(0, GRAIN, (SIZE[1], SIZE[0], 3)) for _ in range(5)]
    joints = config.body().pose(np.arange(LOOP_S * FPS) / FPS).joints
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=FPS, options={"crf": "12", "preset": "ultrafast"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = *SIZE, "yuv420p"
        for number, pose in enumerate(joints):
            image = np.clip(painter(pose, True) + grain[number % len(grain)], 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))


def sound(path: Path) -> None:
    """Write some seconds of what eight microphones hear."""
    times = np.arange(LOOP_S * SOUND_HZ) / SOUND_HZ
    body = MicrophoneConfig().body()
    heard = np.stack([Sound(body, seed)(times) for seed in range(CHANNELS)], axis=1)
    soundfile.write(path, heard, SOUND_HZ, subtype="PCM_16")


def write_rig(folder: Path, h264: int) -> Path:
    """Make film, sound and rig."""
    film(folder / "film.mp4")
    sound(folder / "sound.wav")
    lines = ["name: whole", "streams:"]
    for number in range(CAMERAS):
        store = "h264" if number < h264 else "mjpeg"
        shown = f"driver: camera.file, path: film.mp4, fps: {FPS}, loop: true"
        lines.append(f"  camera{number}: {{{shown}, store: {store}}}")
    for number, place in enumerate(PLACES[:IMUS]):
        lines.append(
            f"  imu{number}: {{driver: simulator.imu, worn_on: {place}, rate_hz: {IMU_HZ}, seed: {number}}}"
        )
    lines.append("  sound: {driver: microphone.file, path: sound.wav, loop: true}")
    path = folder / "whole.yaml"
    path.write_text("\n".join(lines) + "\n")
    return path


def measure(rig: Path, output: Path, seconds: float) -> tuple[dict[str, float], NDArray[np.float64]]:
    """Record in a process of its own; return what it told and (N, 2) its memory: s, MB."""
    command = [sys.executable, "-m", "benchmarks.recorder.whole", "--record", str(rig)]
    command += ["--output", str(output), "--seconds", str(seconds)]
    rss, begun = [], time.monotonic()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as recorder:
        while recorder.poll() is None:
            try:
                recorder.wait(1.0)
            except subprocess.TimeoutExpired:
                rss.append((time.monotonic() - begun, resident(recorder.pid)))
        told = recorder.stdout.read() if recorder.stdout else ""
    if not told.strip():
        raise SystemExit("the recorder ended without a word")
    return json.loads(told.splitlines()[-1]), np.array(rss)


def resident(pid: int) -> float:
    """Return the resident memory of a process, MB; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024e-6 for line in lines if line.startswith("VmRSS")), 0.0)


def slope(rss: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the slope of memory in the second half, MB/h, and its 95 % interval."""
    half = rss[len(rss) // 2 :]
    means = np.array([block.mean(axis=0) for block in np.array_split(half, min(BLOCKS, len(half)))])
    line = stats.linregress(means[:, 0], means[:, 1])
    wide = float(stats.t.ppf(0.975, len(means) - 2) * line.stderr)
    return tuple(3600 * value for value in (line.slope, line.slope - wide, line.slope + wide))  # type: ignore[return-value]


def run_recorder(rig: Path, output: Path, seconds: float) -> int:
    """Record; the last line printed is JSON."""
    summary = record(load_rig(rig), output, seconds)
    told = {"cpu": summary.cpu_s, "drivers": summary.drivers_cpu_s, "seconds": summary.duration_s}
    print(json.dumps({**told, "problems": list(summary.problems)}))
    return 0


def report(output: Path, told: dict[str, float], rss: NDArray[np.float64], h264: int) -> bool:
    """Print the figures; return whether the goals are reached."""
    found = check(output)
    lost = sum(stream.lost for stream in found.streams.values())
    unexplained = sum(abs(stream.unexplained) for stream in found.streams.values())
    for name, stream in found.streams.items():
        words = f"{stream.samples:9} rows  {stream.rate_hz:10.3f} Hz"
        print(f"{name:8} {words}  lost {stream.lost}  unexplained {stream.unexplained}")
    share = told["cpu"] / told["seconds"]
    print(f"duration            {told['seconds']:.1f} s, file {output.stat().st_size / 1e9:.2f} GB")
    print(f"lost                {lost} rows, unexplained {unexplained}, problems {len(found.problems)}")
    print(*(f"  {problem}" for problem in found.problems), sep="\n", end="\n" if found.problems else "")
    goal = f"goal <= {100 * GOAL_CPU:.0f} %" if not h264 else "x264 included: no goal"
    print(f"recorder and bus    {100 * share:.1f} % of one core ({goal})")
    print(f"drivers             {100 * told['drivers'] / told['seconds']:.1f} % of one core")
    rss = rss[rss[:, 1] > 0][:-1]
    shown = np.interp(np.linspace(rss[0, 0], rss[-1, 0], 7), rss[:, 0], rss[:, 1])
    print(f"memory              {' '.join(f'{value:.0f}' for value in shown)} MB over time, ", end="")
    print(f"most {rss[:, 1].max():.0f} MB (goal <= {GOAL_RSS:.0f})")
    each, low, high = slope(rss)
    flat = low <= 0 or each * (rss[-1, 0] - rss[0, 0]) / 3600 < 0.01 * rss[-1, 1]
    print(f"memory slope        {each:+.2f} MB/h, 95 % interval {low:+.2f} to {high:+.2f}")
    good = not lost and not unexplained and not found.problems
    good = good and (share <= GOAL_CPU or h264 > 0) and rss[:, 1].max() <= GOAL_RSS and flat
    print(f"goals (0 lost, 0 unexplained, processor, memory flat): {'reached' if good else 'missed'}")
    return bool(good)


def main() -> int:
    """Print the figures; return 0 where the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--hours", type=float, default=0.0, help="instead of --seconds")
    parser.add_argument("--h264", type=int, default=0, help="cameras stored as H.264")
    parser.add_argument("--cores", type=int, default=2, help="0: as many as there are")
    parser.add_argument("--keep", type=Path, help="keep the recording under this name")
    parser.add_argument("--output", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.record is not None:
        return run_recorder(options.record, options.output, options.seconds)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rig = write_rig(folder, options.h264)
        if options.cores:
            cores = sorted(os.sched_getaffinity(0))[-options.cores :]
            os.sched_setaffinity(0, cores)  # children inherit it
        output = options.keep or folder / "whole.h5"
        told, rss = measure(rig, output, options.hours * 3600 or options.seconds)
        return 0 if report(output, told, rss, options.h264) else 1


if __name__ == "__main__":
    sys.exit(main())
