"""From hidden states to a body: headings of the sensors, rotations, bone lengths, joints.

::

    first blocks --> Headings ---> evidence per sensor, summed over time (von Mises)
                        |              |
                        v              v
    later blocks <-- sensors turned right --> BodyHead --> rotations, bones --> kinematics --> joints

Later blocks and heads see sensors and key points from where the wearer faces (:mod:`fusion.model.aligned`),
and tell rotations from there. Those are a mixture of what the network says and, where a sensor is worn, what
the sensor says with its heading turned right; joints follow from rotations and bones, so that bone lengths
are exact. Bones and how the camera is tilted hardly change: each tick's guess is added to a weighted sum that
forgets slowly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from drivers.places import PLACES
from fusion.model.aligned import (
    LEVELLED_TO_CAMERA,
    OF_A_JOINT,
    OF_A_PLACE,
    OF_WEARER,
    SKELETON,
    Worn,
)
from fusion.model.geometry import about_vertical, from_six_d, heading_between, times, to_six_d, unit
from fusion.model.mounting import MOUNTING, Mounting
from fusion.segments import SEGMENTS
from fusion.skeletons import BODY20
from fusion.virtual.kinematics import forward

_PLACES, _SEGMENTS, _JOINTS = len(PLACES), len(SEGMENTS), len(BODY20)

SLOW = (3 * _JOINTS + 1 + 1) + (6 + 1) + MOUNTING
"""Channels of the slow sums of :class:`BodyHead`: weighted bones and size, weight; weighted view, weight; how
sensors sit."""
_FAST = 7 * _SEGMENTS + 9 + _JOINTS + 3

_GIRDLE_M = 0.08  # shoulders slide by up to so much

_STATURE_M = SKELETON.stature


class Headings(nn.Module):
    """Evidence for each sensor's heading error, and what the sensors tell without it, for the hidden state.

    At each tick the network guesses all segments' rotations; the angle about the vertical between a guess
    and what the sensor tells is evidence, as certain as the network says. Evidence is added up over time like
    the natural parameters of von Mises distributions; it starts from the belief that headings are right.
    Ticks do not tell independently of one another: however long they say the same, the concentration stays
    below a limit.

    Args:
        width: channels of the hidden state.
        twice: whether a second guess of the body tells of headings as well.
    """

    def __init__(self, width: int, twice: bool = False) -> None:
        super().__init__()
        if twice:
            self.sure = nn.Linear(2 * width, _SEGMENTS)
            nn.init.zeros_(self.sure.weight)
            nn.init.constant_(self.sure.bias, -5.0)
        self.guess = nn.Linear(width, _PLACES * 9)
        nn.init.normal_(self.guess.weight, std=0.02)
        bias = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0, -4.0, 0.0, 0.0]).repeat(_PLACES)
        self.guess.bias = nn.Parameter(bias)
        self.prior = nn.Parameter(torch.tensor(0.0))
        self.limit = nn.Parameter(torch.tensor(4.6))  # exp: sd 6 deg
        told = _PLACES * (OF_A_PLACE + 2) + _JOINTS * OF_A_JOINT + OF_WEARER
        self.corrected = nn.Sequential(nn.Linear(told, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, x: Tensor, sensors: Worn) -> tuple[Tensor, Tensor]:
        """Return this tick's evidence (..., 32), to be summed, and guessed rotations (..., 16, 3, 3)."""
        rough, sure, direct = self.guess(x).float().unflatten(-1, (_PLACES, 9)).split([6, 1, 2], dim=-1)
        rough = from_six_d(rough)
        seen = heading_between(sensors.axes, rough) * nn.functional.softplus(sure)
        evidence = (seen + 0.2 * direct) * (sensors.present[..., None] > 0.5)
        return evidence.flatten(-2), rough

    def again(self, hidden: Tensor, own: Tensor, sensors: Worn) -> Tensor:
        """Return a tick's evidence (..., 30) of a body guessed from hidden states (..., 2 D).

        Args:
            hidden: of :meth:`BodyHead.encode`.
            own: (..., 15, 3, 3) rotations to the levelled world that the network alone tells.
            sensors: what they tell.
        """
        seen = heading_between(sensors.axes[..., :_SEGMENTS, :, :], own)
        sure = nn.functional.softplus(self.sure(hidden).float()) * (sensors.present[..., :_SEGMENTS] > 0.5)
        return (seen * sure[..., None]).flatten(-2)

    @staticmethod
    def both(total: Tensor, again: Tensor) -> Tensor:
        """Return summed evidence (..., 32) of (..., 32) and of the second guess (..., 30)."""
        return total + nn.functional.pad(again, (0, total.shape[-1] - again.shape[-1]))

    def headings(self, total: Tensor) -> Tensor:
        """Return (..., 16, 2) from summed evidence (..., 32): concentration times cosine and sine."""
        total = total.unflatten(-1, (_PLACES, 2))
        prior = nn.functional.softplus(self.prior)
        total = total + torch.stack([prior, torch.zeros_like(prior)])
        return total / (1.0 + total.norm(dim=-1, keepdim=True) * torch.exp(-self.limit))

    def turned(self, sensors: Worn, heading: Tensor) -> Tensor:
        """Return (..., 16, 3, 3): orientations without heading error, 0 where missing."""
        return times(about_vertical(unit(heading)).transpose(-1, -2), sensors.axes)

    def summand(self, aligned: Tensor, sensors: Worn, heading: Tensor) -> Tensor:
        """Return (..., D), what the later blocks learn of what the sensors tell.

        Args:
            aligned: (..., C) of :mod:`fusion.model.aligned`: sensors and key points from where one faces.
            sensors: which there are.
            heading: (..., 16, 2) of :meth:`headings`.
        """
        sure = torch.log1p(heading.norm(dim=-1)) * sensors.present
        return self.corrected(torch.cat([aligned, sure, sensors.present], dim=-1))


class BodyHead(nn.Module):
    """Hidden state, newest key points and corrected orientations -> the body.

    Args:
        width: channels of the hidden state.
    """

    skeleton: Tensor
    hangs: Tensor
    level: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        hidden = 2 * width
        told = _PLACES * (OF_A_PLACE + 1) + OF_WEARER
        self.into = nn.Linear(width + told, hidden)
        self.fast = nn.Linear(hidden, _FAST)
        self.slow = nn.Linear(hidden, SLOW - MOUNTING)
        self.mounting = Mounting(hidden)
        for layer in (self.fast, self.slow):
            nn.init.normal_(layer.weight, std=0.02)
            nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.fast.bias[: 6 * _SEGMENTS] = torch.tensor([1.0, 0.0, 0.0, 0.0, 1.0, 0.0]).repeat(_SEGMENTS)
        self.register_buffer("skeleton", SKELETON.offsets.clone())
        self.register_buffer("hangs", (torch.arange(_JOINTS) > 0).float()[:, None], persistent=False)
        self.register_buffer("level", LEVELLED_TO_CAMERA.clone())

    def encode(self, x: Tensor, aligned: Tensor, sensors: Worn) -> Tensor:
        """Return the hidden state (..., 2 D) that all else begins from.

        Key points come through the blocks only, which can smooth them: those of this tick would make joints
        tremble.
        """
        return nn.functional.gelu(self.into(torch.cat([x, aligned, sensors.present], dim=-1)))

    def own(self, hidden: Tensor, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Return rotations to the levelled world (..., 15, 6) as the network alone tells, and all else."""
        own, other = self.fast(hidden).float().split([6 * _SEGMENTS, _FAST - 6 * _SEGMENTS], dim=-1)
        columns = times(own.unflatten(-1, (2 * _SEGMENTS, 3)), faces.transpose(-1, -2))
        return columns.flatten(-2).unflatten(-1, (_SEGMENTS, 6)), other

    def guesses(self, hidden: Tensor, own: Tensor, sensors: Worn, turned: Tensor) -> Tensor:
        """Return (..., SLOW), to be summed: guesses times their weights, and the weights.

        Args:
            hidden: of :meth:`encode`.
            own: (..., 15, 3, 3) rotations to the levelled world that the network alone tells.
            sensors: what they tell.
            turned: (..., 16, 3, 3) without heading error.
        """
        bones, sure, view, level = self.slow(hidden).float().split([3 * _JOINTS + 1, 1, 6, 1], dim=-1)
        sure, level = (nn.functional.softplus(w) + 1e-3 for w in (sure, level))
        told, present = turned[..., :_SEGMENTS, :, :], sensors.present[..., :_SEGMENTS]
        mounting = self.mounting.evidence(hidden, own, told, present)
        return torch.cat([bones * sure, sure, view * level, level, mounting], dim=-1)

    def forward(
        self,
        own: Tensor,
        other: Tensor,
        total: Tensor,
        sensors: Worn,
        turned: Tensor,
        faces: Tensor,
        features: Mapping[str, Tensor],
        smooth: Callable[[Tensor], Tensor] | None = None,
    ) -> dict[str, Tensor]:
        """Return the body.

        Args:
            own, other: of :meth:`own`.
            total: (..., SLOW) summed guesses.
            sensors: what they tell.
            turned: (..., 16, 3, 3) without heading error.
            faces: (..., 3, 3), where the wearer faces: rotations and velocity are told from there.
            features: of which ``stature`` and ``bones``, what is told of the body, stand over any guess.
            smooth: makes rotations (..., 15, 6) to the levelled world steady; None: they stay as they are.

        Returns:
            joints3d, joints3d_logvar, rotations, offsets, root_velocity as of
            :meth:`fusion.model.net.FusionNet.forward`; view (..., 3, 3): levelled world to camera axes.
        """
        trust, girdle, logvar, velocity = other.split([_SEGMENTS, 9, _JOINTS, 3], dim=-1)
        known = (sensors.present[..., :_SEGMENTS] > 0.5).to(own.dtype)
        trust = (torch.sigmoid(trust + 1.0) * known)[..., None]
        bones, sure, view, level, mounting = total.split([3 * _JOINTS + 1, 1, 6, 1, MOUNTING], dim=-1)
        told = self.mounting.taken_off(mounting, turned[..., :_SEGMENTS, :, :])
        mixed = (1.0 - trust) * own + trust * told
        if smooth is not None:
            mixed = smooth(mixed)
        bones, view = bones / sure, view / level
        view = to_six_d(self.level) + view
        axes = from_six_d(torch.cat([mixed, view[..., None, :]], dim=-2))
        camera = axes[..., -1, :, :]
        stature, measured = features["stature"].float(), features["bones"].float()
        size = torch.exp(bones[..., -1].clamp(-0.7, 0.7))
        size = torch.where(stature > 0.0, stature / _STATURE_M, size)[..., None, None]
        change = 0.1 * bones[..., :-1].unflatten(-1, (_JOINTS, 3))
        change = change * self.hangs
        offsets = size * (self.skeleton + change)
        offsets = torch.where((measured != 0.0).any(dim=-1, keepdim=True), measured, offsets)
        slide = _GIRDLE_M * torch.tanh(girdle.unflatten(-1, (3, 3)))
        with torch.autocast(own.device.type, enabled=False):  # places need more than 8 bits
            rotations = camera[..., None, :, :] @ axes[..., :-1, :, :]
            joints = forward(rotations, offsets, torch.zeros_like(velocity), slide).joints
            velocity = (camera @ (faces @ velocity[..., None]))[..., 0]
        return {
            "joints3d": joints,
            "joints3d_logvar": logvar.clamp(-6.0, 6.0) - 4.0,
            "rotations": rotations,
            "offsets": offsets,
            "root_velocity": velocity,
            "view": camera,
        }

    @staticmethod
    def seen(rough: Tensor, view: Tensor) -> Tensor:
        """Return guesses (..., 16, 3, 3) in camera axes (..., 15, 3, 3); they don't teach the view."""
        return times(view.detach()[..., None, :, :], rough[..., :_SEGMENTS, :, :])
