"""The calibrate button: leads a person through the steps of ``chorus calibrate pose``, records them, and
reckons.

::

    step by step: a mark on the bus, words and a countdown on the page ── recording ── chorus calibrate pose
        --session
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from drivers.bus.marker import mark
from drivers.errors import CalibrationError, ChorusError
from fusion.web.config import Live
from fusion.web.recorder import Recorder

PAUSE_S = 2.0
"""From one step to the next: time to read what comes."""
READY_S = 30.0
"""How long the recorder may take to begin."""
RECKON_S = 300.0
OVER = "step over"
"""The mark that ends a step, so that the pause after it belongs to none."""


class Calibration:
    """Leads through the steps, one person at a time.

    Args:
        live: what is tracked.
        recorder: that records the steps.
    """

    def __init__(self, live: Live, recorder: Recorder) -> None:
        self._live, self._recorder = live, recorder
        self._lock = threading.Lock()
        self._status: dict[str, Any] = {"phase": "idle"}
        self._cancel = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def status(self) -> dict[str, Any]:
        """How it goes: ``phase`` is idle, starting, step, pause, reckoning, done, failed or cancelled."""
        with self._lock:
            told = dict(self._status)
        if "until" in told:
            told["left_s"] = round(max(0.0, told.pop("until") - time.monotonic()), 1)
        return told

    def start(self, pace: float = 1.0) -> None:
        """Begin.

        Args:
            pace: 2 leaves half the time for each step.

        Raises:
            CalibrationError: it goes on already, or no sensor is worn.
            ChorusError: the recording can't be begun.
        """
        from fusion.calibrate.pose.steps import ALL_PLACES, steps_for

        places = [s.worn_on for s in self._live.streams if s.kind == "imu" and s.worn_on in ALL_PLACES]
        if not places:
            raise CalibrationError(
                "no sensor is worn on a place of the body", mend="Set 'worn_on' of the streams in the rig"
            )
        with self._lock:
            if self._thread is not None and self._thread.is_alive():
                raise CalibrationError("a calibration goes on", mend="Cancel it, or wait until it is done")
            self._cancel = threading.Event()
            self._recorder.start("calibration")
            self._status = {"phase": "starting"}
            steps = [(step.name, step.words, step.seconds / pace) for step in steps_for(places)]
            self._thread = threading.Thread(target=self._run, args=(steps, PAUSE_S / pace), daemon=True)
            self._thread.start()

    def cancel(self) -> None:
        """End it now; what was recorded stays."""
        self._cancel.set()

    def close(self) -> None:
        """End it and wait for that."""
        self.cancel()
        if self._thread is not None:
            self._thread.join(10.0)

    def _run(self, steps: Sequence[tuple[str, str, float]], pause_s: float) -> None:
        try:
            self._await_recording()
            for number, (name, words, seconds) in enumerate(steps, start=1):
                about = {"step": number, "steps": len(steps), "name": name, "words": words}
                self._hold("pause", pause_s, **about)
                mark(self._live.address, name, source="page")
                self._hold("step", seconds, **about)
                mark(self._live.address, OVER, source="page")
            self._say("reckoning")
            self._recorder.stop()
            self._recorder.wait()
            self._say("done", **self._reckon())
        except _Cancelled:
            self._say("cancelled")
        except ChorusError as error:
            self._say("failed", what=str(error))
        except Exception as error:
            self._say("failed", what=f"{type(error).__name__}: {error}")
        finally:
            with contextlib.suppress(ChorusError):
                self._recorder.stop()

    def _await_recording(self) -> None:
        deadline = time.monotonic() + READY_S
        while (status := self._recorder.status)["phase"] != "recording":
            if status["phase"] in ("failed", "done") or time.monotonic() > deadline:
                raise CalibrationError(
                    f"the steps cannot be recorded: {status.get('what', 'the recorder does not begin')}",
                    mend="See what chorus live printed",
                )
            self._rest(0.05)

    def _hold(self, phase: str, seconds: float, **about: Any) -> None:
        self._say(phase, until=time.monotonic() + seconds, **about)
        self._rest(seconds)

    def _rest(self, seconds: float) -> None:
        if self._cancel.wait(seconds):
            raise _Cancelled

    def _say(self, phase: str, **values: Any) -> None:
        with self._lock:
            self._status = {"phase": phase, **values}

    def _reckon(self) -> dict[str, Any]:
        session = self._recorder.path
        command = [
            sys.executable,
            "-m",
            "fusion.cli",
            "calibrate",
            "pose",
            "--session",
            str(session),
            "--json",
        ]
        command += ["--rig", self._live.rig_file] if self._live.rig_file else ["--store=false"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=RECKON_S, check=False)
        try:
            told = json.loads(done.stdout)
        except ValueError:
            lines = done.stderr.strip().splitlines()
            raise CalibrationError(
                lines[-1] if lines else "the calibration ended without a word", mend="Try again"
            ) from None
        return {
            "good": done.returncode == 0,
            "written": sorted(told["files"]),
            "sensors": [
                {
                    "name": name,
                    "worn_on": one["worn_on"],
                    "good": one["good"],
                    "error_deg": one["predicted_error_deg"],
                    "problems": [problem["words"] for problem in one["problems"]],
                }
                for name, one in told["streams"].items()
            ],
        }


class _Cancelled(Exception):
    pass
