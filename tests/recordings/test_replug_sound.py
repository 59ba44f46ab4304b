"""A microphone that is unplugged while the real recorder records it, beside an IMU that stays."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

from benchmarks.recorder.null_sink import RATE, sound_server
from drivers.rig import load_rig
from recordings.check import examine
from recordings.reader import open_recording
from recordings.recorder import record
from recordings.status import RecordStatus

RIG = """
streams:
  sound: {driver: microphone.portaudio, device: pulse, rate: 48000}
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 100}
"""


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("pulseaudio"), reason="pulseaudio is not installed")
def test_an_unplugged_microphone_goes_on_and_its_gap_is_the_time_it_was_away(tmp_path: Path) -> None:
    (tmp_path / "rig.yaml").write_text(RIG)
    stop, seen = threading.Event(), []

    def watch(status: RecordStatus) -> None:
        sound = next(stream for stream in status.streams if stream.name == "sound")
        if not seen and status.phase == "recording" and sound.rows > RATE:
            subprocess.run(["pactl", "unload-module", "module-null-sink"], check=True)
            seen.append("unplugged")
        elif seen == ["unplugged"] and sound.state == "away":
            sink = ["module-null-sink", "sink_name=known", f"rate={RATE}", "channels=1"]
            subprocess.run(["pactl", "load-module", *sink], check=True, stdout=subprocess.DEVNULL)
            seen.append(sound.rows)
        elif len(seen) == 2 and sound.state == "running" and sound.rows > seen[1] + 3 * RATE:
            stop.set()

    with sound_server(tmp_path):
        summary = record(load_rig(tmp_path / "rig.yaml"), tmp_path / "a.h5", 90.0, on_status=watch, stop=stop)
    assert summary.duration_s < 80
    assert summary.problems == ()
    assert summary.streams["sound"].absences == 1
    assert summary.streams["wrist"].lost == {}
    assert examine(tmp_path / "a.h5").problems == ()
    with open_recording(tmp_path / "a.h5") as recording:
        sound = recording.streams["sound"]
        assert sound.ledger.unexplained == 0
        produced = int(sound.row_seq[-1] - sound.row_seq[0])
        assert sound.ledger.lost["device_gap"] == produced + 1 - len(sound)
        host = sound.stamps["time_host"].astype(np.int64)
        passed = (host[-1] - host[0]) * 1e-9 * RATE + (len(sound) - int(sound.block_rows[-2]))
        assert produced == pytest.approx(passed, abs=0.1 * RATE)  # arrivals scatter
