"""The folder that recordings go to: may it be written, how much room it has, how fast it is."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fusion.doctor.finding import Finding

WRITTEN = 16 << 20
"""Bytes that are written to measure."""
LEAST = 1 << 30
"""Bytes below which a disk is as good as full."""
LASTS_S = 600.0
"""A rig that fills the disk sooner is told."""
MARGIN = 2.0
"""The disk must be so much faster than the rig is on average: pictures of a lively scene are larger."""


@dataclasses.dataclass(frozen=True)
class Disk:
    """A folder's disk.

    Attributes:
        folder: where recordings go, or the nearest folder that is there.
        free: bytes.
        speed: bytes per second of a write that reaches the disk; 0: it could not be measured.
        error: why not.
    """

    folder: str
    free: int
    speed: float
    error: str = ""


def measure(folder: Path) -> Disk:
    """Measure a folder's disk; nothing stays behind."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())
    free = shutil.disk_usage(there).free
    size = min(WRITTEN, free // 2)
    block = os.urandom(1 << 16)  # what a disk that compresses cannot shrink
    try:
        descriptor, name = tempfile.mkstemp(prefix=".chorus-doctor-", dir=there)
    except OSError as error:
        return Disk(str(there), free, 0.0, error.strerror or str(error))
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            begin = time.perf_counter()
            for _ in range(size // len(block)):
                file.write(block)
            os.fsync(file.fileno())
            passed = time.perf_counter() - begin
        return Disk(str(there), free, size / passed if size else 0.0)
    except OSError as error:
        return Disk(str(there), free, 0.0, error.strerror or str(error))
    finally:
        with contextlib.suppress(OSError):
            Path(name).unlink()


def judge(disk: Disk, bytes_s: float = 0.0) -> Iterator[Finding]:
    """Say what is wrong with a disk, for a rig that writes so many bytes a second."""
    if disk.error and disk.free >= LEAST:
        mend = (
            f"sudo chown $USER '{disk.folder}'" if "ermission" in disk.error else "Record into another folder"
        )
        yield Finding(f"{disk.folder} cannot be written: {disk.error}", mend)
    if disk.free < LEAST:
        yield Finding(
            f"only {disk.free / 1e9:.2f} GB are free in {disk.folder}",
            "Delete what is not needed there, or record to another disk with --output=/OTHER/FILE.h5",
        )
    elif bytes_s and disk.free / bytes_s < LASTS_S:
        yield Finding(
            f"{disk.folder} is full after {disk.free / bytes_s / 60:.0f} min of this rig",
            "Record to another disk, or make the pictures smaller with 'store: h264'",
        )
    if disk.speed and bytes_s * MARGIN > disk.speed:
        yield Finding(
            f"{disk.folder} takes {disk.speed / 1e6:.0f} MB/s, and this rig makes {bytes_s / 1e6:.0f} MB/s",
            "Record to a faster disk, or make the pictures smaller with 'store: h264'",
        )
