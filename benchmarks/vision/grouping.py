"""How many joints of overlapping people are grouped right, on synthetic maps and fields with the truth known.

::

    python -m benchmarks.vision.grouping

People of random posture and size, 1 to 8 in a picture, each overlapping another, middles at least 0.3 of a
body's height apart, and once more at least 0.1, as near as people come. Maps are the highest of the people's
Gaussians and fields the mean of their limbs, as networks learn them (Cao et al. 2017), on OpenPose's grid: 46
rows of 8 px. With noise: white noise of 0.1 on every channel, a joint in 20 faint (0.35 high), three false
peaks a picture. A joint is right if the person that fits its owner best has that joint within 1.5 cells (12
px) of the truth. The goals are about all joints of people 0.3 apart. Where two people's joints of one kind
are nearer than 2 cells, the maps have one peak for both: the figure without those is printed, too.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from fusion.vision.grouping import group
from fusion.vision.part_layout import BODY25, COCO18, PartLayout

ROWS, COLUMNS = 46, 82
"""Cells of a 656 x 368 input."""
SIGMA = 0.9
"""Cells: width of a joint's Gaussian (OpenPose: 7 px of 8 px cells)."""
LIMB = 1.0
"""Cells: half the width of a limb in the fields."""
NEAR = 1.5
"""Cells within which a joint is right."""
HEIGHT = (16.0, 34.0)
"""Cells from above the eyes to the toes of somebody who stands, smallest and largest."""
APART, NEARER = 0.3, 0.1
"""Smallest distance of two bodies' middles, of the smaller one's height: who lies right upon somebody else
has no field of their own."""
OWN = 2.0
"""Cells: joints of one kind that are nearer make one peak (the highest of two Gaussians has one top then)."""
GOALS = {"clean": 0.99, "noise": 0.95}

_BODY = {
    # Of a standing person 1 high, x to the person's left, y down from the neck; hips at 0.31.
    "nose": (0.0, -0.10),
    "neck": (0.0, 0.0),
    "pelvis": (0.0, 0.31),
    "shoulder": (0.11, 0.0),
    "hip": (0.065, 0.31),
    "eye": (0.022, -0.125),
    "ear": (0.05, -0.11),
}
_LENGTHS = {"elbow": 0.17, "wrist": 0.15, "knee": 0.245, "ankle": 0.245}


def body(layout: PartLayout, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return (J, 2) joints of a random posture, 1 high, from the neck."""
    turn = np.cos(generator.uniform(-1.2, 1.2)) * generator.choice([-1.0, 1.0])
    places: dict[str, NDArray[np.float64]] = {}
    for name, (x, y) in _BODY.items():
        if name in ("nose", "neck", "pelvis"):
            places[name] = np.array([x, y])
        else:
            places[f"left_{name}"] = np.array([x * turn, y])
            places[f"right_{name}"] = np.array([-x * turn, y])
    for side in ("left", "right"):
        for chain, spread in ((("shoulder", "elbow", "wrist"), 1.3), (("hip", "knee", "ankle"), 0.5)):
            angle = 0.0
            for parent, child in itertools.pairwise(chain):
                angle += generator.normal(0, spread)
                step = _LENGTHS[child] * np.array([np.sin(angle), np.cos(angle)])
                places[f"{side}_{child}"] = places[f"{side}_{parent}"] + step
        ankle, out = places[f"{side}_ankle"], turn if side == "left" else -turn
        places[f"{side}_heel"] = ankle + np.array([-0.01 * out, 0.04])
        places[f"{side}_big_toe"] = ankle + np.array([0.06 * out, 0.05])
        places[f"{side}_small_toe"] = ankle + np.array([0.075 * out, 0.04])
    lean = generator.normal(0, 0.25)
    turned = np.array([[np.cos(lean), -np.sin(lean)], [np.sin(lean), np.cos(lean)]])
    return np.stack([places[name] for name in layout.skeleton]) @ turned.T


def crowd(
    count: int, layout: PartLayout, generator: np.random.Generator, apart: float = APART
) -> NDArray[np.float64]:
    """Return (P, J, 2) joints in cells of people, each of whom overlaps another, all within the picture."""
    people: list[NDArray[np.float64]] = []
    tries = 0
    while len(people) < count:
        tries += 1
        if tries > 200:  # no room is left beside these
            people, tries = [], 0
        one = body(layout, generator) * generator.uniform(*HEIGHT)
        one += generator.uniform((0, 0), (COLUMNS, ROWS)) - one.mean(0)
        if not ((one > 1).all() and (one < (COLUMNS - 2, ROWS - 2)).all()):
            continue
        if people and not (min(_apart(one, other) for other in people) >= apart and _overlaps(one, people)):
            continue
        people.append(one)
    return np.stack(people)


def _apart(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Return how far two bodies' middles are apart, of the smaller one's height."""
    height = min(np.ptp(one[:, 1]), np.ptp(other[:, 1]))
    return float(np.linalg.norm(one.mean(0) - other.mean(0)) / height)


def _overlaps(one: NDArray[np.float64], people: list[NDArray[np.float64]]) -> bool:
    """Whether the box of a body has a part in common with somebody's."""
    return any(((one.min(0) < other.max(0)) & (other.min(0) < one.max(0))).all() for other in people)


def drawn(
    people: NDArray[np.float64],
    layout: PartLayout,
    generator: np.random.Generator | None,
    limb: float = LIMB,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return maps (J, h, w) and fields (2 L, h, w) of people; with a generator, noisy ones."""
    y, x = np.mgrid[:ROWS, :COLUMNS].astype(np.float64)
    height = np.ones(people.shape[:2])
    if generator is not None:
        height[generator.random(height.shape) < 0.05] = 0.35
    maps = np.zeros((people.shape[1], ROWS, COLUMNS))
    for person, heights in zip(people, height, strict=True):
        for j, (px, py) in enumerate(person):
            maps[j] = np.maximum(
                maps[j], heights[j] * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * SIGMA**2))
            )
    fields = np.zeros((2 * len(layout.limbs), ROWS, COLUMNS))
    for (a, b), number in zip(layout.limbs, layout.fields, strict=True):
        count = np.zeros((ROWS, COLUMNS))
        for person in people:
            way = person[b] - person[a]
            length = max(float(np.linalg.norm(way)), 1e-6)
            ux, uy = way / length
            along = (x - person[a, 0]) * ux + (y - person[a, 1]) * uy
            across = np.abs((x - person[a, 0]) * uy - (y - person[a, 1]) * ux)
            inside = (along >= -limb) & (along <= length + limb) & (across <= limb)
            fields[2 * number] += inside * ux
            fields[2 * number + 1] += inside * uy
            count += inside
        fields[2 * number : 2 * number + 2] /= np.maximum(count, 1)
    if generator is not None:
        for _ in range(3):
            j, px, py = (
                generator.integers(len(maps)),
                generator.uniform(0, COLUMNS),
                generator.uniform(0, ROWS),
            )
            maps[j] = np.maximum(maps[j], 0.6 * _blob(x - px, y - py))
        maps += generator.normal(0, 0.1, maps.shape)
        fields += generator.normal(0, 0.1, fields.shape)
    return maps.astype(np.float32), fields.astype(np.float32)


def _blob(dx: NDArray[np.float64], dy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.exp(-(dx**2 + dy**2) / (2 * SIGMA**2))


def right(people: NDArray[np.float64], found: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (P, J) which joints of people (P, J, 2) are right in those found (F, J, 2), some of them NaN."""
    hits = np.linalg.norm(people[:, None] - found[None], axis=3) <= NEAR if len(found) else None
    done = np.zeros(people.shape[:2], bool)
    if hits is not None:
        for person, other in zip(*linear_sum_assignment(-hits.sum(2)), strict=True):
            done[person] = hits[person, other]
    return done


def own_peak(people: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return (P, J) which joints have a peak of their own in the maps."""
    apart = np.linalg.norm(people[:, None] - people[None], axis=3)
    apart[np.arange(len(people)), np.arange(len(people))] = np.inf
    return np.asarray(apart.min(1) >= OWN)


def measured(
    layout: PartLayout,
    most: int,
    pictures: int,
    noise: bool,
    seed: int,
    apart: float = APART,
    limb: float = LIMB,
) -> list[dict[str, float]]:
    """Return a row for each number of people: joints right, of those with a peak of their own, of all; ms."""
    rows = []
    for count in range(1, most + 1):
        generator = np.random.default_rng([seed, count])
        done, own, total, peaked, invented, spent = 0, 0, 0, 0, 0, 0.0
        for _ in range(pictures):
            people = crowd(count, layout, generator, apart)
            maps, fields = drawn(people, layout, generator if noise else None, limb)
            start = time.process_time()
            found = group(maps, fields, layout)
            spent += time.process_time() - start
            hits = right(people, np.array([one.points for one in found]))
            alone = own_peak(people)
            done, total = done + int(hits.sum()), total + hits.size
            own, peaked = own + int(hits[alone].sum()), peaked + int(alone.sum())
            invented += max(0, len(found) - count)
        rows.append(
            {
                "people": count,
                "right": own / peaked,
                "of_all": done / total,
                "invented": invented / pictures,
                "ms": 1e3 * spent / pictures,
            }
        )
    return rows


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--people", type=int, default=8, help="at most")
    parser.add_argument("--pictures", type=int, default=50, help="for each number of people")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--limb", type=float, default=LIMB, help="half the width of limbs in the fields, cells"
    )
    options = parser.parse_args(argv)
    good = True
    for apart, layout, noise in itertools.product((APART, NEARER), (BODY25, COCO18), (False, True)):
        rows = measured(layout, options.people, options.pictures, noise, options.seed, apart, options.limb)
        name, goal = ("noise", GOALS["noise"]) if noise else ("clean", GOALS["clean"])
        number = sum(row["people"] for row in rows)
        joints, every = (
            sum(row["people"] * row[key] for row in rows) / number for key in ("right", "of_all")
        )
        asked = f" (goal {goal:.0%})" if apart == APART else ""
        print(
            f"{layout.name}, {name}, {apart} apart: {every:.2%} of the joints grouped right{asked}; "
            f"of those with a peak of their own {joints:.2%}"
        )
        for row in rows:
            print(
                f"  {row['people']:.0f} people: {row['of_all']:.2%} right (own peak {row['right']:.2%}), "
                f"{row['invented']:.2f} invented a picture, {row['ms']:.1f} ms CPU"
            )
        good &= apart != APART or every >= goal
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
