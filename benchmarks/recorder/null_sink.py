"""A sound server of its own whose one sink plays a known sound into nothing; its monitor is a microphone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

RATE = 48_000


def known_sound(seconds: float) -> NDArray[np.int16]:
    """Return noise whose every stretch is unlike any other."""
    noise = np.random.default_rng(7).normal(0, 5000, round(seconds * RATE))
    return noise.clip(-32768, 32767).astype(np.int16)


@contextlib.contextmanager
def sound_server(folder: Path) -> Iterator[None]:
    """Run the server; PortAudio's ``pulse`` records what ``known`` plays, in processes started meanwhile."""
    socket = folder / "native"
    settings = {
        "HOME": str(folder),
        "XDG_RUNTIME_DIR": str(folder),
        "PULSE_RUNTIME_PATH": str(folder / "pulse"),
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_SOURCE": "known.monitor",
    }
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=true"]
    command += ["-L", f"module-native-protocol-unix socket={socket} auth-anonymous=1"]
    command += ["-L", f"module-null-sink sink_name=known rate={RATE} channels=1"]
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(subprocess.Popen(command, stderr=subprocess.DEVNULL))
        stack.callback(server.terminate)
        deadline = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], capture_output=True, check=False).returncode:
            if time.monotonic() > deadline or server.poll() is not None:
                raise RuntimeError("the sound server did not start")
        try:
            yield
        finally:
            for name, value in before.items():
                if value is None:
                    del os.environ[name]
                else:
                    os.environ[name] = value


@contextlib.contextmanager
def playing(folder: Path, seconds: float) -> Iterator[None]:
    """Play the known sound on a server of its own."""
    soundfile.write(folder / "known.wav", known_sound(seconds), RATE)
    with sound_server(folder):
        player = subprocess.Popen(["paplay", "--device=known", str(folder / "known.wav")])
        try:
            yield
        finally:
            player.terminate()
            player.wait()


def likeness(recorded: NDArray[np.int16], seconds: float) -> tuple[float, float]:
    """Find the known sound in a recording.

    Returns:
        the smallest correlation of any second that the sound plays throughout, and the share of
        the recording that such seconds make up.
    """
    known = known_sound(seconds).astype(np.float64)
    heard = recorded.astype(np.float64)
    size = 1 << int(np.ceil(np.log2(len(known) + len(heard))))
    cross = np.fft.irfft(np.fft.rfft(heard, size) * np.conj(np.fft.rfft(known, size)), size)
    lag = int(np.argmax(cross))
    lag = lag - size if lag > size // 2 else lag  # heard[i] = known[i - lag]
    start, stop = max(lag, 0), min(len(heard), len(known) + lag)
    found = []
    for begin in range(start, stop - RATE + 1, RATE):
        pair = np.corrcoef(heard[begin : begin + RATE], known[begin - lag : begin - lag + RATE])
        found.append(float(pair[0, 1]))
    return min(found, default=0.0), len(found) * RATE / max(len(heard), 1)
