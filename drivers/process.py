"""One process for each driver, and the parent that starts and watches them.

Run one alone, on any host::

    python -m drivers.process configs/rigs/webcam.yaml --only camera --connect tcp://127.0.0.1:41234

A child ignores Ctrl-C: its parent stops it in order, through the hub. It also stops when the hub
goes, and, where it was started with ``--guarded``, when its standard input closes, which is when
its parent dies.

A spare (``--spare``) has all that the rig's drivers need imported and waits on its standard input for the
name of the stream to drive: a driver that died is replaced without the time that a program takes to start.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType

from drivers.bus.publisher import Publisher
from drivers.bus.spool import default_folder
from drivers.calibration import find_calibration, read_calibration
from drivers.errors import ChorusError
from drivers.loop import pump
from drivers.private import forbid_dumps
from drivers.rig import Rig, create_driver, load_rig

log = logging.getLogger(__name__)

STOP_S = 10.0
"""How long a child may take to stop in order, resending what was missed, before it is made to."""

FINAL = "\x1e"
"""Begins the line with which a guarded child says why it failed; its parent tells it once."""


def run_driver(
    rig: Rig,
    stream: str,
    address: str,
    *,
    stop: Callable[[], bool] = lambda: False,
    timeout_s: float = 5.0,
    prompt: bool = False,
) -> None:
    """Run the driver of one stream here until it ends or is told to stop.

    Args:
        rig: where the stream is.
        stream: its name.
        address: of the hub, with its key where it listens with keys.
        stop: asked after every read, besides the hub's own stop.
        timeout_s: how long to wait for the hub to answer.
        prompt: rows are handed on as they come, not gathered.

    Raises:
        BusUnreachable: nobody answers at the address.
        ConfigError: the rig has no such stream, or its calibration cannot be read.
        ChorusError: the driver failed; subscribers were told before.
    """
    create_driver(rig, stream, 0)  # a wrong name is found before the bus is bothered
    named = rig.streams[stream].calibration
    calibration = read_calibration(find_calibration(named, rig.folder)) if named else None
    if rig.bus.insecure and "#" not in address:
        address += "#insecure"  # plain text on the network was agreed to in the rig
    spool = Path(rig.bus.spool).expanduser() if rig.bus.spool else default_folder()
    private = stream in rig.private
    if private:
        forbid_dumps()
    with Publisher(
        address,
        stream,
        timeout_s=timeout_s,
        outage_s=rig.bus.outage_s,
        spool=None if private else spool,
    ) as publisher:
        driver = create_driver(rig, stream, publisher.host_clock.to_host(0), prompt=prompt)
        entry = rig.streams[stream]
        failure = pump(
            driver,
            publisher,
            latency_ms=entry.latency_ms,
            worn_on=entry.worn_on,
            calibration=calibration,
            stop=stop,
        )
    if failure is not None:
        raise failure


@dataclasses.dataclass(frozen=True)
class Exit:
    """A driver's process that is over.

    Attributes:
        stream: its stream.
        code: its exit status; negative: ended by that signal.
        error: why, in one line; empty where it ended well.
    """

    stream: str
    code: int
    error: str


class _Child:
    def __init__(self, stream: str, process: subprocess.Popen[str]) -> None:
        self.stream = stream
        self.process = process
        self.said = ""  # why it failed, or the last line it printed
        self.reader = threading.Thread(target=self._read, name=f"stderr-{stream}", daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            text = line.strip()
            if line.startswith(FINAL):
                self.said = line.strip(f"{FINAL}\r\n ")
            elif text:
                self.said = text
                log.warning("%s", text if text.startswith(f"{self.stream}:") else f"{self.stream}: {text}")

    def exit(self) -> Exit | None:
        code = self.process.poll()
        if code is None:
            return None
        self.reader.join(1.0)  # what it printed last may still be in the pipe
        if code == 0:
            return Exit(self.stream, 0, "")
        if code < 0:
            name = signal.Signals(-code).name if -code in set(signal.Signals) else str(-code)
            return Exit(self.stream, code, f"{self.stream}: its driver was ended by {name}")
        return Exit(self.stream, code, self.said or f"{self.stream}: its driver ended with status {code}")


class DriverProcesses:
    """The drivers of a rig, each a process of its own.

    Args:
        rig: all its streams are started but the remote ones.
        address: of the hub.
        streams: start these only.
        prompt: rows are handed on as they come, not gathered.
    """

    def __init__(
        self, rig: Rig, address: str, streams: Iterable[str] | None = None, *, prompt: bool = False
    ) -> None:
        names = rig.streams if streams is None else streams
        self._children: dict[str, _Child] = {}
        self._spare: subprocess.Popen[str] | None = None
        self._rig, self._address = rig, address
        self._how = ["--prompt"] if prompt else []
        self._folder = tempfile.TemporaryDirectory(prefix="chorus-")
        try:
            self._path = Path(self._folder.name) / f"{_file_name(rig.name)}.yaml"
            self._path.write_text(rig.text, encoding="utf-8")
            for name in names:
                if not rig.streams[name].remote:
                    self._children[name] = self._start(rig, self._path, name, address)
        except BaseException:
            self.stop(0.0)
            raise

    def __enter__(self) -> DriverProcesses:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def running(self) -> tuple[str, ...]:
        """Streams whose process still runs."""
        return tuple(name for name, child in self._children.items() if child.process.poll() is None)

    @property
    def pids(self) -> dict[str, int]:
        """Process ids by stream."""
        return {name: child.process.pid for name, child in self._children.items()}

    def check(self) -> list[Exit]:
        """Return all processes that are over, well or not."""
        exits = (child.exit() for child in self._children.values())
        return [one for one in exits if one is not None]

    def restart(self, stream: str) -> None:
        """Start the driver of a stream again whose process is over."""
        over = self._children[stream]
        over.process.wait()
        for pipe in (over.process.stdin, over.process.stderr):
            if pipe is not None:
                over.reader.join(1.0)
                pipe.close()
        self._children[stream] = self._from_spare(stream) or self._start(
            self._rig, self._path, stream, self._address
        )

    def prepare(self) -> None:
        """Start a spare, for :meth:`restart`, if there is none."""
        if self._spare is not None and self._spare.poll() is not None:
            _close(self._spare)
            self._spare = None
        if self._spare is None:
            self._spare = _spawn(self._rig, self._path, ["--spare", *self._how], self._address)

    def _from_spare(self, stream: str) -> _Child | None:
        spare, self._spare = self._spare, None
        if spare is None or spare.stdin is None:
            return None
        try:
            spare.stdin.write(f"{stream}\n")
            spare.stdin.flush()
        except OSError:  # it is dead too
            _close(spare)
            return None
        return _Child(stream, spare)

    def stop(self, timeout_s: float = STOP_S) -> list[Exit]:
        """Stop all in order, and after ``timeout_s`` in any case; can be called twice.

        Ask the hub to stop first (``hub.request_stop()``), and go on receiving meanwhile: a driver
        stays until its subscribers have all of its rows.
        """
        if self._spare is not None:
            _close(self._spare)
            self._spare = None
        for child in self._children.values():
            if child.process.stdin is not None:
                child.process.stdin.close()
        deadline = time.monotonic() + timeout_s
        for end in (None, subprocess.Popen.terminate, subprocess.Popen.kill):
            for child in self._children.values():
                if end is not None and child.process.poll() is None:
                    end(child.process)
            for child in self._children.values():
                try:
                    child.process.wait(max(0.0, deadline - time.monotonic()))
                except subprocess.TimeoutExpired:
                    continue
            deadline = time.monotonic() + 2.0
        exits = self.check()
        for child in self._children.values():
            if child.process.stderr is not None and not child.process.stderr.closed:
                child.reader.join(1.0)
                child.process.stderr.close()
        self._folder.cleanup()
        return exits

    def _start(self, rig: Rig, path: Path, stream: str, address: str) -> _Child:
        return _Child(stream, _spawn(rig, path, ["--only", stream, *self._how], address))


def _spawn(rig: Rig, path: Path, which: Sequence[str], address: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "drivers.process", str(path), *which]
    command += ["--connect", address, "--folder", rig.folder, "--guarded"]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
    )


def _close(spare: subprocess.Popen[str]) -> None:
    """End a spare that drives nothing."""
    spare.kill()
    spare.wait()
    for pipe in (spare.stdin, spare.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def _file_name(name: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "_" for letter in name)[:100] or "rig"


class _Guard:
    """Becomes true when standard input closes, or a signal asks to end."""

    def __init__(self, *, stdin: bool) -> None:
        self._asked = False
        signal.signal(signal.SIGTERM, self._ask)
        if stdin:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            threading.Thread(target=self._watch, name="parent", daemon=True).start()
        else:
            signal.signal(signal.SIGINT, self._ask)

    def __call__(self) -> bool:
        return self._asked

    def _ask(self, *_: object) -> None:
        self._asked = True

    def _watch(self) -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        self._asked = True


def _wait_as_spare(rig: Rig) -> str:
    """Import what the rig's drivers need; return the stream to drive, or an empty text if the parent died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name, stream in rig.streams.items():
        if not stream.remote:
            with contextlib.suppress(Exception):  # who drives it will tell
                create_driver(rig, name, 0).prepare()
    name = b""
    while not name.endswith(b"\n"):
        letter = os.read(0, 1)  # no more: the guard reads on from here
        if not letter:
            return ""
        name += letter
    return name.decode().strip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one driver; the same as ``chorus drive``. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m drivers.process", description="Run one driver of a rig.")
    parser.add_argument("rig", help="the rig's YAML file")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument("--only", metavar="NAME", help="the stream to drive")
    which.add_argument("--spare", action="store_true", help="read its name from standard input")
    parser.add_argument("--connect", required=True, metavar="ADDRESS", help="address of the bus")
    parser.add_argument("--prompt", action="store_true", help="hand rows on as they come, ungathered")
    parser.add_argument("--folder", help="folder that relative paths of the rig refer to")
    parser.add_argument("--guarded", action="store_true", help="end when standard input closes")
    parser.add_argument("overrides", nargs="*", help="--streams.camera.fps=30 and the like, after --")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    guard = None if options.spare else _Guard(stdin=options.guarded)
    try:
        rig = load_rig(options.rig, options.overrides)
        if options.folder is not None:
            rig = dataclasses.replace(rig, folder=options.folder)
        if guard is None:
            options.only = _wait_as_spare(rig)
            guard = _Guard(stdin=options.guarded)
        if options.only:
            run_driver(rig, options.only, options.connect, stop=guard, prompt=options.prompt)
    except ChorusError as error:
        why = str(error)
    except Exception as error:
        log.debug("%s failed", options.only, exc_info=True)
        why = f"{options.only}: its process failed with {type(error).__name__}: {error}. Report it, please"
    else:
        return 0
    print((FINAL if options.guarded else "") + " ".join(why.split()), file=sys.stderr, flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
