"""Virtual microphones hear impacts when and as loud as they happen, through the live feature code."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from drivers.errors import ConfigError
from fusion.virtual.microphone import SPEED_OF_SOUND, MicrophoneRanges, VirtualMicrophones
from fusion.virtual.sounds import RATE_HZ, recorded, synthesised

QUIET = MicrophoneRanges(
    there=1.0, level_db=(-12.0, -12.0), distance_m=(1.0, 1.0), reverberation_s=(0.1, 0.1),
    direct_db=(60.0, 60.0), snr_db=(80.0, 80.0), decoys=0.0, drop=0.0, lag_s=0.0,
)  # fmt: skip


def hear(ranges: MicrophoneRanges, impacts: torch.Tensor, seed: int = 0) -> torch.Tensor:
    return VirtualMicrophones(ranges).sound(impacts, torch.Generator().manual_seed(seed))


def one(tick: int = 60, strength: float = 1.0, kind: int = 0, count: int = 8) -> torch.Tensor:
    impacts = torch.zeros(count, 120, 3)
    impacts[:, tick, kind] = strength
    return impacts


@pytest.mark.parametrize("distance", [1.0, 4.0])
def test_a_step_is_heard_when_it_falls_and_weaker_from_afar(distance: float) -> None:
    sound = hear(dataclasses.replace(QUIET, distance_m=(distance, distance)), one())
    loudest = sound.abs().amax(dim=1)
    first = (sound.abs() > 0.05 * loudest[:, None]).float().argmax(dim=1) / RATE_HZ
    expected = 60 / 60 + distance / SPEED_OF_SOUND
    assert float((first - expected).max()) < 0.008
    assert float((first - expected).min()) > -1 / 60 - 0.002
    level = 20 * torch.log10(loudest.median())
    assert float(level) == pytest.approx(-12.0 - 20 * np.log10(distance), abs=3.0)


def test_twice_the_strength_is_twice_as_loud() -> None:
    soft, hard = hear(QUIET, one(strength=0.4)), hear(QUIET, one(strength=0.8))
    assert float(hard.abs().max() / soft.abs().max()) == pytest.approx(2.0, rel=0.05)


def test_a_room_rings_for_its_time() -> None:
    def tail(seconds: float) -> float:
        ranges = dataclasses.replace(QUIET, reverberation_s=(seconds, seconds), direct_db=(0.0, 0.0))
        sound = hear(ranges, one(tick=30, kind=2)).square()
        late = slice(round(0.85 * RATE_HZ), round(0.95 * RATE_HZ))
        return float(sound[:, late].sum() / sound.sum())

    assert tail(0.9) > 30 * tail(0.15)


def test_noise_has_the_stated_level() -> None:
    ranges = dataclasses.replace(QUIET, snr_db=(20.0, 20.0))
    sound = hear(ranges, torch.zeros(16, 120, 3))
    rms = 20 * torch.log10(sound.square().mean(dim=1).sqrt())
    assert float(rms.mean()) == pytest.approx(-32.0, abs=2.0)


def test_onsets_show_in_the_features_and_silence_has_none() -> None:
    microphones = VirtualMicrophones(QUIET)
    heard = microphones(one(), torch.Generator().manual_seed(1))
    assert heard.audio.shape == (8, 120, 33)
    onset = heard.audio[..., 32]
    peak = onset[:, 10:].argmax(dim=1) + 10
    assert bool(((peak >= 59) & (peak <= 61)).all())
    assert float(onset[:, 80:].amax()) < 0.3 * float(onset[:, 10:].amax(dim=1).min())
    assert bool((heard.audio_present == 1).all())


def test_other_peoples_steps_come_without_contacts() -> None:
    nothing = torch.zeros(16, 180, 3)
    assert float(hear(QUIET, nothing).abs().max()) < 1e-3
    decoys = hear(dataclasses.replace(QUIET, decoys=1.0), nothing)
    assert float((decoys.abs().amax(dim=1) > 0.002).float().mean()) > 0.9


def test_a_dropped_stream_ages_and_goes() -> None:
    heard = VirtualMicrophones(dataclasses.replace(QUIET, drop=1.0))(
        torch.zeros(40, 180, 3), torch.Generator().manual_seed(3)
    )
    gone = heard.audio_present == 0
    assert bool(gone.any())
    assert bool((heard.audio_age[gone] > 0.25).all())
    assert not bool(heard.audio[gone].any())
    absent = VirtualMicrophones(dataclasses.replace(QUIET, there=0.0))(
        torch.zeros(2, 60, 3), torch.Generator().manual_seed(3)
    )
    assert not bool(absent.audio_present.any())
    assert bool((absent.audio_age == 2.0).all())


def test_recordings_are_read_cut_to_their_impact_and_refused_where_there_are_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recorded impacts"):
        recorded(tmp_path)
    sound = np.zeros(22050, np.float32)
    sound[5000:5200] = 0.7 * np.hanning(400)[200:]
    soundfile.write(tmp_path / "step.wav", sound, 44100)
    bank = recorded(tmp_path)
    assert bank.shape[0] == 1
    assert float(bank.abs().max()) == pytest.approx(1.0)
    assert int(bank[0].abs().argmax()) < 40


def test_synthesised_impacts_begin_at_once_and_end() -> None:
    for waves in synthesised():
        assert float(waves.abs().amax(dim=1).min()) == pytest.approx(1.0)
        assert float((waves.abs().argmax(dim=1) / RATE_HZ).max()) < 0.05
        assert float(waves[:, -100:].abs().max()) < 0.05
