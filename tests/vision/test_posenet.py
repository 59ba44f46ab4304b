"""PoseNet's decoder finds people; MoveNet's graphs are told apart by their outputs."""

import json

import cv2
import flatbuffers
import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from conftest_vision import refused

from drivers.errors import ConfigError, WeightsError
from fusion.skeletons import COCO17
from fusion.vision.base import front_end, front_end_of
from fusion.vision.personlab import EDGES, decode_poses

POSENET = "weights/posenet/posenet_mobilenet_v1_075_353_481_quant.tflite"


def fields(people, size=(257, 257), stride=16):
    """Scores and offsets as the network gives them for people (P, 17, 2) px of the input."""
    columns, rows = ((side - 1) // stride + 1 for side in size)
    y, x = np.mgrid[:rows, :columns] * float(stride)
    count = len(COCO17)
    scores = np.full((rows, columns, count), -8.0)
    short = np.zeros((rows, columns, 2 * count))
    mid = [np.zeros((rows, columns, 2 * len(EDGES))) for _ in range(2)]
    for joint in range(count):
        apart = np.stack([np.hypot(x - person[joint, 0], y - person[joint, 1]) for person in people])
        nearest = np.asarray(people)[apart.argmin(0)]  # (rows, columns, 17, 2)
        scores[..., joint] = 6 - 0.4 * apart.min(0)
        short[..., joint] = nearest[..., joint, 1] - y
        short[..., count + joint] = nearest[..., joint, 0] - x
        for number, (a, b) in enumerate(EDGES):
            for way, (here, there) in enumerate(((a, b), (b, a))):
                if here == joint:
                    mid[way][..., number] = nearest[..., there, 1] - y
                    mid[way][..., len(EDGES) + number] = nearest[..., there, 0] - x
    return [one.astype(np.float32) for one in (scores, short, *mid)]


def standing(x, y, height):
    """(17, 2) px of a person whose nose is there."""
    parts = ["eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"]
    across = dict(zip(parts, (0.02, 0.04, 0.1, 0.13, 0.14, 0.07, 0.07, 0.07), strict=True))
    down = dict(zip(parts, (-0.02, -0.01, 0.12, 0.28, 0.42, 0.42, 0.66, 0.9), strict=True))
    points = []
    for name in COCO17:
        side, _, part = name.rpartition("_")
        sign = 0 if not side else 1 if side == "left" else -1
        points.append((x + sign * across.get(part, 0) * height, y + down.get(part, 0) * height))
    return np.array(points)


def test_people_are_decoded_where_they_are():
    people = np.stack([standing(60, 20, 200), standing(185, 30, 180)])
    found = decode_poses(*fields(people), size=(257, 257), max_people=5)
    assert len(found) == 2
    placed = np.stack([pose.points * 16 for pose in sorted(found, key=lambda pose: pose.points[0, 0])])
    assert np.abs(placed - people).max() < 1.0
    assert min(pose.score.min() for pose in found) > 0.6


def test_one_person_is_not_found_twice():
    assert len(decode_poses(*fields([standing(120, 20, 210)]), size=(257, 257), max_people=9)) == 1


def test_no_peaks_are_nobody():
    empty = [np.full(one.shape, -9, np.float32) for one in fields([standing(120, 20, 210)])]
    assert decode_poses(*empty, size=(257, 257)) == []


def tflite(path, shape, values, dtype=np.uint8):
    """Write a real .tflite: pictures of a shape in, these values out, whatever it sees."""
    model = schema.ModelT()
    model.version = 3
    kinds = {np.uint8: schema.TensorType.UINT8, np.float32: schema.TensorType.FLOAT32}

    def tensor(name, size, kind, buffer=0, signature=None):
        one = schema.TensorT()
        one.name, one.shape, one.type, one.buffer = name, list(size), kinds[kind], buffer
        one.shapeSignature = signature
        return one

    def buffer(data=b""):
        one = schema.BufferT()
        one.data = np.frombuffer(data, np.uint8) if data else None
        return one

    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = 0, [1, 2], [3]
    operator.builtinOptionsType, operator.builtinOptions = (
        schema.BuiltinOptions.AddOptions,
        schema.AddOptionsT(),
    )
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.ADD
    values = np.asarray(values, np.float32)
    net = schema.SubGraphT()
    signature = [1, -1, -1, 3] if shape[1] == 1 else None
    net.tensors = [
        tensor("picture", shape, dtype, signature=signature),
        tensor("a", values.shape, np.float32, 1),
        tensor("b", values.shape, np.float32, 2),
        tensor("out", values.shape, np.float32),
    ]
    net.inputs, net.outputs, net.operators = [0], [3], [operator]
    model.subgraphs, model.operatorCodes = [net], [code]
    model.buffers = [buffer(), buffer(values.tobytes()), buffer((values * 0).tobytes())]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def rows(points, size, score=0.9):
    """MoveNet's rows y, x, score for points (17, 2) px of its input."""
    scaled = (points + 0.5) / size
    return np.concatenate([scaled[:, ::-1], np.full((17, 1), score)], 1)


def test_movenet_of_one_person_is_read(tmp_path):
    person = standing(96, 40, 90)
    path = tflite(tmp_path / "single.tflite", (1, 192, 192, 3), rows(person, 192)[None, None])
    with front_end(f"posenet:{path}") as eyes:
        found = eyes(np.zeros((384, 384, 3), np.uint8), 0)
        assert len(found) == 1
        assert found[0].keypoints == pytest.approx(person * 2 + 0.5, abs=0.51)
        closer = eyes(np.zeros((384, 384, 3), np.uint8), 1)  # looks at a part of the picture now
        assert np.ptp(closer[0].keypoints[:, 1]) < 0.95 * np.ptp(found[0].keypoints[:, 1])
    with pytest.raises(ConfigError, match="one person only"):
        front_end_of(f"posenet:{path}", 2)


def test_movenet_of_several_people_is_read_at_any_shape_of_the_picture(tmp_path):
    table = np.zeros((1, 6, 56), np.float32)
    for number, (x, score) in enumerate(((0.25, 0.5), (0.75, 0.8), (0.5, 0.05))):
        table[0, number, :51] = rows(standing(x * 256, 20, 150), 256).ravel()
        table[0, number, 55] = score
    path = tflite(tmp_path / "multi.tflite", (1, 1, 1, 3), table)
    with front_end_of(f"posenet:{path}", 6) as eyes:
        found = eyes(np.zeros((512, 512, 3), np.uint8), 0)
        assert [round(float(person.keypoints[0, 0])) for person in found] == [384, 128]
        assert len(eyes(np.zeros((90, 640, 3), np.uint8), 1)) == 2


def test_other_graphs_are_refused_in_one_line(tmp_path, blazepose_weights):
    odd = tflite(tmp_path / "odd.tflite", (1, 192, 192, 3), np.zeros((1, 1, 21, 3)))
    junk = tmp_path / "junk.tflite"
    junk.write_bytes(b"TFL3" * 40)
    for name, error, words in (
        (f"posenet:{odd}", WeightsError, "neither PoseNet's"),
        (f"posenet:{junk}", WeightsError, "not a network that LiteRT can run"),
        (f"posenet:{blazepose_weights['landmarks']}", WeightsError, "neither PoseNet's"),
        (f"posenet:{tmp_path}/absent.tflite", WeightsError, "there is no weights file"),
        ("posenet", ConfigError, "no weights are named"),
        (f"posenet:{odd}:threads=0", ConfigError, "threads=0"),
    ):
        refused(name, error, words)


def test_posenet_finds_annotated_people(real_data):
    graph = real_data / POSENET
    table = real_data / "images/coco/test_coco.json"
    if not (graph.is_file() and table.is_file()):
        pytest.skip("CHORUS_DATA has no PoseNet or no images/coco")
    annotated = json.loads(table.read_text())
    found, hits, joints = 0, 0, 0
    with front_end_of(f"posenet:{graph}", 10) as eyes:
        for picture in annotated["images"]:
            eyes.reset()
            people = eyes(cv2.imread(str(table.parent / picture["file_name"])), 0)
            for one in annotated["annotations"]:
                truth = np.array(one["keypoints"], np.float64).reshape(-1, 3)
                if one["image_id"] != picture["id"] or one["num_keypoints"] < 10 or one["area"] < 8000:
                    continue
                known, size = truth[:, 2] > 0, max(one["bbox"][2:])
                errors = [np.linalg.norm(p.keypoints - truth[:, :2], axis=1)[known] for p in people]
                best = min(errors, key=np.median)
                found += np.median(best) < 0.1 * size
                hits, joints = hits + int((best < 0.1 * size).sum()), joints + int(known.sum())
    assert found >= 8  # of 9
    assert hits / joints > 0.75
