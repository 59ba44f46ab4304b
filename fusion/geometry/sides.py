"""Left and right, told by all cameras together.

A network that sees somebody from behind, in the dark or with a covered face may take the left side for the
right: the whole body, or a leg behind the other. Each camera's picture alone looks sound; the others
contradict it. So for each moment, first for the whole body, then for arms and legs by themselves:

1. where a camera is far from the triangulated joints, each camera in turn gets its sides swapped;
2. the swap after which the cameras agree best stays, if it explains at least what a rejected joint costs;
3. that is repeated until no swap gains. As long as fewer than half of the cameras had to be swapped, those
   are the ones in error; else nobody can tell which, and all stay as they were.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.camera.model import CameraModel
from fusion.geometry.triangulate import Floats, Weights, triangulate
from fusion.skeletons import other_sides

Seen = tuple[Floats, Floats, Floats]
"""Of C cameras at T moments: pixels (C, T, J, 2), scores (C, T, J) and variances (C, T, J, 3) px²."""
LEG = ("knee", "ankle", "heel", "foot", "toe")
ARM = ("elbow", "wrist", "hand", "pinky", "index", "thumb")
"""What names of joints of limbs contain; a foot's index is tried first."""
NEAR = 0.5
"""Cameras that are nearer than so much of the cutoff to all joints need no swap."""


def limbs(skeleton: Sequence[str]) -> list[NDArray[np.intp]]:
    """Return joints that are swapped together: of the whole body, below the hips, and below the shoulders."""
    names = list(skeleton)
    paired = np.flatnonzero(other_sides(names) != np.arange(len(names)))
    legs = [j for j in paired if any(word in names[j] for word in LEG)]
    arms = [j for j in paired if j not in legs and any(word in names[j] for word in ARM)]
    return [np.array(group, np.intp) for group in (paired, legs, arms) if len(group)]


def same_sides(
    cameras: Sequence[CameraModel],
    skeleton: Sequence[str],
    seen: Seen,
    weights: Weights,
) -> tuple[Seen, NDArray[np.bool_]]:
    """Return key points with the sides that most cameras agree on, and where they were swapped.

    Args:
        cameras: C of them, with poses.
        skeleton: (J) joint names.
        seen: key points.
        weights: how far cameras are believed.

    Returns:
        The same, and (C, T) whether sides of the body, of arms or of legs were swapped.
    """
    pixels, score, variance = (np.array(each, np.float64) for each in seen)
    swapped = np.zeros(pixels.shape[:2], bool)
    mirror = other_sides(skeleton)
    asked = np.isfinite(pixels).all(-1) & (score >= weights.least_score)
    for group in limbs(skeleton):
        voters = asked[:, :, group].any(-1).sum(0)
        moments = np.flatnonzero(voters >= 3)
        here = np.ix_(np.arange(len(pixels)), moments, group)
        part = (pixels[here], score[here], variance[here])
        flips = _flips(cameras, part, np.searchsorted(group, mirror[group]), weights)
        flips &= 2 * flips.sum(0) < voters[moments]
        for camera, at in enumerate(flips):
            where = moments[at][:, None]
            for each in (pixels, score, variance):
                each[camera, where, group] = each[camera, where, mirror[group]]
            swapped[camera, moments[at]] = True
    return (pixels, score, variance), swapped


def _flips(
    cameras: Sequence[CameraModel], part: Seen, mirror: NDArray[np.intp], weights: Weights
) -> NDArray[np.bool_]:
    """Return (C, T): whose sides to swap so that all agree best; of a group of joints alone."""
    flips = np.zeros(part[0].shape[:2], bool)
    if not flips.size:
        return flips
    cost, far = _disagreement(cameras, part, weights)
    moments = np.flatnonzero(far)
    for _ in range(len(cameras)):
        if not len(moments):
            break
        costs = np.empty((len(cameras), len(moments)))
        for number in range(len(cameras)):
            tried = flips[:, moments].copy()
            tried[number] ^= True
            costs[number], _ = _disagreement(cameras, _swapped(part, moments, tried, mirror), weights)
        gains = cost[moments] - costs.min(0) > weights.cutoff_px**2
        moments, costs = moments[gains], costs[:, gains]
        flips[costs.argmin(0), moments] ^= True
        cost[moments] = costs.min(0)
    return flips


def _swapped(
    part: Seen, moments: NDArray[np.intp], flips: NDArray[np.bool_], mirror: NDArray[np.intp]
) -> Seen:
    """Return some moments of a group, with the sides of some cameras swapped."""

    def taken(values: Floats) -> Floats:
        here = values[:, moments]
        return np.where(flips.reshape(*flips.shape, *[1] * (values.ndim - 2)), here[:, :, mirror], here)

    return taken(part[0]), taken(part[1]), taken(part[2])


def _disagreement(
    cameras: Sequence[CameraModel], part: Seen, weights: Weights
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return (T) the sum of capped squared distances, px², and whether a camera is far from a joint."""
    pixels, score, variance = part
    count, moments, joints = score.shape
    asked = np.isfinite(pixels).all(-1) & (score >= weights.least_score)
    points = triangulate(
        cameras,
        pixels.reshape(count, -1, 2),
        score.reshape(count, -1),
        variance.reshape(count, -1, 3),
        weights,
    )
    # Where no two cameras agree, each is as wrong as one that is rejected.
    off = np.nan_to_num(points.residual_px, nan=np.inf).reshape(count, moments, joints)
    distance = np.where(asked, np.minimum(off, weights.cutoff_px), 0.0)
    far = np.asarray((distance > NEAR * weights.cutoff_px).any((0, 2)))
    return (distance**2).sum((0, 2)), far
