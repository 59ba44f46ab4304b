"""Where virtual cameras stand and what their lenses do: views drawn so that the person is in them."""

from __future__ import annotations

import dataclasses
import math

import roma
import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class ViewRanges:
    """Where cameras stand. Azimuth is uniform all around.

    Attributes:
        distance_m: from the middle of where the person moves; more where the person would not fit otherwise.
        height_m: of the camera over the ground.
        field_of_view_deg: across the longer side of the picture.
        aspects: height over width that pictures may have.
        roll_deg: tilt of the horizon, to both sides.
        aim_m: how far the aim is off the middle of the motion, to both sides.
        cut: probability that the picture ends within the body: joints lie beyond its border.
        k1, k2, p1: largest distortion of the lens, to both sides; OpenCV's model.
    """

    distance_m: tuple[float, float] = (2.0, 6.0)
    height_m: tuple[float, float] = (0.4, 2.4)
    field_of_view_deg: tuple[float, float] = (45.0, 75.0)
    aspects: tuple[float, ...] = (0.5625, 0.5625, 0.75, 1.778)
    roll_deg: float = 4.0
    aim_m: float = 0.25
    cut: float = 0.2
    k1: float = 0.12
    k2: float = 0.08
    p1: float = 0.001


@dataclasses.dataclass(frozen=True)
class Views:
    """N cameras that stand still. Camera axes are x right, y down, z forward.

    Attributes:
        rotation: (N, 3, 3) world to camera.
        position: (N, 3) m, world.
        focal: (N,) focal length in picture widths.
        aspect: (N,) height of the picture over its width.
        distortion: (N, 4) k1, k2, p1, p2 of OpenCV's model.
    """

    rotation: Tensor
    position: Tensor
    focal: Tensor
    aspect: Tensor
    distortion: Tensor

    def to_camera(self, points: Tensor) -> Tensor:
        """Return world points (N, ..., 3) in camera axes, m."""
        shape = (len(points), *[1] * (points.ndim - 2))
        moved = points - self.position.reshape(*shape, 3)
        return (self.rotation.reshape(*shape, 3, 3) @ moved[..., None])[..., 0]

    def project(self, seen: Tensor) -> Tensor:
        """Return the places (N, ..., 2) of points (N, ..., 3) in camera axes.

        In picture widths from the middle of the picture: x to the right, y down. Points nearer than 0.2 m or
        behind the camera are taken at 0.2 m. The distortion polynomial holds as far as the picture reaches; a
        point beyond one and a half times that is distorted as one there.
        """
        shape = (len(seen), *[1] * (seen.ndim - 2))
        flat = seen[..., :2] / seen[..., 2:].clamp(min=0.2)
        reach = 1.5 * 0.5 * (1.0 + self.aspect.square()).sqrt() / self.focal
        k1, k2, p1, p2 = (part.reshape(shape) for part in self.distortion.unbind(-1))
        length = flat.norm(dim=-1).clamp(min=1e-9)
        shrink = (reach.reshape(shape) / length).clamp(max=1.0)
        x, y = (flat * shrink[..., None]).unbind(-1)
        r2 = x.square() + y.square()
        radial = 1.0 + k1 * r2 + k2 * r2.square()
        bent = torch.stack(
            [
                x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x.square()),
                y * radial + p1 * (r2 + 2 * y.square()) + 2 * p2 * x * y,
            ],
            dim=-1,
        )
        return bent / shrink[..., None] * self.focal.reshape(*shape, 1)

    def straight(self, places: Tensor) -> Tensor:
        """Return rays (N, ..., 2) on the plane at depth 1 that :meth:`project` puts at places (N, ..., 2)."""
        shape = (len(places), *[1] * (places.ndim - 2))
        wanted = places / self.focal.reshape(*shape, 1)
        rays = wanted
        for _ in range(6):  # what the lens bends is small: each round leaves a tenth of the error, or less
            ahead = torch.cat([rays, torch.ones_like(rays[..., :1])], dim=-1)
            rays = rays + wanted - self.project(ahead) / self.focal.reshape(*shape, 1)
        return rays

    def inside(self, places: Tensor) -> Tensor:
        """Return (N, ...) whether places (N, ..., 2) lie in the picture."""
        half = 0.5 * self.aspect.reshape(len(places), *[1] * (places.ndim - 2))
        return (places[..., 0].abs() <= 0.5) & (places[..., 1].abs() <= half)

    @property
    def facing(self) -> Tensor:
        """(N,) rad: azimuth in the world of the direction from the scene towards the camera."""
        forward = self.rotation[:, 2]
        return torch.atan2(-forward[:, 1], -forward[:, 0])

    def repeated(self, index: Tensor) -> Views:
        """Return the views of numbers ``index``."""
        return Views(**{f.name: getattr(self, f.name)[index] for f in dataclasses.fields(self)})


def draw_views(joints: Tensor, ranges: ViewRanges, generator: torch.Generator, cameras: int = 1) -> Views:
    """Return random views of moving people, ``cameras`` of each: person n is in views n * cameras and on.

    Args:
        joints: (N, T, 20, 3) m, world frame, z up.
        ranges: where cameras stand.
        generator: of all that is random.
        cameras: views of each person.
    """
    joints = joints.repeat_interleave(cameras, dim=0)
    g, batch = generator, len(joints)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(batch, generator=g)

    aspects = torch.tensor(ranges.aspects)
    aspect = aspects[torch.randint(len(aspects), (batch,), generator=g)]
    longer = 0.5 * torch.maximum(aspect, torch.ones_like(aspect))  # half of the longer side, widths
    focal = longer / torch.tan(0.5 * between(*ranges.field_of_view_deg).deg2rad())
    low, high = joints.amin(dim=(1, 2)), joints.amax(dim=(1, 2))
    middle = 0.5 * (low + high)
    azimuth = between(-math.pi, math.pi)
    away = torch.stack([azimuth.cos(), azimuth.sin(), torch.zeros(batch)], dim=-1)
    side = torch.stack([-azimuth.sin(), azimuth.cos(), torch.zeros(batch)], dim=-1)
    # So far away that all of the motion fits, in height and in width.
    across = ((joints - middle[:, None, None]) * side[:, None, None]).sum(dim=-1).abs().amax(dim=(1, 2))
    toward = ((joints - middle[:, None, None]) * away[:, None, None]).sum(dim=-1).amax(dim=(1, 2))
    tall = 0.5 * (high - low)[:, 2]
    needed = focal * torch.maximum(tall / (0.5 * aspect), across / 0.5) * between(1.05, 1.4)
    distance = torch.maximum(between(*ranges.distance_m), (needed + toward).clamp(max=9.0))
    distance = torch.maximum(distance, toward + 0.8)
    height = low[:, 2] + between(*ranges.height_m)
    position = middle + away * distance[:, None]
    position = torch.cat([position[:, :2], height[:, None]], dim=-1)
    # Some pictures end within the body: mostly its legs are cut, sometimes its head or a side.
    cut = (torch.rand(batch, generator=g) < ranges.cut)[:, None]
    which = torch.rand(batch, 1, generator=g)
    room = 0.5 * (distance / focal)  # half of what the picture shows at that distance, m, in width
    vertical = (room * aspect - between(0.1, 0.95) * tall)[:, None] * torch.tensor([0.0, 0.0, 1.0])
    sideways = (room - between(0.0, 0.7) * across)[:, None] * side
    off = torch.where(which < 0.7, vertical, torch.where(which < 0.8, -vertical, sideways))
    aim = middle + ranges.aim_m * (2 * torch.rand(batch, 3, generator=g) - 1)
    aim = torch.where(cut, middle + off, aim)
    forward = torch.nn.functional.normalize(aim - position, dim=-1)
    up = torch.tensor([0.0, 0.0, 1.0]).expand(batch, -1)
    right = torch.nn.functional.normalize(torch.linalg.cross(forward, up), dim=-1)
    rotation = torch.stack([right, torch.linalg.cross(forward, right), forward], dim=1)
    roll = torch.zeros(batch, 3)
    roll[:, 2] = between(-ranges.roll_deg, ranges.roll_deg).deg2rad()
    largest = torch.tensor([ranges.k1, ranges.k2, ranges.p1, ranges.p1])
    distortion = largest * (2 * torch.rand(batch, 4, generator=g) - 1)
    return Views(roma.rotvec_to_rotmat(roll) @ rotation, position, focal, aspect, distortion)
