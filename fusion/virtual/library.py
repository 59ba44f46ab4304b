"""The clips of all motion sets, by split and licence, and windows cut out of them.

    sets (files, simulator) -> shelves (cache) -> Library -> windows

What must not be trained on is told by names (:func:`fusion.virtual.sets.held_out`) whenever a library is
asked for a split, whatever the cache or a folder's name says of it.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from drivers.errors import ConfigError, DataError
from fusion.virtual import sets
from fusion.virtual.motion import Motion, Motions, Skeleton
from fusion.virtual.resample import matrices
from fusion.virtual.shelf import Clip, Progress, Shelf, prepare


class Library:
    """Clips of several sets, from which windows are cut.

    Attributes:
        rate_hz: rows per second.
        clips: what is known of each clip.
        actions: names of all actions, in order; windows number them so.

    Args:
        shelves: the sets.
        chosen: (shelf, clip) numbers of the clips that belong to it; all by default.
    """

    def __init__(self, shelves: Sequence[Shelf], chosen: Sequence[tuple[int, int]] | None = None) -> None:
        rates = {shelf.rate_hz for shelf in shelves}
        if len(rates) != 1:
            raise DataError(f"sets at {sorted(rates)} Hz are no one library", mend="Prepare them at one rate")
        self.shelves = tuple(shelves)
        self.rate_hz = rates.pop()
        every = [(s, c) for s, shelf in enumerate(self.shelves) for c in range(len(shelf.clips))]
        self._chosen = tuple(every if chosen is None else chosen)
        self.clips: tuple[Clip, ...] = tuple(self.shelves[s].clips[c] for s, c in self._chosen)
        self.actions: tuple[str, ...] = tuple(
            sorted({label.action for shelf in shelves for clip in shelf.clips for label in clip.labels})
        )

    @classmethod
    def open(
        cls,
        names: Sequence[str] = (*sets.SETS, "simulator"),
        root: str | Path | None = None,
        rate_hz: float = 60.0,
        folders: Sequence[str | Path] = (),
        progress: Progress | None = None,
    ) -> Library:
        """Prepare sets and return their clips.

        Args:
            names: of the sets.
            root: where they are; by default the environment variable ``CHORUS_DATA``.
            rate_hz: rows per second.
            folders: more folders with BVH files of one's own, under no licence that is known.
            progress: told of each file.

        Raises:
            DataError: a set is not there, or no file of it can be read.
        """
        shelves = [prepare(name, root, rate_hz, progress) for name in names]
        return cls([*shelves, *(prepare("any", folder, rate_hz, progress) for folder in folders)])

    def __len__(self) -> int:
        return len(self._chosen)

    @property
    def minutes(self) -> float:
        """Length of all clips together."""
        return sum(clip.rows for clip in self.clips) / self.rate_hz / 60.0

    def select(self, split: str, kind: str = "base", sources: Sequence[str] = ()) -> Library:
        """Return the clips of a split that weights of a kind may be trained on.

        Args:
            split: ``train``, ``val`` or ``test``. What is held out is in ``test`` alone, by its name.
            kind: ``base``, for weights that are non-commercial, or ``free``: what may be used for all.
            sources: sets to take; all by default.

        Raises:
            ConfigError: there is no such split or kind, or nothing is left.
        """
        if split not in ("train", "val", "test") or kind not in ("base", "free"):
            raise ConfigError(
                f"split {split!r} of kind {kind!r} does not exist",
                mend="Choose a split of train, val, test and a kind of base, free",
            )
        chosen = []
        for s, c in self._chosen:
            clip = self.shelves[s].clips[c]
            true_split = "test" if sets.held_out(clip.clip) else clip.split
            allowed = kind == "base" or clip.licence in sets.FREE
            if true_split == split and allowed and (not sources or clip.source in sources):
                chosen.append((s, c))
        if not chosen:
            raise ConfigError(f"no clip is left for {split}, {kind}", mend="Name more sets or another kind")
        return Library(self.shelves, chosen)

    def motion(self, number: int) -> Motion:
        """Return a clip as a whole."""
        s, c = self._chosen[number]
        shelf, clip = self.shelves[s], self.shelves[s].clips[c]
        at = slice(clip.begin, clip.begin + clip.rows)
        turned = matrices(shelf.turns[at].numpy().astype(np.float64)).astype(np.float32)
        return Motion(
            clip=clip.clip,
            source=clip.source,
            licence=clip.licence,
            subject=clip.subject,
            rate_hz=self.rate_hz,
            skeleton=Skeleton(shelf.offsets[c].clone()),
            rotations=torch.from_numpy(turned),
            root=shelf.root[at].clone(),
            girdle=shelf.girdle[at].clone(),
            contacts=shelf.contacts[at].bool(),
            labels=clip.labels,
        )

    def windows(self, numbers: Sequence[int], starts: Sequence[int], rows: int) -> Motions:
        """Cut windows out of clips; one that is too short stands still at its end.

        Args:
            numbers: (N) of the clips.
            starts: (N) first rows.
            rows: in each window.
        """
        cut: dict[str, list[Tensor]] = {name: [] for name in ("turns", "root", "girdle", "contacts")}
        offsets, actions = [], []
        for number, start in zip(numbers, starts, strict=True):
            s, c = self._chosen[number]
            shelf, clip = self.shelves[s], self.shelves[s].clips[c]
            begin = clip.begin + min(start, clip.rows - 1)
            stop = min(begin + rows, clip.begin + clip.rows)
            for name, parts in cut.items():
                part = getattr(shelf, name)[begin:stop]
                if len(part) < rows:
                    part = torch.cat([part, part[-1:].expand(rows - len(part), *part.shape[1:])])
                parts.append(part)
            offsets.append(shelf.offsets[c])
            actions.append(self._actions(clip, begin - clip.begin, rows))
        return Motions(
            rate_hz=self.rate_hz,
            offsets=torch.stack(offsets),
            rotations=to_matrices(torch.stack(cut["turns"])),
            root=torch.stack(cut["root"]),
            girdle=torch.stack(cut["girdle"]),
            contacts=torch.stack(cut["contacts"]).float(),
            action=torch.stack(actions),
        )

    def _actions(self, clip: Clip, start: int, rows: int) -> Tensor:
        out = torch.full((rows,), -1, dtype=torch.int64)
        for label in clip.labels:
            first, last = (round(t * self.rate_hz) - start for t in (label.start_s, label.stop_s))
            out[max(first, 0) : max(last, 0)] = bisect.bisect_left(self.actions, label.action)
        return out

    def draw(
        self, count: int, rows: int, generator: torch.Generator, balance: float = 0.5
    ) -> tuple[list[int], list[int]]:
        """Draw places for windows: numbers of clips and first rows, ``count`` of each.

        Args:
            count: how many.
            rows: in each window.
            generator: of the random numbers.
            balance: how much the sets' shares follow their lengths: 1 as they are, 0 all alike.
        """
        clips = self.clips
        room = torch.tensor([float(max(clip.rows - rows, 0) + self.rate_hz) for clip in clips])
        minutes: dict[str, float] = {}
        for clip, size in zip(clips, room.tolist(), strict=True):
            minutes[clip.source] = minutes.get(clip.source, 0.0) + size
        share = torch.tensor([minutes[clip.source] ** (balance - 1.0) for clip in clips])
        numbers = torch.multinomial(room * share, count, replacement=True, generator=generator)
        where = torch.rand(count, generator=generator)
        last = torch.tensor([max(clips[n].rows - rows, 0) for n in numbers.tolist()])
        return numbers.tolist(), (where * (last + 1)).long().clamp(max=last).tolist()


def to_matrices(xyzw: Tensor) -> Tensor:
    """Return rotations (..., 3, 3) of unit quaternions (..., 4)."""
    x, y, z, w = xyzw.unbind(-1)
    tx, ty, tz = 2.0 * x, 2.0 * y, 2.0 * z
    xx, yy, zz, xy, xz, yz = tx * x, ty * y, tz * z, tx * y, tx * z, ty * z
    wx, wy, wz = tx * w, ty * w, tz * w
    rows = (
        *(1.0 - (yy + zz), xy - wz, xz + wy),
        *(xy + wz, 1.0 - (xx + zz), yz - wx),
        *(xz - wy, yz + wx, 1.0 - (xx + yy)),
    )
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
