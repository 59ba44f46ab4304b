"""More motion out of the motion there is: what is limited in training is not compute but diversity.

    windows -> tempo -> mirrored -> halves of two clips -> other angles -> another body -> another heading

All on batched tensors from one ``torch.Generator``, cheap enough to be done anew for every batch.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence

import torch
from torch import Tensor

from fusion.segments import GIRDLE, SEGMENT, SEGMENTS
from fusion.skeletons import BODY20, other_side
from fusion.virtual.bodies import BodyRanges, exchange, plant, random_bodies
from fusion.virtual.library import Library
from fusion.virtual.limits import changes, perturb, smooth_noise
from fusion.virtual.motion import Motions


@dataclasses.dataclass(frozen=True)
class Diversity:
    """How motion is varied. Probabilities are per window.

    Attributes:
        tempo: slowest and fastest speed, as a factor; it varies smoothly within a window.
        mirrored: probability that left and right are swapped.
        halves: probability that the upper body comes from another window, where the two go together.
        angles: size of changes of joint angles, see :data:`fusion.virtual.limits.JOINTS`; 0: none.
        body: probability of another body.
        bodies: what other bodies are like.
        place_m: largest shift of the place.
        heading: whether headings are random.
    """

    tempo: tuple[float, float] = (0.7, 1.4)
    mirrored: float = 0.5
    halves: float = 0.3
    angles: float = 1.0
    body: float = 0.8
    bodies: BodyRanges = BodyRanges()  # noqa: RUF009  (frozen)
    place_m: float = 1.0
    heading: bool = True

    def source_rows(self, rows: int) -> int:
        """Return how many rows of the clip a window of ``rows`` rows may need."""
        return int(rows * max(self.tempo[1], 1.0)) + 4


NONE = Diversity((1.0, 1.0), 0.0, 0.0, 0.0, 0.0, place_m=0.0, heading=False)
"""Motion as it is."""


def draw(
    library: Library, count: int, rows: int, diversity: Diversity, generator: torch.Generator
) -> Motions:
    """Draw windows from a library and vary them.

    Args:
        library: clips to cut from.
        count: N windows.
        rows: T of each.
        diversity: how they are varied.
        generator: of all random numbers: the same state gives the same windows.
    """
    long = diversity.source_rows(rows)
    numbers, starts = library.draw(count, long, generator)
    return vary(library.windows(numbers, starts, long), rows, diversity, generator, library.actions)


def vary(
    motions: Motions,
    rows: int,
    diversity: Diversity,
    generator: torch.Generator,
    actions: Sequence[str] = (),
) -> Motions:
    """Return N varied windows of ``rows`` rows.

    Args:
        motions: N of at least ``diversity.source_rows(rows)`` rows.
        rows: T of the result.
        diversity: how they are varied.
        generator: of all random numbers.
        actions: names of the actions that the motions number: in the mirror a wave of the left hand is one
            of the right.

    Raises:
        ValueError: the motions are too short.
    """
    d, count = diversity, len(motions)
    if motions.root.shape[1] < d.source_rows(rows):
        raise ValueError(f"{d.source_rows(rows)} rows are needed, {motions.root.shape[1]} are there")

    def chosen(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    motions = warped(motions, tempo(count, rows, motions.rate_hz, d.tempo, generator))
    motions = mirrored(motions, chosen(d.mirrored), actions)
    if d.halves > 0 and count > 1:
        partner = (torch.arange(count) + torch.randint(1, count, (count,), generator=generator)) % count
        motions = halves(motions, partner, chosen(d.halves))
    if d.angles > 0:
        turned = changes(count, rows, motions.rate_hz, d.angles, generator)
        moved = dataclasses.replace(motions, rotations=perturb(motions.rotations, turned))
        motions = plant(moved, motions.soles())
    if d.body > 0:
        other = random_bodies(motions.offsets, d.bodies, generator)
        other = torch.where(chosen(d.body)[:, None, None], other, motions.offsets)
        motions = exchange(motions, other)
    angle = (2 * torch.rand(count, generator=generator) - 1) * torch.pi * float(d.heading)
    shift = (2 * torch.rand(count, 2, generator=generator) - 1) * d.place_m
    return placed(motions, angle, shift)


def tempo(
    count: int, rows: int, rate_hz: float, speeds: tuple[float, float], generator: torch.Generator
) -> Tensor:
    """Return (N, T) rows of the source, fractional and rising, that a window of varying speed shows."""
    slow, fast = (torch.tensor(speed).log() for speed in speeds)
    middle, spread = (slow + fast) / 2, (fast - slow) / 2
    wave = 0.5 * smooth_noise((count, rows, 1), 1.5 * rate_hz, generator)[..., 0]
    wave = wave + 2 * torch.rand(count, 1, generator=generator) - 1
    speed = torch.exp(middle + spread * wave.clamp(-1.0, 1.0))
    at = torch.cumsum(speed, dim=1)
    return at - at[:, :1] + 1.0  # a row before the first for the spline


def warped(motions: Motions, at: Tensor) -> Motions:
    """Return the motions at fractional rows ``at`` (N, T), by cubic splines.

    Frames are splined by their first two axes and made right again; rows are a few degrees apart.
    """
    last = motions.root.shape[1] - 1
    k = at.floor().long().clamp(0, last - 1)
    u = (at - k)[..., None]
    weights = (
        ((-0.5 * u + 1.0) * u - 0.5) * u,
        (1.5 * u - 2.5) * u * u + 1.0,
        ((-1.5 * u + 2.0) * u + 0.5) * u,
        (0.5 * u - 0.5) * u * u,
    )
    axes = motions.rotations[..., :2].flatten(2)  # (N, S, 15 * 3 * 2)
    joined = torch.cat([axes, motions.root, motions.girdle.flatten(2)], dim=-1)
    row = torch.arange(len(motions))[:, None]
    terms = [w * joined[row, (k + n - 1).clamp(0, last)] for n, w in enumerate(weights)]
    smooth = terms[0] + terms[1] + terms[2] + terms[3]
    axes, root, girdle = smooth.split([axes.shape[-1], 3, 9], dim=-1)
    nearest = at.round().long().clamp(0, last)
    return dataclasses.replace(
        motions,
        rotations=_right(axes.unflatten(-1, (len(SEGMENTS), 3, 2))),
        root=root,
        girdle=girdle.unflatten(-1, (3, 3)),
        contacts=motions.contacts[row, nearest],
        action=motions.action[row, nearest],
    )


def _right(axes: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) whose first two columns are nearly axes (..., 3, 2)."""
    x = torch.nn.functional.normalize(axes[..., 0], dim=-1)
    y = axes[..., 1] - (x * axes[..., 1]).sum(dim=-1, keepdim=True) * x
    y = torch.nn.functional.normalize(y, dim=-1)
    return torch.stack([x, y, torch.linalg.cross(x, y)], dim=-1)


_SEGMENTS_SWAPPED, _JOINTS_SWAPPED = other_side(SEGMENTS), other_side(BODY20)
_GIRDLE_SWAPPED = other_side(GIRDLE)


def swapped_action(name: str) -> str:
    """Return what an action is called in the mirror."""
    words = {"left": "right", "right": "left"}
    return re.sub(r"left|right", lambda word: words[word[0]], name)


def mirrored(motions: Motions, where: Tensor, actions: Sequence[str] = ()) -> Motions:
    """Return the motions with left and right swapped where ``where`` (N,) says so.

    An action that is another one in the mirror becomes that one; where ``actions``, the names, lack it, it is
    unknown.
    """
    flip = torch.tensor([1.0, -1.0, 1.0])
    swapped = {
        "offsets": motions.offsets[:, _JOINTS_SWAPPED] * flip,
        "rotations": motions.rotations[:, :, _SEGMENTS_SWAPPED] * flip * flip[:, None],
        "root": motions.root * flip,
        "girdle": motions.girdle[:, :, _GIRDLE_SWAPPED] * flip,
        "contacts": motions.contacts.flip(-1),
    }
    if actions:
        names = [swapped_action(name) for name in actions]
        numbers = [actions.index(name) if name in actions else -1 for name in names]
        swapped["action"] = torch.tensor([*numbers, -1])[motions.action]
    return _where(where, motions, swapped)


def _where(where: Tensor, motions: Motions, changed: dict[str, Tensor]) -> Motions:
    picked = {
        name: torch.where(where.view(-1, *[1] * (value.dim() - 1)), value, getattr(motions, name))
        for name, value in changed.items()
    }
    return dataclasses.replace(motions, **picked)


_LOWER = ("pelvis", *(f"{side}_{part}" for side in ("left", "right") for part in ("thigh", "shin", "foot")))
_UPPER = [SEGMENT[name] for name in SEGMENTS if name not in _LOWER]
_UPRIGHT, _ALIKE = 0.6, 0.9
"""Cosines: pelves at least so upright throughout, and on average so much alike in tilt, can be exchanged."""


def halves(motions: Motions, partner: Tensor, where: Tensor) -> Motions:
    """Return the motions with the upper bodies of others, where that makes a posture that somebody could
    have.

    Trunk, head and arms of the partner are carried over relative to the pelvis' heading. Both pelves must
    be about upright and tilt alike. The action is known only where both do the same.

    Args:
        motions: N of them.
        partner: (N,) whose upper body each takes.
        where: (N,) bool.
    """
    pelvis = motions.rotations[:, :, SEGMENT["pelvis"]]
    level = _heading(pelvis)
    tilt = (level.transpose(-1, -2) @ pelvis)[..., 2]  # the pelvis' upward axis, seen from its heading
    upright = pelvis[..., 2, 2].amin(dim=1) > _UPRIGHT
    alike = (tilt * tilt[partner]).sum(dim=-1).mean(dim=1) > _ALIKE
    where = where & upright & upright[partner] & alike
    turn = level @ level[partner].transpose(-1, -2)
    rotations = motions.rotations.clone()
    rotations[:, :, _UPPER] = turn[:, :, None] @ motions.rotations[partner][:, :, _UPPER]
    action = torch.where(motions.action == motions.action[partner], motions.action, -1)
    girdle = motions.girdle[partner]
    return _where(where, motions, {"rotations": rotations, "girdle": girdle, "action": action})


def _heading(frames: Tensor) -> Tensor:
    """Return (..., 3, 3), turns about the vertical that look where frames (..., 3, 3) look."""
    angle = torch.atan2(frames[..., 1, 0], frames[..., 0, 0])
    return about_vertical(angle)


def about_vertical(angle: Tensor) -> Tensor:
    """Return (..., 3, 3), turns about world z by angles (...,) in rad."""
    cosine, sine = angle.cos(), angle.sin()
    zero, one = torch.zeros_like(angle), torch.ones_like(angle)
    rows = (cosine, -sine, zero, sine, cosine, zero, zero, zero, one)
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))


def placed(motions: Motions, angle: Tensor, shift: Tensor) -> Motions:
    """Return the motions turned about the vertical by ``angle`` (N,) rad where they begin, and put elsewhere.

    Args:
        motions: N of them.
        angle: (N,) rad.
        shift: (N, 2) m: where the pelvis is above in the first row.
    """
    turn = about_vertical(angle)
    start = motions.root[:, :1] * torch.tensor([1.0, 1.0, 0.0])
    root = (motions.root - start) @ turn.transpose(-1, -2)
    root = root + torch.nn.functional.pad(shift, (0, 1))[:, None]
    return dataclasses.replace(motions, root=root, rotations=turn[:, None, None] @ motions.rotations)
