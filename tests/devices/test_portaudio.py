"""A PortAudio microphone on a PulseAudio null sink that plays a known sound."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from device_wires import gather, joined, losses, rows

from drivers.base import DriverContext
from drivers.errors import DeviceError, Fault
from drivers.microphone.portaudio import PortAudioConfig, PortAudioDriver

needs_pulseaudio = pytest.mark.skipif(
    not (shutil.which("pulseaudio") and shutil.which("pacat")),
    reason="pulseaudio is not installed (apt install pulseaudio pulseaudio-utils libasound2-plugins)",
)
RATE = 48_000
ALSA_8 = "front-left,front-right,rear-left,rear-right,front-center,lfe,side-left,side-right"
"""The order of eight channels that ALSA's plugin asks the server for: with it nothing is mixed."""


@pytest.fixture
def sink(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[str]:
    """A sound server of its own with one sink that plays into nothing; its monitor is the microphone."""
    channels = getattr(request, "param", 1)
    socket = tmp_path / "native"
    for name, value in {
        "HOME": str(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path),
        "PULSE_RUNTIME_PATH": str(tmp_path / "pulse"),
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_SOURCE": "chorus.monitor",
    }.items():
        monkeypatch.setenv(name, value)
    modules = [
        f"module-native-protocol-unix socket={socket} auth-anonymous=1",
        f"module-null-sink sink_name=chorus rate={RATE} channels={channels}"
        + (f" channel_map={ALSA_8}" if channels == 8 else ""),
    ]
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--disable-shm=true"]
    command += [word for module in modules for word in ("-L", module)]
    with (tmp_path / "pulse.log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], capture_output=True).returncode:
            assert server.poll() is None, (tmp_path / "pulse.log").read_text()
            assert time.monotonic() < deadline, "the sound server did not start"
        yield "chorus"
    finally:
        server.terminate()
        server.wait(10)


def microphone(**options) -> PortAudioDriver:
    return PortAudioDriver(PortAudioConfig(**options), DriverContext("mic"))


@needs_pulseaudio
def test_what_the_sink_plays_is_in_the_recording_without_a_gap(sink, tmp_path):
    sound = (np.random.default_rng(5).normal(0, 6000, RATE)).clip(-32768, 32767).astype(np.int16)
    soundfile.write(tmp_path / "known.wav", sound, RATE)
    driver = microphone(device="pulse", rate=RATE)
    info = driver.open()
    try:
        got = gather(driver, lambda got: rows(got) > RATE // 4)
        player = subprocess.Popen(
            ["pacat", "--device", sink, "--file-format=wav", str(tmp_path / "known.wav")]
        )
        got += gather(driver, lambda more: player.poll() is not None)
        assert player.returncode == 0
        got += gather(driver, lambda more: rows(more) > RATE // 2)
    finally:
        driver.close()
    assert (info.kind, info.stamping, info.dtype, info.rate_hz) == ("audio", "block", "<i2", RATE)
    assert losses(got) == 0
    assert joined(got, "seq").tolist() == np.cumsum([0, *map(len, got)])[:-1].tolist()
    heard = joined(got, "data")[:, 0].astype(np.float64)
    size = len(heard) + len(sound)
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound.astype(np.float64), size))
    place = int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))
    found = heard[place : place + len(sound)]
    assert len(found) == len(sound)
    assert np.corrcoef(found, sound)[0, 1] > 0.99
    host, device = joined(got, "time_host"), joined(got, "time_device")
    assert (np.diff(device) > 0).mean() > 0.8  # PortAudio estimates it anew for each block
    # The earliest arrivals of the second and of the last half second lie on a line of the true rate.
    late = (host - host[0]) / 1e9 - joined(got, "seq").astype(np.float64) / RATE
    seconds = (host - host[0]) / 1e9
    early = late[(seconds > 0.5) & (seconds < 1.0)].min()
    assert late[seconds > seconds[-1] - 0.5].min() == pytest.approx(early, abs=0.01)


@needs_pulseaudio
def test_a_reader_that_is_busy_loses_nothing_within_the_queue(sink):
    driver = microphone(device="pulse")
    driver.open()
    try:
        got = gather(driver, lambda got: rows(got) > 0)
        stall = time.monotonic() + 0.5
        while time.monotonic() < stall:
            pass
        got += gather(driver, lambda more: rows(more) > RATE // 2)
    finally:
        driver.close()
    assert losses(got) == 0


@needs_pulseaudio
def test_a_full_queue_is_counted_to_the_sample(sink, monkeypatch):
    monkeypatch.setattr("drivers.microphone.portaudio.QUEUE_S", 0.1)
    driver = microphone(device="pulse")
    driver.open()
    try:
        first = gather(driver, lambda got: rows(got) > 0)
        stall = time.monotonic() + 0.6
        while time.monotonic() < stall:
            pass
        got = first + gather(driver, lambda more: losses(more) > 0)
        got += gather(driver, lambda more: rows(more) > 0)
    finally:
        driver.close()
    assert {reason for item in got for reason in item.lost} == {"driver_queue"}
    last = got[-1]
    assert int(last.seq[0]) + len(last) == rows(got) + losses(got)
    assert any("overran" in label for _, _, label in driver.events())


@needs_pulseaudio
def test_a_name_nobody_has_and_an_impossible_rate(sink, capfd):
    for options, fault, words in (
        ({"device": "theremin"}, Fault.NOT_FOUND, "pulse"),
        ({"device": "pulse", "rate": 7}, Fault.UNSUPPORTED, "rate: "),
        ({"device": "pulse", "channels": 200}, Fault.UNSUPPORTED, "channels: "),
    ):
        with pytest.raises(DeviceError) as caught:
            microphone(**options).open()
        assert caught.value.fault is fault
        assert words in caught.value.mend
    assert "Expression" not in capfd.readouterr().err  # PortAudio's own chatter


@needs_pulseaudio
@pytest.mark.parametrize("sink", [8], indirect=True)
def test_chosen_channels_of_an_array_are_recorded_in_their_order(sink, tmp_path):
    levels = np.arange(1, 9, dtype=np.int16) * 1000  # each channel tells its number
    np.tile(levels, (4 * RATE, 1)).astype("<i2").tofile(tmp_path / "array.raw")
    command = ["pacat", "--device", sink, "--format=s16le", f"--rate={RATE}", "--channels=8", "--raw"]
    command += [f"--channel-map={ALSA_8}"]
    for channels, expected in (((6, 0, 3), levels[[6, 0, 3]]), (8, levels), (0, levels)):
        driver = microphone(device="pulse", channels=channels, of_channels=8)
        info = driver.open()
        player = subprocess.Popen([*command, str(tmp_path / "array.raw")])
        try:
            got = gather(driver, lambda got: bool(got) and got[-1].data.any())
            got += gather(driver, lambda more: rows(more) > RATE // 4)
        finally:
            driver.close()
            player.kill()
            player.wait()
        heard = got[-1].data[-1]
        assert info.shape == (len(expected),)
        assert heard.tolist() == expected.tolist()
        assert info.channels[0] == ("channel_6" if channels == (6, 0, 3) else "channel_0")


@needs_pulseaudio
def test_a_microphone_that_was_unplugged_is_found_again_and_its_first_second_kept(sink):
    driver = microphone(device="pulse")
    driver.open()
    try:
        gather(driver, lambda got: rows(got) > RATE // 4)
        for _ in range(2):
            subprocess.run(["pactl", "unload-module", "module-null-sink"], check=True)
            with pytest.raises(DeviceError) as caught:
                gather(driver, lambda got: False)
            assert caught.value.fault is Fault.UNPLUGGED
            with pytest.raises(DeviceError):
                driver.open()
            load = ["pactl", "load-module", "module-null-sink", f"sink_name={sink}", f"rate={RATE}"]
            subprocess.run([*load, "channels=1"], check=True, stdout=subprocess.DEVNULL)
            driver.open()
            got = gather(driver, lambda got: rows(got) > RATE)
            begin, end = got[0], got[-1]
            passed = (end.time_device[0] - begin.time_device[0]) * 1e-9 * RATE
            assert passed == pytest.approx(
                int(end.seq[0]), abs=RATE * 0.05
            )  # the first blocks' times are mended
    finally:
        driver.close()


@pytest.mark.parametrize(
    ("channels", "words"),
    [(-1, "channels must be"), ((), "channels must be"), ((1, 1), "twice"), (300, "256")],
)
def test_channels_that_cannot_be_are_refused(channels, words):
    with pytest.raises(ValueError, match=words):
        PortAudioConfig(channels=channels)


def test_no_sound_system_at_all_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PULSE_SERVER", f"unix:{tmp_path}/nobody")
    with pytest.raises(DeviceError) as caught:
        microphone(device="no such microphone").open()
    assert caught.value.fault is Fault.NOT_FOUND
    assert "\n" not in str(caught.value)


def test_a_missing_portaudio_names_the_command_that_installs_it(tmp_path):
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')\n")
    program = (
        "from drivers.base import DriverContext\n"
        "from drivers.errors import MissingDependency\n"
        "from drivers.microphone.portaudio import PortAudioConfig, PortAudioDriver\n"
        "try:\n"
        "    PortAudioDriver(PortAudioConfig(), DriverContext('mic')).open()\n"
        "except MissingDependency as error:\n"
        "    print(error)\n"
    )
    path = os.pathsep.join([str(tmp_path), str(Path(__file__).parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.stdout.startswith("mic: a microphone needs the library PortAudio"), done.stderr
    assert "apt install libportaudio2" in done.stdout
