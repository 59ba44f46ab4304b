"""Recorded sessions as batches: the same features as live, targets from the truth or the front end itself.

session.h5 -> fusion.features (features_of, targets_of) -> windows -> batches
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from drivers.errors import DataError
from drivers.simulator.actions import ACTIONS
from fusion.data.batches import TARGETS, Batch, unknown_targets
from fusion.features import FeatureSpec, features_of, targets_of
from fusion.model.net import FEATURES
from recordings.reader import open_recording


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


def read_track(
    path: str | Path,
    actions: Sequence[str],
    rate_hz: float = 60.0,
    vision: str | None = None,
    cache: str | Path | None = None,
) -> Track:
    """Read a session.

    Args:
        path: the file.
        actions: names of the classes; labels of other names are unknown.
        rate_hz: ticks per second.
        vision: front end; by default the one that the session's rig names.
        cache: folder that keeps the front end's key points between runs.

    Raises:
        DataError: there is nothing in it to learn from.
        RecordingUnreadable: the file is not a session.
    """
    with open_recording(path) as recording:
        features = features_of(
            recording, FeatureSpec(rate_hz=rate_hz), vision, cache=None if cache is None else Path(cache)
        )
        targets: dict[str, Any] = dict(targets_of(recording, features, actions))
    ticks = len(features["time"])
    unknown = {name: value[0].numpy() for name, value in unknown_targets(1, ticks).items()}
    targets = unknown | targets
    track = Track(
        {name: torch.from_numpy(np.ascontiguousarray(features[name])) for name in FEATURES},
        {name: torch.from_numpy(np.ascontiguousarray(targets[name])) for name in TARGETS},
    )
    known = track.targets
    if not bool(known["joints3d_known"].any() | known["joints2d_known"].any() | (known["action"] >= 0).any()):
        raise DataError(
            f"{path} has nothing to learn from: no person was seen, and there is no truth and no label",
            mend="Record with a camera that sees the person, or label the session",
        )
    return track


class Windows:
    """Places in tracks -> a batch of windows of equal length.

    Args:
        tracks: to cut from.
        ticks: length.
        jitter: largest random shift of a window, ticks.
        seed: of the shifts.
    """

    def __init__(self, tracks: list[Track], ticks: int, jitter: int = 0, seed: int = 0) -> None:
        self.tracks = tracks
        self.ticks = ticks
        self.jitter = jitter
        self.generator = torch.Generator().manual_seed(seed)

    def places(self, stride: int) -> list[tuple[int, int]]:
        """Return (track, first tick) of windows each ``stride`` ticks; short tracks give one."""
        return [
            (number, start)
            for number, track in enumerate(self.tracks)
            for start in range(0, max(1, len(track) - self.ticks + 1), stride)
        ]

    def __call__(self, places: list[tuple[int, int]]) -> Batch:
        """Return the windows at ``places``, padded at the end where a track is shorter."""
        parts, valid = [], torch.zeros(len(places), self.ticks)
        for row, (number, start) in enumerate(places):
            track = self.tracks[number]
            if self.jitter:
                shift = int(torch.randint(-self.jitter, self.jitter + 1, (), generator=self.generator))
                start = min(max(0, start + shift), max(0, len(track) - self.ticks))
            part = track.part(start, start + self.ticks)
            valid[row, : len(part)] = 1.0
            parts.append(part)
        features = {name: _stack([p.features[name] for p in parts], self.ticks) for name in FEATURES}
        targets = {name: _stack([p.targets[name] for p in parts], self.ticks) for name in TARGETS}
        segment = torch.full((len(places),), -1, dtype=torch.int64)
        return {"features": features, "targets": targets, "valid": valid, "segment": segment}


def _stack(items: list[Tensor], ticks: int) -> Tensor:
    padded = [
        torch.cat([x, x[-1:].expand(ticks - len(x), *x.shape[1:])]) if len(x) < ticks else x for x in items
    ]
    return torch.stack(padded)


class SessionData(pl.LightningDataModule):
    """Recorded sessions; the end of each is kept for validation.

    Args:
        session: a session file, or several.
        actions: names of the classes, in the order of the network's.
        vision: front end; by default the one that each session's rig names.
        rate_hz: ticks per second.
        window_s: length of a window.
        val_part: part of each session, at its end, for validation.
        batch_size: windows in a batch.
        passes: how often an epoch goes over the training part, each time at other places.
        cache: folder that keeps the front end's key points between runs.
        seed: of order and places.
    """

    def __init__(
        self,
        session: str | list[str] = "",
        actions: tuple[str, ...] = ACTIONS,
        vision: str | None = None,
        rate_hz: float = 60.0,
        window_s: float = 3.0,
        val_part: float = 0.2,
        batch_size: int = 16,
        passes: int = 4,
        cache: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.files = [session] if isinstance(session, str) else list(session)
        self.action_names = tuple(actions)
        self.vision, self.rate_hz = vision, rate_hz
        self.ticks = int(window_s * rate_hz)
        self.val_part = val_part
        self.batch_size, self.passes = batch_size, passes
        self.cache, self.seed = cache, seed
        self._tracks: list[Track] = []

    def setup(self, stage: str) -> None:
        """Read the sessions.

        Raises:
            DataError: no session is named, it is too short, or there is nothing in it to learn from.
        """
        if self._tracks:
            return
        if not any(self.files):
            raise DataError(
                "no session is named", mend="Give --data.session=FILE.h5; chorus record makes one"
            )
        tracks = [
            read_track(path, self.action_names, self.rate_hz, self.vision, self.cache) for path in self.files
        ]
        for path, track in zip(self.files, tracks, strict=True):
            if len(track) * self.val_part < 2:
                raise DataError(f"{path} is too short to learn from", mend="Record some tens of seconds")
        self._tracks = tracks

    def train_dataloader(self) -> DataLoader:
        """Windows of the first part of each session, at random places."""
        windows = Windows(
            [t.part(0, self._cut(t)) for t in self._tracks], self.ticks, self.ticks // 2, self.seed
        )
        places = windows.places(max(1, self.ticks // 2)) * self.passes
        return self._loader(windows, places, shuffle=True)

    def val_dataloader(self) -> DataLoader:
        """Windows of the last part of each session."""
        windows = Windows([t.part(self._cut(t), len(t)) for t in self._tracks], self.ticks)
        return self._loader(windows, windows.places(self.ticks), shuffle=False)

    def test_dataloader(self) -> DataLoader:
        """As for validation."""
        return self.val_dataloader()

    def _cut(self, track: Track) -> int:
        return int(len(track) * (1.0 - self.val_part))

    def _loader(self, windows: Windows, places: list[tuple[int, int]], *, shuffle: bool) -> DataLoader:
        return DataLoader(
            places,  # type: ignore[arg-type]
            batch_size=self.batch_size,
            shuffle=shuffle,
            collate_fn=windows,
            generator=torch.Generator().manual_seed(self.seed),
        )
