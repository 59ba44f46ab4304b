"""How far joints go, and small smooth changes of their angles that stay within.

A joint's position is told by where the bone below points in the frame of the segment above: its flexion about
the axis to the left (positive: the lower end goes back) and its abduction about the axis forward (positive:
the lower end goes left). Ranges of motion: American Academy of Orthopaedic Surgeons, Joint Motion: Method
of Measuring and Recording, 1965, as widely tabulated; those of the trunk are of its upper against its lower
half.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from fusion.segments import SEGMENT


@dataclasses.dataclass(frozen=True)
class Joint:
    """A joint between two segments.

    Attributes:
        above: segment nearer to the pelvis.
        below: the other.
        flexion_deg: lowest and highest; positive where the lower end (or, of trunk and head, the upper end
            forward) turns about the axis to the left.
        abduction_deg: lowest and highest; both zero of a hinge.
        change_deg: standard deviation of the changes of flexion, abduction and twist.
        varies: whether changes vary in time; those of the legs do not, so that feet that stand do.
    """

    above: str
    below: str
    flexion_deg: tuple[float, float]
    abduction_deg: tuple[float, float]
    change_deg: tuple[float, float, float]
    varies: bool = True


def _limbs() -> tuple[Joint, ...]:
    joints = []
    for side, way in (("left", 1), ("right", -1)):

        def out(inward: float, outward: float, way: int = way) -> tuple[float, float]:
            return (-inward, outward) if way > 0 else (-outward, inward)

        joints += [
            Joint("chest", f"{side}_upper_arm", (-180, 60), out(45, 180), (8, 8, 8)),
            Joint(f"{side}_upper_arm", f"{side}_forearm", (-150, 0), (0, 0), (8, 0, 10)),
            Joint(f"{side}_forearm", f"{side}_hand", (-70, 80), out(20, 30), (8, 5, 0)),
            Joint("pelvis", f"{side}_thigh", (-120, 30), out(30, 45), (4, 3, 3), False),
            Joint(f"{side}_thigh", f"{side}_shin", (0, 140), (0, 0), (4, 0, 0), False),
        ]
    return tuple(joints)


JOINTS: tuple[Joint, ...] = (
    Joint("pelvis", "chest", (-30, 80), (-35, 35), (4, 3, 4)),
    Joint("chest", "head", (-60, 50), (-45, 45), (6, 4, 6)),
    *_limbs(),
)
"""From the pelvis outwards. Feet are not among them: they stay as they stand."""

_MARGIN_DEG = 15.0
"""Changes fade out over so much before a limit; a joint that is beyond it is not taken further."""


def perturb(rotations: Tensor, changes: Tensor) -> Tensor:
    """Return rotations (N, T, 15, 3, 3) whose joints are turned by small angles, within their ranges.

    Args:
        rotations: segment to world.
        changes: (N, T, J, 3) rad: flexion, abduction and twist of each of :data:`JOINTS`.
    """
    out = list(rotations.unbind(dim=2))
    for number, joint in enumerate(JOINTS):
        above, below = SEGMENT[joint.above], SEGMENT[joint.below]
        relative = rotations[:, :, above].transpose(-1, -2) @ rotations[:, :, below]
        pointing = relative[..., 2]
        flexion = torch.atan2(pointing[..., 0], pointing[..., 2])
        abduction = torch.asin((-pointing[..., 1]).clamp(-1.0, 1.0))
        wanted = changes[:, :, number]
        bend = within(wanted[..., 0], flexion, joint.flexion_deg)
        side = within(wanted[..., 1], abduction, joint.abduction_deg)
        turned = _about(1, bend) @ _about(0, side) @ relative @ _about(2, wanted[..., 2])
        out[below] = out[above] @ turned
    return torch.stack(out, dim=2)


def within(change: Tensor, at: Tensor, limits_deg: tuple[float, float]) -> Tensor:
    """Return changes (rad) of angles ``at`` (rad), less where they would come near a limit and none beyond
    it."""
    low, high = (torch.pi / 180.0 * limit for limit in limits_deg)
    room = torch.where(change > 0, high - at, at - low)
    fade = (room / (torch.pi / 180.0 * _MARGIN_DEG)).clamp(0.0, 1.0)
    size = torch.minimum(change.abs() * fade, room.clamp(min=0.0))
    return torch.copysign(size, change)


def _about(axis: int, angle: Tensor) -> Tensor:
    """Return (..., 3, 3), turns about x, y or z (0, 1, 2) by angles (...,) in rad."""
    cosine, sine = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = {
        0: (one, zero, zero, zero, cosine, -sine, zero, sine, cosine),
        1: (cosine, zero, sine, zero, one, zero, -sine, zero, cosine),
        2: (cosine, -sine, zero, sine, cosine, zero, zero, zero, one),
    }[axis]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def changes(
    batch: int, rows: int, rate_hz: float, size: float, generator: torch.Generator, every_s: float = 1.0
) -> Tensor:
    """Return random changes (N, T, J, 3) rad that vary smoothly: half constant, half over about ``every_s``.

    Args:
        batch: N.
        rows: T.
        rate_hz: rows per second.
        size: factor on each joint's own; 0: none.
        generator: of the random numbers.
        every_s: time between independent values, s.
    """
    spread = torch.tensor([joint.change_deg for joint in JOINTS]).deg2rad() * size
    constant = torch.randn(batch, 1, len(JOINTS), 3, generator=generator)
    varying = smooth_noise((batch, rows, len(JOINTS) * 3), rate_hz * every_s, generator)
    share = torch.tensor([0.7 if joint.varies else 0.0 for joint in JOINTS])[:, None]
    mixed = (1.0 - share.square()).sqrt() * constant + share * varying.unflatten(-1, (len(JOINTS), 3))
    return mixed.clamp(-2.5, 2.5) * spread


def smooth_noise(shape: tuple[int, int, int], every: float, generator: torch.Generator) -> Tensor:
    """Return noise (N, T, C) of about unit variance: cubic splines through a random value each ``every``
    rows."""
    batch, rows, width = shape
    knots = int((rows - 1) / every) + 5
    values = torch.randn(batch, knots, width, generator=generator)
    phase = torch.rand(batch, 1, generator=generator)
    at = torch.arange(rows) / every + phase
    k = at.floor().long()
    u = (at - k)[..., None]
    # Uniform cubic B-spline: two continuous derivatives, so that accelerations stay smooth.
    weights = (
        (1 - u) ** 3 / 6,
        (3 * u**3 - 6 * u**2 + 4) / 6,
        (-3 * u**3 + 3 * u**2 + 3 * u + 1) / 6,
        u**3 / 6,
    )
    row = torch.arange(batch)[:, None]
    total = sum(weight * values[row, k + number] for number, weight in enumerate(weights))
    return 1.5 * total  # type: ignore[return-value]  # splines through unit variance have 0.69 of it
