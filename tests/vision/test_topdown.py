"""Top-down networks that a YAML file describes: crops in, joints out where they are."""

import json

import cv2
import numpy as np
import pytest
import yaml
from conftest_vision import refused

from drivers.errors import ConfigError, MissingDependency, WeightsError
from fusion.vision import decode
from fusion.vision.base import front_end, front_end_of
from fusion.vision.boxes import Box
from fusion.vision.description import known, read_description
from fusion.vision.heatmaps import gaussians
from tests.vision.graphs import brightness, constant_maps

CPM = "weights/cpm_model/model.pb"


def write(path, **keys):
    """Write a description."""
    path.write_text(yaml.safe_dump(keys))
    return path


@pytest.mark.parametrize("how", ["dark", "mean", "quarter", "argmax"])
def test_a_gaussian_is_decoded_between_cells(how):
    truth = np.array([[20.3, 30.8], [14.5, 9.25]])
    values = gaussians((64, 48), truth, np.tile([4.0, 0.0, 4.0], (2, 1)))
    found = decode.of_heatmaps(values, how, 5)
    near = {"dark": 0.02, "mean": 0.3, "quarter": 0.3, "argmax": 0.51}[how]
    assert np.abs(found.points - truth).max() < near
    assert found.peak.min() > 0.9


def test_dark_does_not_leave_its_cell_on_a_flat_map():
    values = np.ones((1, 20, 20), np.float32)
    values[0, 10, 10] = 1.0001
    assert np.abs(decode.dark(values, 1).points - 10).max() <= 1


def test_simcc_is_decoded_between_bins():
    bins = np.arange(100)
    x, y = (np.exp(-((bins - at) ** 2) / 18)[None].astype(np.float32) for at in (40.3, 77.6))
    found = decode.of_simcc(x, 0.7 * y, "dark")
    assert found.points[0] == pytest.approx([40.3, 77.6], abs=0.02)
    assert found.peak[0] == pytest.approx(0.7, abs=0.02)  # the lower of both
    maps = decode.maps_of_simcc(x, y, 4)
    assert maps.shape == (1, 25, 25)
    assert np.unravel_index(maps[0].argmax(), (25, 25)) == (19, 10)


@pytest.mark.parametrize("runtime", ["onnx", "opencv-dnn"])
@pytest.mark.parametrize("alignment", ["edge", "udp", "centre"])
def test_a_dot_is_found_where_it_is_whatever_the_alignment(tmp_path, runtime, alignment):
    stride, kernel = {"edge": (4, 1), "udp": (1, 1), "centre": (4, 4)}[alignment]  # for which it is true
    brightness(tmp_path / "net.onnx", 128, 96, 3, stride, kernel)
    about = write(
        tmp_path / "net.yaml",
        weights="net.onnx", width=96, height=128, output="heatmap", std=[255.0, 255.0, 255.0],
        skeleton=["a", "b", "c"], alignment=alignment, decode="dark", blur=3, confident=0.2,
    )  # fmt: skip
    truth = np.array([[200.0, 90.0], [330.0, 260.0], [250.0, 400.0]])
    y, x = np.mgrid[:480, :640]
    rgb = [255 * np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * 12**2)) for px, py in truth]
    picture = np.stack(rgb[::-1], 2).astype(np.uint8)
    with front_end(f"{runtime}:{about}:boxes=whole") as eyes:
        assert eyes.name == runtime
        (person,) = eyes(picture, 0)
        assert np.abs(person.keypoints - truth).max() < 1.0
        assert person.score.min() > 0.7  # a dot is smaller than a cell of the smallest map
        values, to_picture = person.heatmaps.values, person.heatmaps.to_picture
        for joint, one in enumerate(values):
            row, column = np.unravel_index(one.argmax(), one.shape)
            place = to_picture @ (column, row, 1)
            assert np.abs(place - truth[joint]).max() < 12
        followed = eyes(picture, 33_000_000)
        assert np.abs(followed[0].keypoints - truth).max() < 1.0
        assert eyes(np.zeros_like(picture), 66_000_000) == []


def test_simcc_networks_are_read(tmp_path):
    x, y = np.zeros((1, 17, 384)), np.zeros((1, 17, 512))
    for joint in range(17):
        x[0, joint, 100 + 10 * joint], y[0, joint, 60 + 22 * joint] = 0.9, 0.8
    constant_maps(tmp_path / "rtm.onnx", [x, y], 256, 192, names=("simcc_x", "simcc_y"))
    with front_end(f"onnx:rtmpose_coco17:file={tmp_path}/rtm.onnx:boxes=whole") as eyes:
        person = eyes.at(np.zeros((256, 192, 3), np.uint8), Box(96, 128, 192 / 1.25, 256 / 1.25))
    assert person.keypoints[:, 0] == pytest.approx(50 + 5 * np.arange(17), abs=1e-3)
    assert person.keypoints[:, 1] == pytest.approx(30 + 11 * np.arange(17), abs=1e-3)
    assert person.score == pytest.approx(np.full(17, 0.8))


def test_every_description_that_comes_along_is_sound():
    assert {"cpm14", "hrnet_coco17", "rtmpose_coco17", "vitpose_coco17"} <= known().keys()
    for name in known():
        about = read_description(name)
        assert about.source
        assert about.licence


def test_bad_descriptions_and_weights_are_refused_in_one_line(tmp_path):
    maps = constant_maps(tmp_path / "maps.onnx", [np.zeros((1, 17, 64, 48))], 256, 192)
    good = {"weights": "maps.onnx", "width": 192, "height": 256, "output": "heatmap", "skeleton": "coco17"}
    cases = {
        "another skeleton": (good | {"skeleton": "openpose25"}, "gives 17 heatmaps, its skeleton has 25"),
        "another size": (good | {"width": 96}, "does not take an input"),
        "another kind": (good | {"output": "simcc"}, "not the SimCC distributions"),
        "another file": (good | {"weights": "absent.onnx"}, "there is no weights file"),
        "another digest": (good | {"sha256": "0" * 64}, "expected 0000000000000000...: refused"),
        "no output": (good | {"outputs": ["nothing"]}, "has no output 'nothing'"),
        "unknown key": (good | {"colours": "rgb"}, "unknown key 'colours'"),
        "wrong kind": (good | {"width": "wide"}, "width is 'wide'"),
        "no such skeleton": (good | {"skeleton": "coco18"}, "skeleton 'coco18' is none of"),
        "senseless": (good | {"std": [0, 1, 1]}, "std, split and gain"),
    }
    for number, (keys, words) in enumerate(cases.values()):
        about = write(tmp_path / f"{number}.yaml", **keys)
        assert words in str(refused(f"onnx:{about}"))
    about = write(tmp_path / "good.yaml", **good)
    for damaged in (b"", b"\x08\x07 junk", maps.read_bytes()[:200]):
        (tmp_path / "bad.onnx").write_bytes(damaged)
        for runtime in ("onnx", "opencv-dnn"):
            bad = write(tmp_path / "bad.yaml", **good | {"weights": "bad.onnx"})
            assert isinstance(refused(f"{runtime}:{bad}"), WeightsError)
    assert "does not describe a network" in str(refused(f"onnx:{maps}"))
    assert "there is no description" in str(refused("onnx:hrnett"))
    assert "boxes=whole is one person" in str(refused(f"onnx:{about}:boxes=whole:max_people=2"))
    assert "boxes=everywhere" in str(refused(f"onnx:{about}:boxes=everywhere"))
    assert "expected" in str(refused(f"opencv-dnn:{maps}"))  # it is not the CPM
    (tmp_path / "no.yaml").write_text("width: [")
    assert "is not a YAML file" in str(refused(f"onnx:{tmp_path}/no.yaml"))


def test_without_onnxruntime_the_error_says_what_to_install(tmp_path, monkeypatch):
    constant_maps(tmp_path / "maps.onnx", [np.zeros((1, 17, 64, 48))], 256, 192)
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    error = refused(f"onnx:hrnet_coco17:file={tmp_path}/maps.onnx")
    assert isinstance(error, MissingDependency)
    assert "pip install 'chorus-fusion[onnx]'" in str(error)


def test_opencv_dnn_without_weights_says_where_they_can_be_had():
    error = refused("opencv-dnn")
    assert isinstance(error, ConfigError)
    assert "PoseEstimationForMobile" in str(error)


def people_of(folder, largest):
    table = json.loads((folder / "test_coco.json").read_text())
    names = {one["id"]: one["file_name"] for one in table["images"]}
    for one in sorted(table["annotations"], key=lambda one: -one["area"])[:largest]:
        truth = np.array(one["keypoints"], np.float64).reshape(-1, 3)
        yield (
            cv2.imread(str(folder / names[one["image_id"]])),
            one["bbox"],
            truth,
            table["categories"][0]["keypoints"],
        )


def test_the_cpm_finds_the_joints_of_annotated_people(real_data):
    if not (real_data / CPM).is_file():
        pytest.skip("CHORUS_DATA has no CPM")
    medians = []
    with front_end(f"opencv-dnn:{real_data / CPM}:boxes=whole:confident=0.05") as eyes:
        for picture, (x, y, width, height), truth, names in people_of(real_data / "images/coco", 4):
            person = eyes.at(picture, Box(x + width / 2, y + height / 2, width, height))
            scale = eyes.padding * max(width, height) / 192
            shared = [(j, names.index(n)) for j, n in enumerate(eyes.skeleton) if n in names]
            errors = [
                np.linalg.norm(person.keypoints[j] - truth[k, :2]) / scale
                for j, k in shared
                if truth[k, 2] > 0
            ]
            medians.append(float(np.median(errors)))
    del medians[1]  # who crouches
    assert np.all(np.array(medians) < 1.1 * np.array([5.8, 4.9, 5.9]))


def test_several_people_are_found_and_none_twice(real_data, blazepose_weights):
    if not (real_data / CPM).is_file():
        pytest.skip("CHORUS_DATA has no CPM")
    with front_end_of(f"opencv-dnn:{real_data / CPM}", 6) as eyes:
        people = eyes(cv2.imread(str(real_data / "images/coco/000000197388.jpg")), 0)
    middles = np.array([person.keypoints.mean(0) for person in people])
    apart = np.linalg.norm(middles[:, None] - middles[None], axis=2) + 1e9 * np.eye(len(people))
    assert len(people) >= 4
    assert apart.min() > 20
