"""From part confidence maps and part affinity fields to people.

::

    confidence maps -> peaks ----------+
    affinity fields -> line integrals -+-> limbs, the surest first, each peak once a limb -> people

Cao et al., "Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields", 2017. A limb's score is the
mean of the field along the line between two peaks. The paper assigns peaks limb by limb and joins limbs
afterwards; here the surest limb of all goes first and one that would give a person a part twice is passed
over, so that its peaks are free for the next best: people who overlap pull one another apart less.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.skeletons import OPENPOSE18, OPENPOSE25
from fusion.vision.decode import vertex

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
FEWEST = 4
"""Joints; fewer are nobody (OpenPose has 3 and a score)."""


@dataclasses.dataclass(frozen=True)
class PartLayout:
    """Which channels a network gives.

    Attributes:
        name: of the layout.
        skeleton: (J) names of the parts, in the maps' order; a map of the background follows them.
        limbs: (L) pairs of parts.
        fields: (L) number k of each limb's field: its x is channel ``2 k`` of the fields, its y ``2 k + 1``.
    """

    name: str
    skeleton: tuple[str, ...]
    limbs: tuple[tuple[int, int], ...]
    fields: tuple[int, ...]


def _pairs(text: str) -> tuple[tuple[int, int], ...]:
    return tuple((int(a), int(b)) for a, b in (pair.split("-") for pair in text.split()))


COCO18 = PartLayout(
    "coco18",
    OPENPOSE18,
    _pairs(
        "1-2 1-5 2-3 3-4 5-6 6-7 1-8 8-9 9-10 1-11 11-12 12-13 1-0 0-14 14-16 0-15 15-17 2-16 5-17",
    ),
    (6, 10, 7, 8, 11, 12, 0, 1, 2, 3, 4, 5, 14, 15, 17, 16, 18, 9, 13),
)
"""OpenPose's COCO model: 19 maps, 19 fields."""

BODY25 = PartLayout(
    "body25",
    OPENPOSE25,
    _pairs(
        "1-8 1-2 1-5 2-3 3-4 5-6 6-7 8-9 9-10 10-11 8-12 12-13 13-14 1-0 0-15 15-17 0-16 16-18 2-17 5-18 "
        "14-19 19-20 14-21 11-22 22-23 11-24",
    ),
    (0, 7, 11, 8, 9, 12, 13, 3, 1, 2, 4, 5, 6, 15, 16, 18, 17, 19, 10, 14, 20, 21, 22, 23, 24, 25),
)
"""OpenPose's BODY_25: 26 maps, 26 fields."""

LAYOUTS: tuple[PartLayout, ...] = (BODY25, COCO18)
"""Layouts that are told apart by their numbers of channels; both as in OpenPose's poseParameters.cpp."""


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
    found = [peaks(one, threshold) for one in maps]
    lines = [
        line_scores(found[a].points, found[b].points, fields[2 * field], fields[2 * field + 1])
        for (a, b), field in zip(layout.limbs, layout.fields, strict=True)
    ]
    grouped = []
    for parts in _share(_joined(lines, found, layout), lines, layout, fewest):
        points = np.full((len(layout.skeleton), 2), np.nan)
        score = np.zeros(len(layout.skeleton))
        for part, peak in parts.items():
            points[part], score[part] = found[part].points[peak], found[part].score[peak]
        grouped.append(Grouped(points, score))
    return sorted(grouped, key=lambda one: -float(one.score.sum()))


def peaks(values: NDArray[np.float32], threshold: float) -> _Peaks:
    """Return the places and heights of the peaks of a (h, w) map: tops of parabolas through the maxima.

    Most of a map is empty: what is there is its noise. Maps that have some are smoothed; others are not, as
    two joints near one another would become one peak.
    """
    noise = 1.4826 * float(np.median(np.abs(values)))
    smooth = cv2.GaussianBlur(values, (0, 0), SMOOTH) if noise > NOISE else values
    low = LOWERED * threshold if noise > NOISE else threshold
    kernel = np.ones((3, 3), np.uint8)
    highest = cv2.dilate(values, kernel)
    rows, columns = np.nonzero(
        (smooth == cv2.dilate(smooth, kernel)) & (smooth > low) & (highest > threshold)
    )
    points = np.stack([columns, rows], 1).astype(np.float64)
    log = np.log(np.maximum(smooth, 0.1 * low))
    for axis, (places, length) in enumerate(((columns, values.shape[1]), (rows, values.shape[0]))):
        inner = (places > 0) & (places < length - 1)
        r, c = rows[inner], columns[inner]
        down, right = (0, 1) if axis == 0 else (1, 0)
        points[inner, axis] += vertex(log[r - down, c - right], log[r, c], log[r + down, c + right])
    return _Peaks(points, highest[rows, columns].astype(np.float64).clip(0, 1))


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
    enough = (part > ALONG).mean(2) >= MOST
    prior = np.minimum(0.5 * max(x.shape) / np.maximum(length, 1e-6) - 1, 0)
    return np.where(enough, np.maximum((part.mean(2) + prior) * (part > ALONG).mean(2), 0), 0)


def _joined(
    lines: list[NDArray[np.float64]], found: list[_Peaks], layout: PartLayout
) -> list[dict[int, int]]:
    """Return parts of people as part -> number of its peak: limbs are joined, the surest first.

    A limb is left out if one of its peaks has such a limb already, or if a person would get a part twice;
    the next best limb of those peaks has its turn then.
    """
    owner = {
        (part, peak): {part: peak} for part in range(len(found)) for peak in range(len(found[part].points))
    }
    taken: set[tuple[int, int, int]] = set()
    for _, limb, peak_a, peak_b in _candidates(lines):
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


def _candidates(lines: list[NDArray[np.float64]]) -> list[tuple[float, int, int, int]]:
    """Return (score, limb, peak a, peak b) of every limb that the fields speak for, the surest first."""
    every = [
        (float(scores[a, b]), limb, int(a), int(b))
        for limb, scores in enumerate(lines)
        for a, b in np.argwhere(scores > 0)
    ]
    return sorted(every, reverse=True)


def _share(
    people: list[dict[int, int]], lines: list[NDArray[np.float64]], layout: PartLayout, fewest: int
) -> list[dict[int, int]]:
    """Return people, who may have a joint in common: two joints that lie on one another make one peak.

    One person has that peak; the other one may be in pieces, and a sure limb leads from each of them to it.
    Pieces with such a peak in common, and no part twice, are one person.
    """
    whole: list[tuple[dict[int, int], dict[int, int]]] = []
    for parts in sorted(people, key=len, reverse=True):
        lent = _lent(parts, lines, layout)
        for other, borrowed in whole:
            if not parts.keys() & other.keys() and lent.items() & borrowed.items():
                other.update(parts)
                borrowed.update({part: peak for part, peak in lent.items() if part not in borrowed})
                break
        else:
            whole.append((parts, lent))
    return [borrowed | parts for parts, borrowed in whole if len(parts) >= fewest]


def _lent(parts: dict[int, int], lines: list[NDArray[np.float64]], layout: PartLayout) -> dict[int, int]:
    """Return the peaks of others that sure limbs lead to, for parts that a person does not have."""
    best: dict[int, tuple[float, int]] = {}
    for limb, (a, b) in enumerate(layout.limbs):
        for known, missing, scores in ((a, b, lines[limb]), (b, a, lines[limb].T)):
            if known in parts and missing not in parts and scores.size:
                line = scores[parts[known]]
                peak = int(line.argmax())
                if line[peak] >= max(SHARED, best.get(missing, (0.0, 0))[0]):
                    best[missing] = (float(line[peak]), peak)
    return {part: peak for part, (_, peak) in best.items()}
