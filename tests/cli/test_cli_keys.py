"""Keys of the console while recording: they mark and stop, and the console is left as it was."""

from __future__ import annotations

import contextlib
import os
import pty
import subprocess
import sys
import termios
import threading
from pathlib import Path

import pytest
from cli_runs import ROOT, SMALL

from recordings.reader import open_recording

IN_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.tcsetpgrp(0, os.getpgrp())
from fusion.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.slow
def test_keys_mark_and_stop_and_the_console_is_left_as_it_was(tmp_path: Path) -> None:
    rig, output = tmp_path / "rig.yaml", tmp_path / "a.h5"
    rig.write_text(SMALL + "markers: {s: start squat}\n")
    near, far = pty.openpty()
    before = termios.tcgetattr(far)
    command = [sys.executable, "-c", IN_A_TERMINAL, "record", str(rig), "--output", str(output)]
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "160", "LINES": "40"}
    with subprocess.Popen(command, stdin=far, stdout=far, stderr=far, cwd=ROOT, env=environment) as recorder:
        recording, shown = threading.Event(), bytearray()

        def read() -> None:
            with contextlib.suppress(OSError):
                while data := os.read(near, 65536):
                    shown.extend(data)
                    if b"recording" in shown:
                        recording.set()

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        assert recording.wait(60), bytes(shown)
        for key in (b"s", b"3", b"x", b"q"):
            os.write(near, key)
        assert recorder.wait(60) == 0, bytes(shown)
    assert termios.tcgetattr(far) == before
    os.close(far)
    reader.join(10)
    os.close(near)
    assert b"keys: m or 1 to 9" in shown
    with open_recording(output) as recorded:
        marks = [event.label for event in recorded.events if event.kind == "mark"]
    assert sorted(marks) == ["marker 3", "start squat"]
