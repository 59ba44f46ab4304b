"""Random but label-safe changes of motion, batched: bodies, cameras, sensors and tempo vary, labels do not.

All work on tensors with a batch in front and draw from one ``torch.Generator``.
"""

from __future__ import annotations

import dataclasses

import roma
import torch
from torch import Tensor

from fusion.skeletons import BODY20
from fusion.virtual.parts import uniform

_PARENT = {
    "spine": "pelvis", "neck": "spine", "head": "neck",
    "left_shoulder": "neck", "left_elbow": "left_shoulder", "left_wrist": "left_elbow",
    "left_hand": "left_wrist",
    "right_shoulder": "neck", "right_elbow": "right_shoulder", "right_wrist": "right_elbow",
    "right_hand": "right_wrist",
    "left_hip": "pelvis", "left_knee": "left_hip", "left_ankle": "left_knee", "left_foot": "left_ankle",
    "right_hip": "pelvis", "right_knee": "right_hip", "right_ankle": "right_knee",
    "right_foot": "right_ankle",
}  # fmt: skip


def _chain() -> tuple[Tensor, list[int]]:
    parents = [BODY20.index(_PARENT.get(name, name)) for name in BODY20]
    chain = torch.zeros(len(BODY20), len(BODY20))
    for joint in range(len(BODY20)):
        at = joint
        while True:
            chain[joint, at] = 1.0
            if parents[at] == at:
                break
            at = parents[at]
    return chain, parents


_CHAIN, _PARENTS = _chain()
_LIMBS = [[f"{side}_{joint}" for side in ("left", "right")] for joint in ("elbow", "wrist", "knee", "ankle")]
_SWINGS = [BODY20.index(name) for pair in _LIMBS for name in pair]
"""Ends of the bones of the limbs, each after those that it hangs on."""


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """How far each change may go; 0 switches it off. Uniform ranges are +- the value unless said otherwise.

    Attributes:
        turn_deg: rotation of the body about the vertical.
        tilt_deg: rotation of the camera about its two other axes.
        bone: relative length of each bone.
        size: relative size of the whole body.
        limb_deg: angle by which each upper arm, forearm, thigh and shin, with all that hangs on it, is held
            otherwise throughout a window.
        reach: how much further or less far each limb swings about how it is held on average, relative.
        shift_m: position of the body.
        noise_m: standard deviation of noise of each joint, half of it constant within a window.
        joint_loss: probability that a joint is missing for a stretch of time.
        tempo: relative speed, and half of it again as variation within the window.
        crop: largest part of the window cut off at either end.
        sensor_deg: angle by which an inertial sensor sits differently.
        heading_deg: angle by which the heading of its orientation is off. Where all recordings begin in about
            the same posture they begin with about the same heading, and it need not be unknown.
        force_gain: relative gain of specific force and angular rate.
        force_noise: standard deviation of noise of specific force in g; of angular rate three times that,
            in rad/s.
        rate_bias: standard deviation of what each axis of the angular rate is off by throughout a
            window, rad/s.
        lag_s: shift between inertial and visual streams.
        swap: probability that inertial and visual streams come from two trials of the same action.
        blend: probability, for each stream, that a window is a blend of two trials of the same action, moment
            by moment, up to halfway between them: more ways to do the same than there are people.
        bad_camera: probability that a window's joints are scattered from frame to frame, by up to
            ``scatter_m``.
        bad_sensor: probability that a window's inertial stream drowns in noise, of up to ``drown_g``. Without
            it a network believes a broken sensor, however absurd what it tells.
        scatter_m: largest standard deviation of scattered joints; drawn log-uniformly from a twentieth of it.
        drown_g: largest standard deviation of that noise, of specific force, in g; of angular rate a
            twentieth of it in rad/s at most; drawn log-uniformly from a hundredth of it.
        lost: probability, for each stream, that a part of its rows, up to 60 %, is lost.
        covered: probability that the camera is covered again and again, for 0.25 to 2.5 s at once, up to 80 %
            of the time on average.
    """

    turn_deg: float = 30.0
    tilt_deg: float = 8.0
    bone: float = 0.12
    size: float = 0.12
    limb_deg: float = 0.0
    reach: float = 0.0
    shift_m: float = 0.3
    noise_m: float = 0.015
    joint_loss: float = 0.05
    tempo: float = 0.2
    crop: float = 0.08
    sensor_deg: float = 20.0
    heading_deg: float = 180.0
    force_gain: float = 0.08
    force_noise: float = 0.03
    rate_bias: float = 0.0
    lag_s: float = 0.1
    swap: float = 0.5
    blend: float = 0.0
    bad_camera: float = 0.0
    bad_sensor: float = 0.0
    scatter_m: float = 0.3
    drown_g: float = 40.0
    lost: float = 0.0
    covered: float = 0.0


def random_rotations(batch: int, degrees: float, generator: torch.Generator) -> Tensor:
    """Return (B, 3, 3) rotations about random axes by up to ``degrees``."""
    axis = torch.randn(batch, 3, generator=generator)
    axis = axis / axis.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    return roma.rotvec_to_rotmat(axis * uniform((batch, 1), degrees, generator).deg2rad())


def change_body(joints: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Give joints (B, T, 20, 3; camera frame) another body, heading, place and noise."""
    batch = joints.shape[0]
    parent = joints[:, :, _PARENTS]
    bones = joints - parent
    bones[:, :, 0] = 0.0
    if config.reach or config.limb_deg:
        bones = _held_otherwise(bones, config, generator)
    length = 1.0 + uniform((batch, 1, len(BODY20), 1), config.bone, generator)
    length = length * (1.0 + uniform((batch, 1, 1, 1), config.size, generator))
    turn = torch.zeros(batch, 3)
    turn[:, 1] = uniform((batch,), config.turn_deg, generator).deg2rad()
    tilt = torch.zeros(batch, 3)
    tilt[:, 0] = uniform((batch,), config.tilt_deg, generator).deg2rad()
    tilt[:, 2] = uniform((batch,), config.tilt_deg, generator).deg2rad()
    rotation = roma.rotvec_to_rotmat(tilt) @ roma.rotvec_to_rotmat(turn)
    relative = torch.einsum("jk,btkc->btjc", _CHAIN, bones * length)
    relative = torch.einsum("bcd,btjd->btjc", rotation, relative)
    # The path of the pelvis turns with the body, about where the window begins.
    root = joints[:, :, :1]
    start = root[:, :1]
    root = start + torch.einsum("bcd,btjd->btjc", rotation, root - start)
    root = root + uniform((batch, 1, 1, 3), config.shift_m, generator)
    root = torch.cat([root[..., :2], root[..., 2:].clamp(min=1.2)], dim=-1)
    noise = torch.randn(relative.shape, generator=generator) * (config.noise_m * 0.85)
    noise = noise + torch.randn(batch, 1, len(BODY20), 3, generator=generator) * (config.noise_m * 0.5)
    return root + relative + noise


def _held_otherwise(bones: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Return bones (B, T, 20, 3) of as many metres, of limbs that are held and swing as another might."""
    batch, lengths = len(bones), bones.norm(dim=-1, keepdim=True)
    mean = bones.mean(dim=1, keepdim=True)
    further = torch.zeros(batch, 1, len(BODY20), 1)
    further[:, :, _SWINGS] = uniform((batch, 1, len(_SWINGS), 1), config.reach, generator)
    swung = bones + further * (bones - mean)
    bones = swung * lengths / swung.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    turns = [random_rotations(batch, config.limb_deg, generator) for _ in _SWINGS]
    for joint, turn in zip(_SWINGS, turns, strict=True):
        below = torch.nonzero(_CHAIN[:, joint])[:, 0]
        bones[:, :, below] = torch.einsum("bcd,btjd->btjc", turn, bones[:, :, below])
    return bones


def change_sensor(inertial: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Give inertial (B, T, 12; as in the features) another fit on the body, heading, gain and noise."""
    batch = inertial.shape[0]
    force, rate, x_axis, y_axis = inertial.split([3, 3, 3, 3], dim=-1)
    fit = random_rotations(batch, config.sensor_deg, generator)
    heading = torch.zeros(batch, 3)
    heading[:, 2] = uniform((batch,), config.heading_deg, generator).deg2rad()
    world = roma.rotvec_to_rotmat(heading)
    gain = 1.0 + uniform((batch, 1, 2), config.force_gain, generator)
    force = torch.einsum("bcd,btd->btc", fit, force) * gain[..., :1]
    rate = torch.einsum("bcd,btd->btc", fit, rate) * gain[..., 1:]
    force = force + torch.randn(force.shape, generator=generator) * config.force_noise
    rate = rate + torch.randn(rate.shape, generator=generator) * (3.0 * config.force_noise)
    rate = rate + torch.randn(batch, 1, 3, generator=generator) * config.rate_bias
    rotation = torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], dim=-1)
    rotation = world[:, None] @ rotation @ fit[:, None].transpose(-1, -2)
    return torch.cat([force, rate, rotation[..., 0], rotation[..., 1]], dim=-1)


def blend_shares(batch: int, probability: float, generator: torch.Generator) -> Tensor:
    """Return (B, 1, 1): 0, or with ``probability`` the part, up to a half, that another trial has."""
    share = 0.5 * torch.rand(batch, 1, 1, generator=generator)
    return share * (torch.rand(batch, 1, 1, generator=generator) < probability)


def blend_bodies(joints: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Return joints (B, T, 20, 3) between those of two trials; place and bone lengths are the first's."""
    mine, theirs = (each - each[:, :, _PARENTS] for each in (joints, other))
    mixed = torch.lerp(mine, theirs, share[..., None])
    lengths = mine.norm(dim=-1, keepdim=True) / mixed.norm(dim=-1, keepdim=True).clamp(min=1e-3)
    mixed = mixed * lengths.clamp(max=2.0)  # bones that point apart have no direction in between
    return joints[:, :, :1] + torch.einsum("jk,btkc->btjc", _CHAIN, mixed)


def blend_sensors(inertial: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Return inertial (B, T, 12; as in the features) between those of two trials.

    Their headings are arbitrary: the other's is turned to the first's, as over the whole window suits best.
    """
    mine, theirs = (_axes(each) for each in (inertial, other))
    turned = (mine @ theirs.transpose(-1, -2)).sum(dim=1)
    heading = torch.zeros(len(inertial), 3)
    sine, cosine = turned[:, 1, 0] - turned[:, 0, 1], turned[:, 0, 0] + turned[:, 1, 1]
    heading[:, 2] = torch.atan2(sine, cosine)
    theirs = roma.rotvec_to_rotmat(heading)[:, None] @ theirs
    x, y = torch.lerp(mine, theirs, share[..., None])[..., :2].unbind(-1)
    x = torch.nn.functional.normalize(x, dim=-1)
    y = torch.nn.functional.normalize(y - (x * y).sum(dim=-1, keepdim=True) * x, dim=-1)
    return torch.cat([torch.lerp(inertial[..., :6], other[..., :6], share), x, y], dim=-1)


def _axes(inertial: Tensor) -> Tensor:
    """Return (B, T, 3, 3), sensor to levelled world."""
    x, y = inertial[..., 6:9], inertial[..., 9:]
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


def lose_joints(batch: int, ticks: int, probability: float, generator: torch.Generator) -> Tensor:
    """Return presence (B, T, 20): with ``probability`` a joint is missing for a random stretch."""
    hit = torch.rand(batch, 1, len(BODY20), generator=generator) < probability
    ends = torch.rand(batch, 2, len(BODY20), generator=generator).sort(dim=1).values * ticks
    at = torch.arange(ticks, dtype=torch.float32)[None, :, None]
    return 1.0 - (hit & (at >= ends[:, :1]) & (at < ends[:, 1:])).float()


def _hit(batch: int, probability: float, lowest: float, generator: torch.Generator) -> Tensor:
    """Return (B, 1, 1): 0, or with ``probability`` a share drawn log-uniformly from ``lowest`` to 1."""
    hit = torch.rand(batch, 1, 1, generator=generator) < probability
    return hit * lowest ** torch.rand(batch, 1, 1, generator=generator)


def scatter_joints(joints: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Return joints (B, T, 20, 3), in some windows as of a camera that hardly sees."""
    share = _hit(len(joints), config.bad_camera, 0.05, generator)[..., None]
    noise = torch.randn(joints.shape, generator=generator) * (share * config.scatter_m)
    return joints + noise


def drown_sensor(inertial: Tensor, config: AugmentConfig, generator: torch.Generator) -> Tensor:
    """Return inertial (B, T, 12), in some windows as of a sensor that is broken.

    What a filter of orientation makes of such force and rate is wrong as well, the more the worse they are.
    """
    batch = len(inertial)
    share = _hit(batch, config.bad_sensor, 0.01, generator)
    # Force and rate are not equally bad: one of them may be nearly sound.
    tilt = 10.0 ** uniform((batch, 1, 1), 0.5, generator)
    force_sd, rate_sd = share * config.drown_g, share * tilt * (config.drown_g / 20.0 / 10.0**0.5)
    force, rate, axes = inertial.split([3, 3, 6], dim=-1)
    force = force + torch.randn(force.shape, generator=generator) * force_sd
    rate = rate + torch.randn(rate.shape, generator=generator) * rate_sd
    wrong = random_rotations(batch, 180.0, generator)
    turned = (wrong[:, None, None] @ axes.unflatten(-1, (2, 3))[..., None])[..., 0].flatten(-2)
    axes = torch.where(force_sd > 2.0, turned, axes)
    return torch.cat([force, rate, axes], dim=-1)


def lose_rows(batch: int, ticks: int, probability: float, generator: torch.Generator) -> Tensor:
    """Return presence (B, T): with ``probability`` single rows are missing, up to 60 % of them."""
    share = 0.6 * torch.rand(batch, 1, generator=generator)
    share = share * (torch.rand(batch, 1, generator=generator) < probability)
    return (torch.rand(batch, ticks, generator=generator) >= share).float()


def cover(batch: int, ticks: int, rate_hz: float, probability: float, generator: torch.Generator) -> Tensor:
    """Return presence (B, T): with ``probability`` a camera is covered now and then, see AugmentConfig."""
    share = 0.8 * torch.rand(batch, 1, generator=generator)
    share = share * (torch.rand(batch, 1, generator=generator) < probability)
    stretch = 0.25 * rate_hz * 10.0 ** torch.rand(batch, 1, generator=generator)
    begun = torch.rand(batch, 1, generator=generator)
    number = (torch.arange(ticks)[None] / stretch + begun).floor().long()
    luck = torch.rand(batch, int(number.max()) + 1, generator=generator)
    return (luck.gather(1, number) >= share).float()
