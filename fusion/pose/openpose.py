"""OpenPose's JSON: a file for each picture, as its ``--write_json`` makes them (version 1.3).

``pose_keypoints_2d`` is x, y, c for each joint, all 0 where it was not found:
https://github.com/CMU-Perceptual-Computing-Lab/openpose/blob/master/doc/02_output.md
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from fusion.pose.frame import Frame
from fusion.pose.writer import Image, Writer
from fusion.vision.screenshots import or_nothing

_NOTHING: dict[str, list[float]] = {
    name: []
    for name in (
        *("face_keypoints_2d", "hand_left_keypoints_2d", "hand_right_keypoints_2d"),
        *("pose_keypoints_3d", "face_keypoints_3d", "hand_left_keypoints_3d", "hand_right_keypoints_3d"),
    )
}


class OpenPoseJson(Writer):
    """Writes ``<picture>_keypoints.json`` for each picture.

    Args:
        folder: that is made.
        source: joints of the front end.
        skeleton: OPENPOSE25 or OPENPOSE18.
    """

    name = "openpose"

    def __init__(self, folder: Path, source: tuple[str, ...], skeleton: tuple[str, ...]) -> None:
        self._folder, self._source, self._skeleton = folder, source, skeleton
        folder.mkdir()

    def take(self, frame: Frame, image: Image | None) -> None:
        """Write the picture's file; without anybody ``people`` is empty."""
        people = []
        for seen in frame.people:
            one = seen.carried(self._source, self._skeleton)
            rows = np.column_stack([np.nan_to_num(one.keypoints), one.score]).ravel()
            points = [round(float(value), 3) for value in rows]
            people.append({"person_id": [one.number], "pose_keypoints_2d": points, **_NOTHING})
        path = self._folder / f"{frame.name}_keypoints.json"
        with or_nothing(path), path.open("x", encoding="utf-8") as file:
            json.dump({"version": 1.3, "people": people}, file, separators=(",", ":"))
