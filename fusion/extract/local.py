"""Sessions extracted by processes on this machine, a session each; one that is killed is started again."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

TRIES = 3
"""How often a session whose process was killed is begun."""

Job = tuple[Path, Path]
"""A session, and the session to make of it."""

Told = Callable[[Path, float], None]
"""Called with a session and the fraction of it that is done."""


class LocalProcesses:
    """Runs jobs, so many at a time.

    Args:
        vision: front end, as :func:`fusion.vision.base.front_end` takes it.
        pictures: keep the pictures as well.
        workers: processes at a time.
        told: progress, from any thread.

    Attributes:
        running: process by session.
    """

    def __init__(self, vision: str, pictures: bool, workers: int, told: Told) -> None:
        self._words = [vision, *(["pictures"] if pictures else [])]
        self._workers, self._told = workers, told
        self._stopped = threading.Event()
        self.running: dict[Path, subprocess.Popen[str]] = {}
        self.restarts = 0

    def run(self, jobs: Sequence[Job]) -> dict[Path, str]:
        """Do the jobs; return what went wrong, by session."""
        with ThreadPoolExecutor(self._workers) as pool:
            try:
                said = list(pool.map(self._one, jobs))
            except BaseException:
                self._stopped.set()
                for process in list(self.running.values()):
                    process.terminate()
                raise
        return {job[0]: error for job, error in zip(jobs, said, strict=True) if error}

    def _one(self, job: Job) -> str:
        code, error = 0, ""
        for attempt in range(TRIES):
            if self._stopped.is_set():
                return "stopped"
            self.restarts += attempt > 0
            code, error = self._begin(job)
            if code >= 0:  # it ended by itself, well or with a word; otherwise it was killed
                return error if code else ""
        return f"its process was killed {TRIES} times (signal {-code})"

    def _begin(self, job: Job) -> tuple[int, str]:
        source, output = job
        command = [sys.executable, "-m", "fusion.extract.session", str(source), str(output), *self._words]
        pipe = subprocess.PIPE
        errors: list[str] = []
        with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as process:
            self.running[source] = process
            reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
            reader.start()
            for line in process.stdout or ():
                self._told(source, float(line))
            code = process.wait()
            reader.join()
        del self.running[source]
        return code, (errors[-1].strip() if errors else f"exit status {code}")
