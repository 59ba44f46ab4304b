"""The files of a folder in order, and when each was taken."""

from __future__ import annotations

import csv
import dataclasses
import datetime
import re
from pathlib import Path

import numpy as np

from drivers.base import DriverContext
from drivers.errors import DeviceError, Fault

_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_UNITS = ((1e17, 1.0), (1e14, 1e3), (1e11, 1e6))
"""A time since 1970 of so large a number is in ns, µs or ms; a smaller one in s."""


@dataclasses.dataclass(frozen=True)
class Times:
    """How the times of files are told.

    Attributes:
        source: ``name``, ``exif``, a CSV file, or empty.
        fps: files a second, where it is not 0.
    """

    source: str
    fps: float


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files of a folder.

    Attributes:
        folder: where they are.
        files: in the order of their times.
        times: since the first, ns, rising.
        rate_hz: files a second, by the median of their distances.
    """

    folder: Path
    files: list[Path]
    times: list[int]
    rate_hz: float


def natural(name: str) -> list[tuple[int, int, str]]:
    """Return a key that puts ``a2`` before ``a10``."""
    return [
        (0, int(part), part) if part.isdecimal() else (1, 0, part)
        for part in re.split(r"(\d+)", name)
        if part
    ]


def listed(context: DriverContext, path: str, endings: tuple[str, ...], times: Times) -> Listing:
    """List the files of a folder that have one of some endings.

    Raises:
        DeviceError: there is no such folder, it is empty, or times are missing or the same.
    """
    folder = _folder(context, path)
    files = sorted(
        (one for one in folder.iterdir() if one.suffix.lower() in endings and one.is_file()),
        key=lambda one: natural(one.name),
    )
    if not files:
        raise _error(context, f"{folder} holds no pictures", f"Put files into it: {', '.join(endings)}")
    if times.fps:
        stamps = [round(n * 1e9 / times.fps) for n in range(len(files))]
        return Listing(folder, files, stamps, times.fps)
    told = _told(context, folder, files, times.source)
    order = sorted(range(len(files)), key=lambda n: told[n])
    stamps = [told[n] - told[order[0]] for n in order]
    steps = np.diff(stamps)
    if len(steps) and int(steps.min()) <= 0:
        where = int(np.argmin(steps))
        raise _error(
            context,
            f"{files[order[where]].name} and {files[order[where + 1]].name} have the same time",
            "Set 'fps', or another source of 'times'",
        )
    rate = 1e9 / float(np.median(steps)) if len(steps) else 0.0
    return Listing(folder, [files[n] for n in order], stamps, rate)


def _folder(context: DriverContext, path: str) -> Path:
    given = Path(path).expanduser()
    places = [given] if given.is_absolute() else [given, Path(context.folder) / given]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise DeviceError(
            context.stream,
            Fault.NOT_FOUND,
            f"there is no folder {given}",
            mend="Set 'path' to a folder of pictures; for a video use camera.file",
        )
    return found


def _told(context: DriverContext, folder: Path, files: list[Path], source: str) -> list[int]:
    if source == "name":
        return [_by_name(context, file) for file in files]
    if source == "exif":
        return [_by_exif(context, file) for file in files]
    return _by_table(context, folder, files, source)


def _by_name(context: DriverContext, file: Path) -> int:
    numbers = _NUMBER.findall(file.stem)
    if not numbers:
        raise _error(context, f"{file.name} has no number in its name", "Set 'fps', or other 'times'")
    value = float(numbers[-1])
    unit = next((unit for least, unit in _UNITS if value >= least), 1e9)
    return int(numbers[-1]) * int(unit) if numbers[-1].isdecimal() else round(value * unit)


def _by_exif(context: DriverContext, file: Path) -> int:
    from PIL import Image

    try:
        with Image.open(file) as image:
            tags = image.getexif().get_ifd(0x8769)  # the EXIF part
        taken = datetime.datetime.strptime(str(tags[0x9003]), "%Y:%m:%d %H:%M:%S")  # DateTimeOriginal
        fraction = str(tags.get(0x9291, "0")).strip("\0 ")  # SubsecTimeOriginal: decimals of a second
    except (OSError, KeyError, ValueError) as error:
        raise _error(
            context, f"{file.name} does not say when it was taken", "Set 'fps', or other 'times'"
        ) from error
    seconds = int(taken.replace(tzinfo=datetime.UTC).timestamp())
    return seconds * 1_000_000_000 + (int(f"{fraction:0<9.9}") if fraction.isdecimal() else 0)


def _by_table(context: DriverContext, folder: Path, files: list[Path], source: str) -> list[int]:
    table = folder / source
    try:
        with table.open(newline="", encoding="utf-8") as file:
            lines = [line for line in csv.reader(file) if len(line) >= 2]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _error(
            context, f"{table} cannot be read", "Set 'times' to name, exif or a CSV file of the folder"
        ) from error
    known: dict[str, int] = {}
    for number, (name, seconds, *_) in enumerate(lines):
        try:
            known[name.strip()] = round(float(seconds) * 1e9)
        except (ValueError, OverflowError):
            if number:  # the first line may name the columns
                raise _error(
                    context, f"{table} line {number + 1}: {seconds!r:.40} is no time", "Write name,seconds"
                ) from None
    missing = next((file.name for file in files if file.name not in known), None)
    if missing is not None:
        raise _error(context, f"{table} has no line for {missing}", "Add one, or take the picture away")
    return [known[file.name] for file in files]


def _error(context: DriverContext, what: str, mend: str) -> DeviceError:
    return DeviceError(context.stream, Fault.UNSUPPORTED, what, mend=mend)
