"""A session with keys, from the command of the other machine to the file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

from drivers.rig import load_rig
from recordings.reader import open_recording
from recordings.recorder import record

RATE = 8000


@pytest.fixture
def rig(tmp_path):
    """One microphone here and one on another machine; both play a file."""
    soundfile.write(tmp_path / "a.wav", (np.arange(RATE) % 100 / 200).astype("f4"), RATE, subtype="FLOAT")
    path = tmp_path / "two.yaml"
    path.write_text(
        "bus: {listen: 'tcp://127.0.0.1:*', keys: true}\n"
        "streams:\n"
        "  here: {driver: microphone.file, path: a.wav}\n"
        "  there: {driver: microphone.file, path: a.wav, remote: true}\n"
    )
    return path


def test_a_session_with_keys_records_this_machine_and_another(rig, tmp_path, machine):
    recorder, pi = machine("recorder"), machine("pi")
    recorder.allows(pi, "publish", streams=("there",))
    stop, driver = threading.Event(), []

    def begin(status):
        if driver or not status.address:
            return
        command = [sys.executable, "-m", "drivers.process", str(rig), "--only", "there"]
        assert status.address.endswith(f"#{recorder.key}")
        driver.append(
            subprocess.Popen(
                [*command, "--connect", status.address],
                env={**os.environ, "CHORUS_KEYS": str(pi.folder)},
                stderr=subprocess.PIPE,
                text=True,
            )
        )

    with recorder:
        summary = record(load_rig(rig), tmp_path / "out.h5", on_status=begin, stop=stop, start_s=60)
    with driver[0] as process:
        _, said = process.communicate(timeout=30)
    assert (process.returncode, said) == (0, "")
    assert summary.exit_code == 0
    with open_recording(tmp_path / "out.h5") as recording:
        assert {name: len(stream) for name, stream in recording.streams.items()} == {
            "here": RATE,
            "there": RATE,
        }
