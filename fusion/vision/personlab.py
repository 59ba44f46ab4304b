"""PoseNet's multi-person decoder.

Papandreou et al., "PersonLab: Person Pose Estimation and Instance Segmentation with a Bottom-Up, Part-Based,
Geometric Embedding Model", 2018: a pose grows from its surest joint along the skeleton's edges; mid-range
offsets lead from one joint to the next and short-range offsets onto it. Peaks near a joint of a person that
is known already start nobody.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from fusion.skeletons import COCO17

_NAMES = {name: number for number, name in enumerate(COCO17)}


def _edges(*names: tuple[str, str]) -> tuple[tuple[int, int], ...]:
    return tuple((_NAMES[a], _NAMES[b]) for a, b in names)


EDGES = _edges(
    ("nose", "left_eye"),
    ("left_eye", "left_ear"),
    ("nose", "right_eye"),
    ("right_eye", "right_ear"),
    ("nose", "left_shoulder"),
    ("left_shoulder", "left_elbow"),
    ("left_elbow", "left_wrist"),
    ("left_shoulder", "left_hip"),
    ("left_hip", "left_knee"),
    ("left_knee", "left_ankle"),
    ("nose", "right_shoulder"),
    ("right_shoulder", "right_elbow"),
    ("right_elbow", "right_wrist"),
    ("right_shoulder", "right_hip"),
    ("right_hip", "right_knee"),
    ("right_knee", "right_ankle"),
)
"""The tree that mid-range offsets follow, in the network's order; backward ones go from second to first."""
REFINE = 2
"""Times that a joint is moved by the short-range offsets after a step along an edge."""
NMS_PX = 20.0
"""Px of the input: peaks nearer than this to the same joint of somebody known start nobody (paper: 10)."""
ROOT = 0.5
"""Smallest probability of the joint a pose grows from."""


class Pose(NamedTuple):
    """One person. Attributes: points (17, 2) float64 x, y in cells; score (17,) in [0, 1]."""

    points: NDArray[np.float64]
    score: NDArray[np.float64]


def decode_poses(
    scores: NDArray[np.float32],
    short: NDArray[np.float32],
    forward: NDArray[np.float32],
    backward: NDArray[np.float32],
    *,
    size: tuple[int, int],
    max_people: int = 10,
    threshold: float = 0.25,
) -> list[Pose]:
    """Return the people, the surest first.

    Args:
        scores: (h, w, 17) log-odds of joints.
        short: (h, w, 34) offsets in px of the input onto the joint nearby, 17 of y, then 17 of x.
        forward: (h, w, 32) offsets along :data:`EDGES`, 16 of y, then 16 of x.
        backward: the same the other way.
        size: (width, height) of the input, px.
        max_people: how many at most.
        threshold: smallest score of a person: mean of its joints that nobody else has.
    """
    rows, columns = scores.shape[:2]
    stride = np.array([(size[1] - 1) / (rows - 1), (size[0] - 1) / (columns - 1)])  # y, x
    fields = _Fields(scores, short, (forward, backward), stride)
    radius2 = (NMS_PX / stride.mean()) ** 2
    poses: list[Pose] = []
    for _, joint, place in _roots(fields):
        if len(poses) >= max_people:
            break
        if any(((pose.points[joint] - place[::-1]) ** 2).sum() <= radius2 for pose in poses):
            continue
        pose = _grow(fields, joint, place)
        own = np.ones(len(COCO17), bool)
        for other in poses:
            own &= ((pose.points - other.points) ** 2).sum(1) > radius2
        if float((pose.score * own).mean()) >= threshold:
            poses.append(pose)
    return sorted(poses, key=lambda pose: -float(pose.score.mean()))


class _Fields(NamedTuple):
    scores: NDArray[np.float32]
    short: NDArray[np.float32]
    mid: tuple[NDArray[np.float32], NDArray[np.float32]]
    stride: NDArray[np.float64]

    def moved(
        self, place: NDArray[np.float64], field: NDArray[np.float32], number: int
    ) -> NDArray[np.float64]:
        """Return the place (y, x) moved by one of a field's offsets there, kept within the map."""
        count = field.shape[2] // 2
        offset = (
            np.array([_sample(field, place, number), _sample(field, place, count + number)]) / self.stride
        )
        return (place + offset).clip(0, np.array(self.scores.shape[:2]) - 1)


def _sample(field: NDArray[np.float32], place: NDArray[np.float64], channel: int) -> float:
    """Return the value of a channel at (y, x), linear between cells."""
    y, x = place
    y0, x0 = min(int(y), field.shape[0] - 2), min(int(x), field.shape[1] - 2)
    v, u = y - y0, x - x0
    cut = field[y0 : y0 + 2, x0 : x0 + 2, channel]
    return float((1 - v) * ((1 - u) * cut[0, 0] + u * cut[0, 1]) + v * ((1 - u) * cut[1, 0] + u * cut[1, 1]))


def _roots(fields: _Fields) -> list[tuple[float, int, NDArray[np.float64]]]:
    """Return the peaks (score, joint, place), the surest first."""
    found = []
    for joint in range(len(COCO17)):
        one = np.ascontiguousarray(fields.scores[:, :, joint])
        tops = (one == cv2.dilate(one, np.ones((3, 3), np.uint8))) & (one >= logit(ROOT))
        for y, x in np.argwhere(tops):
            place = fields.moved(np.array([y, x], np.float64), fields.short, joint)
            found.append((float(one[y, x]), joint, place))
    return sorted(found, key=lambda root: -root[0])


def _grow(fields: _Fields, root: int, place: NDArray[np.float64]) -> Pose:
    """Follow the edges from the root, always from the surest joint that is reached."""
    points = np.zeros((len(COCO17), 2))
    score = np.zeros(len(COCO17))
    done: set[int] = set()
    queue = [(-_sample(fields.scores, place, root), root, tuple(place))]
    while queue:
        value, joint, at = heapq.heappop(queue)
        if joint in done:
            continue
        done.add(joint)
        points[joint], score[joint] = at[::-1], expit(-value)
        for number, edge in enumerate(EDGES):
            for way, (here, there) in enumerate((edge, edge[::-1])):
                if here != joint or there in done:
                    continue
                reached = fields.moved(np.array(at), fields.mid[way], number)
                for _ in range(REFINE):
                    reached = fields.moved(reached, fields.short, there)
                heapq.heappush(queue, (-_sample(fields.scores, reached, there), there, tuple(reached)))
    return Pose(points, score)
