"""Windows of recorded sessions: which ones a pass takes, and how they become batches.

::

    tracks -> Draws (places, shuffled, balanced, shared out) -> Windows[places] -> Batch
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler

from fusion.data.batches import TARGETS, Batch, with_others
from fusion.data.ranks import share
from fusion.data.vary import Variety, paced, vary


class Track:
    """One session on the grid, or a part of it.

    Attributes:
        features: as in the features contract, (T, ...) each.
        targets: as in :data:`fusion.data.batches.TARGETS`, (T, ...) each.
    """

    def __init__(self, features: dict[str, Tensor], targets: dict[str, Tensor]) -> None:
        self.features = features
        self.targets = targets

    def __len__(self) -> int:
        return len(self.features["time"])

    def part(self, start: int, stop: int) -> Track:
        """Return the ticks [start, stop)."""
        return Track(
            {name: value[start:stop] for name, value in self.features.items()},
            {name: value[start:stop] for name, value in self.targets.items()},
        )


class Place(NamedTuple):
    """Where a window begins.

    Attributes:
        track: number of the track.
        start: its tick.
        seed: of how the window is varied.
    """

    track: int
    start: int
    seed: int = 0


class Windows(Dataset[Batch]):
    """Places in tracks -> a batch of windows of equal length.

    Args:
        tracks: to cut from.
        ticks: length.
        variety: how each window is varied, by the seed of its place; None: not at all.
    """

    def __init__(self, tracks: list[Track], ticks: int, variety: Variety | None = None) -> None:
        self.tracks, self.ticks, self.variety = tracks, ticks, variety

    def places(self, stride: int) -> list[Place]:
        """Return the places of windows each ``stride`` ticks; short tracks give one."""
        return [
            Place(number, start)
            for number, track in enumerate(self.tracks)
            for start in range(0, max(1, len(track) - self.ticks + 1), stride)
        ]

    def __getitem__(self, places: list[Place]) -> Batch:
        """Return the windows at ``places``, padded at the end where a track is shorter."""
        generators = [torch.Generator().manual_seed(place.seed) for place in places]
        parts, valid = [], torch.zeros(len(places), self.ticks)
        for row, (place, generator) in enumerate(zip(places, generators, strict=True)):
            part = self._cut(place, generator)
            valid[row, : len(part)] = 1.0
            parts.append(part)
        seen = with_others([part.features for part in parts])
        batch: Batch = {
            "features": {name: _stack([f[name] for f in seen], self.ticks) for name in seen[0]},
            "targets": {name: _stack([p.targets[name] for p in parts], self.ticks) for name in TARGETS},
            "valid": valid,
            "segment": torch.full((len(places),), -1, dtype=torch.int64),
        }
        return batch if self.variety is None else vary(batch, self.variety, generators)

    def _cut(self, place: Place, generator: torch.Generator) -> Track:
        track = self.tracks[place.track]
        if self.variety is None or not self.variety.tempo:
            return track.part(place.start, place.start + self.ticks)
        luck = 2.0 * float(torch.rand((), generator=generator)) - 1.0
        speed = (1.0 + self.variety.tempo) ** luck
        part = track.part(place.start, place.start + round(self.ticks * speed) + 1)
        return Track(*paced(part.features, part.targets, speed, self.ticks))


def _stack(items: list[Tensor], ticks: int) -> Tensor:
    padded = [
        torch.cat([x, x[-1:].expand(ticks - len(x), *x.shape[1:])]) if len(x) < ticks else x for x in items
    ]
    return torch.stack(padded)


def shares(windows: Windows, places: list[Place], balance: float) -> Tensor:
    """Return how likely each of ``places`` is drawn, (N,).

    Args:
        windows: of the tracks.
        places: that may be drawn.
        balance: 0: all alike; 1: each labelled action comes as often as any other, as far as windows that
            hold several of them allow. Ticks without a label count as those of the most frequent action.
    """
    labels = torch.cat([track.targets["action"] for track in windows.tracks])
    if not balance or not bool((labels >= 0).any()):
        return torch.ones(len(places))
    counts = labels[labels >= 0].bincount().float()
    weight = (counts.max() / counts.clamp(min=1.0)) ** balance
    weight = torch.cat([weight, torch.ones(1)])  # the last one is of -1
    out = []
    for place in places:
        action = windows.tracks[place.track].targets["action"][place.start : place.start + windows.ticks]
        out.append(weight[action].mean())
    return torch.stack(out)


class Draws(Sampler[list[Place]]):
    """Batches of places, other ones at each pass, or the same in turn.

    Where several processes train together each takes its share of the batches, all as many: step i of process
    r of W takes batch i W + r of those that one process would take in turn.

    Args:
        places: to draw from.
        batch_size: windows in a batch.
        chances: of each place; None: each once, in turn.
        jitter: a window begins up to so many ticks sooner or later.
        room: the last tick at which a window of each track may begin.
        seed: of everything random.
        count: windows in a pass; by default as many as there are places.
    """

    def __init__(
        self,
        places: list[Place],
        batch_size: int,
        chances: Tensor | None = None,
        jitter: int = 0,
        room: list[int] | None = None,
        seed: int = 0,
        count: int | None = None,
    ) -> None:
        self.places, self.batch_size, self.chances = places, batch_size, chances
        self.count = len(places) if count is None else count
        self.jitter, self.room, self.seed = jitter, room or [], seed
        self._passes = 0

    def set_epoch(self, epoch: int) -> None:
        """Go on at pass ``epoch``."""
        self._passes = epoch

    def __len__(self) -> int:
        return -(-self._batches // share()[1])

    @property
    def _batches(self) -> int:
        return -(-self.count // self.batch_size)

    def __iter__(self) -> Iterator[list[Place]]:
        rank, world = share()
        places = self._drawn() if self.chances is not None else self.places
        self._passes += 1  # at the first batch: a data loader may ask for an iterator that it does not use
        for step in range(len(self)):
            at = (step * world + rank) % self._batches * self.batch_size
            yield places[at : at + self.batch_size]

    def _drawn(self) -> list[Place]:
        """Return the places of this pass: each once where all are as likely, drawn otherwise."""
        assert self.chances is not None
        count = self.count
        first = (self.seed * 1_000_003 + self._passes) * count
        g = torch.Generator().manual_seed(first % (1 << 62))
        if bool((self.chances == self.chances[0]).all()):
            rounds = range(-(-count // len(self.places)))
            order = torch.cat([torch.randperm(len(self.places), generator=g) for _ in rounds])[:count]
        else:
            order = torch.multinomial(self.chances, count, replacement=True, generator=g)
        shifts = torch.randint(-self.jitter, self.jitter + 1, (count,), generator=g).tolist()
        drawn = []
        for number, (at, shift) in enumerate(zip(order.tolist(), shifts, strict=True)):
            track, start, _ = self.places[at]
            start = min(max(0, start + shift), self.room[track]) if self.room else start
            drawn.append(Place(track, start, (first + number) % (1 << 62)))
        return drawn
