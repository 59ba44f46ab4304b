"""Virtual microphones: impacts -> sound in a room -> audio features, by the code that runs live.

::

    impacts (strength, place) --+--> delay and loss with distance --> waveforms --+--> room --+--> features
    other people's steps -------+                                                 +   noise --+

A step is as loud as a foot comes down fast. Rooms are noise that decays (Polack's model of late
reverberation); noise is coloured and hums.
"""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from fusion.audio.logmel import features_at
from fusion.features.spec import MAX_AGE_S, FeatureSpec
from fusion.virtual.impacts import KINDS
from fusion.virtual.sounds import RATE_HZ, recorded, synthesised

SPEED_OF_SOUND = 343.0
"""m/s, dry air at 20 degrees C."""


@dataclasses.dataclass(frozen=True)
class MicrophoneRanges:
    """What microphones and rooms are like. Probabilities are per window.

    Attributes:
        there: probability that there is a microphone.
        recordings: folder of recorded steps, to be used beside the synthesised ones; empty: none.
        recorded_share: share of windows whose steps are recorded ones, where there are some.
        level_db: peak of a brisk step at 1 m over full scale, least and most.
        distance_m: of the microphone, least and most.
        reverberation_s: time in which a room's sound falls by 60 dB, least and most, log-uniform.
        direct_db: direct sound at 1 m over the room's, least and most.
        snr_db: peak of a brisk step over the root mean square of the noise, least and most.
        decoys: probability that other people walk about.
        drop: probability of a stretch without sound.
        lag_s: error of time that no stamp shows, uniform to both sides.
    """

    there: float = 0.6
    recordings: str = ""
    recorded_share: float = 0.5
    level_db: tuple[float, float] = (-36.0, -6.0)
    distance_m: tuple[float, float] = (0.5, 5.0)
    reverberation_s: tuple[float, float] = (0.1, 0.9)
    direct_db: tuple[float, float] = (0.0, 18.0)
    snr_db: tuple[float, float] = (0.0, 45.0)
    decoys: float = 0.2
    drop: float = 0.05
    lag_s: float = 0.01


class Heard(NamedTuple):
    """Audio features of T ticks: audio (N, T, 33), audio_present (N, T), audio_age (N, T)."""

    audio: Tensor
    audio_present: Tensor
    audio_age: Tensor


class VirtualMicrophones:
    """A random microphone in a random room for each window.

    Args:
        ranges: what they are like.
        rate_hz: ticks per second.

    Raises:
        ConfigError: the folder of recordings holds no sound.
    """

    def __init__(self, ranges: MicrophoneRanges | None = None, rate_hz: float = 60.0) -> None:
        self.ranges = ranges or MicrophoneRanges()
        self.rate_hz = rate_hz
        self._steps, self._claps = synthesised()
        self._recorded = recorded(Path(self.ranges.recordings)) if self.ranges.recordings else None

    def __call__(self, impacts: Tensor, generator: torch.Generator, lead: int = 0) -> Heard:
        """Return what the microphones hear.

        Args:
            impacts: (N, lead + T, 3) strengths, see :mod:`fusion.virtual.impacts`.
            generator: of all that is random.
            lead: ticks before the window, so that what sounded before it is heard.
        """
        g, ranges = generator, self.ranges
        batch, total = impacts.shape[:2]
        there = torch.rand(batch, generator=g) < ranges.there
        audio = torch.zeros(batch, total, 33)
        rows = torch.nonzero(there)[:, 0]
        if len(rows):
            audio[rows] = self._features(self.sound(impacts[rows], g), total, g)
        length = 0.2 + 1.3 * torch.rand(batch, 1, generator=g)
        begin = torch.rand(batch, 1, generator=g) * (total / self.rate_hz + length) - length
        time = torch.arange(total)[None] / self.rate_hz
        gone = (torch.rand(batch, 1, generator=g) < ranges.drop) & (time >= begin) & (time < begin + length)
        age = torch.where(
            gone, time - begin.clamp(min=0.0), 0.02 * torch.rand(batch, total, generator=g) ** 2
        )
        age = torch.where(there[:, None], age.clamp(0.0, MAX_AGE_S), torch.full_like(age, MAX_AGE_S))
        present = (there[:, None] & (age <= FeatureSpec().audio_hold_s)).float()
        # While nothing new comes the reader goes on with the sound it has.
        held = torch.where(gone, -1, torch.arange(total)).cummax(dim=1).values.clamp(min=0)
        audio = audio[torch.arange(batch)[:, None], held] * present[..., None]
        return Heard(audio[:, lead:], present[:, lead:], age[:, lead:])

    def sound(self, impacts: Tensor, generator: torch.Generator) -> Tensor:
        """Return the sound (N, S) in [-1, 1] at 16 kHz of impacts (N, T, 3); sample 0 is at tick 0."""
        g, ranges = generator, self.ranges
        batch, total = impacts.shape[:2]
        samples = math.ceil(total / self.rate_hz * RATE_HZ)

        def between(low: float, high: float) -> Tensor:
            return low + (high - low) * torch.rand(batch, generator=g)

        distance = between(*ranges.distance_m)
        loud = 10 ** (between(*ranges.level_db) / 20)
        gain = loud / distance.clamp(min=0.3)
        steps = self._bank(batch, g)
        out = torch.zeros(batch, samples + steps.shape[-1])
        window, tick, kind = torch.nonzero(impacts, as_tuple=True)
        if len(window):
            strength = impacts[window, tick, kind]
            within = (
                torch.rand(len(window), generator=g) - 1.0
            )  # the impact was within the tick that ends here
            seconds = (tick + within) / self.rate_hz + distance[window] / SPEED_OF_SOUND
            is_clap = kind == KINDS.index("clap")
            which = torch.randint(steps.shape[1], (len(window),), generator=g)
            waves = steps[window, which]
            claps = self._claps[torch.randint(len(self._claps), (len(window),), generator=g)]
            waves = torch.where(is_clap[:, None], 2.0 * claps, waves)
            # A soft step is not only weaker but duller; half of it is in the level.
            level = gain[window] * strength * torch.exp(0.2 * torch.randn(len(window), generator=g))
            self._add(out, window, seconds, waves * level[:, None])
        self._add_decoys(out, steps, gain, total, g)
        direct = out[:, :samples]
        room = self._room(direct, between, distance, g)
        rms = loud * 10 ** (-between(*ranges.snr_db) / 20)
        return (direct + room + rms[:, None] * self._noise(batch, samples, g)).clamp(-1.0, 1.0)

    def _bank(self, batch: int, g: torch.Generator) -> Tensor:
        """Return two step sounds for each window (N, 2, samples): one floor, one pair of shoes."""
        pick = torch.randint(len(self._steps), (batch, 2), generator=g)
        steps = self._steps[pick]
        if self._recorded is not None:
            pick = torch.randint(len(self._recorded), (batch, 1), generator=g)
            near = (pick + torch.arange(2)).clamp(max=len(self._recorded) - 1)
            use = torch.rand(batch, 1, 1, generator=g) < self.ranges.recorded_share
            steps = torch.where(use, self._recorded[near], steps)
        return steps

    @staticmethod
    def _add(out: Tensor, window: Tensor, seconds: Tensor, waves: Tensor) -> None:
        length = waves.shape[1]
        start = (seconds * RATE_HZ).round().long()
        keep = (start >= 0) & (start < out.shape[1] - length)
        at = start[keep, None] + torch.arange(length)
        out.view(-1).index_add_(0, (window[keep, None] * out.shape[1] + at).flatten(), waves[keep].flatten())

    def _add_decoys(self, out: Tensor, steps: Tensor, gain: Tensor, total: int, g: torch.Generator) -> None:
        """Let somebody else walk by, further away as a rule."""
        batch, seconds = len(out), total / self.rate_hz
        period = 0.4 + 0.35 * torch.rand(batch, 1, generator=g)
        count = math.ceil(seconds / 0.4) + 1
        when = (torch.rand(batch, 1, generator=g) + torch.arange(count)) * period
        when = when + 0.02 * torch.randn(batch, count, generator=g)
        walks = (torch.rand(batch, 1, generator=g) < self.ranges.decoys) & (when < seconds) & (when > 0)
        window, number = torch.nonzero(walks, as_tuple=True)
        if not len(window):
            return
        far = 10 ** (-1.2 * torch.rand(batch, generator=g))
        other = steps[torch.randperm(batch, generator=g)]
        level = (gain * far)[window] * torch.exp(0.3 * torch.randn(len(window), generator=g))
        self._add(out, window, when[window, number], other[window, number % 2] * level[:, None])

    def _room(self, direct: Tensor, between, distance: Tensor, g: torch.Generator) -> Tensor:
        """Return the reverberation (N, S): noise that decays, after the direct sound."""
        low, high = self.ranges.reverberation_s
        rt60 = torch.exp(between(math.log(low), math.log(high)))
        length = round(0.5 * RATE_HZ)
        t = torch.arange(length) / RATE_HZ
        decay = torch.exp(-6.908 * t / rt60[:, None]) * (t > 0.004)
        response = decay * torch.randn(len(direct), length, generator=g)
        response = response / response.square().sum(dim=1, keepdim=True).sqrt().clamp(min=1e-6)
        # The direct sound falls with distance, the room's does not.
        share = 10 ** (-between(*self.ranges.direct_db) / 20) * distance.clamp(0.3, 4.0)
        size = 1 << (direct.shape[1] + length - 1).bit_length()
        spectrum = torch.fft.rfft(direct, size) * torch.fft.rfft(response, size)
        return share[:, None] * torch.fft.irfft(spectrum, size)[:, : direct.shape[1]]

    def _noise(self, batch: int, samples: int, g: torch.Generator) -> Tensor:
        """Return noise (N, S) of unit power: between white and brown, with some hum of the mains."""
        white = torch.randn(batch, samples, generator=g)
        frequency = torch.fft.rfftfreq(samples, 1 / RATE_HZ).clamp(min=20.0)
        slope = 1.2 * torch.rand(batch, 1, generator=g)
        noise = torch.fft.irfft(torch.fft.rfft(white) * frequency**-slope, samples)
        noise = noise / noise.square().mean(dim=1, keepdim=True).sqrt()
        t = torch.arange(samples) / RATE_HZ
        mains = torch.where(torch.rand(batch, 1, generator=g) < 0.5, 50.0, 60.0)
        hum = torch.sin(2 * math.pi * mains * t) + 0.5 * torch.sin(6 * math.pi * mains * t)
        share = 0.7 * torch.rand(batch, 1, generator=g) ** 2
        return (1 - share) * noise + share * hum

    def _features(self, sound: Tensor, total: int, g: torch.Generator) -> Tensor:
        lag = self.ranges.lag_s * (2 * torch.rand(len(sound), generator=g) - 1)
        out = torch.empty(len(sound), total, 33)
        tick = torch.arange(total)
        for number, one in enumerate(sound):
            ends = ((tick / self.rate_hz - lag[number]) * RATE_HZ).long().clamp(0, sound.shape[1])
            out[number] = torch.from_numpy(features_at(one.numpy(), RATE_HZ, ends.numpy()))
        return out
