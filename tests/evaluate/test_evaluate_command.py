"""``chorus evaluate``: what it tells of sessions, motion and data sets, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from made_bvh import MOTIONBUILDER, moving, stick_body
from waving import write_waving

from drivers.simulator.actions import ACTIONS
from fusion.cli import main
from fusion.model.checkpoint import save_net
from fusion.model.net import FusionNet, NetConfig
from fusion.virtual import bvh
from recordings.importers import utd_mhad


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A body with markers who waves for two seconds, and the truth."""
    return write_waving(tmp_path_factory.mktemp("sessions") / "wave.h5", 2.0, (0.5, 1.5))


def weights(folder: Path, actions: tuple[str, ...]) -> str:
    torch.manual_seed(0)
    path = folder / "net.safetensors"
    save_net(FusionNet(NetConfig(width=16, layers=1, heads=2, window=8, actions=actions)), path)
    return str(path)


@pytest.fixture
def small(tmp_path: Path) -> str:
    return weights(tmp_path, ACTIONS)


def found(capsys: pytest.CaptureFixture[str], *argv: str) -> dict:
    assert main(["evaluate", *argv, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def row(said: dict, name: str) -> dict:
    return next(row for row in said["rows"] if row["name"] == name)


def test_a_session_with_truth(session: Path, small: str, capsys: pytest.CaptureFixture[str]) -> None:
    said = found(capsys, small, str(session))
    assert (said["kind"], said["truth"], said["windows"]) == ("session", "recorded", 1)
    names = [row["name"] for row in said["rows"]]
    lifted = ["hold last (lifted vision)", "One-Euro (lifted vision)"]
    assert names == ["all sensors", *lifted, "constant", "the truth itself"]
    assert row(said, "the truth itself")["mpjpe_mm"] == 0.0
    assert row(said, "the truth itself")["lag_ticks"] == pytest.approx(0.0, abs=0.05)
    assert row(said, "hold last (lifted vision)")["mpjpe_mm"] < 400.0
    assert row(said, "constant")["top1"] == 1.0, "there is one action alone"
    assert 55 <= row(said, "all sensors")["count"] <= 62, "ticks of a second"
    low, high = row(said, "all sensors")["interval95"]
    assert 0.0 <= low <= row(said, "all sensors")["top1"] <= high <= 1.0
    blind = found(capsys, small, str(session), "--mask=vision")
    assert [row["name"] for row in blind["rows"]] == ["all sensors", "constant", "the truth itself"]
    dark = found(capsys, small, str(session), "--corrupt=gap:1")
    hold = "hold last (lifted vision)"
    assert row(dark, hold)["mpjpe_mm"] > row(said, hold)["mpjpe_mm"], "what stands still falls behind"
    assert dark["corruption"] == "gap:1"


def test_a_folder_of_bvh_files_through_virtual_sensors(
    small: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "motion").mkdir()
    bvh.write(tmp_path / "motion" / "bend.bvh", stick_body(MOTIONBUILDER, turns=moving()))
    asked = (str(tmp_path / "motion"), "--windows=2", "--window_s=1", "--seed=3")
    said = found(capsys, small, *asked)
    assert (said["kind"], said["split"], said["windows"], said["seed"]) == ("BVH", "all", 2, 3)
    assert said["sensors"].startswith("virtual")
    names = {row["name"] for row in said["rows"]}
    assert {"all sensors", "constant", "the truth itself"} <= names
    assert found(capsys, small, *asked) == said, "the same seed, the same figures"
    bare = found(capsys, small, *asked, "--corrupt=imus:none")
    assert "without vision" not in {row["name"] for row in bare["rows"]}
    # Held out by name: it alone is evaluated where it is there.
    bvh.write(tmp_path / "motion" / "03_01.bvh", stick_body(MOTIONBUILDER, turns=moving()))
    assert found(capsys, small, *asked)["split"] == "test"


def test_utd_mhad_and_the_table(made_utd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = weights(tmp_path, tuple(reversed(utd_mhad.ACTIONS)))
    said = found(capsys, net, str(made_utd))
    assert said["split"].startswith("subjects 2, 4, 6, 8; baselines learn from 1, 3, 5, 7")
    assert row(said, "nearest mean")["top1"] == 1.0, "whatever the order of the network's actions"
    assert {row["count"] for row in said["rows"]} == {6}
    assert main(["evaluate", net, str(made_utd), "--subjects=5"]) == 0
    printed = capsys.readouterr().out
    assert "subjects 5; baselines learn from 1, 3, 7" in printed
    for name in ("late fusion", "nearest mean", "most frequent action", "95 % interval"):
        assert name in printed
    assert main(["evaluate", net, str(made_utd), "--subjects=5", "--suite"]) == 0
    assert "mean of the five" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["{net}", "absent"], "there is no absent"),
        (["absent.safetensors", "{session}"], "there are no weights"),
        (["{net}", "{empty}"], "holds nothing to evaluate on"),
        (["{net}", "{session}", "--mask=nose"], "can be masked"),
        (["{net}", "{session}", "--corrupt=fog:1"], "there is no corruption"),
        (["{net}", "{session}", "--corrupt=dark:2"], "was recorded by real ones"),
        (["{net}", "{session}", "--windows=0"], "--windows is 0"),
        (["{net}", "{session}", "--suite"], "defined for UTD-MHAD"),
        (["{net}", "{utd}"], "do not know 23 of the 27 actions"),
        (["{net}", "{utd}", "--subjects=x"], "--subjects is 'x'"),
        (["{net}", "{utd}", "--subjects=9"], "no trials of subjects"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    argv: list[str],
    says: str,
    session: Path,
    small: str,
    made_utd: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    known = {"net": small, "session": session, "utd": made_utd, "empty": tmp_path / "empty"}
    assert main(["evaluate", *(word.format(**known) for word in argv)]) != 0
    said = capsys.readouterr().err
    assert says in said
    assert said.count("\n") == 1
