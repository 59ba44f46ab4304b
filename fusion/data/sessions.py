"""Recorded sessions as batches: the same features as live, targets from the truth or the front end itself.

session.h5 -> fusion.features (features_of, targets_of) -> windows -> batches
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from drivers.errors import ConfigError, DataError
from fusion.data.batches import TARGETS, Batch, unknown_targets
from fusion.data.vary import Variety
from fusion.data.windows import Draws, Place, Track, Windows, shares
from fusion.features import FeatureSpec, features_of, targets_of
from fusion.model.contract import FEATURES, OTHERS
from fusion.model.net import NetConfig
from recordings.reader import open_recording


def read_track(
    path: str | Path,
    actions: Sequence[str],
    rate_hz: float = 60.0,
    vision: str | None = None,
    cache: str | Path | None = None,
    truth: str = "truth",
) -> Track:
    """Read a session.

    Args:
        path: the file.
        actions: names of the classes; labels of other names are unknown.
        rate_hz: ticks per second.
        vision: front end; by default the one that the session's rig names.
        cache: folder that keeps the front end's key points between runs.
        truth: name of the stream of true joints, where there is one.

    Raises:
        DataError: there is nothing in it to learn from.
        RecordingUnreadable: the file is not a session.
    """
    with open_recording(path) as recording:
        features = features_of(
            recording, FeatureSpec(rate_hz=rate_hz), vision, cache=None if cache is None else Path(cache)
        )
        targets: dict[str, Any] = dict(targets_of(recording, features, actions, truth=truth))
    ticks = len(features["time"])
    unknown = {name: value[0].numpy() for name, value in unknown_targets(1, ticks).items()}
    targets = unknown | targets
    track = Track(
        {
            name: torch.from_numpy(np.ascontiguousarray(features[name]))
            for name in (*FEATURES, *OTHERS)
            if name in features
        },
        {name: torch.from_numpy(np.ascontiguousarray(targets[name])) for name in TARGETS},
    )
    known = track.targets
    if not bool(known["joints3d_known"].any() | known["joints2d_known"].any() | (known["action"] >= 0).any()):
        raise DataError(
            f"{path} has nothing to learn from: no person was seen, and there is no truth and no label",
            mend="Record with a camera that sees the person, or label the session",
        )
    return track


def session_files(named: str | Sequence[str]) -> list[Path]:
    """Return the session files of names: of files, and of folders, which hold some.

    Raises:
        DataError: a folder holds none.
    """
    files = []
    for name in [named] if isinstance(named, str) else named:
        path = Path(name).expanduser()
        found = sorted(path.glob("*.h5")) if path.is_dir() else [path] if name else []
        if path.is_dir() and name and not found:
            raise DataError(f"{name} holds no session (.h5)", mend="chorus record makes one")
        files += found
    return files


def labelled_actions(files: Sequence[Path]) -> tuple[str, ...]:
    """Return the names of all actions that sessions are labelled with, sorted.

    Raises:
        RecordingUnreadable: a file is not a session.
    """
    names: set[str] = set()
    for file in files:
        with open_recording(file) as recording:
            names |= {label.action for label in recording.labels}
    return tuple(sorted(names))


class SessionData(pl.LightningDataModule):
    """Recorded sessions; the end of each, or sessions of their own, are kept for validation.

    Args:
        session: a session file or a folder of them, or several.
        actions: names of the classes, in the order of the network's; by default all that are labelled.
        val_session: sessions for validation alone; ``session`` is learnt from whole then.
        vision: front end; by default the one that each session's rig names.
        rate_hz: ticks per second.
        window_s: length of a window.
        val_part: part of each session, at its end, for validation; 0: none.
        batch_size: windows in a batch.
        passes: how often an epoch goes over the training part, each time at other places.
        windows: in an epoch, in place of ``passes``: a training then lasts as long whatever was recorded.
        balance: 0: windows as they come; 1: rare actions come as often as frequent ones.
        variety: how windows are varied to learn from; None: not at all.
        truth: name of the stream of true joints, where there is one; empty: none is used.
        cache: folder that keeps the front end's key points between runs.
        seed: of order, places and variety.
    """

    def __init__(
        self,
        session: str | list[str] = "",
        actions: Sequence[str] | None = None,
        val_session: str | list[str] = "",
        vision: str | None = None,
        rate_hz: float = 60.0,
        window_s: float = 3.0,
        val_part: float = 0.2,
        batch_size: int = 16,
        passes: int = 4,
        windows: int | None = None,
        balance: float = 0.0,
        variety: Variety | None = None,
        truth: str = "truth",
        cache: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not (0.0 <= val_part < 1.0 and 0.0 <= balance <= 1.0):
            raise ConfigError(
                f"data.val_part is {val_part:g} and data.balance is {balance:g}",
                mend="Give a val_part from 0 to below 1, and a balance from 0 to 1",
            )
        self.sessions, self.val_sessions = session, val_session
        self.action_names: Sequence[str] = tuple(actions) if actions else NetConfig().actions
        self._find = not actions
        self.vision, self.rate_hz = vision, rate_hz
        self.ticks = int(window_s * rate_hz)
        self.val_part = 0.0 if val_session else val_part
        self.batch_size, self.passes, self.windows = batch_size, passes, windows
        self.balance, self.variety = balance, variety
        self.truth, self.cache, self.seed = truth, cache, seed
        self._parts: dict[str, list[Track]] = {}

    @staticmethod
    def actions_for(options: Mapping[str, Any]) -> tuple[str, ...] | None:
        """Return the actions that data of these options would have; None where no session is named.

        Raises:
            DataError: fewer than two actions are labelled: there is nothing to tell apart.
            RecordingUnreadable: a file is not a session.
        """
        if options.get("actions"):
            return tuple(options["actions"])
        files = session_files(options.get("session") or "")
        if not files:
            return None
        names = labelled_actions(files)
        if len(names) < 2:
            said = f"only '{names[0]}' is labelled" if names else "nothing is labelled"
            raise DataError(
                f"{said} in {', '.join(map(str, files))[:200]}",
                mend="chorus label SESSION.h5 LABELS.csv adds labels; what is no action of yours needs one, "
                "too, such as 'other'",
            )
        return names

    def setup(self, stage: str) -> None:
        """Read the sessions.

        Raises:
            DataError: no session is named, it is too short, or there is nothing in it to learn from.
        """
        if self._parts:
            return
        files, val_files = session_files(self.sessions), session_files(self.val_sessions)
        if not files:
            raise DataError(
                "no session is named", mend="Give --data.session=FILE.h5; chorus record makes one"
            )
        twice = {file.resolve() for file in files} & {file.resolve() for file in val_files}
        if twice:
            raise DataError(
                f"{min(twice)} is in data.session and in data.val_session", mend="Leave it out of one"
            )
        if self._find:
            self.action_names = labelled_actions(files) or self.action_names
        tracks = [self._read(path) for path in files]
        cuts = [int(len(track) * (1.0 - self.val_part)) for track in tracks]
        self._parts["train"] = [track.part(0, cut) for track, cut in zip(tracks, cuts, strict=True)]
        self._parts["val"] = [self._read(path) for path in val_files]
        if self.val_part:
            pairs = zip(tracks, cuts, strict=True)
            self._parts["val"] = [track.part(cut, len(track)) for track, cut in pairs]

    def _read(self, path: Path) -> Track:
        track = read_track(path, self.action_names, self.rate_hz, self.vision, self.cache, self.truth)
        if len(track) * (self.val_part or 1.0) < 2:
            raise DataError(f"{path} is too short to learn from", mend="Record some tens of seconds")
        return track

    def labelled_s(self) -> dict[str, tuple[float, float]]:
        """Return seconds of each action to learn from, and for validation; call after :meth:`setup`."""
        out = {}
        for number, name in enumerate(self.action_names):
            both = [sum(int((t.targets["action"] == number).sum()) for t in p) for p in self._parts.values()]
            out[name] = (both[0] / self.rate_hz, both[1] / self.rate_hz)
        return out

    def train_dataloader(self) -> DataLoader[Batch]:
        """Windows at random places, varied."""
        windows = Windows(self._parts["train"], self.ticks, self.variety)
        places = windows.places(max(1, self.ticks // 2))
        count = self.windows or self.passes * len(places)
        room = [max(0, len(track) - self.ticks) for track in windows.tracks]
        chances = shares(windows, places, self.balance)
        draws = Draws(places, self.batch_size, chances, self.ticks // 2, room, self.seed, count)
        return DataLoader(windows, batch_size=None, sampler=draws)

    def val_dataloader(self) -> DataLoader[Batch] | list[Any]:
        """Windows of what is kept for validation, in turn; empty where nothing is."""
        windows = Windows(self._parts["val"], self.ticks)
        places: list[Place] = windows.places(self.ticks)
        return DataLoader(windows, batch_size=None, sampler=Draws(places, self.batch_size)) if places else []

    def test_dataloader(self) -> DataLoader[Batch] | list[Any]:
        """As for validation."""
        return self.val_dataloader()
