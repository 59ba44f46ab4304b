"""``chorus record RIG [--duration S] [--output FILE.h5 | --resume FILE.h5]``: record into a session file."""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.errors import ChorusError, RecordingError
from drivers.rig import Rig, load_rig
from fusion.commands.arguments import UsageError, call, check_positive, split_overrides
from fusion.commands.keyboard import Keyboard
from recordings.recorder import Worker
from recordings.status import RecordStatus

START_S, REMOTE_START_S = 30.0, 600.0
"""How long required streams may take to be there; longer where somebody has to start one elsewhere, s."""


def main(argv: list[str], program: str) -> int:
    own, overrides = split_overrides(argv)

    def record(
        rig: str, duration: float | None = None, output: str | None = None, resume: str | None = None
    ) -> int:
        """Record a rig into a session file.

        Ctrl-C stops in order. Keys of the rig can be set: --streams.camera.fps=60. Exits 0 when all required
        streams are in the file, 1 otherwise.

        Args:
            rig: the rig, a YAML file; with --resume, by default as the session file keeps it.
            duration: seconds; without it, until Ctrl-C or the end of all streams.
            output: the session file; by default sessions/RIG-TIME.h5. Never overwritten.
            resume: a session file to go on with, after the recorder was stopped or killed.
        """
        check_positive("--duration", duration, "seconds")
        if output is not None and resume is not None:
            raise UsageError(
                "--output and --resume name two files", mend="Give --resume alone: it goes on in that file"
            )
        return run(load_rig(rig, overrides), rig, overrides, duration, output, resume)

    kept = _kept_rig(own)
    if kept is None:
        return call(record, own, program)
    with tempfile.TemporaryDirectory(prefix="chorus-") as folder:
        path = Path(folder, "rig.yaml")
        path.write_text(kept, encoding="utf-8")
        return call(record, [str(path), *own], program)


def _kept_rig(words: Sequence[str]) -> str | None:
    """Return the rig that a session file keeps, where the command names that and no rig.

    Raises:
        RecordingError: the file can't be read, or keeps no rig.
    """
    from recordings.reader import open_recording

    resume, value_of = "", ""
    for word in words:
        if value_of:
            resume, value_of = (word if value_of == "--resume" else resume), ""
        elif not word.startswith("--"):
            return None
        elif word.startswith("--resume="):
            resume = word.partition("=")[2]
        elif "=" not in word and word != "--help":
            value_of = word
    if not resume:
        return None
    with open_recording(resume) as recording:
        if not recording.rig_text:
            raise RecordingError(
                f"{resume} keeps no rig", mend=f"Name it: chorus record RIG.yaml --resume {resume}"
            )
        return recording.rig_text


def run(
    rig: Rig,
    rig_path: str,
    overrides: Sequence[str],
    duration: float | None,
    output: str | Path | None,
    resume: str | Path | None = None,
) -> int:
    """Record with a view on the console; return the exit status."""
    from fusion.commands.view import RecordView, print_summary
    from recordings.recorder import record

    elsewhere = [name for name, stream in rig.streams.items() if stream.remote]
    hint = "".join(f"\nchorus drive {rig_path} --only {name} --connect {{address}}" for name in elsewhere)

    def show(status: RecordStatus) -> None:
        marker.there(status.address)
        view(status)

    stop = threading.Event()
    marker = Marker(rig, stop)
    with RecordView(hint, keys=marker.told()) as view, Keyboard(marker):
        summary = record(
            rig,
            output,
            duration,
            resume=resume,
            on_status=show,
            stop=stop,
            workers=vision_workers(rig, rig_path, overrides),
            start_s=REMOTE_START_S if elsewhere else START_S,
        )
    print_summary(summary, view.said)
    return summary.exit_code


class Marker:
    """What keys do while recording: mark, or stop."""

    def __init__(self, rig: Rig, stop: threading.Event) -> None:
        self._words = (
            {str(number): f"marker {number}" for number in range(1, 10)} | {"m": "marker"} | rig.markers
        )
        self._chosen = rig.markers
        self._stop = stop
        self._address = ""

    def told(self) -> str:
        """Return what to show."""
        if not sys.stdin.isatty():
            return ""
        own = "".join(f", {key}: {words}" for key, words in self._chosen.items())
        return f"keys: m or 1 to 9 mark this moment{own}; q stops"

    def there(self, address: str) -> None:
        """Note where the bus is."""
        self._address = address

    def __call__(self, key: str, now_ns: int) -> None:
        if key == "q":
            self._stop.set()
        elif key in self._words and self._address:
            from drivers.bus.marker import mark

            try:
                mark(self._address, self._words[key], source="keyboard", now_ns=now_ns)
            except ChorusError as error:
                print(f"not marked: {error}", file=sys.stderr, flush=True)


def vision_workers(rig: Rig, rig_path: str, overrides: Sequence[str]) -> list[Callable[[str], Worker]]:
    """Return what turns pictures into key points while recording, if a camera stores no picture.

    Only a stream itself tells whether it is a camera's, so the worker is given all that store nothing.
    """
    if not rig.private:
        return []

    def start(address: str) -> Worker:
        from fusion.vision.process import VisionProcess

        return VisionProcess(rig_path, address, rig.private, rig.vision, overrides)

    return [start]
