"""Front ends and runs made elsewhere are compared side by side, and against the truth."""

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.errors import DataError
from fusion.cli import main
from fusion.compare.agreement import Agreement
from fusion.compare.runs import run_of
from fusion.compare.truth import Judge
from fusion.pose.frame import Seen
from fusion.pose.inputs import Shot
from fusion.skeletons import COCO17, OPENPOSE18, mapping
from recordings.importers.annotated import AnnotatedPerson
from tests.vision.test_posenet import standing


def seen(points, score=0.9):
    low, high = points.min(0), points.max(0)
    return Seen(
        1, points.astype(np.float32), np.full(len(points), score, np.float32), None, (*low, *(high - low))
    )


def annotated(points, known=17, crowd=False, path="a"):
    low, high = points.min(0), points.max(0)
    visible = np.zeros(17, np.uint8)
    visible[:known] = 2
    box = (*low, *(high - low))
    return AnnotatedPerson(path, points.astype(np.float32), visible, box, box[2] * box[3] / 2, crowd=crowd)


def test_people_missed_and_invented_are_counted():
    judge = Judge(COCO17, COCO17)
    one, other = standing(100, 50, 200), standing(400, 50, 200)
    judge.take([seen(one), seen(standing(700, 50, 200))], [annotated(one), annotated(other)])
    worth = judge.worth
    assert (worth.people, worth.missed, worth.invented) == (2, 1, 1)
    assert (worth.right, worth.joints) == (17, 34)
    judge.take([], [annotated(one)])
    judge.take([seen(one)], [])
    assert (worth.people, worth.missed, worth.invented) == (3, 2, 2)


def test_joints_beyond_a_fifth_of_the_box_are_wrong():
    judge = Judge(COCO17, COCO17)
    truth = standing(100, 50, 200)
    size = np.ptp(truth, axis=0).max()
    guess = truth.copy()
    guess[9, 0] += 0.19 * size
    guess[10, 0] += 0.21 * size
    judge.take([seen(guess)], [annotated(truth)])
    assert judge.worth.right == 16


def test_who_is_not_annotated_joint_by_joint_is_not_invented():
    judge = Judge(COCO17, COCO17)
    one, other = standing(100, 50, 200), standing(400, 50, 200)
    judge.take([seen(one), seen(other)], [annotated(one, known=2), annotated(other, crowd=True)])
    assert (judge.worth.people, judge.worth.invented) == (0, 0)


def test_heads_are_measured_where_they_are_annotated():
    joints = (*COCO17, "head_top", "neck")
    points = np.concatenate([standing(100, 50, 200), [[100, 30], [100, 70]]])
    truth = AnnotatedPerson(
        "a", points.astype(np.float32), np.full(19, 2, np.uint8), (60, 30, 80, 200), 8000.0
    )
    judge = Judge(COCO17, joints)
    near = standing(119, 50, 200)  # the head is 40 px long
    judge.take([seen(near)], [truth])
    assert judge.worth.pckh == pytest.approx(18 / 18)  # the neck is told by the shoulders, the top is not
    judge.take([seen(standing(121, 50, 200))], [truth])
    assert judge.worth.pckh == pytest.approx(0.5)


def test_runs_that_agree_are_apart_by_what_they_are_apart():
    both = Agreement(COCO17, COCO17)
    one = standing(100, 50, 200)
    size = np.ptp(one, axis=0).max()
    both.take([seen(one), seen(standing(400, 50, 200))], [seen(standing(100 + 0.03 * size, 50, 200))])
    assert (both.both, both.only_one, both.only_other) == (1, 1, 0)
    assert both.median == pytest.approx(0.03, abs=1e-4)
    assert set(both.joints()) == set(COCO17)
    assert np.isnan(Agreement(COCO17, COCO17).median)


@pytest.fixture
def made(tmp_path):
    """Two pictures, their truth, and what OpenPose and AlphaPose might have found in them."""
    folder, openpose = tmp_path / "pictures", tmp_path / "openpose"
    folder.mkdir()
    openpose.mkdir()
    people = {"a": [standing(100, 40, 150)], "b": [standing(80, 40, 150), standing(220, 40, 150)]}
    images, annotations, alpha = [], [], []
    for number, (name, found) in enumerate(people.items(), 1):
        cv2.imwrite(str(folder / f"{name}.png"), np.full((240, 320, 3), 90, np.uint8))
        images.append({"id": number, "file_name": f"{name}.png", "width": 320, "height": 240})
        rows = []
        for points in found:
            full = np.concatenate([points, np.full((17, 1), 2)], 1).ravel().tolist()
            low, high = points.min(0), points.max(0)
            box = [*low.tolist(), *(high - low).tolist()]
            annotations.append(
                {"id": len(annotations), "image_id": number, "category_id": 1, "keypoints": full, "bbox": box,
                 "area": box[2] * box[3] / 2, "iscrowd": 0, "num_keypoints": 17}
            )  # fmt: skip
            carried = mapping(COCO17, OPENPOSE18).points(points)
            rows.append(
                {"pose_keypoints_2d": np.concatenate([carried, np.full((18, 1), 0.9)], 1).ravel().tolist()}
            )
            if name == "a":
                moved = np.concatenate([points + 2.0, np.full((17, 1), 0.8)], 1)
                alpha.append(
                    {"image_id": "a.png", "category_id": 1, "keypoints": moved.ravel().tolist(), "score": 2.1}
                )
        (openpose / f"{name}_keypoints.json").write_text(json.dumps({"version": 1.3, "people": rows}))
    category = {"id": 1, "name": "person", "keypoints": list(COCO17)}
    truth = tmp_path / "truth.json"
    truth.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [category]}))
    (tmp_path / "alphapose-results.json").write_text(json.dumps(alpha))
    return tmp_path


def test_runs_made_elsewhere_are_compared_with_the_truth(made, capsys):
    out = made / "out"
    words = ["compare", str(made / "pictures"), f"--with={made}/openpose,{made}/alphapose-results.json"]
    assert main([*words, "--truth", str(made / "truth.json"), "--output", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "PCK@0.2" in printed
    figures = json.loads((out / "compare.json").read_text())
    first, second = figures["runs"]
    assert (first["people"], first["missed"], first["pck_0.2"], first["oks_ap"]) == (3, 0, 1.0, 1.0)
    assert (second["people"], second["missed"]) == (1, 2)
    assert first["cpu_s_per_picture"] is None
    (agreement,) = figures["agreement"]
    assert (agreement["both"], agreement["only_one"]) == (1, 2)
    assert agreement["median_of_size"] == pytest.approx(2 * 2**0.5 / 138, rel=0.1)
    picture = cv2.imread(str(out / "b.jpg"))
    assert picture.shape[1] > 2 * 320


def test_a_film_becomes_a_film_side_by_side(made, capsys):
    words = ["compare", str(made / "pictures"), "--fps=10", f"--with=markers,{made}/openpose"]
    assert main([*words, "--people=2", "--output", str(made / "out")]) == 0
    assert (made / "out" / "pictures.mp4").stat().st_size > 0
    film = cv2.VideoCapture(str(made / "out" / "pictures.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 2
    assert "markers" in capsys.readouterr().out


def openpose_frame(folder, film, frame, x):
    rows = np.concatenate([mapping(COCO17, OPENPOSE18).points(standing(x, 40, 150)), np.ones((18, 1))], 1)
    people = {"version": 1.3, "people": [{"pose_keypoints_2d": rows.ravel().tolist()}]}
    (folder / f"{film}_{frame:012d}_keypoints.json").write_text(json.dumps(people))


def test_frames_of_a_film_are_known_by_their_names_or_by_their_numbers(tmp_path):
    for frame in (0, 1, 3):
        openpose_frame(tmp_path, "walk", frame, 100 + frame)
    image = np.zeros((240, 320, 3), np.uint8)

    def places(film):
        run = run_of(str(tmp_path), 1)
        shots = [Shot(f"{film}_{n:012d}", f"{film}.mp4", n * 10**9, image) for n in range(4)]
        seen = [run(shot, number) for number, shot in enumerate(shots)]
        return [round(float(one[0].keypoints[0, 0])) if one else None for one in seen]

    found = places("walk")
    assert found[2] is None  # it has no file
    assert [place - found[0] for place in (found[1], found[3])] == [1, 3]
    assert places("another") == found
    for frame in range(4):
        openpose_frame(tmp_path, "run", frame, 200)
    assert places("walk") == found
    assert places("run") == [places("run")[0]] * 4
    with pytest.raises(DataError, match=r"2 films, and none is called as another\.mp4"):
        places("another")
    (tmp_path / "run_000000000002_keypoints.json").write_text('{"version"')
    with pytest.raises(DataError, match="run_000000000002_keypoints"):
        places("walk")


def test_what_cannot_be_read_is_left_out_and_told(made, capsys):
    (made / "pictures" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    (made / "pictures" / "nothing.mp4").touch()
    words = ["compare", str(made / "pictures"), f"--with=markers,{made}/openpose"]
    assert main(words) == 1
    out, err = capsys.readouterr()
    assert "2 pictures" in out
    assert [line.split()[2] for line in err.splitlines()] == ["broken.png", "nothing.mp4"]


def test_a_full_disk_and_a_folder_that_is_taken_are_told(made):
    noise = np.random.default_rng(0).integers(0, 255, (240, 320, 3)).astype(np.uint8)
    for name in ("c", "d"):
        cv2.imwrite(str(made / "pictures" / f"{name}.png"), noise)
    code = (
        "import resource, sys, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))\n"
        "from fusion.cli import main\n"
        "sys.exit(main(sys.argv[1:]))"
    )
    words = ["compare", "pictures", "--with=markers,openpose"]
    root = str(Path(__file__).parents[2])

    def told(*more):
        command = [sys.executable, "-c", code, *words, *more]
        environment = {**os.environ, "PYTHONPATH": root}
        done = subprocess.run(command, cwd=made, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1, done.stderr
        return done.stderr

    assert "c.jpg cannot be written" in told("--output=out")
    assert {path.name for path in (made / "out").iterdir()} == {"a.jpg", "b.jpg"}
    assert "out exists already and is not overwritten" in told("--output=out")
    assert "film: pictures.mp4 cannot be written" in told("--output=film", "--fps=10")


def test_help_names_the_options_that_there_are(capsys):
    with pytest.raises(SystemExit):
        main(["compare", "--help"])
    out = capsys.readouterr().out
    assert "INPUT... --with A,B" in out
    assert "--runs" not in out


def test_bad_input_is_refused_in_one_line(made, capsys):
    pictures = str(made / "pictures")
    (made / "cut.json").write_text((made / "alphapose-results.json").read_text()[:40])
    (made / "empty").mkdir()
    for words in (
        [],
        [pictures],
        [pictures, "--with=markers"],
        [pictures, "--with=markers,markers"],
        [pictures, "--with=markers,nothing"],
        [pictures, f"--with=markers,{made}/cut.json"],
        [pictures, f"--with=markers,{made}/empty"],
        [pictures, f"--with=markers,{made}/openpose", f"--truth={made}/absent.json"],
        [pictures, f"--with=markers,{made}/openpose", f"--output={made}"],
        [str(made / "absent.png"), f"--with=markers,{made}/openpose"],
    ):
        assert main(["compare", *words]) != 0
        told = capsys.readouterr().err.strip()
        assert told.startswith("chorus compare: ")
        assert "\n" not in told
