"""From part confidence maps and part affinity fields to people.

::

    confidence maps -> peaks ----------+
    affinity fields -> line integrals -+-> limbs, the surest first, each peak once a limb -> people
                                           exchanges between them, joints that they share   <-+

Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", 2017. A limb's score is the
mean of the field along the line between two peaks. The paper assigns peaks limb by limb and joins limbs
afterwards; here the surest limb of all goes first and one that would give a person a part twice is passed
over, so that its peaks are free for the next best: people who overlap pull one another apart less. What is
mixed up between two of them all the same is exchanged (:mod:`fusion.vision.exchange`).
"""

from __future__ import annotations

import collections
import itertools
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.vision.decode import vertex
from fusion.vision.exchange import Limb, Parts, exchanged
from fusion.vision.part_layout import PartLayout

SAMPLES = 16
"""Points on a line between two peaks where the field is looked at."""
ALONG = 0.05
"""Smallest part of the field along the line that speaks for a limb at a point (OpenPose's threshold)."""
MOST = 0.6
"""Part of the points at which the field must do so."""
SMOOTH = 0.8
"""Cells: width of the Gaussian that takes noise off before peaks are looked for."""
NOISE = 0.02
"""Standard deviation of an empty map's cells from which on it is smoothed."""
LOWERED = 0.7
"""What a peak keeps of its height at least, once it is smoothed (0.56 if it is as narrow as OpenPose's)."""
SHARED = 0.35
"""Smallest score of a limb that gives a joint to two people: their joints may lie on one another."""
BORROWED = 2.0
"""Parts of somebody else's that a person has for each own one, at most: others are no people."""
FEWEST = 4
"""Joints; fewer are nobody (OpenPose has 3 and a score)."""


Reach = list[list[tuple[int, list[int], list[float]]]]
"""Of each part the parts that limbs lead to, and of each of its peaks the best one there and its score."""


class Grouped(NamedTuple):
    """One person: points (J, 2) float64 x, y in cells, NaN where not found; score (J,), 0 there."""

    points: NDArray[np.float64]
    score: NDArray[np.float64]


class _Peaks(NamedTuple):
    points: NDArray[np.float64]
    score: NDArray[np.float64]


def group(
    maps: NDArray[np.float32],
    fields: NDArray[np.float32],
    layout: PartLayout,
    *,
    threshold: float = 0.15,
    fewest: int = FEWEST,
) -> list[Grouped]:
    """Return the people, the surest first.

    Args:
        maps: (J, h, w) part confidence maps, without the background.
        fields: (2 L, h, w) part affinity fields.
        layout: of the channels.
        threshold: smallest value of a peak.
        fewest: joints of a person.
    """
    found = peaks(maps, threshold)
    lines = [
        line_scores(found[a].points, found[b].points, fields[2 * field], fields[2 * field + 1])
        for (a, b), field in zip(layout.limbs, layout.fields, strict=True)
    ]
    limbs = _limbs(lines)
    places = [one.points for one in found]
    people = exchanged(_joined(limbs, found, layout), limbs, lines, places, fields, layout)
    grouped = []
    reach = reached(lines, layout)
    for parts in completed(_shared(people, reach, fewest), reach, fewest):
        points = np.full((len(layout.skeleton), 2), np.nan)
        score = np.zeros(len(layout.skeleton))
        for part, peak in parts.items():
            points[part], score[part] = found[part].points[peak], found[part].score[peak]
        grouped.append(Grouped(points, score))
    return sorted(grouped, key=lambda one: -float(one.score.sum()))


def peaks(maps: NDArray[np.float32], threshold: float) -> list[_Peaks]:
    """Return the places and heights of the peaks of (J, h, w) maps: tops of parabolas through the maxima.

    Most of a map is empty: what is there is its noise. Maps that have some are smoothed; others are not, as
    two joints near one another would become one peak.
    """
    count, height, width = maps.shape
    noisy = 1.4826 * np.median(np.abs(maps[:, ::2, ::2]).reshape(count, -1), 1) > NOISE
    low = np.where(noisy, LOWERED * threshold, threshold).astype(np.float32)[:, None, None]
    kernel = np.ones((3, 3), np.uint8)
    smooth = maps.copy()
    for number in np.flatnonzero(noisy):
        smooth[number] = cv2.GaussianBlur(maps[number], (0, 0), SMOOTH)
    top = (smooth > low) & (smooth == np.stack([cv2.dilate(one, kernel) for one in smooth]))
    part, row, column = np.nonzero(top)
    around = np.pad(maps, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf)
    highest = np.max([around[part, row + v, column + u] for v in range(3) for u in range(3)], 0)
    keep = highest > threshold
    part, row, column, highest = part[keep], row[keep], column[keep], highest[keep]
    points = np.stack([column, row], 1).astype(np.float64)
    at = smooth[part, row, column]
    for axis, (place, length, down, right) in enumerate(((column, width, 0, 1), (row, height, 1, 0))):
        inner = (place > 0) & (place < length - 1)
        p, r, c = part[inner], row[inner], column[inner]
        three = np.stack([smooth[p, r - down, c - right], at[inner], smooth[p, r + down, c + right]])
        points[inner, axis] += vertex(*np.log(np.maximum(three, 0.1 * low[p, 0, 0])))
    first = np.searchsorted(part, np.arange(count + 1))
    heights = highest.astype(np.float64).clip(0, 1)
    return [_Peaks(points[i:j], heights[i:j]) for i, j in itertools.pairwise(first)]


def line_scores(
    a: NDArray[np.float64], b: NDArray[np.float64], x: NDArray[np.float32], y: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Return (A, B) how much a field speaks for a limb from each point (A, 2) to each point (B, 2).

    The mean along the line of the field's part in its direction, less what is lost on a line longer than
    half the map; 0 where fewer than :data:`MOST` of the points speak for it.
    """
    if not len(a) or not len(b):
        return np.zeros((len(a), len(b)))
    way = b[None] - a[:, None]
    length = np.linalg.norm(way, axis=2)
    along = way / np.maximum(length, 1e-6)[..., None]
    steps = np.linspace(0, 1, SAMPLES)
    places = (a[:, None, None] + steps[:, None] * way[:, :, None]).astype(np.float32)
    places = places.reshape(len(a), -1, 2)
    at_x, at_y = (
        cv2.remap(field, places[..., 0], places[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        for field in (x, y)
    )
    shape = (*length.shape, SAMPLES)
    part = at_x.reshape(shape) * along[..., :1] + at_y.reshape(shape) * along[..., 1:]
    # Joints that lie on one another have no direction: the field's strength at the place stands in.
    near = length < 1.0
    part = np.where(near[..., None], np.hypot(at_x, at_y).reshape(shape), part)
    speaking = (part > ALONG).mean(2)
    prior = np.minimum(0.5 * max(x.shape) / np.maximum(length, 1e-6) - 1, 0)
    return np.where(speaking >= MOST, np.maximum((part.mean(2) + prior) * speaking, 0), 0)


def _limbs(lines: list[NDArray[np.float64]]) -> list[Limb]:
    """Return every limb that the fields speak for, the surest first."""
    every = []
    for number, scores in enumerate(lines):
        a, b = np.nonzero(scores)
        every += map(Limb, scores[a, b].tolist(), itertools.repeat(number), a.tolist(), b.tolist())
    return sorted(every, reverse=True)


def _joined(limbs: list[Limb], found: list[_Peaks], layout: PartLayout) -> list[Parts]:
    """Return parts of people: limbs are joined, the surest first.

    A limb is left out if one of its peaks has such a limb already, or if a person would get a part twice;
    the next best limb of those peaks has its turn then.
    """
    owner = {
        (part, peak): {part: peak} for part in range(len(found)) for peak in range(len(found[part].points))
    }
    taken: set[tuple[int, int, int]] = set()
    for _, limb, peak_a, peak_b in limbs:
        a, b = layout.limbs[limb]
        if (limb, 0, peak_a) in taken or (limb, 1, peak_b) in taken:
            continue
        first, second = owner[a, peak_a], owner[b, peak_b]
        if first is not second:
            if first.keys() & second.keys():
                continue
            first.update(second)
            for one in second.items():
                owner[one] = first
        taken |= {(limb, 0, peak_a), (limb, 1, peak_b)}
    return list({id(parts): parts for parts in owner.values()}.values())


def _shared(people: list[Parts], reach: Reach, fewest: int) -> list[Parts]:
    """Return people, the largest first, who may have joints in common: two that coincide make one peak.

    One person has that peak; the other one may be in pieces, and a sure limb leads from each of them to it.
    Pieces with such a peak in common, and no part twice, are one person.
    """
    whole: list[tuple[Parts, Parts]] = []
    for parts in sorted(people, key=len, reverse=True):
        lent = _lent(parts, reach)
        if not lent and len(parts) < fewest:
            continue
        for other, borrowed in whole:
            if not parts.keys() & other.keys() and lent.items() & borrowed.items():
                other.update(parts)
                borrowed.update({part: peak for part, peak in lent.items() if part not in borrowed})
                break
        else:
            whole.append((parts, lent))
    return [parts for parts, _ in whole]


def completed(people: list[Parts], reach: Reach, fewest: int = FEWEST) -> list[Parts]:
    """Return people with all parts that sure limbs lead to from their own ones, one after another.

    Who would have more parts of another's than own ones is a piece of that person, if they have no part
    twice; who would have more than :data:`BORROWED` times as many is left out.

    Args:
        people: their own parts; no two with a peak in common.
        reach: of the peaks.
        fewest: own parts of a person.
    """
    people = [dict(parts) for parts in people]
    owner = {one: number for number, parts in enumerate(people) for one in parts.items()}
    left: set[int] = set()
    for number in reversed(range(len(people))):
        parts = people[number]
        others = collections.Counter(owner[one] for one in _all_lent(parts, reach).items() if one in owner)
        host, count = others.most_common(1)[0] if others else (number, 0)
        if count > len(parts) and not parts.keys() & people[host].keys():
            people[host].update(parts)
            owner.update(dict.fromkeys(parts.items(), host))
            left.add(number)
        elif count > BORROWED * len(parts):
            for one in parts.items():
                del owner[one]
            left.add(number)
    kept = [parts for number, parts in enumerate(people) if number not in left and len(parts) >= fewest]
    return [parts | _all_lent(parts, reach) for parts in kept]


def _all_lent(parts: Parts, reach: Reach) -> Parts:
    """Return the peaks that sure limbs lead to, one after another."""
    whole = dict(parts)
    while more := _lent(whole, reach):
        whole.update(more)
    return {part: peak for part, peak in whole.items() if part not in parts}


def reached(lines: list[NDArray[np.float64]], layout: PartLayout) -> Reach:
    """Return where limbs with scores (A, B) lead to."""
    reach: Reach = [[] for _ in layout.skeleton]
    for limb, (a, b) in enumerate(layout.limbs):
        for here, there, scores in ((a, b, lines[limb]), (b, a, lines[limb].T)):
            if scores.size:
                reach[here].append((there, scores.argmax(1).tolist(), scores.max(1).tolist()))
    return reach


def _lent(parts: Parts, reach: Reach) -> Parts:
    """Return the peaks that sure limbs lead to, for parts that a person does not have."""
    best: dict[int, tuple[float, int]] = {}
    for part, peak in parts.items():
        for there, peaks_there, scores in reach[part]:
            if there not in parts and scores[peak] >= max(SHARED, best.get(there, (0.0, 0))[0]):
                best[there] = (scores[peak], peaks_there[peak])
    return {part: peak for part, (_, peak) in best.items()}
