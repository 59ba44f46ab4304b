"""Rows that no body did never reach a sensor: poses before the motion, limbs that flip, two takes in one
file."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from made_bvh import MOTIONBUILDER, moving, stick_body

from drivers.errors import DataError
from fusion.commands.data import main
from fusion.virtual import bvh, sets
from fusion.virtual.anatomy import Points
from fusion.virtual.mend import mend
from fusion.virtual.rig import body_of

RATE = 60.0


@pytest.fixture(scope="module")
def points() -> Points:
    turns = moving(240)
    for turned in turns.values():
        turned[0] = turned[1]
    return body_of(stick_body(MOTIONBUILDER, turns=turns, rows=240)).points


def changed(points: Points, **fields: np.ndarray) -> Points:
    return dataclasses.replace(points, **fields)


def test_what_is_whole_stays_as_it_is(points):
    assert mend(points, RATE) == (points, 0, 0)


def test_a_knee_that_flips_for_some_rows_is_put_between_its_neighbours(points):
    knee = points.knee.copy()
    knee[100:106, 0] += [0.5, 0.0, 0.2]
    mended, bridged, dropped = mend(changed(points, knee=knee), RATE)
    assert (bridged, dropped) == (6, 0)
    np.testing.assert_allclose(mended.knee, points.knee, atol=0.01)
    np.testing.assert_array_equal(mended.hip[:100], points.hip[:100])


def test_a_frame_that_flips_while_joints_stay_is_mended_too(points):
    frames = points.frames.copy()
    frames[50:53, 4] = frames[50:53, 4] @ np.diag([-1.0, -1.0, 1.0])
    mended, bridged, dropped = mend(changed(points, frames=frames), RATE)
    assert (bridged, dropped) == (7, 0)
    np.testing.assert_allclose(mended.frames, points.frames, atol=0.03)


def test_poses_before_the_motion_are_dropped(points):
    knee = points.knee.copy()
    knee[:3] += 1.0
    mended, bridged, dropped = mend(changed(points, knee=knee), RATE)
    assert (bridged, dropped) == (0, 3)
    np.testing.assert_array_equal(mended.knee, points.knee[3:])


def test_of_two_takes_in_one_file_the_longer_is_kept(points):
    moved = {
        name: getattr(points, name).copy() for name in ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
    }
    for places in moved.values():
        places[90:] += 3.0
    mended, bridged, dropped = mend(changed(points, **moved), RATE)
    assert (bridged, dropped) == (0, 90)
    np.testing.assert_array_equal(mended.hip, moved["hip"][90:])


def test_a_t_pose_in_the_first_row_is_no_motion(tmp_path):
    bvh.write(tmp_path / "a.bvh", stick_body(MOTIONBUILDER, turns=moving(120), rows=120))
    loaded = sets.load(tmp_path / "a.bvh", sets.Facts("a", "own"), "any")
    assert (loaded.dropped, len(loaded.motion)) == (1, 119)


def test_the_command_says_what_a_folder_holds(tmp_path, capsys):
    bvh.write(tmp_path / "a.bvh", stick_body(MOTIONBUILDER, turns=moving(120), rows=120))
    bvh.write(
        tmp_path / "b.bvh",
        stick_body({**MOTIONBUILDER, "spine": "Gizmo"}, turns=moving(), frame_time_s=0.002),
    )
    (tmp_path / "c.bvh").write_text("HIERARCHY\nROOT")
    picture = tmp_path / "picture.png"
    assert main(["motion", str(tmp_path), "--plot", str(picture), "--json"], "chorus data") == 0
    (report,) = json.loads(capsys.readouterr().out)
    assert (report["files"], report["source"]) == (3, "any")
    assert report["unmapped"] == {"Gizmo": 1}
    assert report["units"] == {"cm (0.01 m)": 2}
    assert report["rigs"] == {"unknown, frames from its rest": 2}
    assert report["bones_cm"]["thigh"] == pytest.approx([42, 42], abs=0.01)
    assert list(report["refused"]) == ["c.bvh"]
    assert list(report["doubts"]) == ["b.bvh"]
    assert report["dropped"] == {"a.bvh": 1}
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert main(["motion", str(tmp_path)], "chorus data") == 0
    said = capsys.readouterr().out
    assert "Gizmo: 1" in said
    assert "c.bvh, line 2" in said


def test_the_command_refuses_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match="there is no"):
        main(["motion", str(tmp_path / "nothing")], "chorus data")
    with pytest.raises(DataError, match="holds no motion"):
        main(["motion", str(tmp_path)], "chorus data")
    with pytest.raises(Exception, match="data needs check or list or motion"):
        main(["sound", "x"], "chorus data")
