"""Impacts are heard to a fraction of a millisecond, and nothing is heard where nothing is struck."""

from __future__ import annotations

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.simulator.body import Body
from drivers.simulator.sound import Sound
from recordings.latency.sound import onsets

RATE = 48_000


def clap(rng: np.random.Generator, count: int, at: np.ndarray, size: float) -> np.ndarray:
    t = np.arange(count) / RATE
    out = np.zeros(count)
    for instant in at:
        since = np.maximum(t - instant, 0.0)
        out += size * rng.normal(size=count) * np.exp(-since / 0.011) * (1 - np.exp(-since / 0.0003))
    return out


def pink(rng: np.random.Generator, count: int) -> np.ndarray:
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum = rng.normal(size=len(frequency)) + 1j * rng.normal(size=len(frequency))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(frequency, 30.0)), count)
    return noise / noise.std()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_claps_and_steps_of_the_simulator_are_heard_to_a_third_of_a_millisecond(rate: int) -> None:
    body = Body(3, ["clap", "walk"])
    t = np.arange(10 * rate) / rate
    true = np.array([impact.time for impact in body.impacts(0.05, 9.9)])
    heard = onsets(Sound(body, 3)(t), rate).time
    assert np.abs(heard[:, None] - true).min(axis=0).max() < 0.35e-3


@given(seed=st.integers(0, 10_000), snr_db=st.floats(10, 30), hum=st.floats(0, 1))
@settings(max_examples=15, deadline=None)
def test_claps_in_noise_are_heard_to_half_a_millisecond(seed: int, snr_db: float, hum: float) -> None:
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.uniform(0.4, 0.8, 5))
    count = 4 * RATE
    sound = clap(rng, count, at, 1.0)
    power = np.mean([np.mean(sound[int(c * RATE) : int((c + 0.05) * RATE)] ** 2) for c in at])
    noise = pink(rng, count) + hum * np.sin(2 * np.pi * 100 * np.arange(count) / RATE)
    events = onsets(sound + noise * np.sqrt(power / 10 ** (snr_db / 10)), RATE)
    found = events.strongest(5).time
    assert np.abs(found - at).max() < 0.5e-3


@given(scale=st.floats(1e-6, 1e6), offset=st.floats(-1, 1))
@settings(max_examples=15, deadline=None)
def test_loudness_and_a_constant_do_not_matter(scale: float, offset: float) -> None:
    rng = np.random.default_rng(1)
    sound = clap(rng, RATE, np.array([0.5]), 1.0) + 0.01 * rng.normal(size=RATE)
    one, other = onsets(sound, RATE), onsets(scale * (sound + offset), RATE)
    assert np.abs(other.strongest(1).time - one.strongest(1).time).max() < 2e-4


@given(
    arrays.arrays(np.float64, st.integers(0, 4000), elements=st.floats(allow_nan=True, allow_infinity=True)),
    st.sampled_from([2000.0, 8000.0, 48_000.0]),
)
@settings(max_examples=60, deadline=None)
def test_whatever_sound_gives_finite_increasing_times_within_it(sound: np.ndarray, rate: float) -> None:
    events = onsets(sound, rate)
    assert np.isfinite(events.time).all()
    assert np.isfinite(events.strength).all()
    assert (np.diff(events.time) > 0).all()
    assert ((events.time >= 0) & (events.time <= len(sound) / rate)).all()


def test_nothing_is_heard_in_silence_or_steady_noise() -> None:
    rng = np.random.default_rng(2)
    assert len(onsets(np.zeros(5 * RATE), RATE)) == 0
    assert len(onsets(rng.normal(size=10 * RATE), RATE)) == 0
    assert len(onsets(pink(rng, 10 * RATE), RATE)) == 0
