"""The benchmark of several cameras runs, and says how they compare."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from made_bvh import MOTIONBUILDER, moving, stick_body

from benchmarks.fusion.several_cameras import compare
from fusion.model.net import FusionNet, NetConfig
from fusion.virtual import bvh


def test_it_prints_one_camera_beside_several(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "motion").mkdir()
    bvh.write(tmp_path / "motion" / "bend.bvh", stick_body(MOTIONBUILDER, rows=600, turns=moving(600)))
    torch.manual_seed(0)
    net = FusionNet(NetConfig(width=16, layers=2, heads=2, window=8, form=2)).eval()
    compare(net, str(tmp_path / "motion"), 2, 1.0, windows=2, seeds=1, window_s=2.5)
    title, *lines = capsys.readouterr().out.splitlines()
    assert "2 cameras" in title
    assert [line.split(",")[0].strip() for line in lines] == ["one camera", "geometry", "all"] * 2
    seen = [float(re.findall(r"[-+\d.]+|nan", line.split("sensors")[1])[3]) for line in lines[:3]]
    assert seen[0] == 0.0  # the one camera is covered
    assert seen[1] == seen[2] > 0.3
