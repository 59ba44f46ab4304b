"""BlazePose's person detector: where people are in the whole picture.

A single-shot detector over 2254 anchors whose four key points are aligned to the body. Decoding
follows the options of MediaPipe's ``pose_detection_cpu`` graph (Apache-2.0); Bazarevsky et al.,
"BlazePose: On-device Real-time Body Pose tracking", 2020.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.vision import region
from fusion.vision.network import Network

STRIDES = ((8, 2), (16, 2), (32, 6))
"""Cells of so many px of the input, each with so many anchors at its centre."""
SAME_PERSON_IOU = 0.3
"""Boxes that overlap more are blended into one (``min_suppression_threshold``)."""


@dataclasses.dataclass(frozen=True, slots=True)
class Detection:
    """One person: score in [0, 1] and the region that the landmark network should look at."""

    score: float
    region: region.Region


def anchors(size: int) -> NDArray[np.float32]:
    """Return the (A, 2) centres of the anchors, as fractions of the input's side."""
    layers = []
    for stride, count in STRIDES:
        n = size // stride
        centres = (np.arange(n, dtype=np.float32) + 0.5) / n
        y, x = np.meshgrid(centres, centres, indexing="ij")
        layers.append(np.repeat(np.stack([x.ravel(), y.ravel()], 1), count, axis=0))
    return np.concatenate(layers)


def overlap(box: NDArray[np.floating], boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return intersection over union of one (4,) with (N, 4) boxes of corners x0, y0, x1, y1."""
    low = np.maximum(box[:2], boxes[:, :2])
    high = np.minimum(box[2:], boxes[:, 2:])
    common = np.prod(np.clip(high - low, 0, None), axis=1)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) + np.prod(box[2:] - box[:2]) - common
    return common / np.maximum(area, 1e-12)


def blend(
    scores: NDArray[np.floating], boxes: NDArray[np.floating], points: NDArray[np.floating]
) -> list[tuple[float, NDArray[np.float64]]]:
    """Weighted non-maximum suppression: overlapping detections become one, averaged by score.

    Args:
        scores: (N,).
        boxes: (N, 4) corners.
        points: (N, K, 2) key points.

    Returns:
        (score, (K, 2) points) of each person, the most certain first.
    """
    people = []
    left = np.argsort(-scores, kind="stable")
    while len(left):
        first = left[0]
        same = overlap(boxes[first], boxes[left]) > SAME_PERSON_IOU
        same[0] = True
        group = left[same]
        weight = scores[group] / scores[group].sum()
        people.append((float(scores[first]), np.einsum("n,nkd->kd", weight, points[group])))
        left = left[~same]
    return people


class Detector:
    """Finds people in a whole picture.

    Args:
        graph: bytes of the ``.tflite``.
        threads: CPU threads.
        threshold: smallest score of a person.
    """

    def __init__(self, graph: bytes, threads: int = 1, threshold: float = 0.5) -> None:
        self._network = Network(graph, "the person detector", threads)
        self._size = self._network.size[0]
        self._anchors = anchors(self._size)
        count = len(self._anchors)
        self._boxes = self._network.find((1, count, 12))
        self._scores = self._network.find((1, count, 1))
        self._threshold = threshold

    def __call__(
        self,
        image: NDArray[np.uint8],
        frame: region.Region | None = None,
        threshold: float | None = None,
    ) -> list[Detection]:
        """Return the people in a (H, W, 3) uint8 BGR picture, the most certain first.

        Args:
            image: the picture.
            frame: where in it to look; None: everywhere. People much smaller than a quarter of the
                frame are not found.
            threshold: smallest score; by default that of the constructor.
        """
        frame = frame or region.whole(image.shape[1], image.shape[0])
        small = frame.crop(image, self._size, border=cv2.BORDER_CONSTANT)
        rgb = cv2.cvtColor(small, cv2.COLOR_BGR2RGB).astype(np.float32)
        outputs = self._network(rgb / np.float32(127.5) - np.float32(1))
        logits = np.clip(outputs[self._scores][0, :, 0], -100, 100)
        scores = 1 / (1 + np.exp(-logits.astype(np.float64)))
        found = scores >= (self._threshold if threshold is None else threshold)
        if not found.any():
            return []
        values = outputs[self._boxes][0, found].astype(np.float64) / self._size
        centres = self._anchors[found]
        middle, extent = values[:, :2] + centres, values[:, 2:4]
        boxes = np.concatenate([middle - extent / 2, middle + extent / 2], axis=1)
        points = values[:, 4:].reshape(-1, 4, 2) + centres[:, None]
        to_picture = frame.to_picture(1)
        people = []
        for score, keypoints in blend(scores[found], boxes, points):
            hips, rim = region.apply(to_picture, keypoints[:2])
            people.append(Detection(score, region.around(hips, rim)))
        return [person for person in people if person.region.sane]
