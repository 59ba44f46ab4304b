"""Sounds of single impacts: synthesised ones, and recorded footsteps where they are at hand for training.

A waveform begins with its impact and has a peak of one. Recorded sounds are read from a folder of the user's;
none of them is part of the package.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivers.errors import ConfigError

RATE_HZ = 16_000
"""Of virtual sound: the highest band of the features ends at half of it."""
LENGTH_S = 0.45
VARIANTS = 24
"""Synthesised waveforms of each kind."""


@functools.lru_cache(maxsize=2)
def synthesised(seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return waveforms of steps and of claps, (VARIANTS, samples) each.

    Few damped resonances of floor and sole, with the hiss of friction; each variant is a floor, a sole and a
    hand of its own: dull or bright, short or ringing.
    """
    rng = np.random.default_rng(seed)
    steps, claps = [], []
    for _ in range(VARIANTS):
        base, bright = rng.uniform(45, 130), rng.uniform(0.0, 1.0)
        modes = [(base * ratio * rng.uniform(0.9, 1.1), 0.07 / ratio**0.6 * rng.uniform(0.5, 1.6), weight)
                 for ratio, weight in
                 ((1.0, 1.0), (2.1, 0.6), (4.7, 0.2 + 0.4 * bright), (9.3, 0.3 * bright))]  # fmt: skip
        steps.append(
            _impact(rng, modes, rng.uniform(0.01, 0.05), rng.uniform(150, 1500), 0.15 + 0.6 * bright)
        )
        modes = [(rng.uniform(700, 1600), rng.uniform(0.004, 0.012), 0.5),
                 (rng.uniform(1600, 3200), rng.uniform(0.003, 0.008), 0.4)]  # fmt: skip
        claps.append(_impact(rng, modes, rng.uniform(0.006, 0.018), rng.uniform(500, 1200), 1.0))
    return torch.tensor(np.array(steps), dtype=torch.float32), torch.tensor(
        np.array(claps), dtype=torch.float32
    )


def _impact(
    rng: np.random.Generator,
    modes: list[tuple[float, float, float]],
    hiss_s: float,
    lowest_hz: float,
    share: float,
) -> NDArray[np.float64]:
    t = np.arange(round(LENGTH_S * RATE_HZ)) / RATE_HZ
    out = np.zeros(len(t))
    for frequency, decay, weight in modes:
        out += weight * np.exp(-t / decay) * np.sin(2 * np.pi * min(frequency, 7500.0) * t)
    spectrum = np.fft.rfft(rng.normal(size=len(t)))
    spectrum[np.fft.rfftfreq(len(t), 1 / RATE_HZ) < lowest_hz] = 0.0
    hiss = np.fft.irfft(spectrum, len(t))
    out += 0.4 * share * hiss / hiss.std() * np.exp(-t / hiss_s)
    out *= 1.0 - np.exp(-t / 0.0003)  # no sound is instantaneous
    return out / np.abs(out).max()


def recorded(folder: Path) -> Tensor:
    """Return the recorded steps (K, samples) of a folder of sound files, cut to begin with the impact.

    Of a file in which several steps follow one another the first is taken. Stereo copies of mono files give
    the same sound twice: harmless.

    Raises:
        ConfigError: the folder holds no sound.
    """
    import librosa
    import soundfile

    out = []
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".ogg", ".wav", ".flac"))
    for path in files:
        sound, rate = soundfile.read(path, dtype="float32", always_2d=True)
        mono = librosa.resample(sound.mean(axis=1), orig_sr=rate, target_sr=RATE_HZ)
        loud = np.abs(mono)
        if len(mono) < 160 or loud.max() < 1e-3:
            continue
        first = max(0, int(np.argmax(loud > 0.2 * loud.max())) - 16)
        piece = mono[first : first + round(LENGTH_S * RATE_HZ)].astype(np.float32)
        piece = np.pad(piece, (0, round(LENGTH_S * RATE_HZ) - len(piece)))
        fade = np.linspace(1.0, 0.0, 800, dtype=np.float32)
        piece[-800:] *= fade
        out.append(piece / max(np.abs(piece).max(), 1e-6))
    if not out:
        raise ConfigError(
            f"{folder} holds no recorded impacts",
            mend="Name a folder of .ogg or .wav files, or leave it empty",
        )
    return torch.from_numpy(np.array(out))
