"""What each store of a camera costs and keeps: size, processor time, quality, and time to find a picture.

    python -m benchmarks.recorder.cameras [--seconds 6] [--fps 30]

The simulated body at 1280x720 with a camera's grain, as JPEG (quality 90), pixels, and H.264 from the
JPEG, in one run. Quality is PSNR against the pictures before JPEG. A random picture is found by its
time in a file that was just opened; times are medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.recorder.whole import GRAIN, SIZE
from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.messages import Ended
from drivers.simulator.camera import CameraConfig
from drivers.simulator.view import Painter
from recordings.encoding import Settings
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

QUALITY = 90
SEEKS = 25
STORES: dict[str, Settings | None] = {
    "none": None,
    "raw": None,
    "mjpeg": None,
    "h264 ultrafast 20": Settings("ultrafast", 20),
    "h264 veryfast 20": Settings("veryfast", 20),
    "h264 veryfast 26": Settings("veryfast", 26),
}


def pictures(count: int, fps: float) -> list[NDArray[np.uint8]]:
    """Return (H, W, 3) pictures of the simulated body."""
    config = CameraConfig(width=SIZE[0], height=SIZE[1])
    painter, chance = Painter(config.view(), 0), np.random.default_rng(0)
    joints = config.body().pose(np.arange(count) / fps).joints
    shape = (SIZE[1], SIZE[0], 3)
    return [
        np.clip(painter(pose, True) + chance.normal(0, GRAIN, shape), 0, 255).astype(np.uint8)
        for pose in joints
    ]


def store(path: Path, name: str, rows: list[Any], fps: float) -> float:
    """Write a session of the rows; return the processor time that took, s."""
    info = StreamInfo(
        name="camera",
        kind="camera",
        encoding="array" if name == "raw" else "jpeg",
        dtype="|u1",
        shape=(SIZE[1], SIZE[0], 3),
        rate_hz=fps,
    )
    begun = time.process_time()
    with SessionWriter(path, SessionAttributes(id=name, expected=("camera",))) as writer:
        stream = writer.add_stream(info, withheld=name == "none", h264=STORES[name])
        for number, row in enumerate(rows):
            stamps = np.zeros(1, STAMP)
            stamps["seq"], stamps["time"] = number, round(number * 1e9 / fps)
            writer.append(Batch("camera", stamps, row[None] if name == "raw" else (row,)))
            if number % 50 == 49:
                stream.drain()  # faster than real time: nothing is dropped
        stream.drain()
        writer.ended(Ended("camera", len(rows), {}))
    return time.process_time() - begun


def took(what: Callable[[], object]) -> float:
    """Return how long something takes, s."""
    begun = time.perf_counter()
    what()
    return time.perf_counter() - begun


def find(path: Path, moment: int) -> None:
    """Open a session and show its picture of a moment, ns."""
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        camera.image(camera.index_at(moment))


def psnr(path: Path, truth: list[NDArray[np.uint8]]) -> tuple[float, float]:
    """Return the mean PSNR, dB, and how long a picture takes when all are read in order, s."""
    with open_recording(path) as recording:
        camera = recording.streams["camera"]
        errors, reading = [], 0.0
        for row, image in enumerate(truth):
            begun = time.perf_counter()
            stored = camera.image(row)
            reading += time.perf_counter() - begun
            errors.append(np.mean((stored.astype(np.float32) - image) ** 2))
    mean = float(np.mean(errors))
    return (10 * np.log10(255**2 / mean) if mean else np.inf), reading / len(truth)


def main() -> int:
    """Print a line a store."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--fps", type=float, default=30.0)
    options = parser.parse_args()
    truth = pictures(round(options.seconds * options.fps), options.fps)
    begun = time.process_time()
    jpegs = [cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes() for image in truth]
    encode_ms = 1000 * (time.process_time() - begun) / len(truth)
    print(f"{len(truth)} pictures of {SIZE[0]}x{SIZE[1]}; making a JPEG of one: {encode_ms:.2f} ms")
    heads = ("kB/picture", "ms to store", "PSNR dB", "ms in order", "ms to find")
    print(f"{'store':18} {' '.join(f'{head:>11}' for head in heads)}")
    chance = np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        for number, name in enumerate(STORES):
            path = Path(folder, f"{number}.h5")
            cost = 1000 * store(path, name, truth if name == "raw" else jpegs, options.fps) / len(truth)
            size = path.stat().st_size / 1e3 / len(truth)
            words = f"{name:18} {size:11.1f} {cost:11.2f}"
            if name != "none":
                quality, order = psnr(path, truth)
                moments = chance.integers(0, round(options.seconds * 1e9), SEEKS).tolist()
                seek = statistics.median(took(lambda at=at, path=path: find(path, at)) for at in moments)
                words += f" {quality:11.1f} {1000 * order:11.2f} {1000 * seek:11.1f}"
            print(words, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
