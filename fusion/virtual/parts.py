"""What consumer inertial sensors are like: fit on the body, noise, bias, range, losses, heading.

Noise, bias and ranges are those of common parts by their data sheets (ICM-20948, BMI270, WT901), drawn around
the sizes that the simulated sensor has. A calibration by poses leaves a mounting error of 5.7 degrees on
average; headings indoors are off by some tens of degrees, differently for each sensor, since iron bends the
field.
"""

from __future__ import annotations

import dataclasses
import math

import roma
import torch
from torch import Tensor

from drivers.places import PLACES
from fusion.inertial.features import STANDARD_GRAVITY
from fusion.virtual.smooth import linear_recurrence, wandering

_UNSPECIFIED = PLACES.index("unspecified")
_COMMON = {"pelvis", "head", "left_forearm", "right_forearm", "left_shin", "right_shin"}
COMMON_SIX: tuple[str, ...] = tuple(place for place in PLACES if place in _COMMON)
"""The places of most published sets of six."""


@dataclasses.dataclass(frozen=True)
class ImuRanges:
    """What random sensors are like. Probabilities are per window, or per window and sensor where it says so.

    Attributes:
        places: exactly these are worn; empty: a random set.
        without: none of these is ever worn.
        six: probability that exactly the common six places are worn.
        most: largest number of sensors in most random sets; none to so many are worn.
        many: probability that up to all 15 places are worn.
        common: probability that a random set comes from the common six places.
        nameless: probability that the place of one sensor is not told: it is in the slot ``unspecified``.
        sample_rates: samples per second that a part may have.
        mounting_deg: mean angle between sensor and segment after calibration, about a random axis.
        slipped: probability per sensor that a strap slipped, by up to ``slip_deg`` about the bone.
        slip_deg: see there.
        along_m, around_deg: misplacement along and around the bone, uniform to both sides.
        wobble_deg: how far soft tissue lets a sensor turn for each g of acceleration across it; drawn up to
        it.
        force_noise, rate_noise: standard deviation of a sample, m/s² and deg/s.
        force_bias, rate_bias: standard deviation of the bias, m/s² and deg/s; noise and bias are
            multiplied by a factor for each sensor, log-uniform within ``spread`` to both sides.
        spread: see there.
        bias_walk: change of a bias in a minute over the bias.
        scale: standard deviation of the scale of each axis.
        force_ranges_g, rate_ranges_dps: full scales that a part may be set to.
        tilt_deg: standard deviation of the tilt of the told orientation.
        heading_deg: headings are off by up to so much to both sides, where they were calibrated.
        shared: probability that all headings are off by one unknown angle besides: they agree with one
            another but nobody told where the camera is.
        own: probability that each heading is arbitrary: no magnetometer, no calibration.
        heading_walk_deg: change of a heading in the root of a second, drawn up to it.
        lag_s: error of time that no stamp shows, uniform to both sides.
        delay_s: largest delay of a sample beyond what the tick waits for; small ones more often.
        bursts: probability per sensor of a stretch of lost samples ...
        burst_s: ... which lasts so long on average.
        shock: size of the vibration that steps and claps send through the body.
    """

    places: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    six: float = 0.25
    most: int = 6
    many: float = 0.12
    common: float = 0.4
    nameless: float = 0.05
    sample_rates: tuple[float, ...] = (50.0, 60.0, 100.0, 100.0, 100.0, 200.0)
    mounting_deg: float = 5.7
    slipped: float = 0.05
    slip_deg: float = 40.0
    along_m: float = 0.05
    around_deg: float = 25.0
    wobble_deg: float = 3.0
    force_noise: float = 0.03
    rate_noise: float = 0.1
    force_bias: float = 0.06
    rate_bias: float = 0.3
    spread: float = 3.0
    bias_walk: float = 0.3
    scale: float = 0.01
    force_ranges_g: tuple[float, ...] = (4.0, 8.0, 16.0, 16.0)
    rate_ranges_dps: tuple[float, ...] = (1000.0, 2000.0, 2000.0)
    tilt_deg: float = 1.0
    heading_deg: float = 30.0
    shared: float = 0.2
    own: float = 0.15
    heading_walk_deg: float = 0.5
    lag_s: float = 0.015
    delay_s: float = 0.08
    bursts: float = 0.06
    burst_s: float = 0.3
    shock: float = 1.0


def uniform(shape: tuple[int, ...], spread: float, generator: torch.Generator) -> Tensor:
    """Return values in [-spread, spread)."""
    return (torch.rand(shape, generator=generator) * 2.0 - 1.0) * spread


def about_z(angle: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) by angles (...), rad, about z."""
    zero = torch.zeros_like(angle)
    return roma.rotvec_to_rotmat(torch.stack([zero, zero, angle], dim=-1))


class Parts:
    """The sensors of N windows, drawn once.

    Attributes:
        worn: (N, 16) bool, whether a sensor is in the slot.
        source: (N, 16) int64, the place whose motion the sensor in the slot feels: its own, but for
            ``unspecified``.
        mounting: (N, 16, 3, 3) sensor to segment, by place.
        delay_s: (N, 16) s.
        lag: (N, 1, 16) ticks by which stamps are wrong.
    """

    def __init__(
        self, ranges: ImuRanges, batch: int, ticks: int, rate_hz: float, generator: torch.Generator
    ) -> None:
        self.ranges, self.rate_hz, self._g = ranges, rate_hz, generator
        self._batch, self._ticks, self._places = batch, ticks, len(PLACES)
        shape = (batch, self._places)
        self.worn, self.source = self._wear()
        self.worn &= ~torch.tensor([place in ranges.without for place in PLACES])[self.source]
        # The length of a vector of three normal numbers is 1.596 of their deviation on average.
        tilt = torch.randn(*shape, 3, generator=generator) * math.radians(ranges.mounting_deg / 1.5958)
        slip = uniform(shape, math.radians(ranges.slip_deg), generator)
        slip = slip * (torch.rand(shape, generator=generator) < ranges.slipped)
        self.mounting = about_z(slip) @ roma.rotvec_to_rotmat(tilt)
        size = torch.exp(uniform(shape, math.log(ranges.spread), generator))[:, None, :, None]
        self._noise = size
        self._scale = 1.0 + ranges.scale * torch.randn(2, batch, 1, self._places, 3, generator=generator)
        self._bias = size * torch.randn(2, batch, 1, self._places, 3, generator=generator)
        self.delay_s = ranges.delay_s * torch.rand(shape, generator=generator) ** 4
        self.lag = uniform((batch, 1, self._places), ranges.lag_s * rate_hz, generator)

    def _pick(self, values: tuple[float, ...]) -> Tensor:
        """Return one of ``values`` for each sensor (N, P)."""
        at = torch.randint(len(values), (self._batch, self._places), generator=self._g)
        return torch.tensor(values)[at]

    def _wear(self) -> tuple[Tensor, Tensor]:
        ranges, g, batch = self.ranges, self._g, self._batch
        source = torch.arange(self._places).expand(batch, -1).clone()
        if ranges.places:
            worn = torch.tensor([place in ranges.places for place in PLACES]).expand(batch, -1).clone()
            return worn, source
        count = torch.randint(ranges.most + 1, (batch, 1), generator=g)
        more = torch.randint(_UNSPECIFIED + 1, (batch, 1), generator=g)
        count = torch.where(torch.rand(batch, 1, generator=g) < ranges.many, more, count)
        order = torch.rand(batch, self._places, generator=g)
        six = torch.tensor([place not in _COMMON for place in PLACES]).float()
        order = order + six * (torch.rand(batch, 1, generator=g) < ranges.common)
        order[:, _UNSPECIFIED] = 9.0
        worn = order.argsort(dim=1).argsort(dim=1) < count
        worn = torch.where(torch.rand(batch, 1, generator=g) < ranges.six, six == 0.0, worn)
        # The place of one sensor may be unknown.
        hidden = torch.where(worn, torch.rand(worn.shape, generator=g), -1.0).argmax(dim=1)
        nameless = worn.any(dim=1) & (torch.rand(batch, generator=g) < ranges.nameless)
        row = torch.arange(batch)[nameless]
        worn[row, hidden[nameless]] = False
        worn[row, _UNSPECIFIED] = True
        source[row, _UNSPECIFIED] = hidden[nameless]
        return worn, source

    def offsets(self, usual: Tensor) -> Tensor:
        """Return where the sensors sit (N, 16, 3), m, misplaced from ``usual`` (16, 3), segment frame."""
        shape = (self._batch, self._places)
        around = about_z(uniform(shape, math.radians(self.ranges.around_deg), self._g))
        out = (around @ usual.expand(self._batch, -1, -1)[..., None])[..., 0]
        out[..., 2] += uniform(shape, self.ranges.along_m, self._g)
        return out

    def shock(self, impacts: Tensor) -> Tensor:
        """Return the vibration (N, T, 16, 3), m/s², that impacts (N, T, 3) send to each slot's sensor.

        The damped 28 Hz vibration of the simulated sensor, along the segment, as each tick's mean shows it.
        """
        fine = 8
        since = torch.arange(round(0.3 * self.rate_hz) * fine) / (fine * self.rate_hz)
        wave = torch.exp(-since / 0.03) * torch.sin(2 * math.pi * 28.0 * since)
        kernel = wave.unflatten(0, (-1, fine)).mean(dim=1)
        padded = torch.nn.functional.pad(impacts.transpose(1, 2), (len(kernel) - 1, 0))
        waves = torch.nn.functional.conv1d(padded, kernel.flip(0).expand(3, 1, -1), groups=3)
        gains = _SHOCK_GAINS[self.source] * self.ranges.shock  # (N, 16, 3)
        gains = gains * torch.exp(uniform((self._batch, self._places, 1), 0.5, self._g))
        along = torch.einsum("nkt,npk->ntp", waves, gains)
        return torch.stack([torch.zeros_like(along), torch.zeros_like(along), along], dim=-1)

    def wobbling(self, force: Tensor, rate: Tensor, turn: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Let soft tissue give way: the sensor turns a little with the force across it, as a spring lets it.

        Args:
            force: (N, T, 16, 3) m/s², rate: (N, T, 16, 3) rad/s, turn: (N, T, 16, 3, 3) sensor to world.
        """
        give = math.radians(self.ranges.wobble_deg) * torch.rand(
            self._batch, 1, self._places, 1, generator=self._g
        )
        free = force - STANDARD_GRAVITY * turn[..., 2, :]
        lean = torch.stack([-free[..., 1], free[..., 0], torch.zeros_like(free[..., 0])], dim=-1)
        lean = give * lean.clamp(-4 * STANDARD_GRAVITY, 4 * STANDARD_GRAVITY) / STANDARD_GRAVITY
        keep = torch.tensor(math.exp(-1.0 / (0.03 * self.rate_hz)))
        lean = linear_recurrence(keep, (1 - keep) * lean)
        back = roma.rotvec_to_rotmat(lean)
        swing = torch.diff(lean, dim=1, prepend=lean[:, :1]) * self.rate_hz
        inverse = back.transpose(-1, -2)
        return (inverse @ force[..., None])[..., 0], (inverse @ rate[..., None])[..., 0] + swing, turn @ back

    def heading(self) -> Tensor:
        """Return the heading errors (N, T, 16), rad in [-pi, pi)."""
        ranges, g = self.ranges, self._g
        shape = (self._batch, self._places)
        error = uniform(shape, math.radians(ranges.heading_deg), g)
        kind = torch.rand(self._batch, 1, generator=g)
        together = uniform((self._batch, 1), math.pi, g) + 0.3 * error
        error = torch.where(kind < ranges.shared, together, error)
        error = torch.where(kind > 1.0 - ranges.own, uniform(shape, math.pi, g), error)
        walk = math.radians(ranges.heading_walk_deg) * torch.rand(self._batch, 1, self._places, generator=g)
        steps = torch.randn(self._batch, self._ticks, self._places, generator=g) / math.sqrt(self.rate_hz)
        error = error[:, None] + walk * steps.cumsum(dim=1)
        return torch.remainder(error + math.pi, 2 * math.pi) - math.pi

    def told(self, turn: Tensor, facing: Tensor, heading: Tensor) -> Tensor:
        """Return the orientations (N, T, 16, 3, 3) that the sensors tell: levelled, tilted, misheaded."""
        shape = (self._batch, self._ticks, self._places, 2)
        size = math.radians(self.ranges.tilt_deg)
        tilt = size * wandering(shape, 1.0 / self.rate_hz, 3.0, self._g)
        tilt = roma.rotvec_to_rotmat(torch.nn.functional.pad(tilt, (0, 1)))
        return about_z(heading - facing[:, None, None]) @ tilt @ turn

    def samples(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return when each tick's samples were taken.

        Returns:
            In ticks, (N, T, 16) each: the mean time of the samples new at the tick; the time of the newest;
            how many are new, at least 1; and the tick at which the newest that is known came, -1 before the
            first.
        """
        ranges, g = self.ranges, self._g
        shape = (self._batch, 1, self._places)
        per_tick = self._pick(ranges.sample_rates)[:, None] / self.rate_hz
        phase = torch.rand(shape, generator=g)
        delay = self.delay_s[:, None] * self.rate_hz
        tick = torch.arange(self._ticks, dtype=torch.float32)[None, :, None]
        number = ((tick - delay) * per_tick - phase).floor()
        count = torch.diff(number, dim=1, prepend=((tick[:, :1] - 1 - delay) * per_tick - phase).floor())
        newest = (number + phase) / per_tick
        middle = newest - (count.clamp(min=1) - 1) / (2 * per_tick)
        updated = torch.where((count > 0) & (number >= 0) & ~self._lost(), tick.long(), -1)
        return middle, newest, count.clamp(min=1), updated.cummax(dim=1).values

    def _lost(self) -> Tensor:
        """Return (N, T, 16), true where samples are lost."""
        shape = (self._batch, 1, self._places)
        g, ranges = self._g, self.ranges
        hit = torch.rand(shape, generator=g) < ranges.bursts
        length = -ranges.burst_s * self.rate_hz * torch.log(torch.rand(shape, generator=g).clamp(min=1e-6))
        begin = torch.rand(shape, generator=g) * (self._ticks + length) - length
        tick = torch.arange(self._ticks)[None, :, None]
        return hit & (tick >= begin) & (tick < begin + length)

    def spoilt_force(self, force: Tensor, count: Tensor) -> Tensor:
        """Return what the part gives of a mean force (N, T, 16, 3), m/s², over ``count`` samples."""
        limit = self._pick(self.ranges.force_ranges_g)[:, None, :, None] * STANDARD_GRAVITY
        return self._spoilt(0, force, count, limit, self.ranges.force_noise, self.ranges.force_bias)

    def spoilt_rate(self, rate: Tensor, count: Tensor) -> Tensor:
        """Return what the part gives of a mean angular rate (N, T, 16, 3), rad/s, over ``count`` samples."""
        limit = self._pick(self.ranges.rate_ranges_dps)[:, None, :, None].deg2rad()
        noise, bias = math.radians(self.ranges.rate_noise), math.radians(self.ranges.rate_bias)
        return self._spoilt(1, rate, count, limit, noise, bias)

    def _spoilt(
        self, kind: int, x: Tensor, count: Tensor, limit: Tensor, noise: float, bias: float
    ) -> Tensor:
        white = torch.randn(x.shape, generator=self._g) / count[..., None].sqrt()
        drift = torch.randn(x.shape, generator=self._g).cumsum(dim=1) / math.sqrt(60.0 * self.rate_hz)
        drift = 1.0 + self.ranges.bias_walk * drift
        x = x * self._scale[kind] + noise * self._noise * white + bias * self._bias[kind] * drift
        return torch.maximum(torch.minimum(x, limit), -limit)


def _gain(kind: str, place: str) -> float:
    place = "right_forearm" if place == "unspecified" else place
    side, _, part = place.partition("_") if "_" in place else ("", "", place)
    if kind == "clap":
        return {"hand": 30.0, "forearm": 18.0, "upper_arm": 4.0}.get(part, 0.0)
    near = {"foot": 40.0, "shin": 22.0, "thigh": 9.0}.get(part)
    if near is not None:
        return near if kind.startswith(side) else 0.0
    return {"pelvis": 5.0, "chest": 3.0, "head": 1.5}.get(part, 0.0)


_SHOCK_GAINS = torch.tensor(
    [[_gain(kind, place) for kind in ("left_step", "right_step", "clap")] for place in PLACES]
)
"""(16, 3) m/s² at strength one, as the simulated sensors have them (``drivers.simulator.sensor``)."""
