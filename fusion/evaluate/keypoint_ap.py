"""Average precision over the similarity of key points, as COCO's evaluation has it.

Ronchi and Perona, "Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation", 2017;
cocodataset.org/#keypoints-eval: ``OKS = mean over known joints of exp(-d² / (2 area (2 sigma)²))``; AP is the
mean over the thresholds 0.5, 0.55, ... 0.95 of the precision at 101 recalls; at most 20 people a picture.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from fusion.evaluate.oks import likeness, sigmas

THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
MOST = 20
"""Guesses that count in a picture, the surest ones."""

_OTHER = 0.079
"""Of joints that COCO does not have: CrowdPose's for head and neck."""


def spreads(joints: Sequence[str]) -> NDArray[np.float64]:
    """Return (J,) how far annotators are apart, of the root of a person's area (COCO's sigmas)."""
    return np.nan_to_num(sigmas(joints), nan=_OTHER)


def similarity(
    guesses: NDArray[np.floating],
    truths: NDArray[np.floating],
    known: NDArray[np.bool_],
    areas: NDArray[np.floating],
    boxes: NDArray[np.floating],
    sigma: NDArray[np.floating],
) -> NDArray[np.float64]:
    """Return (G, T) the similarity of each guess with each truth.

    Args:
        guesses: (G, J, 2) px; NaN where a joint was not found: it counts as infinitely far.
        truths: (T, J, 2) px.
        known: (T, J) which joints are annotated; of a person without any, the distance is that from the
            box, twice as large.
        areas: (T,) px².
        boxes: (T, 4) x, y, width, height px.
        sigma: (J,) of :func:`spreads`.
    """
    difference = guesses[:, None] - truths[None]
    x, y, width, height = boxes.T[..., None]
    low = np.stack([x - width, y - height], -1) - guesses[:, None]
    high = guesses[:, None] - np.stack([x + 2 * width, y + 2 * height], -1)
    outside = np.maximum(np.maximum(low, high), 0)
    any_known = np.asarray(known.any(axis=1))
    squared = (np.where(any_known[None, :, None, None], difference, outside) ** 2).sum(-1)
    squared = np.where(np.isfinite(squared), squared, np.inf)
    weight = np.where(any_known[:, None], known, True).astype(np.float64)
    return (likeness(squared, areas, sigma) * weight).sum(2) / weight.sum(1)


class KeypointAP(Metric):
    """OKS-AP over everything seen.

    Args:
        joints: (J) names of the joints.
    """

    full_state_update = False
    scores: list[Tensor]
    hits: list[Tensor]
    ignored: list[Tensor]
    count: Tensor

    def __init__(self, joints: Sequence[str]) -> None:
        super().__init__()
        self._sigma = spreads(joints)
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("hits", [], dist_reduce_fx="cat")
        self.add_state("ignored", [], dist_reduce_fx="cat")
        self.add_state("count", torch.zeros((), dtype=torch.long), dist_reduce_fx="sum")

    def update(
        self,
        guesses: NDArray[np.floating],
        scores: NDArray[np.floating],
        truths: NDArray[np.floating],
        known: NDArray[np.bool_],
        areas: NDArray[np.floating],
        boxes: NDArray[np.floating],
        crowd: NDArray[np.bool_],
    ) -> None:
        """Add one picture.

        Args:
            guesses: (G, J, 2) px, NaN where not found.
            scores: (G,) how sure each guess is.
            truths, known, areas, boxes: as :func:`similarity` has them.
            crowd: (T,) boxes of crowds: whoever is found there is neither right nor wrong.
        """
        order = np.argsort(-np.asarray(scores), kind="stable")[:MOST]
        guesses, scores = np.asarray(guesses)[order], np.asarray(scores)[order]
        free = crowd | ~known.any(1)
        first = np.argsort(free, kind="stable")  # those that count come first
        truths, areas, boxes = truths[first], areas[first], boxes[first]
        known, free, crowd = known[first], free[first], crowd[first]
        alike = similarity(guesses, truths, known, areas, boxes, self._sigma)
        hits = np.zeros((len(order), len(THRESHOLDS)), bool)
        ignored = np.zeros_like(hits)
        for column, threshold in enumerate(THRESHOLDS):
            taken = np.zeros(len(truths), bool)
            for guess in range(len(order)):
                best, match = min(threshold, 1 - 1e-10), -1
                for truth in range(len(truths)):
                    if taken[truth] and not crowd[truth]:
                        continue
                    if match >= 0 and not free[match] and free[truth]:
                        break
                    if alike[guess, truth] >= best:
                        best, match = alike[guess, truth], truth
                if match >= 0:
                    taken[match] = True
                    hits[guess, column], ignored[guess, column] = not free[match], free[match]
        self.scores.append(torch.as_tensor(scores, dtype=torch.float64))
        self.hits.append(torch.from_numpy(hits))
        self.ignored.append(torch.from_numpy(ignored))
        self.count += int((~free).sum())

    def precisions(self) -> NDArray[np.float64]:
        """Return (10,) the average precision at each threshold, NaN where there was no truth."""
        if not int(self.count):
            return np.full(len(THRESHOLDS), np.nan)
        scores, hits, ignored = (
            np.concatenate([np.asarray(part) for part in parts])
            if isinstance(parts, list)
            else np.asarray(parts)
            for parts in (self.scores, self.hits, self.ignored)
        )
        order = np.argsort(-scores, kind="mergesort")
        found = np.zeros(len(THRESHOLDS))
        for column in range(len(THRESHOLDS)):
            kept = order[~ignored[order, column]]
            right = hits[kept, column].cumsum()
            if not len(right):
                continue
            recall = right / int(self.count)
            precision = right / np.arange(1, len(right) + 1)
            precision = np.maximum.accumulate(precision[::-1])[::-1]
            at = np.searchsorted(recall, RECALLS, side="left")
            found[column] = np.append(precision, 0.0)[np.minimum(at, len(precision))].mean()
        return found

    def compute(self) -> Tensor:
        """Return the mean over the thresholds; NaN without truth."""
        return torch.tensor(self.precisions().mean())
