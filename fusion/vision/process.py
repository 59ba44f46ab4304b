"""The vision worker as a process beside a recording that keeps no pictures."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence

from fusion.vision.worker import ERROR, keypoint_stream_name

BACKLOG = 60
"""Pictures that may wait: two seconds at 30 Hz, so that a busy moment costs no key points."""


class VisionProcess:
    """Turns the pictures of cameras into key points and heatmaps, in a process of its own.

    Args:
        rig: the rig's file.
        address: of the hub.
        cameras: streams to serve; those that turn out to be no camera are let go.
        vision: name of the front end.
        overrides: of the rig, ``--streams.camera.fps=30``.

    Attributes:
        feeds: stream of key points by camera.
    """

    def __init__(
        self, rig: str, address: str, cameras: Sequence[str], vision: str, overrides: Sequence[str]
    ) -> None:
        self.feeds = {camera: keypoint_stream_name(camera, vision) for camera in cameras}
        self._error = ""
        command = [sys.executable, "-m", "fusion.vision.worker", rig, "--connect", address]
        command += [f"--camera={camera}" for camera in cameras]
        command += [f"--backlog={BACKLOG}", "--heatmaps", "--guarded", *overrides]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,  # Ctrl-C is for the recorder, which stops all in order
        )
        self._reader = threading.Thread(target=self._read, name="stderr-vision", daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            if line.startswith(ERROR):
                self._error = line.removeprefix(ERROR).strip()
            else:
                print(line, end="", file=sys.stderr, flush=True)

    @property
    def error(self) -> str:
        """Why it failed, in one line; empty while it runs, and where it ended well."""
        code = self._process.poll()
        if not code:
            return ""
        self._reader.join(1.0)
        reason = self._error or f"the vision worker ended with status {code}"
        return f"{', '.join(self.feeds.values())}: {reason}"

    def poll(self) -> int | None:
        """Return its exit status, or None while it runs."""
        return self._process.poll()

    def terminate(self) -> None:
        """End it now."""
        self._process.terminate()

    def wait(self, timeout: float | None = None) -> int:
        """Tell it that nothing more will come, and wait for its end.

        Raises:
            subprocess.TimeoutExpired: it goes on for longer than ``timeout`` s.
        """
        assert self._process.stdin is not None
        assert self._process.stderr is not None
        self._process.stdin.close()
        code = self._process.wait(timeout)
        self._reader.join(1.0)
        self._process.stderr.close()
        return code
