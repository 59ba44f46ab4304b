"""Data sets in small, laid out as the real ones: pictures of stick figures whose joints are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.io import savemat

from drivers.joints import MPII16
from fusion.skeletons import COCO17, bones

SIZE = (160, 120)
STANDS = {
    "nose": (0, -42), "eye": (2, -44), "ear": (4, -43), "shoulder": (10, -30), "elbow": (14, -15),
    "wrist": (16, 0), "hip": (6, 0), "knee": (7, 20), "ankle": (8, 40),
    "pelvis": (0, 0), "neck": (0, -30), "upper_neck": (0, -34), "head_top": (0, -50),
}  # fmt: skip
"""Of a person who faces the camera: px from the pelvis, left ones to the right of the picture."""


def stand(joints: tuple[str, ...], draw: np.random.Generator) -> NDArray[np.float64]:
    """Return joints (J, 2) px of somebody who swings arms and legs, somewhere in a picture."""
    places = []
    for name in joints:
        side, _, part = name.rpartition("_")
        x, y = STANDS[name] if name in STANDS else STANDS[part]
        places.append((x if side == "left" else -x if side == "right" else x, y))
    points = np.array(places, float)
    for part, reach in (("elbow", 8), ("wrist", 16), ("knee", 6), ("ankle", 10)):
        for side in ("left", "right"):
            if f"{side}_{part}" in joints:
                points[joints.index(f"{side}_{part}")] += draw.uniform(-reach, reach, 2)
    lean = draw.uniform(-0.6, 0.6)
    points = points @ np.array([[np.cos(lean), np.sin(lean)], [-np.sin(lean), np.cos(lean)]])
    middle = np.array([draw.uniform(40, SIZE[0] - 40), draw.uniform(54, SIZE[1] - 46)])
    return points * draw.uniform(0.85, 1.0) + middle


def picture(points: NDArray[np.float64], joints: tuple[str, ...], draw: np.random.Generator) -> NDArray:
    """Return a picture of the joints: each a disc of its own colour, on limbs before a noisy wall."""
    image = draw.integers(60, 120, (SIZE[1], SIZE[0], 3)).astype(np.uint8)
    at = [tuple(int(v) for v in np.rint(xy)) for xy in points]
    for a, b in bones(joints):
        cv2.line(image, at[a], at[b], (150, 150, 150), 3)  # type: ignore[call-overload]
    for number, xy in enumerate(at):
        colour = cv2.cvtColor(np.uint8([[[number * 180 // len(joints), 255, 255]]]), cv2.COLOR_HSV2BGR)  # type: ignore[arg-type]
        cv2.circle(image, xy, 3, tuple(int(v) for v in colour[0, 0]), -1)  # type: ignore[call-overload]
    return image


def make_coco(root: Path, count: int = 6, split: str = "val2017") -> Path:
    """Write COCO's layout: ``annotations/person_keypoints_<split>.json`` and pictures; return ``root``."""
    draw = np.random.default_rng(1)
    (root / split).mkdir(parents=True)
    (root / "annotations").mkdir(exist_ok=True)
    images, annotations = [], []
    for number in range(count):
        points = stand(COCO17, draw)
        name = f"{number + 1:012d}.jpg"
        cv2.imwrite(str(root / split / name), picture(points, COCO17, draw), [cv2.IMWRITE_JPEG_QUALITY, 95])
        images.append(
            {"id": number + 1, "file_name": name, "width": SIZE[0], "height": SIZE[1], "license": 4}
        )
        seen = np.full(17, 2)
        seen[[3, 4]] = 1, 0
        points[4] = 0
        low, high = points[seen > 0].min(0) - 3, points[seen > 0].max(0) + 3
        annotations.append(
            {
                "id": 10 + number,
                "image_id": number + 1,
                "category_id": 1,
                "iscrowd": 0,
                "num_keypoints": 16,
                "area": float(np.prod(high - low) * 0.5),
                "bbox": [*low.tolist(), *(high - low).tolist()],
                "segmentation": [[0.0, 0.0, 1.0, 1.0, 2.0, 0.0]],
                "keypoints": np.column_stack([points.round(2), seen]).ravel().tolist(),
            }
        )
    crowd: dict[str, Any] = {**annotations[0], "id": 99, "iscrowd": 1, "num_keypoints": 0}
    crowd |= {"keypoints": [0] * 51, "segmentation": {"counts": [1, 2], "size": [120, 160]}}
    person = {"id": 1, "name": "person", "supercategory": "person", "keypoints": list(COCO17), "skeleton": []}
    content = {
        "info": {"description": "COCO 2017 Dataset", "year": 2017},
        "licenses": [{"id": 4, "name": "Attribution License", "url": ""}],
        "images": images,
        "annotations": [*annotations, crowd],
        "categories": [person],
    }
    (root / "annotations" / f"person_keypoints_{split}.json").write_text(json.dumps(content))
    return root


def make_mpii(root: Path, count: int = 5) -> Path:
    """Write MPII's layout: its ``.mat``, the JSON made of it, and pictures; return ``root``."""
    draw = np.random.default_rng(2)
    for folder in ("images", "annotations"):
        (root / folder).mkdir(parents=True)
    rows, entries = [], []
    for number in range(count):
        points = stand(MPII16, draw)
        name = f"{number:09d}.jpg"
        cv2.imwrite(str(root / "images" / name), picture(points, MPII16, draw))
        matlab = points + 1.0
        known = np.ones(16, int)
        known[0] = 0
        rows.append(
            {
                "image": name,
                "joints": np.where(known[:, None] > 0, matlab, -1.0).tolist(),
                "joints_vis": known.tolist(),
                "center": points.mean(0).tolist(),
                "scale": 0.5,
            }
        )
        people = [_rect(matlab, known)]
        if number == 1:  # somebody whose head alone was marked
            people.append(_rect(None, known))
        entries.append((_struct(name=name), np.array(people, dtype=_RECT), 1.0, 2.0))
    entries.append((_struct(name="900000000.jpg"), np.zeros((0, 0)), 3.0, 4.0))  # of the test set
    annolist = np.array(entries, dtype=[(n, object) for n in ("image", "annorect", "frame_sec", "vididx")])
    release = _struct(annolist=annolist, img_train=np.array([1] * count + [0]), version="12")
    savemat(root / "mpii_human_pose_v1_u12_1.mat", {"RELEASE": release})
    (root / "annotations" / "mpii_train.json").write_text(json.dumps(rows))
    return root


_RECT = [(name, object) for name in ("x1", "y1", "x2", "y2", "annopoints", "scale", "objpos")]


def _struct(**values: object) -> np.ndarray:
    return np.array([tuple(values.values())], dtype=[(name, object) for name in values])


def _rect(matlab: NDArray[np.float64] | None, known: NDArray[np.int_]) -> tuple[object, ...]:
    corners = (10, 20, 40, 60)
    if matlab is None:
        return (*corners, np.zeros((0, 0)), np.zeros((0, 0)), np.zeros((0, 0)))
    points = []
    for joint in np.flatnonzero(known):
        # Heads were marked as boxes: whether they are seen is left empty; else it is a number or a text.
        seen: object = np.zeros((0, 0)) if joint in (8, 9) else "0" if joint == 1 else np.uint8(joint != 2)
        points.append((matlab[joint, 0], matlab[joint, 1], joint, seen))
    point = np.array(points, dtype=[(name, object) for name in ("x", "y", "id", "is_visible")])
    return (*corners, _struct(point=point), 0.5, _struct(x=5.0, y=6.0))


def make_openpose(root: Path, frames: int = 90, joints: int = 25, film: str = "walk") -> Path:
    """Write OpenPose's JSON: two people who pass each other, now in one order and now in the other."""
    root.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(3)
    body = draw.uniform([-40, -160], [40, 160], (joints, 2))
    for number in range(frames):
        people = []
        for start, speed, size in ((300.0, 4.0, 1.0), (900.0, -4.0, 0.6)):
            points = body * size + [start + speed * number, 360.0]
            score = np.full(joints, 0.5 + 0.3 * size)
            score[3] = points[3] = 0.0  # not found
            values = np.column_stack([points, score]).ravel().round(3).tolist()
            people.append({"person_id": [-1], "pose_keypoints_2d": values, "face_keypoints_2d": []})
        if number % 3 == 0:
            people.reverse()
        path = root / f"{film}_{number:012d}_keypoints.json"
        path.write_text(json.dumps({"version": 1.3, "people": people}))
    return root
