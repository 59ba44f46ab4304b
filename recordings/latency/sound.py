"""When something was struck, heard in sound: claps, taps, steps; to a fraction of a millisecond.

::

    sound -> whitened by its own background -> rise of the energy -> candidates -> instant of change

Street noise is loud where engines and tyres are, below 1 kHz, and steady; an impact is short and as wide
as the microphone. The prediction-error filter of the background takes away what the background has
of colour: what is left of it is white, and the impact stands out by what the background lacks. The
filter looks back only, so nothing of an impact leaks ahead of it.

The instant is the change point of the variance with the greatest likelihood (the AIC picker of
seismology: Maeda 1985, after Akaike).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_toeplitz
from scipy.ndimage import maximum_filter1d, median_filter

from recordings.latency.events import CLOSEST_S, Array, Events, apart

ORDER = 24
"""Length of the whitening filter: 0.5 ms at 48 kHz."""
FRAME = 512
"""Samples of the frames whose median spectrum is the background."""
QUIET = 1e-6
"""Power below this share of the strongest band's is not amplified further (60 dB): filters of sound cards and
codecs leave bands empty, and what is in them is no sound."""
STEP_S = 0.001
"""Grid on which impacts are looked for, s."""
AFTER_S, BEFORE_S = 0.006, 0.015
"""Energy is compared over these spans on both sides of an instant, s."""
RISE_DB = 4.0
"""Least rise: about ten times the chance fluctuation of white noise over those spans."""
BACK_S, FORTH_S = 0.02, 0.008
"""The change point is looked for this far about the steepest rise, s."""


def whitening(sound: Array) -> Array:
    """Return the prediction-error filter (ORDER + 1,) of the background of sound (N,), 1 first.

    The background's spectrum is the median over frames, so that impacts have no part in it.
    """
    frames = len(sound) // FRAME
    flat = np.eye(1, ORDER + 1)[0]
    if frames < 4:
        return flat
    cut = sound[: frames * FRAME].reshape(frames, FRAME) * np.hanning(FRAME)
    power = np.median(np.abs(np.fft.rfft(cut)) ** 2, axis=0)
    top = float(power.max())
    if not np.isfinite(top) or top <= 0.0:
        return flat
    covariance = np.fft.irfft(power / top + QUIET)[: ORDER + 1]
    return np.concatenate([[1.0], -solve_toeplitz(covariance[:-1], covariance[1:])])


def onsets(sound: NDArray[np.float64], rate_hz: float) -> Events:
    """Find impacts in sound (N,) of one channel.

    Args:
        sound: any scale; what is not finite counts as silence.
        rate_hz: samples per second, 2 kHz or more.

    Returns:
        times in s after the first sample, strengths in dB of rise.
    """
    sound = np.nan_to_num(np.asarray(sound, np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    step = max(1, round(STEP_S * rate_hz))
    after, before = round(AFTER_S * rate_hz / step), round(BEFORE_S * rate_hz / step)
    count = len(sound) // step
    if count < 4 * (after + before) or not np.any(sound):
        return Events.none()
    peak = float(np.abs(sound).max())
    white = np.convolve(sound / peak, whitening(sound / peak))[: len(sound)]
    white[:ORDER] = 0.0  # the filter has not filled yet
    energy = (white[: count * step].reshape(count, step) ** 2).mean(axis=1)
    rise = _rise(energy, after, before)
    local = maximum_filter1d(rise, 2 * after + 1) == rise
    found = np.flatnonzero(local & (rise >= RISE_DB))
    kept = apart(found.astype(np.float64) * (step / rate_hz), rise[found], CLOSEST_S)
    found = found[kept]
    back, forth = round(BACK_S * rate_hz), round(FORTH_S * rate_hz)
    instants = np.array([_change(white, int(one) * step, back, forth) for one in found], float)
    order = np.argsort(instants)
    return Events(instants[order] / rate_hz, rise[found][order])


def _rise(energy: Array, after: int, before: int) -> Array:
    """Return the rise (count,) dB of the energy at each step, over what was just before and the usual."""
    total = np.concatenate([[0.0], np.cumsum(energy)])
    index = np.arange(len(energy))
    stop, start = np.minimum(index + after, len(energy)), np.maximum(index - 1 - before, 0)
    end = np.maximum(index - 1, 0)  # the step before may hold the beginning
    late = (total[stop] - total[index]) / np.maximum(stop - index, 1)
    early = (total[end] - total[start]) / np.maximum(end - start, 1)
    usual = median_filter(energy, size=min(501, len(energy)), mode="nearest")
    floor = np.maximum(np.maximum(early, usual), 1e-12 * max(float(energy.max()), 1e-30))
    rise = 10.0 * np.log10(np.maximum(late, 1e-30) / floor)
    rise[:before] = 0.0  # a recording that begins is no impact
    rise[len(rise) - after :] = 0.0
    return rise


def _change(white: Array, near: int, back: int, forth: int) -> float:
    """Return the sample before which the variance is one and after which another, most likely."""
    start = max(near - back, 0)
    piece = white[start : near + forth]
    # The impact itself decays: only what comes up to its loudest part tells of its beginning.
    power = piece**2
    smooth = np.convolve(power, np.full(max(forth // 8, 1), 1.0 / max(forth // 8, 1)), "same")
    piece = piece[: max(int(smooth.argmax()) + forth // 8, 16)]
    total = np.cumsum(piece**2)
    n = len(piece)
    k = np.arange(8, n - 4)
    if not len(k):
        return float(near)
    tiny = 1e-12 * float(total[-1]) / n + 1e-30
    early = np.log(total[k - 1] / k + tiny)
    late = np.log((total[-1] - total[k - 1]) / (n - k) + tiny)
    return float(start + k[np.argmin(k * early + (n - k) * late)])
