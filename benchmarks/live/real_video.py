"""A real video and two IMUs on pseudo-terminals, tracked live with BlazePose and the fused network.

    taskset -c 0,1 python -m benchmarks.live.real_video --data DIR [--seconds 20] [--output DIR]

The video is looped at its own pace by the driver ``camera.file``; the IMUs send WitMotion bytes at
100 Hz to ``imu.serial``. What is measured is ``live.py`` as a user runs it, on the CPU cores that this
program was given. It prints poses a second, latency from capture to pose, CPU time, and how far the
fused skeleton lies from the people whom BlazePose alone finds in the same pictures, and writes a contact
sheet of the film. Exit status 1: fewer than 20 poses a second, or the skeleton is not on the
person.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import pty
import resource
import struct
import subprocess
import sys
import tempfile
import threading
import time
import tty
from pathlib import Path

import av
import cv2
import numpy as np
import yaml
from rich.console import Console

from fusion.skeletons import BODY20, to_body20
from fusion.vision.base import front_end
from fusion.vision.overlay import contact_sheet

RATE_HZ = 100.0
WANTED_POSES_PER_S = 20.0
ON_PERSON = 0.10
"""Median distance from a person, as a part of the body's height in the picture."""

VIDEO = "video/sports2d/demo.mp4"


class WitMotionSensor(threading.Thread):
    """Sends the packets of a swinging limb to a pseudo-terminal, at a steady rate."""

    def __init__(self, phase: float) -> None:
        super().__init__(daemon=True)
        self._phase = phase
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.port = os.ttyname(self._slave)
        self.stop = threading.Event()

    def run(self) -> None:
        start, count = time.monotonic(), 0
        while not self.stop.wait(max(0.0, start + count / RATE_HZ - time.monotonic())):
            t = count / RATE_HZ
            angle = 0.8 * math.sin(2 * math.pi * t + self._phase)
            rate = 0.8 * 2 * math.pi * math.cos(2 * math.pi * t + self._phase)
            force = (math.sin(angle) / 16, 0.0, math.cos(angle) / 16)  # of full scale, 16 g
            try:
                os.write(
                    self._master, packet(0x51, force) + packet(0x52, (0.0, math.degrees(rate) / 2000, 0.0))
                )
            except BlockingIOError:
                pass  # nobody reads yet
            count += 1


def packet(kind: int, values: tuple[float, float, float]) -> bytes:
    """Return a WitMotion packet of three values in [-1, 1] of full scale."""
    body = struct.pack("<BB4h", 0x55, kind, *(round(v * 32767) for v in values), 0)
    return body + bytes([sum(body) & 0xFF])


def write_rig(folder: Path, video: Path, ports: list[str]) -> Path:
    """Write the rig of the benchmark and return its path."""
    streams: dict[str, dict[str, object]] = {
        "camera": {"driver": "camera.file", "path": str(video), "loop": True}
    }
    for name, port in zip(("left_forearm", "right_forearm"), ports, strict=True):
        streams[name] = {"driver": "imu.serial", "port": port, "worn_on": name, "rate_hz": RATE_HZ}
    path = folder / "real_video.yaml"
    path.write_text(yaml.safe_dump({"name": "real_video", "vision": "blazepose", "streams": streams}))
    return path


def distance_to_people(video: Path, poses: Path) -> tuple[float, float]:
    """Return how far the fused skeleton is from the nearest person, and the share of poses on a person.

    BlazePose finds all people in every picture of the video; a fused pose is compared with the picture
    that was shown at its time: the mean over its joints, of the person it is nearest to. The one thing
    unknown, when the loop began, is taken to be where the two agree best. Unit: the median height of
    the people in the picture. On a person: nearer than a tenth.
    """
    eyes = front_end("blazepose", max_people=3)
    matrix = to_body20(eyes.skeleton).matrix
    people: list[list[np.ndarray]] = []
    times: list[float] = []
    with av.open(str(video)) as container:
        for frame in container.decode(video=0):
            times.append(float(frame.time or 0.0))
            picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
            people.append([matrix @ person.keypoints for person in eyes(picture, round(times[-1] * 1e9))])
    eyes.close()
    seen = np.full((len(people), max(map(len, people), default=0) or 1, len(BODY20), 2), np.nan)
    for i, found in enumerate(people):
        for k, joints in enumerate(found):
            seen[i, k] = joints
    begin = np.array(times) - times[0]
    length = begin[-1] + float(np.median(np.diff(begin)))
    at, places = read_poses(poses)
    height = float(np.nanmedian(np.ptp(seen[..., 1], axis=-1)))
    best = np.array([np.inf])
    for phase in np.arange(0.0, length, 0.02):
        shown = np.searchsorted(begin, (at - phase) % length, side="right") - 1
        error = np.linalg.norm(places[:, None] - seen[shown], axis=-1).mean(axis=-1) / height
        error = np.nan_to_num(error, nan=np.inf).min(axis=-1)
        error = error[np.isfinite(error)]
        if len(error) and np.median(error) < np.median(best):
            best = error
    return float(np.median(best)), float(np.mean(best <= ON_PERSON))


def read_poses(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Return session times (T,) s and places in the picture (T, 20, 2) px of a table, NaN where unknown."""
    with path.open(encoding="utf-8") as file:
        rows = [
            (int(row["time_ns"]) / 1e9, float(row["x_px"] or "nan"), float(row["y_px"] or "nan"))
            for row in csv.DictReader(file)
        ]
    table = np.array(rows).reshape(-1, len(BODY20), 3)
    return table[:, 0, 0], table[..., 1:]


def sheet(film: Path, output: Path, count: int = 8) -> None:
    """Write pictures of the film, evenly spread, on one sheet."""
    with av.open(str(film)) as container:
        pictures = [
            np.asarray(frame.to_ndarray(format="bgr24"), np.uint8) for frame in container.decode(video=0)
        ]
    chosen = [pictures[i] for i in np.linspace(0, len(pictures) - 1, min(count, len(pictures))).astype(int)]
    cv2.imwrite(str(output), contact_sheet(chosen, columns=4, width=480))


def main() -> int:
    """Run it; see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("CHORUS_DATA", "data")))
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    console = Console()
    video = options.data / VIDEO
    if not video.is_file():
        console.print(f"{video} is not there; name the folder of the data with --data")
        return 2
    output = options.output or Path(tempfile.mkdtemp(prefix="chorus-live-")) / "run"
    sensors = [WitMotionSensor(phase) for phase in (0.0, 1.5)]
    for sensor in sensors:
        sensor.start()
    with tempfile.TemporaryDirectory() as folder:
        rig = write_rig(Path(folder), video.resolve(), [sensor.port for sensor in sensors])
        command = [sys.executable, "-m", "fusion.cli", "live", str(rig)]
        command += ["--duration", str(options.seconds), "--output", str(output)]
        command += ["--weights", str(options.weights)] if options.weights else []
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(command, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    for sensor in sensors:
        sensor.stop.set()
    if done.returncode:
        return done.returncode
    summary = json.loads((output / "summary.json").read_text())
    sheet(output / "overlay.mp4", output / "overlay.png")
    median, share = distance_to_people(video, output / "poses.csv")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    console.print(f"cores             {len(os.sched_getaffinity(0))}")
    console.print(f"fused poses       {summary['poses_per_s']:.1f} /s   (wanted: >= {WANTED_POSES_PER_S:g})")
    console.print(f"pictures seen     {summary['frames_per_s']:.1f} /s, {summary['frames_skipped']} skipped")
    for name in ("frame_latency", "sample_latency"):
        latency = summary[name]
        console.print(f"{name:17} p50 {latency['p50_ms']:.0f} ms, p95 {latency['p95_ms']:.0f} ms")
    console.print(f"late, skipped     {summary['late_ticks']}, {summary['skipped_ticks']} ticks")
    console.print(f"CPU               {cpu:.1f} s in all, with start and drivers")
    console.print(
        f"from a person     median {median:.1%} of the body's height; {share:.0%} of poses on a person"
    )
    console.print(f"pictures          {output / 'overlay.png'}")
    return 0 if summary["poses_per_s"] >= WANTED_POSES_PER_S and median <= ON_PERSON else 1


if __name__ == "__main__":
    sys.exit(main())
