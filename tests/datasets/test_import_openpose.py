"""OpenPose's JSON becomes a session whose key points everything else takes as if found here."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from made_sets import make_openpose

from drivers.errors import ConfigError, DataError, RecordingExists
from drivers.joints import OPENPOSE18, OPENPOSE25
from fusion.cli import main
from fusion.features import features_of
from recordings.check import examine
from recordings.importers.openpose_json import read_folder
from recordings.importers.openpose_sessions import import_openpose
from recordings.reader import open_recording

SIZE = (1280, 720)


def test_a_folder_becomes_a_session_with_the_person_seen_best(openpose: Path, tmp_path: Path) -> None:
    report = import_openpose(openpose, tmp_path, fps=30.0, size=SIZE, people=3)
    assert (report.frames, report.missing, report.seen, report.joints) == (90, 0, (90, 90), 25)
    assert examine(report.file).ok
    with open_recording(report.file) as recording:
        assert recording.streams["camera"].withheld
        first = recording.features["camera_openpose"]
        assert first.info.properties["skeleton"].split(",") == list(OPENPOSE25)
        np.testing.assert_allclose(np.diff(first.stamps["time"]) * 1e-9, 1 / 30, atol=1e-8)
        rows, other = first.data[:], recording.features["camera_openpose_2"].data[:]
        assert rows[:, 3, 2].max() == 0.0  # never found
        assert (rows[:, :3, 3] > 1.0).all()
        # They pass each other and are listed in changing order: each stays who it is.
        np.testing.assert_allclose(np.diff(rows[:, 0, 0]), 4.0, atol=0.01)
        np.testing.assert_allclose(np.diff(other[:, 0, 0]), -4.0, atol=0.01)
        features = features_of(recording)
    assert features["vision_present"][5:, :3].all()
    assert len(features["time"]) == pytest.approx(90 * 2, abs=3)


def test_the_session_runs_live_and_is_evaluated(
    openpose: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    session = str(tmp_path / "walk.h5")
    asked = [f"--output={session}", "--fps=30", f"--size={SIZE[0]}x{SIZE[1]}"]
    assert main(["import", "openpose", str(openpose), *asked]) == 0
    assert "90 frames of 25 joints, 0 missing" in capsys.readouterr().out
    assert main(["live", f"--source={session}", f"--output={tmp_path / 'live'}"]) == 0
    poses = (tmp_path / "live" / "poses.csv").read_text().splitlines()
    assert len(poses) > 100 * 20
    capsys.readouterr()
    assert main(["evaluate", "free", session, "--window_s=1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == "session"


def test_times_and_size_are_those_of_the_film(openpose: Path, tmp_path: Path) -> None:
    film = tmp_path / "walk.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 25.0, (320, 240))
    for _ in range(90):
        writer.write(np.zeros((240, 320, 3), np.uint8))
    writer.release()
    report = import_openpose(openpose, tmp_path, video=film)
    with open_recording(report.file) as recording:
        stream = recording.features["camera_openpose"]
        np.testing.assert_allclose(np.diff(stream.stamps["time"]) * 1e-9, 0.04, atol=1e-6)
        assert (stream.info.properties["width"], stream.info.properties["height"]) == ("320", "240")
    more = tmp_path / "more"
    shutil.copytree(openpose, more)
    shutil.copy(openpose / "walk_000000000000_keypoints.json", more / "walk_000000000095_keypoints.json")
    with pytest.raises(DataError, match="has 90 frames, the folder goes to 96"):
        import_openpose(more, tmp_path / "more.h5", video=film)
    with pytest.raises(DataError, match="not a video"):
        import_openpose(openpose, tmp_path / "x.h5", video=openpose / "walk_000000000000_keypoints.json")


def test_missing_and_damaged_files_are_counted_as_lost(openpose: Path, tmp_path: Path) -> None:
    folder = tmp_path / "json"
    shutil.copytree(openpose, folder)
    (folder / "walk_000000000010_keypoints.json").unlink()
    cut = folder / "walk_000000000020_keypoints.json"
    cut.write_text(cut.read_text()[:100])
    report = import_openpose(folder, tmp_path, fps=30.0, size=SIZE)
    assert (report.frames, report.missing, len(report.faults)) == (88, 2, 1)
    assert all("2.2 % was lost" in line for line in examine(report.file).problems)
    with open_recording(report.file) as recording:
        stream = recording.features["camera_openpose"]
        assert stream.ledger.lost == {"device_gap": 1, "checksum": 1}
        assert np.diff(stream.stamps["time"]).max() * 1e-9 == pytest.approx(2 / 30, abs=1e-6)


def test_parts_of_the_picture_become_pixels(tmp_path: Path) -> None:
    for signed in (False, True):
        folder = make_openpose(tmp_path / f"json{signed}", frames=5)
        for path in folder.iterdir():
            frame = json.loads(path.read_text())
            for person in frame["people"]:
                values = np.array(person["pose_keypoints_2d"]).reshape(-1, 3)
                known = values[:, 2] > 0
                values[known, :2] /= np.array(SIZE) - 1.0
                values[known, :2] = values[known, :2] * 2 - 1 if signed else values[known, :2]
                person["pose_keypoints_2d"] = values.ravel().tolist()
            path.write_text(json.dumps(frame))
        report = import_openpose(folder, tmp_path / f"{signed}.h5", fps=30.0, size=SIZE)
        assert "parts of the picture" in report.notes[0]
        with open_recording(report.file) as recording:
            x = recording.features["camera_openpose"].data[:][:, 0, 0]
            np.testing.assert_allclose(np.diff(x), 4.0, atol=0.02)


def test_who_openpose_followed_is_followed_and_somebody_else_after_half_a_second(tmp_path: Path) -> None:
    folder = make_openpose(tmp_path / "json", frames=60)
    for number, path in enumerate(sorted(folder.iterdir())):
        frame = json.loads(path.read_text())
        large = [p for p in frame["people"] if p["pose_keypoints_2d"][2] > 0.7]
        small = [p for p in frame["people"] if p not in large]
        large[0]["person_id"], small[0]["person_id"] = [5], [8]
        path.write_text(json.dumps({"version": 1.3, "people": small if number >= 30 else small + large}))
    report = import_openpose(folder, tmp_path / "a.h5", fps=30.0, size=SIZE)
    with open_recording(report.file) as recording:
        rows = recording.features["camera_openpose"].data[:]
    there = rows[:, 0, 2] > 0
    assert there[:30].all()
    assert not there[30:44].any()
    assert there[46:].all()
    assert rows[50, 0, 2] == pytest.approx(0.68)


def test_the_older_key_and_the_smaller_body_are_read(tmp_path: Path) -> None:
    folder = make_openpose(tmp_path / "json", frames=3, joints=18)
    for path in folder.iterdir():
        path.write_text(
            path.read_text().replace("pose_keypoints_2d", "pose_keypoints").replace('"person_id": [-1], ', "")
        )
    assert read_folder(folder).joints == OPENPOSE18


def test_what_is_wrong_is_told_in_one_line(openpose: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither time nor size"):
        import_openpose(openpose, tmp_path)
    with pytest.raises(DataError, match="has no files"):
        read_folder(tmp_path)
    with pytest.raises(DataError, match="no film 'run'"):
        read_folder(openpose, "run")
    two = make_openpose(tmp_path / "two", frames=2)
    make_openpose(two, frames=2, film="run")
    with pytest.raises(DataError, match="has 2 films"):
        read_folder(two)
    assert len(read_folder(two, "run").frames) == 2
    wrong = make_openpose(tmp_path / "wrong", frames=1)
    path = next(wrong.iterdir())
    for text, said in (
        ('{"version": 1.3}', "required field"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "not 75"),
        ('{"people": [{"pose_keypoints_2d": [' + ", ".join(["1e308"] * 75) + "]}]}", "too large"),
        ("\x00\x01", "no frame"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=said):
            read_folder(wrong)
    path.write_text('{"people": []}')
    with pytest.raises(DataError, match="nobody is seen"):
        import_openpose(wrong, tmp_path / "b.h5", fps=30.0, size=SIZE)
    made = import_openpose(openpose, tmp_path / "c.h5", fps=30.0, size=SIZE)
    before = made.file.read_bytes()
    with pytest.raises(RecordingExists):
        import_openpose(openpose, tmp_path / "c.h5", fps=30.0, size=SIZE)
    assert made.file.read_bytes() == before
    assert main(["import", "openpose", str(openpose), "--size=big", "--fps=30"]) == 2
    assert main(["import", "openpose", str(openpose), "--size=10x10", "--fps=-1"]) == 2
