"""The folder that a run writes into: a new one, or an empty one."""

from __future__ import annotations

from pathlib import Path

from drivers.errors import RecordingExists


def refuse_taken(folder: Path) -> None:
    """Refuse a folder for outputs that holds something already.

    Raises:
        RecordingExists: it does, or it is a file.
    """
    taken = folder.is_dir() and any(folder.iterdir())
    if taken or (folder.exists() and not folder.is_dir()):
        raise RecordingExists(
            f"{folder} exists already and is not overwritten", mend="Give another folder with --output"
        )
