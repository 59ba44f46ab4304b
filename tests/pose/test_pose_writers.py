"""What other programs read: TRC in 3D, COCO, heatmap pictures, sound."""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from test_pose_command import refused, rows

from fusion.pose.coco import IMAGES, RESULTS, CocoResults
from fusion.pose.frame import Frame, Seen
from fusion.pose.heatmaps import SIDE, joint_picture
from fusion.pose.markers import Trc
from fusion.skeletons import BLAZEPOSE33, COCO17, HUMAN36M17
from fusion.vision.base import Heatmaps
from fusion.vision.film import Film

sys.path.insert(0, str(Path(__file__).parents[1] / "tracking"))


def seen(number: int = 1, world: np.ndarray | None = None, joints: int = 33) -> Seen:
    points = np.random.default_rng(number).uniform(0, 200, (joints, 2)).astype(np.float32)
    return Seen(number, points, np.full(joints, 0.9, np.float32), world, (0.0, 0.0, 200.0, 200.0))


def frame(number: int, *people: Seen, time: int | None = 0, file: str = "film.mp4") -> Frame:
    return Frame(number, f"film_{number:012d}", file, time, (320, 240), people)


def test_a_trc_has_a_row_for_each_picture_of_a_person_and_y_up(tmp_path):
    writer = Trc(tmp_path, BLAZEPOSE33, HUMAN36M17, people=2)
    world = np.arange(99, dtype=np.float32).reshape(33, 3) / 100
    for number in range(10):
        people = [seen(1, world)] if number not in (4, 5) else []
        people += [seen(2, 2 * world)] if number > 7 else []
        writer.take(frame(number, *people, time=number * 40_000_000), None)
    writer.close()
    assert writer.note == ""
    lines = (tmp_path / "poses_person01.trc").read_text().splitlines()
    told = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert (told["DataRate"], told["NumFrames"], told["Units"]) == ("25", "10", "mm")
    names = lines[3].split("\t")[2::3]
    assert "head_top" not in names  # BlazePose does not tell it
    assert int(told["NumMarkers"]) == 16
    cells = [line.split("\t") for line in lines[6:]]
    at = 2 + 3 * names.index("left_knee")
    x, y, z = 1000 * world[BLAZEPOSE33.index("left_knee")]
    assert [float(value) for value in cells[0][at : at + 3]] == pytest.approx([x, -y, -z])
    assert cells[4][2:] == [""] * 48
    assert [float(row[1]) for row in cells] == pytest.approx(np.arange(10) * 0.04)
    assert len((tmp_path / "poses_person02.trc").read_text().splitlines()) == 6 + 2


def test_coco_results_are_what_its_own_reader_loads(tmp_path):
    writer = CocoResults(tmp_path, COCO17)
    writer.take(frame(0, seen(1, joints=17), seen(2, joints=17), time=None, file="000000000139.jpg"), None)
    writer.take(frame(1, time=None, file="empty.jpg"), None)
    writer.take(frame(2, seen(1, joints=17), time=None, file="139.png"), None)
    writer.close()
    results, images = (json.loads((tmp_path / name).read_text()) for name in (RESULTS, IMAGES))
    assert [image["id"] for image in images["images"]] == [139, 2, 140]
    assert [entry["image_id"] for entry in results] == [139, 139, 140]
    assert all(len(entry["keypoints"]) == 51 and entry["score"] == pytest.approx(0.9) for entry in results)
    coco = pytest.importorskip("pycocotools.coco")
    loaded = coco.COCO(str(tmp_path / IMAGES)).loadRes(str(tmp_path / RESULTS))
    assert len(loaded.getAnnIds()) == 3


def test_nobody_at_all_leaves_files_that_can_be_read(tmp_path):
    writer = CocoResults(tmp_path, COCO17)
    writer.close()
    assert json.loads((tmp_path / RESULTS).read_text()) == []
    assert json.loads((tmp_path / IMAGES).read_text())["images"] == []


@pytest.mark.parametrize("turn", [0.0, 0.6])
def test_a_heatmap_lies_over_the_part_of_the_picture_that_it_is_of(turn):
    image = np.full((400, 500, 3), 60, np.uint8)
    joint = np.array([300.0, 170.0])
    cv2.circle(image, (300, 170), 6, (255, 255, 255), cv2.FILLED)
    turned = 3.0 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    cell = np.array([20.0, 41.0])
    to_picture = np.column_stack([turned, joint - turned @ cell])
    rows_, columns = np.mgrid[:64, :64]
    values = np.exp(-((columns - cell[0]) ** 2 + (rows_ - cell[1]) ** 2) / 8).astype(np.float32)[None]
    drawn = joint_picture(image, Heatmaps(values, to_picture), joint[None], 0, "left_wrist")
    assert drawn.shape == (SIDE, SIDE, 3)
    nothing = Heatmaps(np.zeros_like(values), to_picture)
    bare = joint_picture(image, nothing, np.full((1, 2), np.nan), 0, "left_wrist").astype(int)
    expected = (cell + 0.5) * SIDE / 64 - 0.5
    light = np.argwhere(bare[30:, :, 0] > 120) + np.array([30, 0])  # the white dot of the picture
    assert light.mean(0)[::-1] == pytest.approx(expected, abs=1.5)
    warm = np.abs(drawn.astype(int) - bare).sum(2)
    warm[:30] = 0  # the name
    hot = np.argwhere(warm > 0.6 * warm.max()).mean(0)[::-1]
    assert hot == pytest.approx(expected, abs=6)


def test_a_film_keeps_its_sound_at_its_times(tmp_path):
    from test_soundtrack import RATE, write

    from fusion.tracking.footage import film_of
    from fusion.tracking.soundtrack import sound_of

    source = write(tmp_path / "clicks.mkv", sound_s=(0.3, 2.0))
    film = Film(tmp_path / "overlay.mp4", sound=sound_of(source))
    for time, image in film_of(source)[1]:
        canvas, _ = film.canvas(image)
        film.write(time, canvas)
    film.close()
    found = sound_of(tmp_path / "overlay.mp4")
    assert found is not None
    heard = np.concatenate([block.data[:, 0] for block in found[1]]).astype(float)
    rate = found[0].rate_hz
    loud = np.flatnonzero(np.abs(heard) > 0.3 * np.abs(heard).max()) / rate
    begins = [loud[0], *(b for a, b in itertools.pairwise(loud) if b - a > 0.1)]
    assert begins == pytest.approx([0.5, 1.0, 1.5], abs=0.005)
    assert RATE


def test_real_people_in_a_real_film(tmp_path, pose, data):
    out = tmp_path / "out"
    words = ("--people=3", "--heatmaps", "--screenshots=0.5", "--duration=1.2")
    code, said, err = pose(data / FILM, "--output", out, *words, vision="blazepose")
    assert (code, err) == (0, "")
    assert {path.name for path in out.iterdir()} >= {"poses_person01.trc", "heatmaps", "overlay.mp4"}
    assert "left out" not in said
    first = [row for row in rows(out) if row["frame"] == "0" and row["person"] == "1"]
    at = {row["joint"]: (float(row["x_px"]), float(row["y_px"])) for row in first}
    assert at["nose"][1] < at["left_hip"][1] < at["left_ankle"][1]
    names = {path.name for path in next((out / "heatmaps").iterdir()).iterdir()}
    assert {"person01.jpg", "person01_left_knee.jpg"} <= names
    with av.open(str(out / "overlay.mp4")) as container:
        assert {stream.type for stream in container.streams} == {"video", "audio"}


FILM = "video/sports2d/demo.mp4"


@pytest.fixture
def data() -> Path:
    folder = Path(os.environ.get("CHORUS_DATA", "/nowhere"))
    if not (folder / FILM).is_file():
        pytest.skip(f"CHORUS_DATA names no folder that holds {FILM}")
    return folder


def test_a_front_end_for_one_person_is_not_asked_for_more(tmp_path, pose, frames):
    cv2.imwrite(str(tmp_path / "me.png"), frames[0])
    run = pose(tmp_path / "me.png", "--output", tmp_path / "out", "--people=2", vision="heatmapnet")
    refused(run, "heatmapnet", "one person")
    assert not (tmp_path / "out").exists()


def test_a_network_for_depth_maps_is_refused_for_pictures(tmp_path, pose, frames):
    from fusion.heatmapnet.checkpoint import save_heatmapnet
    from fusion.heatmapnet.net import HeatmapConfig, HeatmapNet

    save_heatmapnet(HeatmapNet(HeatmapConfig(("nose",), "depth", 32, 32)), tmp_path / "deep.safetensors")
    cv2.imwrite(str(tmp_path / "me.png"), frames[0])
    for more in ("", ":light=gamma"):
        vision = f"heatmapnet:{tmp_path}/deep.safetensors{more}"
        run = pose(tmp_path / "me.png", "--output", tmp_path / "out", vision=vision)
        refused(run, "deep.safetensors", "depth maps, not at pictures")
    assert not (tmp_path / "out").exists()
