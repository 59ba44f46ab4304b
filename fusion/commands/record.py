"""``chorus record RIG [--duration S] [--output FILE.h5]``: record a rig into a session file."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from drivers.rig import Rig, load_rig
from fusion.commands.arguments import call, split_overrides
from recordings.recorder import Worker


def main(argv: list[str], program: str) -> int:
    own, overrides = split_overrides(argv)

    def record(rig: str, duration: float | None = None, output: str | None = None) -> int:
        """Record a rig into a session file.

        Ctrl-C stops in order. Keys of the rig can be set: --streams.camera.fps=60. Exits 0 when all required
        streams are in the file, 1 otherwise.

        Args:
            rig: the rig, a YAML file.
            duration: seconds; without it, until Ctrl-C or the end of all streams.
            output: the session file; by default sessions/RIG-TIME.h5. Never overwritten.
        """
        return run(load_rig(rig, overrides), rig, overrides, duration, output)

    return call(record, own, program)


def run(
    rig: Rig, rig_path: str, overrides: Sequence[str], duration: float | None, output: str | Path | None
) -> int:
    """Record with a view on the console; return the exit status."""
    from fusion.commands.view import RecordView, print_summary
    from recordings.recorder import record

    with RecordView() as view:
        summary = record(
            rig, output, duration, on_status=view, workers=vision_workers(rig, rig_path, overrides)
        )
    print_summary(summary)
    return summary.exit_code


def vision_workers(rig: Rig, rig_path: str, overrides: Sequence[str]) -> list[Callable[[str], Worker]]:
    """Return what turns pictures into key points while recording, if a camera stores no picture."""
    private = any(
        stream.store == "none" and stream.driver.rpartition(".")[0].endswith(("camera", "simulator"))
        for stream in rig.streams.values()
    )
    if not private:
        return []

    def start(address: str) -> Worker:
        command = [sys.executable, "-m", "fusion.vision.worker", rig_path, "--connect", address, *overrides]
        return subprocess.Popen(command, stdin=subprocess.DEVNULL)

    return [start]
