"""Berkeley MHAD: six accelerometers and the stamps of the cameras, 12 subjects, 11 actions, 5 repetitions.

F. Ofli, R. Chaudhry, G. Kurillo, R. Vidal, R. Bajcsy, "Berkeley MHAD: A Comprehensive Multimodal Human Action
Database", WACV 2013. To be cited where it is used.

::

    ROOT/Accelerometer/Shimmer01/acc_h01_s01_a01_r01.txt    rows "x y z stamp"      g with gravity, s
    ROOT/Time_stamps/time_stamps_img_s01_a01_r01.txt        rows "number stamp"     s

All stamps are UNIX time of one computer. Those of the accelerometers are arrivals by radio: rows come
alone, in groups and up to seconds late, though the sensors sample evenly (32768 Hz / 1056) without
pause; there is no counter. Those of the cameras go by ticks of 15.6 ms, though the frames come evenly.

The sensors were worn on the wrists (h01 left, h02 right), the hips (h03, h04) and the ankles (h05, h06).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError
from recordings.importers.archive import unpacked

ARCHIVE = "berkeley_mhad_acc.tar.xz"

ACTIONS: tuple[str, ...] = (
    "jump in place",
    "jumping jacks",
    "bend, hands up all the way down",
    "punch",
    "wave two hands",
    "wave right hand",
    "clap hands",
    "throw a ball",
    "sit down, stand up",
    "sit down",
    "stand up",
)
"""Action n of the file names is ``ACTIONS[n - 1]``."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where one accelerometer was worn: its stream, and the nearest of :data:`drivers.places.PLACES`."""

    stream: str
    worn_on: str


PLACES: tuple[Place, ...] = (
    Place("left_wrist", "left_forearm"),
    Place("right_wrist", "right_forearm"),
    Place("left_hip", "pelvis"),
    Place("right_hip", "pelvis"),
    Place("left_ankle", "left_shin"),
    Place("right_ankle", "right_shin"),
)
"""Of sensor n of the file names: ``PLACES[n - 1]``."""

RATE_HZ = 32768 / 1056
"""Nominal rate of the accelerometers: the divisor of a watch crystal that fits all subjects' stamps."""

CAMERA_RATE_HZ = 1000 / 46.08
"""Usual rate of the cameras, as found in their stamps."""

CAMERA_TICK_NS = 15_625_000
CAMERA_SIZE_PX = (640, 480)

STANDARD_GRAVITY = 9.80665
_FILE = re.compile(r"acc_h01_(s(\d\d)_a(\d\d)_r(\d\d))\.txt\Z")
_KEY = re.compile(r"s(\d\d)_a(\d\d)_r(\d\d)\Z")
_MAX_BYTES = 4 << 20  # of one text file; the largest has 60 kB


@dataclasses.dataclass(frozen=True, order=True)
class Key:
    """Names one trial, as ``s01_a02_r03``."""

    subject: int
    action: int
    repetition: int

    def __str__(self) -> str:
        return f"s{self.subject:02}_a{self.action:02}_r{self.repetition:02}"

    @classmethod
    def parse(cls, text: str) -> Key:
        """Read what ``str`` gave.

        Raises:
            DataError: it is none.
        """
        found = _KEY.match(text)
        if not found or not 1 <= int(found[2]) <= len(ACTIONS):
            raise DataError(f"Berkeley MHAD: {text!r} names no trial", mend="Write it as s01_a01_r01")
        return cls(int(found[1]), int(found[2]), int(found[3]))


@dataclasses.dataclass(frozen=True)
class Trial:
    """One subject doing one action once.

    Attributes:
        key: which.
        specific_force: for each of the six sensors (N_i, 3) float32 m/s², gravity in, sensor frame.
        arrival: for each of them (N_i,) int64, UNIX time of arrival, ns.
        camera: (F,) int64, UNIX time of each frame, ns, in ticks of 15.6 ms.
    """

    key: Key
    specific_force: tuple[NDArray[np.float32], ...]
    arrival: tuple[NDArray[np.int64], ...]
    camera: NDArray[np.int64]


def find_root(root: str | Path) -> Path:
    """Return the folder that holds ``Accelerometer`` and ``Time_stamps``.

    Args:
        root: that folder, one above it, one with the archive in it, or the archive, which is unpacked once
            into the user's cache.

    Raises:
        DataError: nothing there.
    """
    base = Path(root).expanduser()
    for folder in (base, base / "berkeley_mhad_acc"):
        if (folder / "Accelerometer").is_dir() and (folder / "Time_stamps").is_dir():
            return folder
    archive = base if base.is_file() else base / ARCHIVE
    if archive.is_file():
        return unpacked(archive, "Berkeley MHAD", "Accelerometer")
    raise DataError(
        f"Berkeley MHAD: {base} has neither the folders Accelerometer and Time_stamps nor {ARCHIVE}",
        mend="Name the folder that has them",
    )


def keys(folder: Path) -> list[Key]:
    """Return the trials that sensor 1 has a file of, in order.

    Raises:
        DataError: there is none.
    """
    names = (folder / "Accelerometer" / "Shimmer01").glob("acc_h01_*.txt")
    found = sorted(Key.parse(match[1]) for path in names if (match := _FILE.match(path.name)))
    if not found:
        raise DataError(
            f"Berkeley MHAD: {folder} has no trials",
            mend="Check that Accelerometer/Shimmer01 holds files like acc_h01_s01_a01_r01.txt",
        )
    return found


def trials(folder: Path, subject: int) -> Iterator[Trial]:
    """Read the trials of one subject, in the order they were recorded.

    Raises:
        DataError: a file is missing or malformed.
    """
    read = [read_trial(folder, key) for key in keys(folder) if key.subject == subject]
    return iter(sorted(read, key=lambda trial: int(trial.arrival[0][0])))


def read_trial(folder: Path, key: Key) -> Trial:
    """Read one trial.

    Raises:
        DataError: a file is missing, or holds other than rows of finite numbers in the order of time.
    """
    force, arrival = [], []
    for number in range(1, len(PLACES) + 1):
        path = folder / "Accelerometer" / f"Shimmer{number:02}" / f"acc_h{number:02}_{key}.txt"
        rows, stamps = _read(path, 4)
        force.append((rows[:, :3] * STANDARD_GRAVITY).astype(np.float32))
        arrival.append(stamps)
    _, camera = _read(folder / "Time_stamps" / f"time_stamps_img_{key}.txt", 2)
    return Trial(key, tuple(force), tuple(arrival), camera)


def _read(path: Path, columns: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Rows (N, columns) of a text file, and their last column as ns."""
    if not path.is_file():
        raise DataError(
            f"Berkeley MHAD: {path.parent.name}/{path.name} is missing", mend=f"Unpack {ARCHIVE} again, whole"
        )
    if path.stat().st_size > _MAX_BYTES:
        raise _malformed(path, "it is far larger than it should be")
    try:
        words = path.read_text("ascii").split()
        rows = np.array(words, np.float64).reshape(-1, columns)
    except (ValueError, OSError) as error:
        raise _malformed(path, f"not rows of {columns} numbers ({error})") from None
    if not len(rows) or not np.isfinite(rows).all() or np.abs(rows).max() > 9e9:
        raise _malformed(path, "its numbers are none, not finite or too large")
    # A float holds UNIX time to 0.2 us, and the file gives 1 us.
    stamps = np.rint(rows[:, -1] * 1e6).astype(np.int64) * 1000
    if (np.diff(stamps) < 0).any():
        raise _malformed(path, "its stamps run backwards")
    return rows, stamps


def _malformed(path: Path, why: str) -> DataError:
    return DataError(f"Berkeley MHAD: {path.parent.name}/{path.name}: {why}", mend=f"Unpack {ARCHIVE} again")
