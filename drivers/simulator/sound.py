"""What steps and claps sound like, as a pure function of true time."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from drivers.simulator.body import Body
from drivers.simulator.script import Impact

Array = NDArray[np.float64]

TAIL_S = 0.45
"""Longest sound of an impact."""
_TABLE_HZ = 96_000
"""Rate of the stored waveforms; they are interpolated to the instants asked for."""
_AHEAD_S = 10.0

_MODES: dict[str, tuple[float, tuple[tuple[float, float, float], ...], tuple[float, float, float]]] = {
    # kind: level, resonances (Hz, decay s, share), noise (decay s, lowest Hz, share)
    "step": (0.16, ((85.0, 0.050, 1.0), (170.0, 0.035, 0.6), (420.0, 0.018, 0.3)), (0.020, 300.0, 0.6)),
    "land": (0.26, ((62.0, 0.080, 1.0), (130.0, 0.050, 0.7), (310.0, 0.025, 0.3)), (0.030, 200.0, 0.6)),
    "clap": (0.42, ((1150.0, 0.008, 0.5), (1900.0, 0.006, 0.4)), (0.011, 700.0, 1.0)),
}


class Sound:
    """The sound at the microphone.

    Args:
        body: whose impacts are heard; sound takes no time to travel.
        seed: of the noise.
        noise: root mean square of the background, full scale 1.
    """

    def __init__(self, body: Body, seed: int = 0, noise: float = 0.002) -> None:
        self.body = body
        self.noise = noise
        self._seed = seed
        self._rng = np.random.default_rng((seed, 4))
        self._known = (0.0, 0.0)
        self._impacts: list[Impact] = []

    def __call__(self, times: Array) -> Array:
        """Return the pressure (N,) in [-1, 1] at ``times`` (N,), s of body time, increasing."""
        out = self._rng.normal(0.0, self.noise, len(times))
        for impact in self._near(float(times[0]) - TAIL_S, float(times[-1])):
            if times[-1] >= impact.time > times[0] - TAIL_S:
                out += _wave(impact.kind, self._variant(impact), times - impact.time) * impact.strength
        return np.clip(out, -1.0, 1.0)

    def _variant(self, impact: Impact) -> int:
        """Return which of eight variants of its sound an impact makes, always the same."""
        return (round(impact.time * 1e6) + self._seed) % 8

    def _near(self, start: float, stop: float) -> list[Impact]:
        if not self._known[0] <= start <= stop <= self._known[1]:
            self._known = (start, stop + _AHEAD_S)
            self._impacts = self.body.impacts(*self._known)
        return self._impacts


def _wave(kind: str, variant: int, since: Array) -> Array:
    """Return the waveform at ``since`` s after the impact, 0 before it."""
    table = _waveform(kind, variant)
    return np.interp(since * _TABLE_HZ, np.arange(len(table)), table, left=0.0, right=0.0)


@functools.cache
def _waveform(kind: str, variant: int) -> Array:
    level, modes, (decay, lowest, share) = _MODES[kind]
    rng = np.random.default_rng((variant, sum(kind.encode())))
    t = np.arange(round(TAIL_S * _TABLE_HZ)) / _TABLE_HZ
    out = np.zeros(len(t))
    for frequency, mode_decay, weight in modes:
        frequency *= rng.uniform(0.92, 1.08)
        out += weight * np.exp(-t / mode_decay) * np.sin(2 * np.pi * frequency * t)
    spectrum = np.fft.rfft(rng.normal(size=len(t)))
    spectrum[np.fft.rfftfreq(len(t), 1 / _TABLE_HZ) < lowest] = 0.0
    hiss = np.fft.irfft(spectrum, len(t))
    hiss *= np.exp(-t / decay) / hiss.std()
    out += 0.4 * share * hiss
    out *= 1.0 - np.exp(-t / 0.0003)  # no sound is instantaneous
    return level * out / np.abs(out).max()
