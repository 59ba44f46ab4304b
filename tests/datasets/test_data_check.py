"""`chorus data check` recognises sets, tells what is missing, broken and how to get it, and never breaks."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.errors import DataError
from fusion.cli import main
from fusion.datasets.check import check
from fusion.datasets.known import KNOWN
from fusion.datasets.report import SetReport

sys.path.insert(0, str(Path(__file__).parents[1] / "evaluate"))  # made_utd, made_human36m

from made_human36m import make as make_human36m
from made_utd import make as make_utd

BVH = """HIERARCHY
ROOT Hips
{
  OFFSET 0 0 0
  CHANNELS 3 Xrotation Yrotation Zrotation
  End Site
  {
    OFFSET 0 10 0
  }
}
MOTION
Frames: 2
Frame Time: 0.033333
0 0 0
0 1 0
"""


def only(reports: list[SetReport]) -> SetReport:
    assert len(reports) == 1
    return reports[0]


def test_whole_sets_are_sound_and_counted(coco: Path, mpii: Path, openpose: Path) -> None:
    report = only(check(coco, deep=True))
    assert report.sound
    assert report.facts["people"] == "6, of them 6 with key points"
    assert report.facts["pictures"] == "6 of 6 that are named"
    assert report.facts["crowds"] == "1"
    found = check(mpii)
    assert {report.set for report in found} == {"mpii"}
    made, own = found if found[0].place.suffix == ".json" else found[::-1]
    assert made.sound
    assert own.missing == ["pictures absent: 1 (900000000.jpg)"]
    assert own.notes[0].startswith("pictures of nobody")
    assert only(check(openpose)).sound


def test_partial_pictures_are_told_one_by_one(
    coco: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "sets" / "coco"
    shutil.copytree(coco, root)
    pictures = root / "val2017"
    (pictures / "000000000001.jpg").unlink()
    cut = pictures / "000000000002.jpg"
    cut.write_bytes(cut.read_bytes()[:900])
    shutil.copy(pictures / "000000000003.jpg", pictures / "stray.jpg")
    (pictures / "000000000004.jpg").write_text("no picture")
    assert main(["data", "check", str(tmp_path)]) == 1
    said = capsys.readouterr().out
    for words in (
        "missing: pictures absent: 1 (000000000001.jpg)",
        "broken: pictures damaged or cut off: 2 (000000000002.jpg, 000000000004.jpg)",
        "pictures in val2017 that the file does not name: 1 (stray.jpg)",
        "get it: cocodataset.org",
        "licence: annotations CC BY 4.0",
        "pictures by licence: 6 Attribution License",
    ):
        assert words in said
    shutil.rmtree(root / "annotations")
    assert "person_keypoints_val2017.json" in only(check(tmp_path)).missing[0]


def test_a_damaged_annotation_file_is_broken_and_others_are_told_beside(coco: Path, tmp_path: Path) -> None:
    root = tmp_path / "coco"
    shutil.copytree(coco, root)
    file = root / "annotations" / "person_keypoints_val2017.json"
    shutil.copy(file, root / "annotations" / "person_keypoints_other.json")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    reports = {report.place.name: report for report in check(root)}
    assert "cut off" in reports[file.name].broken[0]
    assert reports["person_keypoints_other.json"].facts["people"].startswith("6")


def test_utd_and_human36m_and_motion_say_what_they_lack(tmp_path: Path) -> None:
    (tmp_path / "utd").mkdir()
    utd = make_utd(tmp_path / "utd")
    report = only(check(utd))
    assert report.facts["trials"].startswith("24 of 861")
    assert report.missing[0].startswith("skeletons absent: 837")
    assert any("no depth" in note for note in report.notes)
    broken = utd / "Skeleton" / "a1_s1_t1_skeleton.mat"
    broken.write_bytes(broken.read_bytes()[:300])
    assert "trials that can't be read: 1" in only(check(utd, deep=True)).broken[0]
    shutil.rmtree(utd / "Inertial")
    assert "folders absent: 1 (Inertial)" in only(check(utd)).missing

    human = make_human36m(tmp_path / "h36m")
    report = only(check(human))
    assert report.facts["views"] == "8, of them 1 with key points of Stacked Hourglass"
    assert any("S9: 1 of 30 takes" in line for line in report.missing)
    (human / "cameras.h5").unlink()
    report = only(check(human))
    assert any("cameras.h5" in line for line in report.missing)

    motion = tmp_path / "bvh" / "deep"
    motion.mkdir(parents=True)
    (motion / "a.bvh").write_text(BVH)
    assert only(check(tmp_path / "bvh")).facts["files"] == "1 (1 train)"
    (motion / "b.bvh").write_text(BVH.replace("Frames: 2", "Frames: 7"))
    assert "b.bvh" in only(check(tmp_path / "bvh")).broken[0]


def test_openpose_and_xdf_are_looked_at_file_by_file(openpose: Path, tmp_path: Path) -> None:
    folder = tmp_path / "json"
    shutil.copytree(openpose, folder)
    (folder / "walk_000000000007_keypoints.json").unlink()
    (folder / "walk_000000000009_keypoints.json").write_text("{")
    report = only(check(folder))
    assert report.missing == ["1 frames between the first and the last"]
    assert "walk_000000000009" in report.broken[0]
    (tmp_path / "xdf").mkdir()
    (tmp_path / "xdf" / "a.xdf").write_bytes(b"XDF:")
    assert not only(check(tmp_path / "xdf")).sound


def test_json_for_programs_and_the_list_of_sets(
    coco: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["data", "check", str(coco), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told[0]["set"] == "coco"
    assert told[0]["sound"] is True
    assert main(["data", "list", "--json"]) == 0
    assert {one["key"] for one in json.loads(capsys.readouterr().out)} == {one.key for one in KNOWN}
    assert main(["data", "list"]) == 0
    assert "no download" not in capsys.readouterr().out
    with pytest.raises(DataError, match="no data set that is known"):
        check(tmp_path)
    with pytest.raises(DataError, match="there is no"):
        check(tmp_path / "none")
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match="no data set"):
        check(tmp_path / "a.txt")


@settings(max_examples=40)
@given(data=st.data())
def test_whatever_lies_in_a_folder_it_is_a_report_and_no_traceback(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")
    names = (
        *("person_keypoints_val2017.json", "mpii_human_pose_v1_u12_1.mat", "a_000_keypoints.json", "a.bvh"),
        *("a.xdf", "cameras.h5", "utd_mhad.tar.xz", "Skeleton/a1_s1_t1_skeleton.mat", "Depth/x.mat"),
        *("S9/MyPoses/3D_positions/Walking.h5", "Accelerometer/Shimmer01/acc_h01_s01_a01_r01.txt"),
    )
    starts = (b"", b'{"images": [', b'[{"joints_vis": 3', b"HIERARCHY\nMOTION\nFrame Time:", b"XDF:", b"{}")
    for name in data.draw(st.sets(st.sampled_from(names), min_size=1)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data.draw(st.sampled_from(starts)) + data.draw(st.binary(max_size=60)))
    said = "no data set"
    try:
        assert not any(report.sound for report in check(folder, deep=True))
    except DataError as error:
        said = str(error)
    assert "no data set" in said


@pytest.mark.slow
def test_the_real_data_is_recognised() -> None:
    folder = os.environ.get("CHORUS_DATA")
    if not folder or not (Path(folder) / "images" / "coco").is_dir():
        pytest.skip("CHORUS_DATA has no images/coco")
    sound = {report.place.name for report in check(Path(folder) / "images") if report.sound}
    assert {"test_coco.json", "test_mpii.json", "test_crowdpose.json"} <= sound
