"""Recorded sessions become windows: features as live, targets from the truth, the end kept for validation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from waving import CHEST, SECOND, stamped, write_waving

from drivers.errors import DataError
from drivers.simulator.actions import ACTIONS
from fusion.data.sessions import SessionData, read_track
from fusion.skeletons import BODY20
from recordings.layout import SessionAttributes
from recordings.writer import SessionWriter

SECONDS = 3.0


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A body with markers who waves, 20 pictures a second, and the truth."""
    return write_waving(tmp_path_factory.mktemp("sessions") / "wave.h5", SECONDS, (1.0, 2.0))


def test_windows_have_features_truth_and_labels(session: Path) -> None:
    data = SessionData(str(session), window_s=1.0, batch_size=4, val_part=0.34)
    data.setup("fit")
    batch = next(iter(data.val_dataloader()))
    assert batch["valid"].shape[1] == 60
    targets, features = batch["targets"], batch["features"]
    assert float(targets["joints3d_known"].mean()) > 0.8
    known = (targets["joints2d_known"] > 0.5) & (features["vision_present"] > 0.5)
    error = (targets["joints2d"] - features["vision"][..., :2]).norm(dim=-1)[known]
    assert float(error.median()) < 0.04, "the markers are seen where the truth says, up to the age of a frame"
    head, pelvis = BODY20.index("head"), BODY20.index("pelvis")
    up = targets["joints3d"][..., head, 1] - targets["joints3d"][..., pelvis, 1]
    assert bool((up[batch["valid"] > 0.5] < -0.4).all()), "y points down"


def test_labels_are_actions_and_the_rest_is_unknown(session: Path) -> None:
    track = read_track(session, ACTIONS)
    seconds = track.features["time"] / SECOND
    action = track.targets["action"]
    assert set(action[(seconds > 1.05) & (seconds < 1.95)].tolist()) == {ACTIONS.index("wave")}
    assert set(action[seconds < 0.95].tolist()) == {-1}


def test_training_never_sees_the_part_kept_for_validation(session: Path) -> None:
    data = SessionData(str(session), window_s=0.5, batch_size=64, passes=10, val_part=0.4)
    data.setup("fit")
    train = max(int(b["features"]["time"].max()) for b in data.train_dataloader())
    val = min(int(b["features"]["time"].min()) for b in data.val_dataloader())
    assert train < val


def test_windows_of_a_short_track_are_padded_and_say_so(session: Path) -> None:
    data = SessionData(str(session), window_s=10.0, batch_size=2)
    data.setup("fit")
    batch = next(iter(data.train_dataloader()))
    assert batch["valid"].shape[1] == 600
    ticks = batch["valid"].sum(dim=1)
    assert bool((ticks > 60).all())
    assert bool((ticks < 200).all())
    assert torch.equal(batch["valid"][0].sort(descending=True).values, batch["valid"][0])


def test_what_cannot_be_learnt_from_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no session is named"):
        SessionData().setup("fit")
    path = tmp_path / "empty.h5"
    times = (np.arange(200) * (SECOND // 100)).astype(np.int64)
    with SessionWriter(path, SessionAttributes(id="x", rig=""), sync_s=0) as writer:
        writer.add_stream(CHEST)
        writer.append(stamped("chest", times, np.zeros((200, 6), np.float32)))
    with pytest.raises(DataError, match="nothing to learn from"):
        SessionData(str(path)).setup("fit")
