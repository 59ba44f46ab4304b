"""Forces a session file to the disk, beside the recorder."""

from __future__ import annotations

import contextlib
import threading

from recordings.ordered_file import OrderedFile


class Syncer:
    """Forces the file to the disk about each ``every_s`` in a thread: it can take long."""

    def __init__(self, file: OrderedFile, every_s: float) -> None:
        self._file = file
        self._stop = threading.Event()
        self._every_s = every_s
        self._thread = threading.Thread(target=self._run, name="sync", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop.wait(self._every_s):
            with contextlib.suppress(OSError):
                self._file.sync()

    def close(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()
