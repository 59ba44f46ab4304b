"""A sound file as a microphone: every sample, its own pace, clear refusals."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import soundfile
from device_wires import gather, joined, losses, rows

from drivers.base import DriverContext, EndOfStream
from drivers.errors import DeviceError, Fault
from drivers.microphone.file import SoundFileConfig, SoundFileDriver


def noise(count: int, channels: int = 1) -> np.ndarray:
    samples = np.random.default_rng(3).integers(-20000, 20000, (count, channels))
    return samples.astype(np.int16)


@pytest.fixture
def wav(tmp_path) -> Path:
    path = tmp_path / "noise.wav"
    soundfile.write(path, noise(12_345, 2), 48_000, subtype="PCM_16")
    return path


def microphone(path: Path | str, **options) -> SoundFileDriver:
    return SoundFileDriver(SoundFileConfig(path=str(path), **options), DriverContext("mic"))


def test_every_sample_comes_exactly_and_then_the_end(wav):
    driver = microphone(wav, rate=48_000)
    info = driver.open()
    got = gather(driver, lambda got: False)
    with pytest.raises(EndOfStream):
        driver.read(0.1)
    driver.close()
    assert (info.kind, info.stamping, info.shape, info.rate_hz) == ("audio", "block", (2,), 48_000)
    data = joined(got, "data")
    assert data.dtype == np.float32
    np.testing.assert_array_equal((data * 32768).astype(np.int16), noise(12_345, 2))
    seq = joined(got, "seq").tolist()
    assert seq == np.cumsum([0, *map(len, got)])[:-1].tolist()
    assert joined(got, "time_device").tolist() == [round(number * 1e9 / 48_000) for number in seq]


def test_the_pace_is_the_files_and_looping_has_no_seam(wav):
    driver = microphone(wav, loop=True)
    driver.open()
    try:
        got = gather(driver, lambda got: rows(got) >= 30_000)
    finally:
        driver.close()
    assert losses(got) == 0
    data = (joined(got, "data") * 32768).astype(np.int16)
    np.testing.assert_array_equal(data[:30_000], np.tile(noise(12_345, 2), (3, 1))[:30_000])
    host, seq = joined(got, "time_host"), joined(got, "seq")
    early = seq / 48_000 - host / 1e9
    half = len(early) // 2  # any block may come late on a busy machine; the most punctual tell the pace
    assert abs(early[:half].max() - early[half:].max()) < 0.05


def test_a_reader_that_comes_late_misses_nothing(wav):
    driver = microphone(wav, loop=True)
    driver.open()
    try:
        got = gather(driver, lambda got: rows(got) >= 960)
        stall = time.monotonic() + 0.3
        while time.monotonic() < stall:
            pass
        began = time.monotonic()
        got += gather(driver, lambda more: rows(more) >= 12_000)
        assert time.monotonic() - began < 0.2
    finally:
        driver.close()
    assert joined(got, "seq").tolist() == np.cumsum([0, *map(len, got)])[:-1].tolist()


def refusal(driver: SoundFileDriver) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        driver.open()
    assert "\n" not in str(caught.value)
    return caught.value


def test_a_file_of_another_rate_is_refused_with_the_mend(tmp_path):
    path = tmp_path / "cd.wav"
    soundfile.write(path, noise(100), 44_100)
    error = refusal(microphone(path, rate=48_000))
    assert error.fault is Fault.UNSUPPORTED
    assert "44100" in error.what
    assert "rate: 44100" in error.mend


def test_what_is_no_sound_is_refused(tmp_path):
    text, empty = tmp_path / "words.wav", tmp_path / "empty.wav"
    text.write_text("no sound\n")
    soundfile.write(empty, noise(0), 48_000)
    assert refusal(microphone(tmp_path / "none.wav")).fault is Fault.NOT_FOUND
    assert "not a sound file" in refusal(microphone(text)).what
    assert "holds no sound" in refusal(microphone(empty)).what
