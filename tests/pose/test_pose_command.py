"""``chorus pose`` on films and pictures: every output, and what it refuses."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from page_runs import write_film

from fusion.cli import main
from fusion.pose.table import HEADER
from fusion.skeletons import BODY20, COCO17, OPENPOSE25
from fusion.vision.markers import Markers

ROOT = Path(__file__).parents[2]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "poses.csv").open() as file:
        return list(csv.DictReader(file))


def refused(run, *naming: str) -> None:
    code, out, err = run
    assert code not in (0, None)
    assert err.endswith("\n")
    assert err.count("\n") == 1, err
    assert "Traceback" not in out + err
    for word in naming:
        assert word in err


@pytest.fixture
def film(frames, tmp_path):
    return write_film(tmp_path / "walk.mp4", frames)


def test_a_film_becomes_all_that_pose_tools_write(film, frames, tmp_path, pose):
    out = tmp_path / "out"
    code, said, err = pose(film, "--output", out, "--heatmaps", "--screenshots=0.5")
    assert (code, err) == (0, "")
    assert "30 pictures, somebody in 30, 1 person" in said
    made = {path.name for path in out.iterdir()}
    assert made == {
        *("poses.csv", "coco_results.json", "coco_images.json", "openpose", "overlay.mp4", "screenshots"),
        *("heatmaps", "summary.json"),
    }
    table = rows(out)
    assert tuple(table[0]) == HEADER
    assert len(table) == len(frames) * len(BODY20)
    assert [float(row["time_s"]) for row in table[:: len(BODY20)]] == pytest.approx(
        np.arange(30) / 15, abs=1e-3
    )
    assert len(list((out / "openpose").iterdir())) == len(frames)
    assert len(list((out / "screenshots").iterdir())) == 4
    with av.open(str(out / "overlay.mp4")) as container:
        shown = list(container.decode(video=0))
    assert len(shown) == len(frames)
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["frames"], summary["vision"]) == (30, "markers")
    assert summary["left_out"] == ["trc: this front end tells no depth"]
    assert "left out: trc" in said


def test_key_points_are_where_the_front_end_found_them(film, frames, tmp_path, pose):
    out = tmp_path / "out"
    assert pose(film, "--output", out, "--smooth=none", "--write=csv,coco,openpose")[0] == 0
    assert not (out / "overlay.mp4").exists()
    with Markers() as eyes:
        person = eyes(frames[7], 0)[0]
    joints = [row for row in rows(out) if row["frame"] == "7"]
    at = np.array([[float(row["x_px"] or "nan"), float(row["y_px"] or "nan")] for row in joints])
    both = np.isfinite(at[:, 0]) & (person.score > 0.5)
    assert both.sum() > 12
    assert np.abs(at - person.keypoints)[both].max() < 1.0  # the film is a little less sharp
    results = json.loads((out / "coco_results.json").read_text())
    images = json.loads((out / "coco_images.json").read_text())
    assert [entry["image_id"] for entry in results] == [image["id"] for image in images["images"]]
    wrist = np.array(results[7]["keypoints"]).reshape(17, 3)[COCO17.index("left_wrist")]
    assert wrist[:2] == pytest.approx(at[BODY20.index("left_wrist")], abs=0.01)
    entry = json.loads((out / "openpose" / "walk_000000000007_keypoints.json").read_text())["people"][0]
    points = np.array(entry["pose_keypoints_2d"]).reshape(25, 3)
    assert points[OPENPOSE25.index("left_wrist"), :2] == pytest.approx(wrist[:2], abs=0.01)
    assert (points[OPENPOSE25.index("left_eye")] == 0).all()  # no marker is there


def test_pictures_of_a_folder_stand_alone_or_are_a_film(frames, tmp_path, pose):
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in (2, 10, 7):
        cv2.imwrite(str(folder / f"{number}.png"), frames[number])
    (folder / "notes.txt").write_text("no picture")
    assert pose(folder, "--output", tmp_path / "alone")[0] == 0
    table = rows(tmp_path / "alone")
    assert list(dict.fromkeys(row["file"] for row in table)) == ["2.png", "7.png", "10.png"]
    assert {row["time_s"] for row in table} == {""}
    assert {p.name for p in (tmp_path / "alone" / "overlay").iterdir()} == {"2.jpg", "7.jpg", "10.jpg"}
    assert {p.name for p in (tmp_path / "alone" / "openpose").iterdir()} == {
        f"{n}_keypoints.json" for n in (2, 7, 10)
    }
    images = json.loads((tmp_path / "alone" / "coco_images.json").read_text())["images"]
    assert [(image["id"], image["file_name"]) for image in images] == [(n, f"{n}.png") for n in (2, 7, 10)]
    assert not (tmp_path / "alone" / "screenshots").exists()
    assert pose(folder, "--output", tmp_path / "film", "--fps=10")[0] == 0
    assert sorted({row["time_s"] for row in rows(tmp_path / "film")}) == ["0.000000", "0.100000", "0.200000"]
    assert (tmp_path / "film" / "overlay.mp4").exists()


def test_several_films_and_pictures_have_a_folder_each(frames, tmp_path, pose):
    (tmp_path / "b").mkdir()
    films = [
        write_film(tmp_path / "walk.mp4", frames[:5]),
        write_film(tmp_path / "b" / "walk.mp4", frames[:7]),
    ]
    cv2.imwrite(str(tmp_path / "me.png"), frames[0])
    cv2.imwrite(str(tmp_path / "you.jpg"), frames[9])
    code, said, err = pose(*films, tmp_path / "me.png", tmp_path / "you.jpg", "--output", tmp_path / "out")
    assert (code, err) == (0, "")
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"pictures", "walk", "walk_2"}
    counts = [
        json.loads((p / "summary.json").read_text())["frames"] for p in sorted((tmp_path / "out").iterdir())
    ]
    assert counts == [2, 5, 7]
    assert [line.split(": ")[1] for line in said.splitlines() if "somebody" in line] == [
        f"{n} pictures, somebody in {n}, {people}, {line.split(', ')[-1]}"
        for n, people, line in zip(
            counts, ("2 people", "1 person", "1 person"), said.splitlines()[::2], strict=True
        )
    ]


def test_no_two_inputs_get_one_name(frames, tmp_path, pose, monkeypatch):
    day = tmp_path / "day"
    (day / "more").mkdir(parents=True)
    monkeypatch.chdir(day / "more")
    for name in ("a.jpg", "a.png", "a_2.png"):
        cv2.imwrite(str(day / name), frames[0])
    films = [write_film(day / name, frames[:3]) for name in ("walk.mp4", "walk.mkv", "walk_2.mp4")]
    out = tmp_path / "out"
    assert pose("..", "--output", out, "--write=csv,openpose")[0] == 0
    names = {"a", "a_2", "a_2_2"}
    assert {path.name for path in (out / "day" / "openpose").iterdir()} == {
        f"{n}_keypoints.json" for n in names
    }
    assert {path.name for path in out.iterdir()} == {"day", "walk", "walk_2", "walk_2_2"}
    assert pose("..", films[0], "--fps=5", "--output", tmp_path / "film", "--write=csv")[0] == 0
    assert "day" in {path.name for path in (tmp_path / "film").iterdir()}


def test_pictures_of_quick_films_come_no_faster_than_their_names_tell(frames, tmp_path, pose):
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(30):
        cv2.imwrite(str(folder / f"{number:02d}.png"), frames[number])
    words = ("--fps=240", "--screenshots=0.001", "--heatmaps", "--write=screenshots")
    assert pose(folder, "--output", tmp_path / "out", *words)[0] == 0
    assert len(list((tmp_path / "out" / "screenshots").iterdir())) == 6
    assert len(list((tmp_path / "out" / "heatmaps").iterdir())) == 6


def test_skeletons_have_names(film, tmp_path, pose):
    for name, count in (("coco17", 17), ("openpose18", 18), ("h36m17", 17), ("blazepose33", 33)):
        out = tmp_path / name
        words = ("--skeleton", name, "--write=csv,openpose", "--duration=0.1")
        assert pose(film, "--output", out, *words)[0] == 0
        table = rows(out)
        assert len({row["joint"] for row in table}) == count
        assert len(table) == 2 * count
        unknown = [row for row in table if float(row["score"]) == 0]
        assert all(row["x_px"] == "" for row in unknown)
    points = next((tmp_path / "openpose18" / "openpose").iterdir()).read_text()
    assert len(json.loads(points)["people"][0]["pose_keypoints_2d"]) == 18 * 3


def test_help_says_what_stands_beside_the_options(capsys):
    with pytest.raises(SystemExit):
        main(["pose", "--help"])
    assert capsys.readouterr().out.startswith("usage: chorus pose INPUT... --output OUTPUT")


def test_options_may_stand_before_the_inputs(film, tmp_path, pose):
    code, _, err = pose("--privacy", "true", "--output", tmp_path / "out", film, "--duration", "0.2")
    assert (code, err) == (0, "")
    assert len({row["frame"] for row in rows(tmp_path / "out")}) == 3


def test_a_transport_stream_is_a_film_too(frames, tmp_path, pose):
    whole = write_film(tmp_path / "walk.mp4", frames[:8])
    with av.open(str(whole)) as source, av.open(str(tmp_path / "walk.ts"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=25)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = 320, 240, "yuv420p", 4_000_000
        for number, frame in enumerate(source.decode(video=0)):
            image = av.VideoFrame.from_ndarray(frame.to_ndarray(format="bgr24"), format="bgr24")
            image.pts = number
            container.mux(stream.encode(image))
        container.mux(stream.encode(None))
    assert pose(tmp_path / "walk.ts", "--output", tmp_path / "out")[0] == 0
    assert len({row["frame"] for row in rows(tmp_path / "out")}) == 8


def test_privacy_writes_no_pixel_and_says_so(film, tmp_path, pose):
    out = tmp_path / "out"
    assert "heatmaps" not in pose(film, "--output", tmp_path / "less", "--privacy", "--duration=0.1")[1]
    code, said, err = pose(film, "--output", out, "--privacy", "--heatmaps")
    assert (code, err) == (0, "")
    assert "no picture was written; left out: overlay, screenshots, heatmaps" in said
    left = {path.suffix for path in out.rglob("*") if path.is_file()}
    assert left == {".csv", ".json"}
    assert "overlay: --privacy" in json.loads((out / "summary.json").read_text())["left_out"]


def test_a_film_that_is_cut_off_is_kept_as_far_as_it_goes(frames, tmp_path, pose):
    path = write_film(tmp_path / "walk.mkv", frames * 4)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    out = tmp_path / "out"
    run = pose(path, "--output", out)
    refused(run, "walk.mkv", "cut off", "what was read of it is in")
    assert run[0] == 1
    kept = {int(row["frame"]) for row in rows(out)}
    assert kept == set(range(len(kept)))
    assert 20 < len(kept) < 60
    with av.open(str(out / "overlay.mp4")) as container:
        assert len(list(container.decode(video=0))) == len(kept)


def test_a_damaged_picture_is_left_out_and_told(frames, tmp_path, pose):
    folder = tmp_path / "shots"
    folder.mkdir()
    cv2.imwrite(str(folder / "a.png"), frames[0])
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes()[:300])
    cv2.imwrite(str(folder / "c.png"), frames[3])
    refused(pose(folder, "--output", tmp_path / "out"), "b.png", "left out")
    assert {row["file"] for row in rows(tmp_path / "out")} == {"a.png", "c.png"}


def test_files_of_a_folder_that_cannot_be_read_are_left_out_and_told(frames, tmp_path, pose):
    folder = tmp_path / "day"
    folder.mkdir()
    write_film(folder / "walk.mp4", frames[:6])
    write_film(tmp_path / "run.mp4", frames[:5])
    (tmp_path / "run.mp4").rename(folder / "run.jpg")  # what a file is its first bytes tell
    cv2.imwrite(str(tmp_path / "me.png"), frames[0])
    (tmp_path / "me.png").rename(folder / "me.mp4")
    (folder / "nothing.mp4").touch()
    (folder / "words.avi").write_text("only words\n" * 100)
    code, said, err = pose(folder, "--output", tmp_path / "out")
    assert code == 1
    assert "Traceback" not in err
    assert sorted(line.split(" ")[2] for line in err.splitlines()) == ["nothing.mp4", "words.avi"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"day", "run", "walk"}
    assert said.count("somebody in") == 3
    for name in ("walk.mp4", "run.jpg", "me.mp4"):
        (folder / name).unlink()
    refused(pose(folder, "--output", tmp_path / "none"), "nothing.mp4")
    assert not (tmp_path / "none").exists()


def test_pictures_that_cannot_be_read_keep_no_film_from_being_looked_at(film, tmp_path, pose):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    run = pose(tmp_path / "a.png", film, "--output", tmp_path / "out", "--write=csv")
    refused(run, "a.png")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"walk"}
    assert len(rows(tmp_path / "out" / "walk")) == 30 * len(BODY20)


def test_where_nothing_can_be_read_nothing_is_left(frames, tmp_path, pose):
    cv2.imwrite(str(tmp_path / "a.png"), frames[0])
    (tmp_path / "a.png").write_bytes((tmp_path / "a.png").read_bytes()[:300])
    refused(pose(tmp_path / "a.png", "--output", tmp_path / "out"), "a.png")
    assert not (tmp_path / "out").exists()


BAD = {
    "words.mp4": ("words.mp4", "not a video"),
    "words.png": ("words.png", "no video or picture"),
    "nothing.mp4": ("nothing.mp4 is empty",),
    "absent.mp4": ("there is no", "absent.mp4"),
    "absent_folder/": ("there is no", "absent_folder"),
    "empty": ("empty holds no pictures",),
    "session.h5": ("session.h5 is a recorded session", "chorus live --source"),
    "file:///etc/passwd": ("file://", "is no address"),
    "/dev/video93": ("no camera /dev/video93", "chorus devices"),
    "http://127.0.0.1:9/x": ("127.0.0.1",),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_looked_at_is_refused_before_anything_is_written(
    name, film, tmp_path, pose, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    Path("words.mp4").write_text("only words\n" * 100)
    Path("words.png").write_text("only words\n" * 100)
    Path("nothing.mp4").touch()
    Path("empty").mkdir()
    Path("session.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    refused(pose(film, name, "--output=out"), *BAD[name])
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("words", "naming"),
    [
        (("--skeleton=coco71",), ("coco71", "coco17")),
        (("--write=csv,xml",), ("xml", "csv,coco")),
        (("--people=0",), ("--people is 0",)),
        (("--smooth=kalman",), ("smooth",)),
        (("--smooth_hz=-1",), ("--smooth_hz",)),
        (("--write=overlay", "--privacy"), ("nothing to write",)),
        (("--skeletons=coco17",), ("--skeletons", "--skeleton")),
        (("--fps=10",), ("--fps makes a film of pictures",)),
    ],
)
def test_wrong_options_are_refused_in_one_line(words, naming, film, tmp_path, pose):
    refused(pose(film, "--output", tmp_path / "out", *words), *naming)
    assert not (tmp_path / "out").exists()


def test_an_unknown_front_end_is_refused_and_the_known_are_named(film, tmp_path, pose):
    refused(pose(film, "--output", tmp_path / "out", vision="posenett"), "posenett", "blazepose")
    assert not (tmp_path / "out").exists()


def test_a_folder_that_holds_something_is_not_written_into(film, tmp_path, pose):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("keep")
    refused(pose(film, "--output", tmp_path / "out"), "exists already", "--output")
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize("output", ["csv", "coco", "heatmaps"])
def test_a_full_disk_is_told_and_what_was_written_is_kept(output, frames, tmp_path):
    film = write_film(tmp_path / "long.mp4", frames * 4)
    words = ["--write=csv,overlay", "--heatmaps"] if output == "heatmaps" else [f"--write={output},overlay"]
    most = 16_000 if output == "heatmaps" else 60_000
    code = (
        "import resource, sys, signal\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))\n"
        "from fusion.cli import main\n"
        f"sys.exit(main(['pose', {str(film)!r}, '--vision=markers', '--output=out', *{words!r}]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    refused((done.returncode, done.stdout, done.stderr), "cannot be written", "Free some space")
    out = tmp_path / "out"
    if output == "csv":
        table = rows(out)
        assert len(table) > 100
        assert None not in table[-1].values()
    elif output == "coco":
        assert len(json.loads((out / "coco_results.json").read_text())) > 50
        assert len(json.loads((out / "coco_images.json").read_text())["images"]) > 50
    else:
        pictures = list(out.rglob("*.jpg"))
        assert len(pictures) >= 10
        assert all(path.read_bytes().endswith(b"\xff\xd9") for path in pictures)


@pytest.mark.parametrize("smooth", ["none", "butterworth"])
def test_ctrl_c_keeps_what_was_seen(smooth, frames, tmp_path):
    film = write_film(tmp_path / "long.mp4", frames * 40)
    words = ["pose", str(film), "--vision=markers", "--output=out", "--heatmaps", "--screenshots=1"]
    words += [f"--smooth={smooth}", "--write=csv,coco,overlay,screenshots"]
    process = subprocess.Popen(
        [sys.executable, "-m", "fusion.cli", *words],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    overlay = tmp_path / "out" / "overlay.mp4"
    while process.poll() is None and not (tmp_path / "out" / "heatmaps" / "000001.00s").exists():
        pass
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert "somebody in" in out
    frames_told = {int(row["frame"]) for row in rows(tmp_path / "out")}
    assert 15 <= len(frames_told) < 1200
    assert len(json.loads((tmp_path / "out" / "coco_images.json").read_text())["images"]) == len(frames_told)
    with av.open(str(overlay)) as container:
        assert len(list(container.decode(video=0))) == len(frames_told)
