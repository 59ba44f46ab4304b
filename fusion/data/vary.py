"""Recorded windows varied, where what varied them in motion is out of reach: pace, camera, sensors, sound.

Actions keep their names: nothing is mirrored, since "wave left" would not be one any more.
"""

from __future__ import annotations

import dataclasses

import roma
import torch
from torch import Tensor

from fusion.data.batches import Batch
from fusion.virtual.parts import uniform


@dataclasses.dataclass(frozen=True)
class Variety:
    """How far each change may go, uniformly within +- the value unless said otherwise; 0 switches it off.

    Attributes:
        tempo: of the movement, relative: a window lasts 1 / (1 + tempo) to 1 + tempo times as long.
        roll_deg: of the camera about its optical axis.
        joint_noise: of key points, standard deviation in box sizes, half of it constant within a window.
        sensor_deg: angle by which each inertial sensor sits differently.
        heading_deg: of all inertial sensors together, and of each once more by a third of it.
        gain: of specific force and angular rate of each sensor, relative.
        force_noise: standard deviation of noise of specific force, g; thrice that of angular rate, rad/s.
        loudness: of sound, in units of its feature (20 dB).
    """

    tempo: float = 0.2
    roll_deg: float = 6.0
    joint_noise: float = 0.01
    sensor_deg: float = 10.0
    heading_deg: float = 20.0
    gain: float = 0.05
    force_noise: float = 0.02
    loudness: float = 0.3


_BETWEEN = ("inertial", "joints3d", "joints2d")
"""Drawn between ticks at another pace; all else is taken from the nearest tick."""


def paced(
    features: dict[str, Tensor], targets: dict[str, Tensor], speed: float, ticks: int
) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Return at most ``ticks`` rows of (T, ...) as if all had happened ``speed`` times as fast.

    What accelerates a sensor grows with the square of the speed, what pulls it down does not.
    """
    rows = len(features["time"])
    at = (torch.arange(ticks) * speed)[: max(1, int((rows - 1) / speed) + 1)].clamp(max=rows - 1)
    low = at.floor().long()
    high, nearest = (low + 1).clamp(max=rows - 1), at.round().long()

    def rowed(name: str, value: Tensor) -> Tensor:
        if name not in _BETWEEN:
            return value[nearest]
        share = (at - low).reshape(-1, *[1] * (value.ndim - 1))
        return torch.lerp(value[low], value[high], share)

    out = {name: rowed(name, value) for name, value in features.items()}
    # A sensor that is not there at both ticks is as at the nearest one.
    there = features["inertial_present"]
    both = ((there[low] > 0.5) & (there[high] > 0.5))[..., None]
    out["inertial"] = torch.where(both, out["inertial"], features["inertial"][nearest])
    out["inertial"] = _faster(out["inertial"], speed)
    time = features["time"]
    step = (time[-1] - time[0]).double() / max(1, rows - 1)
    out["time"] = time[0] + (torch.arange(len(at)) * step).round().long()
    told = {name: rowed(name, value) for name, value in targets.items()}
    told["root_velocity"] = told["root_velocity"] * speed
    return out, told


def _faster(inertial: Tensor, speed: float) -> Tensor:
    force, rate, x_axis, y_axis = inertial.split([3, 3, 3, 3], dim=-1)
    axes = torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], dim=-1)
    up = axes[..., 2, :]  # the world's z axis in the sensor's frame: what gravity makes it feel, in g
    return torch.cat([up + (force - up) * speed**2, rate * speed, x_axis, y_axis], dim=-1)


def vary(batch: Batch, variety: Variety, generators: list[torch.Generator]) -> Batch:
    """Return a batch seen and felt by other sensors; each window by the chance of its own generator."""
    features, targets = dict(batch["features"]), dict(batch["targets"])
    parts = [_draw(features, variety, generator) for generator in generators]
    chance = {name: torch.stack([part[name] for part in parts]) for name in parts[0]}
    _roll(features, targets, chance["roll"])
    seen = features["vision_present"][..., None]
    moved = features["vision"][..., :2] + chance["joints"] * seen
    features["vision"] = torch.cat([moved, features["vision"][..., 2:]], dim=-1)
    features["inertial"] = _felt(features, chance)
    turned = targets["heading"] + chance["heading"].rad2deg()[:, None]
    targets["heading"] = (turned + 180.0) % 360.0 - 180.0
    loud = chance["loudness"][:, None, None] * features["audio_present"][..., None]
    audio = features["audio"]
    features["audio"] = torch.cat([(audio[..., :-1] + loud).clamp(min=0.0), audio[..., -1:]], dim=-1)
    return {**batch, "features": features, "targets": targets}


def _draw(features: dict[str, Tensor], variety: Variety, g: torch.Generator) -> dict[str, Tensor]:
    """Draw what happens to one window."""
    ticks, joints = features["vision_present"].shape[1:]
    places = features["inertial_present"].shape[2]
    noise = torch.randn(ticks, joints, 2, generator=g) * 0.85 + torch.randn(joints, 2, generator=g) * 0.5
    axes = torch.randn(places, 3, generator=g)
    axes = axes / axes.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    heading = uniform((1,), variety.heading_deg, g) + uniform((places,), variety.heading_deg / 3.0, g)
    return {
        "roll": uniform((), variety.roll_deg, g).deg2rad(),
        "joints": noise * variety.joint_noise,
        "fit": roma.rotvec_to_rotmat(axes * uniform((places, 1), variety.sensor_deg, g).deg2rad()),
        "heading": heading.deg2rad(),
        "gain": 1.0 + uniform((places, 2), variety.gain, g),
        "inertial": torch.randn(ticks, places, 6, generator=g) * variety.force_noise,
        "loudness": uniform((), variety.loudness, g),
    }


def _roll(features: dict[str, Tensor], targets: dict[str, Tensor], angle: Tensor) -> None:
    """Turn pictures and camera axes, (B,) rad, about the optical axis."""
    cos, sin, none, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    turn = torch.stack([cos, -sin, none, sin, cos, none, none, none, one], dim=-1).unflatten(-1, (3, 3))
    flat = turn[:, :2, :2]
    vision = features["vision"]
    spread = vision[..., [3, 4, 4, 5]].unflatten(-1, (2, 2))
    spread = flat[:, None, None] @ spread @ flat[:, None, None].transpose(-1, -2)
    features["vision"] = torch.cat(
        [
            torch.einsum("bcd,btjd->btjc", flat, vision[..., :2]),
            vision[..., 2:3],
            spread[..., 0, :],
            spread[..., 1, 1:],
            vision[..., 6:],
        ],
        dim=-1,
    )
    box = features["box"]
    features["box"] = torch.cat([torch.einsum("bcd,btd->btc", flat, box[..., :2]), box[..., 2:]], dim=-1)
    targets["joints2d"] = torch.einsum("bcd,btjd->btjc", flat, targets["joints2d"])
    targets["joints3d"] = torch.einsum("bcd,btjd->btjc", turn, targets["joints3d"])
    targets["root_velocity"] = torch.einsum("bcd,btd->btc", turn, targets["root_velocity"])
    targets["rotations"] = torch.einsum("bcd,btsde->btsce", turn, targets["rotations"])


def _felt(features: dict[str, Tensor], chance: dict[str, Tensor]) -> Tensor:
    """Return inertial (B, T, P, 12) of sensors that sit, point and measure otherwise."""
    force, rate, axes = features["inertial"].split([3, 3, 6], dim=-1)
    x_axis, y_axis = axes.split([3, 3], dim=-1)
    world = torch.zeros(*chance["heading"].shape, 3)
    world[..., 2] = chance["heading"]
    world, fit, gain = roma.rotvec_to_rotmat(world), chance["fit"], chance["gain"][:, None]
    noise = chance["inertial"] * features["inertial_present"][..., None]
    force = torch.einsum("bpcd,btpd->btpc", fit, force) * gain[..., :1] + noise[..., :3]
    rate = torch.einsum("bpcd,btpd->btpc", fit, rate) * gain[..., 1:] + 3.0 * noise[..., 3:]
    rotation = torch.stack([x_axis, y_axis, torch.linalg.cross(x_axis, y_axis)], dim=-1)
    rotation = world[:, None] @ rotation @ fit[:, None].transpose(-1, -2)
    return torch.cat([force, rate, rotation[..., 0], rotation[..., 1]], dim=-1)
