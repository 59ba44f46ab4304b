"""The record button: a recorder in a process of its own that joins the hub, and what it says of itself.

::

    Recorder ── python -m fusion.web.recorder RIG.yaml --connect ADDRESS --output FILE.h5
                   stdin: closing it ends the recording in order; stdout: a line of JSON about twice a second

When it is done the session is checked, as ``chorus check`` does.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import datetime
import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from drivers.errors import BusError, ChorusError, RecordingError
from drivers.interrupt import orderly_interrupt
from drivers.rig import load_rig
from fusion.web.config import Live

ENDING_S = 60.0
"""How long a recorder may take to end in order."""


class Recorder:
    """Starts and ends recordings, one at a time. Safe to call from any thread.

    Args:
        live: what is tracked.
        folder: of the recordings.
    """

    def __init__(self, live: Live, folder: Path) -> None:
        self._live, self._folder = live, folder
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        # Its one thread is there before the server gives way to others: recorders run at full priority.
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "recorder")
        self._worker.submit(int).result()
        self._going: concurrent.futures.Future[None] | None = None
        self._status: dict[str, Any] = {"phase": "idle"}
        self.path: Path | None = None
        """The file of the newest recording."""

    @property
    def status(self) -> dict[str, Any]:
        """How it goes: ``phase`` is idle, starting, recording, stopping, checking, done or failed."""
        with self._lock:
            return dict(self._status)

    @property
    def busy(self) -> bool:
        """Whether a recording is going on, or not yet checked."""
        return self.status["phase"] in ("starting", "recording", "stopping", "checking")

    def start(self, prefix: str = "") -> Path:
        """Begin to record into a new file; return it.

        Raises:
            BusError: there is no rig that could be recorded.
            RecordingError: a recording is going on.
        """
        if not self._live.address:
            raise BusError("a recording is replayed here, no rig", mend="Start chorus live RIG.yaml --web")
        with self._lock:
            if self._status["phase"] in ("starting", "recording", "stopping", "checking"):
                raise RecordingError("a recording is going on", mend="Stop it first")
            now = datetime.datetime.now(datetime.UTC)
            stem = f"{prefix or self._live.name}-{now:%Y%m%dT%H%M%SZ}"
            path = _free(self._folder, stem)
            self.path = path
            self._status = {"phase": "starting", "file": path.name, "since": time.time()}
            self._going = self._worker.submit(self._run, path)
        return path

    def stop(self) -> None:
        """End the recording in order; returns at once.

        Raises:
            RecordingError: there is none.
        """
        with self._lock:
            if self._status["phase"] not in ("starting", "recording"):
                raise RecordingError("nothing is being recorded", mend="Start a recording first")
            self._status["phase"] = "stopping"
            process = self._process
        if process is not None and process.stdin is not None:
            with contextlib.suppress(OSError):
                process.stdin.close()

    def wait(self, timeout_s: float = ENDING_S) -> None:
        """Wait until the recording is over and checked."""
        if self._going is not None:
            concurrent.futures.wait([self._going], timeout_s)

    def close(self) -> None:
        """End a recording that is going on, in order, and wait for that."""
        with contextlib.suppress(RecordingError):
            self.stop()
        self.wait()
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self._worker.shutdown(wait=False)

    def _run(self, path: Path) -> None:
        try:
            with tempfile.TemporaryDirectory(prefix="chorus-") as folder:
                rig = Path(folder, "rig.yaml")
                rig.write_text(self._live.rig, encoding="utf-8")
                self._record(rig, path)
        except Exception as error:
            self._say(phase="failed", what=str(error))

    def _record(self, rig: Path, path: Path) -> None:
        command = [sys.executable, "-m", "fusion.web.recorder", str(rig), "--connect", self._live.address]
        command += ["--output", str(path), "--folder", self._live.rig_folder]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            process_group=0,
        )
        with self._lock:
            self._process = process
            late = self._status["phase"] == "stopping"
        assert process.stdout is not None
        assert process.stdin is not None
        if late:
            process.stdin.close()
        told: dict[str, Any] = {}
        for line in process.stdout:
            with contextlib.suppress(ValueError):
                told = json.loads(line)
                with self._lock:
                    stopping = self._status["phase"] == "stopping"
                if "elapsed_s" in told:
                    phase = "stopping" if stopping else "recording" if told["elapsed_s"] else "starting"
                    self._say(phase=phase, **told)
        process.wait()
        process.stdout.close()
        with contextlib.suppress(OSError):
            process.stdin.close()
        if "done" not in told:
            self._say(phase="failed", what=told.get("error") or "the recorder ended before it was done")
            return
        self._say(phase="checking")
        from recordings.check import check

        report = check(path)
        problems = [*told["problems"], *(p for p in report.problems if p not in told["problems"])]
        self._say(phase="done", sound=report.ok and not told["problems"], problems=problems[:20])

    def _say(self, **values: Any) -> None:
        with self._lock:
            self._status = {**self._status, **values}


def _free(folder: Path, stem: str) -> Path:
    """Return a path that nothing has yet: two recordings may begin in one second."""
    number = 1
    while (path := folder / (f"{stem}.h5" if number == 1 else f"{stem}-{number}.h5")).exists():
        number += 1
    return path


# The process.


def main(arguments: Sequence[str] | None = None) -> int:
    """Record until standard input closes; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m fusion.web.recorder")
    parser.add_argument("rig")
    parser.add_argument("--connect", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--folder", default=".")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    stop = threading.Event()
    threading.Thread(target=_watch, args=(stop,), daemon=True).start()
    try:
        with orderly_interrupt(stop):
            problems = _record(options, stop)
    except ChorusError as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 1
    print(json.dumps({"done": options.output, "problems": problems}), flush=True)
    return int(bool(problems))


def _record(options: argparse.Namespace, stop: threading.Event) -> list[str]:
    from fusion.commands.record import vision_workers
    from recordings.joined import record_beside
    from recordings.status import StreamStatus

    rig = dataclasses.replace(load_rig(options.rig), folder=options.folder)

    def tell(elapsed_s: float, streams: Sequence[StreamStatus]) -> None:
        told = {
            "elapsed_s": round(elapsed_s, 1),
            "rows": sum(stream.rows for stream in streams),
            "lost": sum(stream.lost for stream in streams),
            "bytes": sum(stream.bytes for stream in streams),
        }
        print(json.dumps(told), flush=True)

    workers = vision_workers(rig, options.rig, [])
    return record_beside(options.connect, rig, options.output, stop=stop, workers=workers, on_status=tell)


def _watch(stop: threading.Event) -> None:
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    stop.set()


if __name__ == "__main__":
    sys.exit(main())
