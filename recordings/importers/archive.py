"""Archives of data sets, unpacked once into the user's cache."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Self

from drivers.errors import DataError

MAX_MEMBERS = 20_000
MAX_BYTES = 4 << 30
MAX_HEADER = 1 << 20


def unpacked(archive: Path, data_set: str, folder: str) -> Path:
    """Unpack a tar archive, once and whole or not at all, and return the folder in which ``folder`` lies.

    Args:
        archive: the file; members that lead out of it are refused.
        data_set: its name, for errors.
        folder: a folder it must hold, at any depth.

    Raises:
        DataError: it can't be read, is far larger than data sets are, or does not hold the folder.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chorus"
    stat = archive.stat()
    target = cache / f"{archive.name.partition('.')[0]}-{stat.st_size}-{stat.st_mtime_ns}"
    if target.is_dir():
        return _above(target, data_set, folder)
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="unpack-", dir=cache))
    try:
        _extract(archive, work, data_set)
        _above(work, data_set, folder)
        try:
            work.rename(target)
        except OSError:  # somebody else was faster
            if not target.is_dir():
                raise
        return _above(target, data_set, folder)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(
            f"{data_set}: {archive} could not be unpacked ({error})",
            mend="Unpack it by hand and name the folder",
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


class Member(tarfile.TarInfo):
    """A header of an archive whose long names and attributes, read whole before any count, are bounded."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        made = super().frombuf(buf, encoding, errors)
        if made.type not in (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE) and made.size > MAX_HEADER:
            raise tarfile.TarError(f"a header claims {made.size} bytes")
        return made


def _extract(archive: Path, work: Path, data_set: str) -> None:
    with tarfile.open(archive, tarinfo=Member) as tar:
        size = 0
        for count, member in enumerate(tar):
            size += member.size
            if count >= MAX_MEMBERS or size > MAX_BYTES:
                raise DataError(f"{data_set}: {archive} is far larger than it should be", mend="Get it again")
            if member.isfile():
                tar.extract(member, work, filter="data")


def _above(base: Path, data_set: str, folder: str) -> Path:
    for found in sorted(base.rglob(folder)):
        if found.is_dir():
            return found.parent
    raise DataError(f"{data_set}: the archive has no folder {folder}", mend="Name the right archive")
