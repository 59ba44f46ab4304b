"""Finds bodies that wear a coloured marker on each joint: real image work with no network.

Saturated pixels are given to the nearest colour of the palette in CIELAB; the largest connected
spot of each colour is that joint's marker, its centre of mass the key point. The palette is the
simulator's; people who stick on the same colours are found as well. Several people have the same colours:
each spot of the colour that is found most often is one of them, and each other spot is the nearest one's.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from drivers.errors import ConfigError
from drivers.simulator.anatomy import JOINTS
from drivers.simulator.view import PALETTE
from fusion.vision.base import FrontEnd, Heatmaps, Person
from fusion.vision.heatmaps import gaussians, statistics

SATURATION = 56
"""Smallest max - min of B, G, R of a marker's pixel; the darkest marker has 128, JPEG takes its share."""
LIGHTNESS = 0.6
"""Weight of lightness against the two colour axes of CIELAB: shading changes it most."""
NEAREST = 34.0
"""Largest distance in that space from a pixel to its colour: about that between two colours."""
FEWEST = 4
"""Markers that make a person."""
SMALLEST_PX = 4
"""Pixels of the smallest core of a spot. The core is what a 3 x 3 erosion leaves: the fringe of a marker
blends into the colour of a third one, but is never 3 px wide."""
CELLS = 64
"""Heatmaps are 64 x 64 over the square around the person, like those of the networks."""
SPREAD_CELLS = 1.0
"""Standard deviation of a fully seen marker's heatmap, cells."""

_CORE = np.ones((3, 3), np.uint8)


class Markers(FrontEnd):
    """People by coloured markers; joints are BODY20.

    Args:
        margin: by how much the box around the markers is widened on each side, as a fraction.
        max_people: how many are looked for.

    Raises:
        ConfigError: ``max_people`` makes no sense.
    """

    name = "markers"
    skeleton = JOINTS

    def __init__(self, margin: float = 0.1, max_people: int = 1) -> None:
        if max_people < 1:
            raise ConfigError(f"markers: max_people={max_people} makes no sense", mend="Give at least 1")
        self.margin, self._most = margin, max_people
        self._palette = _lab(PALETTE[None])[0]

    def __call__(self, image: NDArray[np.uint8], time_ns: int) -> list[Person]:
        """Return the people in the picture, the largest first, without who shows fewer than four markers."""
        bodies = [self._person(*spots) for spots in self._apart(self._spots(image))]
        people = [person for person in bodies if person is not None]
        return sorted(people, key=lambda person: -person.box[2] * person.box[3])

    def _person(self, places: NDArray[np.float64], areas: NDArray[np.float64]) -> Person | None:
        """Return the person with markers at (J, 2) px of cores (J,) px; None where there are too few."""
        found = areas > 0
        if found.sum() < FEWEST:
            return None
        full = float(np.median(areas[found]))  # a marker that nothing hides
        found &= areas >= 0.15 * full
        if found.sum() < FEWEST:
            return None
        score = np.where(found, np.clip(areas / (0.85 * full), 0.0, 1.0), 0.0)
        box, corner, size = self._box(places[found])
        cell = size / CELLS
        grid = (places - corner) / cell - 0.5
        values = np.zeros((len(JOINTS), CELLS, CELLS), np.float32)
        spread = SPREAD_CELLS**2 / np.clip(score, 0.25, 1.0)
        shape = np.stack([spread, np.zeros(len(JOINTS)), spread], axis=-1)
        values[found] = gaussians((CELLS, CELLS), grid[found], shape[found]) * score[found, None, None]
        seen = statistics(values, np.rint(grid))
        variance = seen.variance * cell**2
        middle = corner + size / 2
        to_picture = np.array([[cell, 0.0, corner[0] + 0.5 * cell], [0.0, cell, corner[1] + 0.5 * cell]])
        return Person(
            keypoints=np.where(found[:, None], places, middle).astype(np.float32),
            score=score.astype(np.float32),
            variance=variance.astype(np.float32),
            box=box,
            heatmaps=Heatmaps(values, to_picture),
            peak=seen.peak.astype(np.float32),
        )

    def _apart(
        self, spots: list[NDArray[np.float64]]
    ) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Return places (J, 2) px and cores (J,) px of each body, from the spots of all of them."""
        count = max(len(each) for each in spots)
        anchor = next(each for each in spots if len(each) == count)
        bodies = [(np.zeros((len(JOINTS), 2)), np.zeros(len(JOINTS))) for _ in range(count)]
        for joint, mine in enumerate(spots):
            far = np.linalg.norm(anchor[:, None, :2] - mine[None, :, :2], axis=-1)
            for body, spot in zip(*linear_sum_assignment(far), strict=True):
                bodies[body][0][joint], bodies[body][1][joint] = mine[spot, :2], mine[spot, 2]
        return bodies

    def _spots(self, image: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
        """Return of each colour its largest spots (K, 3): centre and core, px; no more than people."""
        places = [np.zeros((0, 3)) for _ in JOINTS]
        # Saturation of noise is ignored, that of a marker survives a blur as wide as JPEG's blocks of colour.
        blue, green, red = cv2.split(image)
        high, low = cv2.max(cv2.max(blue, green), red), cv2.min(cv2.min(blue, green), red)
        rows, columns = np.nonzero(cv2.subtract(high, low) >= SATURATION)
        if not len(rows):
            return places
        colour = _lab(image[rows, columns][None])[0]
        apart = ((colour[:, None, :] - self._palette) ** 2).sum(-1)
        nearest = apart.argmin(1)
        near = apart[np.arange(len(nearest)), nearest] < NEAREST**2
        for joint in range(len(JOINTS)):
            mine = near & (nearest == joint)
            if mine.sum() < SMALLEST_PX:
                continue
            x, y = columns[mine], rows[mine]
            left, top = x.min() - 1, y.min() - 1
            mask = np.zeros((y.max() - top + 2, x.max() - left + 2), np.uint8)
            mask[y - top, x - left] = 1
            core = cv2.erode(mask, _CORE)
            if cv2.countNonZero(core) < SMALLEST_PX:
                continue
            _, labels, _, centres = cv2.connectedComponentsWithStats(mask, connectivity=4)
            cores = np.bincount(labels[core > 0], minlength=len(centres))
            largest = [n for n in np.argsort(-cores, kind="stable")[: self._most] if cores[n] >= SMALLEST_PX]
            if largest:
                places[joint] = np.column_stack([centres[largest] + (left, top), cores[largest]]).astype(
                    np.float64
                )
        return places

    def _box(
        self, points: NDArray[np.float64]
    ) -> tuple[tuple[float, float, float, float], NDArray[np.float64], float]:
        """Return the box around the markers, and corner and side of the square about it, px."""
        low, high = points.min(0), points.max(0)
        grow = self.margin * max(high - low)
        low, high = low - grow, high + grow
        width, height = high - low
        size = float(max(width, height))
        return (float(low[0]), float(low[1]), float(width), float(height)), (low + high - size) / 2, size


def _lab(bgr: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (1, N, 3) CIELAB with weighted lightness."""
    lab = cv2.cvtColor(bgr.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB)
    return lab * np.array([LIGHTNESS, 1.0, 1.0], np.float32)
