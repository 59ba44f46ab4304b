"""Log-mel bands and onset strength, one frame per tick, causal.

A frame is the last 32 ms of sound before the tick, at the sound card's own rate: the mel filters are
made for that rate, so nothing is resampled and a band means the same frequencies at any rate. Bands
above half the rate are silent.
"""

from __future__ import annotations

import functools
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

BANDS: int = 32
WIDTH: int = BANDS + 1
WINDOW_S: float = 0.032
LOWEST_HZ: float = 50.0
HIGHEST_HZ: float = 8000.0
FLOOR_DB: float = -100.0
"""Silence; full scale is 0 dB: a sine of amplitude 1 at a band's centre comes within some dB of it."""


@functools.cache
def _filters(rate_hz: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return window (n,), scaled for power relative to full scale, and filters (BANDS, n_fft // 2 + 1)."""
    import librosa

    n = window_size(rate_hz)
    n_fft = 1 << (n - 1).bit_length()
    window = librosa.filters.get_window("hann", n, fftbins=True)
    window = window * (2.0 / window.sum())  # a sine of amplitude 1 peaks at power 1
    with warnings.catch_warnings():  # bands above half a low rate are empty by design
        warnings.filterwarnings("ignore", message="Empty filters detected")
        # htk=False, norm=None: triangles of height 1 on the Slaney scale; power, not density
        mel = librosa.filters.mel(
            sr=rate_hz,
            n_fft=n_fft,
            n_mels=BANDS,
            fmin=LOWEST_HZ,
            fmax=HIGHEST_HZ,
            norm=None,
            dtype=np.float64,
        )
    return window, mel


def window_size(rate_hz: float) -> int:
    """Return the number of samples in a frame."""
    return max(2, round(WINDOW_S * rate_hz))


def log_mel(frame: NDArray[np.floating[Any]], rate_hz: float) -> NDArray[np.float64]:
    """Return the bands (..., 32) of frames (..., n) of sound in [-1, 1], n = ``window_size(rate_hz)``.

    The unit is 20 dB with silence (-100 dB) at -2 and full scale at +3, so that values are of order one.
    """
    window, mel = _filters(round(rate_hz))
    n_fft = 2 * (mel.shape[1] - 1)
    spectrum = np.fft.rfft(np.asarray(frame, np.float64) * window, n=n_fft, axis=-1)
    power = (spectrum.real**2 + spectrum.imag**2) @ mel.T
    return np.maximum(10.0 * np.log10(power + 1e-12), FLOOR_DB) / 20.0 + 3.0


def onset_strength(
    bands: NDArray[np.floating[Any]], before: NDArray[np.floating[Any]]
) -> NDArray[np.float64]:
    """Return the mean rise (...) of bands (..., 32) over those one tick before: spectral flux.

    The measure of ``librosa.onset.onset_strength`` (Böck and Widmer 2013 without the maximum filter).
    """
    return np.mean(np.maximum(np.asarray(bands, np.float64) - before, 0.0), axis=-1)


def to_mono(rows: NDArray[Any]) -> NDArray[np.float32]:
    """Return sound (R,) in [-1, 1] from rows (R, channels) or (R,), float or integer."""
    rows = np.asarray(rows)
    scale = 1.0 / -float(np.iinfo(rows.dtype).min) if rows.dtype.kind == "i" else 1.0
    if rows.ndim > 1:
        return (rows.reshape(len(rows), -1).mean(axis=1, dtype=np.float64) * scale).astype(np.float32)
    return (rows.astype(np.float64) * scale).astype(np.float32)


def features_at(
    sound: NDArray[np.floating[Any]], rate_hz: float, ends: NDArray[np.integer[Any]]
) -> NDArray[np.float32]:
    """Return audio features (T, 33) of sound (R,) in [-1, 1] for ticks after sample number ``ends`` (T,).

    ``ends[k]`` is how many samples tick k has heard; the ticks must be consecutive. For training data
    that is made, not recorded.
    """
    n = window_size(rate_hz)
    padded = np.concatenate([np.zeros(n), np.asarray(sound, np.float64)])
    frames = np.lib.stride_tricks.sliding_window_view(padded, n)[np.asarray(ends)]
    bands = log_mel(frames, rate_hz)
    before = np.concatenate([bands[:1], bands[:-1]])
    return np.concatenate([bands, onset_strength(bands, before)[:, None]], axis=1).astype(np.float32)
