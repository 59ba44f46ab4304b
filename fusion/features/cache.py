"""Key points that a vision front end found in a recording, kept on disk: looking is the slow part."""

from __future__ import annotations

import hashlib
import os
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from recordings.reader import Recording

Seen = tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]
"""Key points (J, 10) and peaks (J,) of the person in a picture; None twice where nobody was seen."""

_VERSION = 1


class KeypointCache:
    """One file per recording, camera and front end; it is stale once the recording changed.

    Args:
        folder: where the files lie; made when needed.
        recording: the open session.
        camera: name of the stream.
        network: what tells the front end and its weights apart from others.
    """

    def __init__(self, folder: Path, recording: Recording, camera: str, network: str) -> None:
        source = Path(recording.path).resolve()
        state = source.stat()
        key = f"{_VERSION}|{source}|{state.st_size}|{state.st_mtime_ns}|{camera}|{network}"
        kind = network.partition(":")[0]
        self.path = (
            Path(folder)
            / f"{source.stem}-{camera}-{kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.npz"
        )

    def load(self) -> dict[int, Seen] | None:
        """Return what was seen, by time; None where nothing sound is kept."""
        if not self.path.exists():
            return None
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                times, rows, peaks, someone = (file[k] for k in ("times", "rows", "peaks", "someone"))
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # damaged: it is found again and replaced
        return {
            time: (rows[i], peaks[i]) if someone[i] else (None, None) for i, time in enumerate(times.tolist())
        }

    def save(self, seen: dict[int, Seen]) -> None:
        """Keep what was seen; the file appears whole or not at all."""
        joints = next((len(rows) for rows, _ in seen.values() if rows is not None), 0)
        rows = np.zeros((len(seen), joints, 10), np.float32)
        peaks = np.zeros((len(seen), joints), np.float32)
        someone = np.zeros(len(seen), bool)
        for i, (r, p) in enumerate(seen.values()):
            if r is not None and p is not None:
                rows[i], peaks[i], someone[i] = r, p, True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, suffix=".npz")
        with os.fdopen(handle, "wb") as file:
            np.savez(file, times=np.array(list(seen), np.int64), rows=rows, peaks=peaks, someone=someone)
        Path(name).replace(self.path)
