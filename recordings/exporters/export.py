"""Write a session in another format: whole under its name, or not at all.

::

    open_recording -> choose streams -> exporter writes NAME.partial -> renamed to NAME
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import os
import secrets
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Protocol, cast

from drivers.errors import ConfigError, RecordingError, RecordingExists
from recordings.reader import Recording, open_recording
from recordings.stream_reader import StreamReader

FORMATS = {
    "csv": "recordings.exporters.csv_files",
    "mcap": "recordings.exporters.mcap_file",
    "wav": "recordings.exporters.wav_files",
    "mp4": "recordings.exporters.mp4_files",
    "motion-bids": "recordings.exporters.motion_bids",
}
"""Format and the module that writes it, imported when asked for."""

MARK = ".chorus-export"
"""File in each exported folder: only a folder that has it is replaced by ``force``."""


class Exporter(Protocol):
    """What a module of a format has.

    Attributes:
        FOLDER: it writes a folder of files; else one file.
        TAKES: what it can take, in words.
    """

    FOLDER: bool
    TAKES: str

    def takes(self, stream: StreamReader) -> bool:
        """Whether the format can hold something of the stream."""
        ...

    def write(self, recording: Recording, streams: list[StreamReader], target: Path, raw: bool) -> list[str]:
        """Write ``streams`` to ``target`` (a folder is there, a file is not); return notes, a line each."""
        ...


@dataclasses.dataclass(frozen=True)
class ExportReport:
    """What was written.

    Attributes:
        output: the file or folder.
        streams: names of the streams in it.
        bytes: size of it all.
        notes: what was left out and why, a line each.
    """

    output: Path
    streams: tuple[str, ...]
    bytes: int
    notes: tuple[str, ...]


def export(
    path: Path | str,
    to: str,
    output: Path | str,
    *,
    streams: Collection[str] = (),
    raw_times: bool = False,
    force: bool = False,
) -> ExportReport:
    """Write a session in another format.

    Args:
        path: the session file.
        to: name of the format, one of :data:`FORMATS`.
        output: file or folder to make.
        streams: names; all that the format can take where there are none.
        raw_times: arrivals on the host's monotonic clock in place of corrected session times.
        force: replace what an earlier export wrote there.

    Raises:
        ConfigError: there is no such format, or ``output`` has a name of another kind.
        MissingDependency: the format needs a library that is not installed.
        RecordingExists: ``output`` is there.
        RecordingError: the format can take none of the streams, or a named one; or writing failed.
        RecordingUnreadable: the session is damaged; nothing was written under the name.
    """
    if to not in FORMATS:
        raise ConfigError(f"there is no format {to!r} to export to", mend=f"Choose of {', '.join(FORMATS)}")
    exporter = cast(Exporter, importlib.import_module(FORMATS[to]))
    target = Path(output)
    if exporter.FOLDER and target.suffix.lower() == f".{to}":
        raise ConfigError(f"{to} becomes a folder with a file a stream", mend=f"Give --output {target.stem}")
    _check_free(target, folder=exporter.FOLDER, force=force)
    with open_recording(path) as recording:
        if target.exists() and target.resolve() == recording.path.resolve():
            raise RecordingExists(f"{target} is the session itself", mend="give another name with --output")
        chosen, notes = _choose(recording, to, exporter, streams)
        notes += [f"{part}: {line}" for part, line in recording.damaged.items()]
        partial = target.with_name(f".{target.name}.{secrets.token_hex(4)}.partial")
        try:
            if exporter.FOLDER:
                partial.mkdir(parents=True)
                (partial / MARK).write_text("made by chorus export\n", "utf-8")
            else:
                partial.parent.mkdir(parents=True, exist_ok=True)
            notes += exporter.write(recording, chosen, partial, raw_times)
            size = _sync(partial)
            _put(partial, target, folder=exporter.FOLDER, force=force)
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise RecordingError(
                f"{target} could not be written ({reason}), nothing was kept",
                mend="free some space or give another place with --output",
            ) from error
        finally:
            _remove(partial)
    return ExportReport(target, tuple(stream.info.name for stream in chosen), size, tuple(notes))


def _choose(
    recording: Recording, to: str, exporter: Exporter, names: Collection[str]
) -> tuple[list[StreamReader], list[str]]:
    every = recording.all_streams
    for name in names:
        if name not in every:
            raise RecordingError(
                f"{recording.path} has no stream {name}", mend=f"choose of {', '.join(every) or 'none'}"
            )
        if not exporter.takes(every[name]):
            raise RecordingError(
                f"{to} can't take stream {name} ({_what(every[name])}): it holds {exporter.TAKES}",
                mend="leave it out of --streams, or choose another format",
            )
    chosen = [every[name] for name in every if not names or name in names]
    left = [stream for stream in chosen if not exporter.takes(stream)]
    chosen = [stream for stream in chosen if exporter.takes(stream)]
    if not chosen:
        raise RecordingError(
            f"{recording.path} has no stream that {to} can take: it holds {exporter.TAKES}",
            mend=f"choose another format: {', '.join(FORMATS)}",
        )
    return chosen, [f"{s.info.name}: left out, {to} does not take {_what(s)}" for s in left]


def _what(stream: StreamReader) -> str:
    return f"{stream.info.kind} without its data" if stream.withheld else stream.info.kind


def _check_free(target: Path, *, folder: bool, force: bool) -> None:
    if not target.exists() and not target.is_symlink():
        return
    if not force:
        raise RecordingExists(
            f"{target} exists already and is not overwritten", mend="give another --output, or --force"
        )
    ours = (target / MARK).is_file() or not any(target.iterdir()) if target.is_dir() else not folder
    if target.is_symlink() or target.is_dir() != folder or not ours:
        raise RecordingExists(
            f"{target} was not made by this kind of export and is not replaced", mend="give another --output"
        )


def _put(partial: Path, target: Path, *, folder: bool, force: bool) -> None:
    _check_free(target, folder=folder, force=force)
    if not (folder and target.exists()):
        partial.replace(target)
        return
    old = partial.with_suffix(".old")
    target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> int:
    """Bring all to the disk, so that a name never stands for less, and return the size in bytes."""
    size = 0
    for file in [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file()):
        descriptor = os.open(file, os.O_RDWR)  # Windows syncs only what is open for writing
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        size += file.stat().st_size
    return size


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
