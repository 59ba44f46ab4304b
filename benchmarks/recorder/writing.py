"""How fast sessions are written, beside what others write, in the same run.

    pip install -e ".[bench]"
    python -m benchmarks.recorder.writing [--folder DIR] [--rounds 7] [--frames 600] [--rows 1000000]

Pictures: raw 640x480x3 frames one by one, as a ratio of writing the same bytes with ``write`` and one
``fsync`` at the end. Rows: 100 bytes each (25 float32) with their stamps, in batches of ``--batch``.
All sides end with their file on the disk (``fsync``). Rounds take turns and the sides go in another
order each round; ratios are of one round, printed as median with the least and the most. Checksums are
on unless a line says otherwise.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from drivers.base import STAMP, Batch, StreamInfo
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

SHAPE = (480, 640, 3)
CHANNELS = 25
GOAL_RATIO, GOAL_ROWS = 0.70, 500_000
Write = Callable[[Path], None]


def on_disk(path: Path) -> None:
    """Wait until the file is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def stamps(first: int, rows: int) -> NDArray[np.void]:
    """Return stamps of a stream at 1 kHz."""
    made = np.zeros(rows, STAMP)
    made["seq"] = np.arange(first, first + rows)
    made["time"] = made["seq"] * 1_000_000
    return made


def picture_sides(pictures: NDArray[np.uint8], frames: int) -> dict[str, Write]:
    """Return what writes ``frames`` pictures, by name."""

    def raw(path: Path) -> None:
        with path.open("wb", buffering=0) as file:
            for number in range(frames):
                file.write(pictures[number % len(pictures)].data)

    def chorus(path: Path) -> None:
        info = StreamInfo(name="camera", kind="camera", dtype="|u1", shape=SHAPE, rate_hz=30.0)
        with SessionWriter(path, SessionAttributes(id="benchmark")) as writer:
            writer.add_stream(info)
            for number in range(frames):
                at = number % len(pictures)
                writer.append(Batch("camera", stamps(number, 1), pictures[at : at + 1]))

    def hdf5(**options: object) -> Write:
        def write(path: Path) -> None:
            with h5py.File(path, "w") as file:
                dataset = file.create_dataset(
                    "data", (0, *SHAPE), "u1", maxshape=(None, *SHAPE), chunks=(1, *SHAPE), **options
                )
                for number in range(frames):
                    dataset.resize(number + 1, axis=0)
                    dataset[number] = pictures[number % len(pictures)]

        return write

    sides: dict[str, Write] = {
        "raw write": raw,
        "chorus": chorus,
        "h5py, no checksum": hdf5(),
        "h5py, fletcher32": hdf5(fletcher32=True),
    }
    for name, compression in (("MCAP, CRC", "NONE"), ("MCAP, CRC + LZ4", "LZ4")):
        sides[name] = mcap(compression, lambda number: pictures[number % len(pictures)].tobytes(), frames)
    return sides


def row_sides(rows: int, batch: int) -> dict[str, Write]:
    """Return what writes ``rows`` rows, by name."""
    values = np.random.default_rng(5).normal(size=(batch, CHANNELS)).astype(np.float32)
    rows -= rows % batch

    def chorus(path: Path) -> None:
        info = StreamInfo(name="imu", kind="imu", dtype="<f4", shape=(CHANNELS,), rate_hz=1000.0)
        with SessionWriter(path, SessionAttributes(id="benchmark")) as writer:
            writer.add_stream(info)
            for first in range(0, rows, batch):
                writer.append(Batch("imu", stamps(first, batch), values))

    def h5py_batches(path: Path) -> None:
        with h5py.File(path, "w") as file:
            shape = (CHANNELS,)
            dataset = file.create_dataset(
                "data", (0, *shape), "f4", maxshape=(None, *shape), chunks=(327, *shape), fletcher32=True
            )
            for first in range(0, rows, batch):
                dataset.resize(first + batch, axis=0)
                dataset[first:] = values

    def h5py_rows(path: Path) -> None:
        with h5py.File(path, "w") as file:
            shape = (CHANNELS,)
            dataset = file.create_dataset(
                "data", (0, *shape), "f4", maxshape=(None, *shape), chunks=(327, *shape)
            )
            for number in range(rows // 50):  # slow enough to take a fiftieth
                dataset.resize(number + 1, axis=0)
                dataset[number] = values[number % batch]

    encoded = [row.tobytes() for row in values]
    return {
        "chorus": chorus,
        "h5py, same batches, fletcher32": h5py_batches,
        "h5py, row by row": h5py_rows,
        "MCAP, CRC": mcap("NONE", lambda number: encoded[number % batch], rows),
    }


def mcap(compression: str, payload: Callable[[int], bytes], count: int) -> Write:
    """Return what writes ``count`` messages to MCAP with the checksums of its own writer.

    Raises:
        SystemExit: the package is missing.
    """
    try:
        from mcap.writer import CompressionType, Writer
    except ImportError:
        sys.exit("the peers are missing; pip install -e '.[bench]' brings them")

    def write(path: Path) -> None:
        with path.open("wb") as file:
            writer = Writer(file, compression=CompressionType[compression])
            writer.start()
            schema = writer.register_schema("bytes", "", b"")
            channel = writer.register_channel("/stream", "", schema)
            for number in range(count):
                writer.add_message(channel, number, payload(number), number)
            writer.finish()

    return write


def measure(sides: dict[str, Write], folder: Path, rounds: int) -> dict[str, list[float]]:
    """Return seconds of each side and round."""
    taken: dict[str, list[float]] = {name: [] for name in sides}
    order = list(sides)
    for number in range(rounds + 1):  # the first warms up
        random.Random(number).shuffle(order)
        for name in order:
            path = folder / "written"
            begin = time.perf_counter()
            sides[name](path)
            on_disk(path)
            if number:
                taken[name].append(time.perf_counter() - begin)
            path.unlink()
    return taken


def spread(values: list[float], form: str) -> str:
    """Return median, least and most."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:{form}} ({low:{form}} to {high:{form}})"


def main() -> int:
    """Print the figures; return 0 where the goals are reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, help="on the disk to measure; the system's for temporary files"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=100, help="rows of a batch")
    options = parser.parse_args()
    pictures = np.random.default_rng(7).integers(0, 256, (16, *SHAPE), dtype=np.uint8)
    size = options.frames * pictures[0].nbytes / 1e6
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        taken = measure(picture_sides(pictures, options.frames), folder, options.rounds)
        print(f"{options.frames} raw pictures of 640x480x3, {size:.0f} MB, {options.rounds} rounds")
        ratios: dict[str, list[float]] = {}
        for side, seconds in taken.items():
            ratios[side] = [raw / own for raw, own in zip(taken["raw write"], seconds, strict=True)]
            speed = spread([size / one for one in seconds], "6.0f")
            print(f"  {side:32s} {speed} MB/s   ratio to raw write {spread(ratios[side], '.2f')}")
        taken = measure(row_sides(options.rows, options.batch), folder, options.rounds)
        print(f"{options.rows} rows of 100 bytes, batches of {options.batch}")
        speeds: dict[str, list[float]] = {}
        for side, seconds in taken.items():
            rows = options.rows / 50 if side == "h5py, row by row" else options.rows
            speeds[side] = [rows / one / 1000 for one in seconds]
            print(f"  {side:32s} {spread(speeds[side], '7.0f')} k rows/s")
    reached = statistics.median(ratios["chorus"]) >= GOAL_RATIO
    reached &= statistics.median(speeds["chorus"]) * 1000 >= GOAL_ROWS
    print(
        f"goals (ratio >= {GOAL_RATIO}, >= {GOAL_ROWS // 1000} k rows/s): "
        f"{'reached' if reached else 'missed'}"
    )
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
