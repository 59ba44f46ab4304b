"""What lies beyond a limb changes places between two people where that explains the fields better.

::

    people -> pairs whose limbs may be mixed up -> limbs drawn both ways -> what the fields are nearer to

The mean of a field along a line says little of limbs that cross or lie beside one another: on every line
there is a field of somebody. So both ways are drawn as networks learn them (Cao et al. 2017: unit vectors
:data:`LIMB` cells to each side of a limb, the mean of them where several people's limbs lie), and the way
that leaves less of the field unexplained is kept, summed over the cells around these limbs.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fusion.vision.part_layout import PartLayout

LIMB = 1.0
"""Cells: half the width of a limb in the fields, and how far it goes beyond its ends (as OpenPose learns)."""
LOSS = 0.5
"""An exchange for which limbs' scores fall by more is not tried."""
ROUNDS = 3
"""How often all limbs are looked at, at most."""

Parts = dict[int, int]
"""A person: part -> number of its peak."""


class Limb(NamedTuple):
    """One that the fields speak for: how much, which of the layout's, and the peaks of its two parts."""

    score: float
    number: int
    a: int
    b: int


class Cut(NamedTuple):
    """A limb cut through.

    Attributes:
        limb: its number.
        parts: those beyond it.
        limbs: numbers of all limbs with one end among them.
    """

    limb: int
    parts: frozenset[int]
    limbs: tuple[int, ...]


@functools.cache
def cuts(layout: PartLayout) -> tuple[tuple[Cut, ...], ...]:
    """Return (L) the cuts that each limb is cut by.

    There is one through each limb of a tree over the parts; limbs that close a circle are cut with others.
    """
    branch = list(range(len(layout.skeleton)))
    tree = []
    for number, (a, b) in enumerate(layout.limbs):
        if branch[a] != branch[b]:
            branch = [branch[a] if one == branch[b] else one for one in branch]
            tree.append(number)
    every = [_cut(layout, tree, limb) for limb in tree]
    return tuple(tuple(cut for cut in every if number in cut.limbs) for number in range(len(layout.limbs)))


def _cut(layout: PartLayout, tree: list[int], limb: int) -> Cut:
    beyond = {layout.limbs[limb][1]}
    ends = [set(layout.limbs[number]) for number in tree if number != limb]
    while grown := {part for both in ends if beyond & both for part in both} - beyond:
        beyond |= grown
    cut = [number for number, (a, b) in enumerate(layout.limbs) if (a in beyond) != (b in beyond)]
    return Cut(limb, frozenset(beyond), tuple(cut))


def exchanged(
    people: list[Parts],
    limbs: Sequence[Limb],
    lines: list[NDArray[np.float64]],
    points: list[NDArray[np.float64]],
    fields: NDArray[np.float32],
    layout: PartLayout,
    loss: float = LOSS,
) -> list[Parts]:
    """Return people after exchanges; none of them has a peak of another's.

    Args:
        people: no two with a peak in common.
        limbs: that the fields speak for, the surest first.
        lines: (A, B) scores of each of the layout's limbs between the peaks of its parts.
        points: (N, 2) places of the peaks of each part, cells.
        fields: (2 L, h, w) part affinity fields.
        layout: of the channels.
        loss: by how much the scores of the limbs that are cut may fall for an exchange to be tried.
    """
    people = [dict(one) for one in people]
    owner = {peak: number for number, one in enumerate(people) for peak in one.items()}
    every = cuts(layout)
    for _ in range(ROUNDS):
        tried: set[tuple[int, int, int]] = set()
        changed = False
        for limb in limbs:
            a, b = layout.limbs[limb.number]
            one, other = sorted((owner[a, limb.a], owner[b, limb.b]))
            if one == other:
                continue
            for cut in every[limb.number]:
                if (cut.limb, one, other) in tried:
                    continue
                tried.add((cut.limb, one, other))
                pair = first, second = people[one], people[other]
                trial = _swapped(first, second, cut), _swapped(second, first, cut)
                if _score(pair, cut, lines, layout) - _score(trial, cut, lines, layout) > loss:
                    continue
                others = [person for number, person in enumerate(people) if number not in (one, other)]
                gains = (_gain(others, pair, trial, at, points, fields, layout) for at in cut.limbs)
                if sum(gains) > 0:
                    changed = True
                    for number, person in zip((one, other), trial, strict=True):
                        people[number] = person
                        owner.update(dict.fromkeys(person.items(), number))
        if not changed:
            break
    return [one for one in people if one]


def _swapped(one: Parts, other: Parts, cut: Cut) -> Parts:
    """Return the person with the other's parts beyond the cut."""
    near = {part: peak for part, peak in one.items() if part not in cut.parts}
    return near | {part: peak for part, peak in other.items() if part in cut.parts}


def _score(
    people: tuple[Parts, Parts], cut: Cut, lines: list[NDArray[np.float64]], layout: PartLayout
) -> float:
    """Return the sum of the scores of the limbs that are cut."""
    total = 0.0
    for limb in cut.limbs:
        a, b = layout.limbs[limb]
        total += sum(float(lines[limb][one[a], one[b]]) for one in people if a in one and b in one)
    return total


def _gain(
    others: list[Parts],
    before: tuple[Parts, Parts],
    after: tuple[Parts, Parts],
    limb: int,
    points: list[NDArray[np.float64]],
    fields: NDArray[np.float32],
    layout: PartLayout,
) -> float:
    """Return how much more of a limb's field is explained afterwards: squares of what is left, summed."""
    a, b = layout.limbs[limb]
    pairs = [
        (one[a], one[b], now, then)
        for group, now, then in ((before, 1, 0), (after, 0, 1), (others, 1, 1))
        for one in group
        if a in one and b in one
    ]
    if not pairs or pairs[0][2] + pairs[0][3] == 2:
        return 0.0
    number = np.array(pairs)
    starts, stops = points[a][number[:, 0]], points[b][number[:, 1]]
    moved = number[:, 2] != number[:, 3]
    ends = np.concatenate([starts[moved], stops[moved]])
    x0, y0 = np.maximum(np.floor(ends.min(0) - LIMB), 0).astype(int)
    x1, y1 = np.ceil(ends.max(0) + LIMB).astype(int) + 1
    channel = 2 * layout.fields[limb]
    field = fields[channel : channel + 2, y0:y1, x0:x1]
    drawn = draw(starts - (x0, y0), stops - (x0, y0), number[:, 2:].T, (field.shape[1], field.shape[2]))
    left = ((field[None] - drawn) ** 2).sum((1, 2, 3))
    return float(left[0] - left[1])


def draw(
    a: NDArray[np.float64], b: NDArray[np.float64], weight: NDArray[np.integer], size: tuple[int, int]
) -> NDArray[np.float64]:
    """Return (W, 2, h, w) fields of limbs from points a (N, 2) to b (N, 2), as networks learn them.

    Args:
        a, b: x, y in cells.
        weight: (W, N) which of the limbs (1, or 0) each of W fields has.
        size: (h, w) of the fields.
    """
    way = b - a
    length = np.maximum(np.hypot(way[:, 0], way[:, 1]), 1e-6)[:, None]
    along = way / length
    ux, uy = along[:, :1, None], along[:, 1:, None]
    x = np.arange(size[1]) - a[:, :1, None]
    y = np.arange(size[0])[:, None] - a[:, 1:, None]
    far = x * ux + y * uy
    inside = (np.abs(x * uy - y * ux) <= LIMB) & (far >= -LIMB) & (far <= length[..., None] + LIMB)
    flat = inside.reshape(len(a), -1).astype(np.float64)
    count = np.maximum(weight @ flat, 1)
    fields = np.stack([(weight * along[:, axis]) @ flat / count for axis in (0, 1)], 1)
    return fields.reshape(len(weight), 2, *size)
