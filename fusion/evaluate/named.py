"""Windows that are one action each: what a network names them, and what needs no network."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from fusion.data.batches import Batch
from fusion.evaluate.actions import ActionScores
from fusion.evaluate.conditions import there, without
from fusion.evaluate.intervals import wilson_interval
from fusion.model.losses import pooled_logits
from fusion.model.net import FusionNet


@dataclasses.dataclass(frozen=True)
class Named:
    """One line of a table of actions.

    Attributes:
        name: of the condition or baseline.
        scores: counts of what was named what.
        guesses: (N,) what each window was named, in the order of the windows; -1 for no answer.
    """

    name: str
    scores: ActionScores
    guesses: Tensor

    def as_dict(self) -> dict[str, object]:
        """Return plain values for JSON; proportions are 0 to 1, the interval is Wilson's of 95 %."""
        hits, count = self.scores.hits, self.scores.count
        interval = list(wilson_interval(hits, count))
        return {
            "name": self.name,
            **self.scores.compute(),
            "interval95": interval,
            "hits": hits,
            "count": count,
        }


def score(name: str, guesses: Tensor, truth: Tensor, classes: int) -> Named:
    """Count guesses (N,) against truth (N,), both int64."""
    scores = ActionScores(classes)
    scores.update(guesses, truth)
    return Named(name, scores, guesses)


def truth_of(batches: Iterable[Batch]) -> Tensor:
    """Return the true action (N,) of each window."""
    return torch.cat([batch["segment"] for batch in batches])


@torch.no_grad()
def log_chances(net: FusionNet, batches: Iterable[Batch], masked: tuple[str, ...] = ()) -> Tensor:
    """Return (N, A) log probabilities of each window's action, without what is ``masked``."""
    net.eval()
    rows = []
    for batch in batches:
        batch = without(batch, masked)
        logits = pooled_logits(net(batch["features"]), batch["valid"])
        rows.append(logits.log_softmax(dim=-1))
    return torch.cat(rows)


def conditions(
    net: FusionNet, batches: Callable[[], Iterable[Batch]], masked: tuple[str, ...] = ()
) -> list[Named]:
    """Return what ``net`` makes of windows: of all sensors, and, where there are two, of each alone and late.

    Late fusion adds the log probabilities of the two masked runs: beside it shows what fusion is worth.
    The council adds those of all three, for who can afford to run a network thrice.

    Args:
        net: the network.
        batches: makes the windows, the same at each call.
        masked: taken away from all runs.
    """
    truth, classes = truth_of(batches()), len(net.config.actions)
    runs = {"all sensors": log_chances(net, batches(), masked)}
    modalities = set().union(*(there(without(batch, masked)) for batch in batches()))
    if {"vision", "inertial"} <= modalities:
        runs["vision alone"] = log_chances(net, batches(), (*masked, "inertial"))
        runs["inertial alone"] = log_chances(net, batches(), (*masked, "vision"))
        runs["late fusion"] = runs["vision alone"] + runs["inertial alone"]
        runs["council of three"] = runs["all sensors"] + runs["late fusion"]
    return [score(name, chances.argmax(dim=-1), truth, classes) for name, chances in runs.items()]


def baselines(
    batches: Callable[[], Iterable[Batch]], reference: Callable[[], Iterable[Batch]] | None, classes: int
) -> list[Named]:
    """Return what needs no network: chance, always the most frequent action, and the nearest mean.

    The nearest mean describes a window by mean and standard deviation over time of each feature,
    standardised. Without ``reference`` (windows to learn from) only chance is there.

    Args:
        batches: makes the windows to name, the same at each call.
        reference: makes the windows to learn from.
        classes: number of actions.
    """
    truth = truth_of(batches())
    chance = torch.randint(classes, truth.shape, generator=torch.Generator().manual_seed(0))
    results = [score("chance (drawn)", chance, truth, classes)]
    if reference is None:
        return results
    known, labels = _describe(reference())
    known, labels = known[labels >= 0], labels[labels >= 0]
    if not len(labels):
        return results
    probe, _ = _describe(batches())
    frequent = labels.bincount(minlength=classes).argmax().expand(len(truth))
    mean, sd = known.mean(dim=0), known.std(dim=0).nan_to_num().clamp(min=1e-3)
    known, probe = (known - mean) / sd, (probe - mean) / sd
    there = labels.unique()
    centres = torch.stack([known[labels == c].mean(dim=0) for c in there])
    nearest = there[torch.cdist(probe, centres).argmin(dim=1)]
    results.append(score("most frequent action", frequent, truth, classes))
    results.append(score("nearest mean", nearest, truth, classes))
    return results


def _describe(batches: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    rows, labels = [], []
    for batch in batches:
        features, weight = batch["features"], batch["valid"][..., None]
        used = torch.cat(
            [features["vision"][..., [0, 1, 7]].flatten(2), features["inertial"][..., :6].flatten(2)], dim=-1
        )
        count = weight.sum(dim=1)
        mean = (used * weight).sum(dim=1) / count
        variance = ((used - mean[:, None]).square() * weight).sum(dim=1) / count
        rows.append(torch.cat([mean, variance.sqrt()], dim=-1))
        labels.append(batch["segment"])
    return torch.cat(rows), torch.cat(labels)
