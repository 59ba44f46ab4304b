"""What the page is told of poses, pictures and heatmaps: plain data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from fusion.tracking.pose import Pose, in_view
from fusion.tracking.sinks import Picture
from fusion.vision.base import Person

WIDTH = 640
"""Pictures are shown at most so wide, px."""


def pose_message(poses: Sequence[Pose], *, chosen: bool = False) -> dict[str, Any]:
    """Return everybody's poses as plain data: px, m, probabilities; a place that is not known is None.

    What there is once is told of the first one. ``chosen``: who wears the sensors was said, not found.
    """
    pose = poses[0]
    best = int(np.argmax(pose.action)) if len(pose.action) else -1
    return {
        "time": pose.time,
        "frame_time": pose.frame_time,
        "sample_time": pose.sample_time,
        "fed": pose.fed,
        "action": [best, round(float(pose.action[best]), 3) if best >= 0 else 0.0],
        "chosen": chosen,
        "people": [
            {
                **_who(each),
                "joints": _rounded([each.joints, np.sqrt(each.joints_var)], 4),
                "contact": _rounded([each.contact], 2),
            }
            for each in poses
        ],
    }


def _who(pose: Pose) -> dict[str, Any]:
    return {
        "person": pose.person,
        "wears": pose.wears,
        "seen": in_view(pose),
        "keypoints": keypoints(pose),
    }


def keypoints(pose: Pose) -> list[list[float] | None]:
    """Return (x, y, score) of each joint in px of the camera's picture, None where it is not known."""
    known = np.asarray(np.isfinite(pose.keypoints).all(axis=1))
    rows = _rounded([pose.keypoints, pose.score], 2)
    return [row if there else None for row, there in zip(rows, known, strict=True)]


def _rounded(columns: Sequence[NDArray[np.float32]], digits: int) -> list[Any]:
    """Return columns side by side as lists of few digits: as double precision, or there are many again."""
    table = columns[0] if len(columns) == 1 else np.column_stack(columns)
    return np.round(table.astype(np.float64), digits).tolist()


def view_message(time_ns: int, image: Picture, poses: Sequence[Pose]) -> dict[str, Any]:
    """Return a picture, made small, and everybody in it."""
    height, width = image.shape[:2]
    if width > WIDTH:
        size = (WIDTH, max(1, round(height * WIDTH / width)))
        image = cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)  # type: ignore[assignment]
    return {
        "time": time_ns,
        "size": [width, height],
        "shape": image.shape[:2],
        "pixels": np.ascontiguousarray(image).data.cast("B"),
        "people": [_who(pose) for pose in poses],
    }


def heat_message(time_ns: int, people: Sequence[Person]) -> dict[str, Any]:
    """Return the strongest evidence of any joint, each person a map (h, w) uint8 and its affine to the
    picture."""
    maps = []
    for person in people:
        if person.heatmaps is None:
            continue
        strongest: NDArray[np.float32] = person.heatmaps.values.max(axis=0)
        cells = (np.clip(strongest, 0.0, 1.0) * 255).astype(np.uint8)
        maps.append(
            {
                "shape": cells.shape,
                "cells": cells.tobytes(),
                "to_picture": person.heatmaps.to_picture.tolist(),
            }
        )
    return {"time": time_ns, "maps": maps}
