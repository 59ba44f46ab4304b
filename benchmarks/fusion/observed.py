"""One person in the films of several cameras: what was found, and what it was found under."""

from __future__ import annotations

import dataclasses
import warnings
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.fusion.films import Found, look
from benchmarks.fusion.reference import MIRROR, Camera, Reference, refer, same_person, triangulate
from fusion.skeletons import BLAZEPOSE33, BODY20, to_body20
from fusion.virtual.occlusion import self_occlusion
from fusion.virtual.smooth import derivatives

Array = NDArray[np.float64]

_MAP = np.asarray(to_body20(BLAZEPOSE33).matrix, np.float64)
_USES = _MAP != 0
ELSEWHERE = 0.05
"""Where the median joint is so far off, box sizes, the views did not look at the same person."""
FIRST_STOP = 3
"""Darkness counts from here: three stops make no difference that could be measured."""


def _logit(p: Array) -> Array:
    p = np.clip(p, 1e-4, 1 - 1e-4)
    return np.log(p / (1 - p))


@dataclasses.dataclass
class Observed:
    """A person seen by V cameras in T pictures; NaN where a camera did not find it.

    Attributes:
        rate_hz: pictures per second.
        keypoints: (V, T, 20, 2) px, as found.
        told: (V, T, 20, 3) logit of score, logit of peak, log of the heatmap's variance in box sizes².
        depth: (V, T, 20) m from the pelvis, as told.
        size: (V, T, 1) longer side of the box, px.
    """

    rate_hz: float
    keypoints: Array
    told: Array
    depth: Array
    size: Array

    def over(self, reference: Reference) -> Observed:
        """Return it with the sides put right as the reference found them to be swapped."""
        flip = reference.swapped[..., None]
        return dataclasses.replace(
            self,
            keypoints=np.where(flip[..., None], self.keypoints[:, :, MIRROR], self.keypoints),
            told=np.where(flip[..., None], self.told[:, :, MIRROR], self.told),
            depth=np.where(flip, self.depth[:, :, MIRROR], self.depth),
        )


def observe(found: list[Found], choice: list[list[int | None]] | None = None) -> Observed:
    """Return what V cameras found of one person.

    Args:
        found: of each camera.
        choice: for each picture which row of each camera's is the person; default: the first of the picture.
    """
    ticks = min(f.count for f in found)
    shape = (len(found), ticks, len(BODY20))
    keypoints, told = np.full((*shape, 2), np.nan), np.full((*shape, 3), np.nan)
    depth, size = np.full(shape, np.nan), np.full((*shape[:2], 1), np.nan)
    for view, one in enumerate(found):
        for tick in range(ticks):
            rows = np.nonzero(one.frame == tick)[0]
            number = choice[tick][view] if choice is not None else (rows[0] if len(rows) else None)
            if number is None:
                continue
            values = one.rows[number]
            xy = _MAP @ values[:, :2]
            spread = (_MAP**2) @ values[:, 3:6]
            longer = np.ptp(xy, axis=0).max()
            area = np.sqrt(np.clip(spread[:, 0] * spread[:, 2] - spread[:, 1] ** 2, 1e-12, None))
            least = np.min(np.where(_USES[..., None], values[None, :, [2, 10]], np.inf), axis=1)
            keypoints[view, tick] = xy
            told[view, tick] = np.c_[_logit(least[:, 0]), _logit(least[:, 1]), np.log(area / longer**2)]
            z = _MAP @ values[:, 8]
            depth[view, tick], size[view, tick] = z - z[0], longer
    return Observed(found[0].rate_hz, keypoints, told, depth, size)


def single(films: list[Path], folder: Path, change: str = "plain", most: int = 0) -> Observed:
    """Return the one person in films of several cameras."""
    return observe([look(film, change, folder, most=most) for film in films])


def several(films: list[Path], cameras: list[Camera], folder: Path, most: int = 0) -> list[Observed]:
    """Return the people in films of several cameras, told apart by where their rays meet."""
    found = [look(film, "plain", folder, people=3, most=most) for film in films]
    ticks = min(f.count for f in found)
    projections = np.stack([camera.projection for camera in cameras])
    people: list[tuple[Array, dict[int, list[int | None]]]] = []
    for tick in range(ticks):
        rows = [np.nonzero(f.frame == tick)[0] for f in found]
        places = [[_MAP @ f.rows[r][:, :2] for r in row] for f, row in zip(found, rows, strict=True)]
        for match in same_person(cameras, places):
            used = [view for view, number in enumerate(match) if number is not None]
            hips = np.stack([cameras[v].straight(places[v][match[v]][:1]) for v in used])  # type: ignore[index]
            where = triangulate(hips, np.ones((len(used), 1)), projections[used])[0]
            chosen = [None if n is None else int(rows[v][n]) for v, n in enumerate(match)]
            near = [p for p in people if np.linalg.norm(p[0] - where) < 0.4]
            if near:
                near[0][0][:] = where
                near[0][1][tick] = chosen
            else:
                people.append((where, {tick: chosen}))
    empty: list[int | None] = [None] * len(cameras)
    kept = [chosen for _, chosen in people if len(chosen) > 0.5 * ticks]
    return [observe(found, [chosen.get(tick, empty) for tick in range(ticks)]) for chosen in kept]


@dataclasses.dataclass
class Measured:
    """One person's key points against the reference, view by view.

    Attributes:
        seen: what was found, sides put right.
        reference: what the other views say.
        true: (V, T, 20, 3) m in each camera's axes.
        error: (V, T, 20, 2) in box sizes.
        hidden: (V, T, 20), speed: (V, T, 20) box sizes/s: conditions.
    """

    seen: Observed
    reference: Reference
    true: Array
    error: Array
    hidden: Array
    speed: Array


def measure(cameras: list[Camera], observed: Observed) -> Measured:
    """Return a person's key points against the reference."""
    reference = refer(cameras, observed.keypoints)
    seen = observed.over(reference)
    true = np.stack([(reference.points - c.position) @ c.rotation.T for c in cameras])
    hidden = self_occlusion(torch.from_numpy(true).float()).double().numpy()
    size = np.nanmedian(seen.size, axis=1, keepdims=True)
    focal = np.array([c.focal for c in cameras])[:, None, None, None]
    flat = torch.from_numpy(true[..., :2] / true[..., 2:])
    _, velocity, _ = derivatives(flat, observed.rate_hz)
    speed = np.linalg.norm(velocity.numpy() * focal, axis=-1) / size
    error = reference.error / reference.inflation[..., None] / size[..., None]
    with np.errstate(invalid="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # frames without any error
        elsewhere = np.nanmedian(np.linalg.norm(error, axis=-1), axis=-1) > ELSEWHERE
    error[elsewhere] = np.nan
    return Measured(seen, reference, true, error, hidden, speed)
