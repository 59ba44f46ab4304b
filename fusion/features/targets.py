"""What a model should have said at each tick, where a recording knows it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import StreamInfo
from drivers.errors import DataError
from fusion.features.builder import Features
from fusion.skeletons import BODY20
from recordings.timeline import interpolate

if TYPE_CHECKING:
    from recordings.reader import Recording

_MAX_GAP_S = 0.1
"""Truth is not drawn through longer gaps."""

_CONTACT_SPEED = 0.25
"""m/s; a foot slower than this ..."""

_CONTACT_HEIGHT_M = 0.06
"""... and at most so high above the lowest it comes stands on the ground."""


def targets_of(
    recording: Recording, features: Features, actions: Sequence[str] = (), *, truth: str = "truth"
) -> dict[str, NDArray[Any]]:
    """Return the targets at the ticks of ``features_of`` this recording.

    Joints come from the stream ``truth`` (rows (20, 3) m, or channels such as ``pelvis.x``; world frame, z
    up) through the camera's properties "intrinsics" and "extrinsics"; those that it lacks stay unknown.
    Without such a stream the front end's own joints in metres are taken as labels, where it has any.

    Args:
        recording: an open session.
        features: of this recording.
        actions: names of the classes; labels of other names stay unknown.
        truth: name of the stream of joint positions.

    Returns:
        ``joints3d`` (T, 20, 3) m from the pelvis in camera axes, ``joints3d_known`` (T, 20),
        ``joints2d`` (T, 20, 2) box-normalised, ``joints2d_known`` (T, 20), ``contact`` (T, 2) left and
        right foot, ``contact_known`` (T,), all float32, and ``action`` (T,) int64, -1 where unknown.

    Raises:
        DataError: the truth stream has no pelvis, or the camera does not say where it stands.
    """
    out = _unknown(len(features["time"]))
    out["action"] = _actions(recording, features["time"], actions)
    if truth in recording.streams and len(recording.streams[truth]):
        _from_truth(recording, truth, features, out)
    else:
        known = (features["vision"][..., 8] > 0.5).astype(np.float32)
        out["joints3d"], out["joints3d_known"] = features["vision_world"].copy(), known
        out["joints2d"] = features["vision"][..., :2].copy()
        out["joints2d_known"] = features["vision_present"].copy()
    return out


def _unknown(ticks: int) -> dict[str, NDArray[Any]]:
    joints = len(BODY20)
    return {
        "joints3d": np.zeros((ticks, joints, 3), np.float32),
        "joints3d_known": np.zeros((ticks, joints), np.float32),
        "joints2d": np.zeros((ticks, joints, 2), np.float32),
        "joints2d_known": np.zeros((ticks, joints), np.float32),
        "contact": np.zeros((ticks, 2), np.float32),
        "contact_known": np.zeros(ticks, np.float32),
    }


def _actions(recording: Recording, ticks: NDArray[np.int64], actions: Sequence[str]) -> NDArray[np.int64]:
    out = np.full(len(ticks), -1, np.int64)
    number = {name: i for i, name in enumerate(actions)}
    for label in recording.labels:
        if label.action in number:
            out[(ticks >= label.start) & (ticks < label.stop)] = number[label.action]
    return out


def _from_truth(recording: Recording, name: str, features: Features, out: dict[str, NDArray[Any]]) -> None:
    reader = recording.streams[name]
    rows = np.asarray(reader.data[0 : len(reader)], np.float64).reshape(len(reader), -1)
    world = _body20(reader.info, rows)
    times = np.asarray(reader.stamps["time"])
    joints, known = interpolate(times, world, features["time"], _MAX_GAP_S)
    camera = _camera(recording)
    rotation, translation, (fx, fy, cx, cy) = pinhole(camera)
    seen = joints @ rotation.T + translation  # camera axes, m
    there = np.asarray(np.isfinite(seen).all(axis=-1))  # not all who measured did so for every joint
    seen = np.where(there[..., None], seen, seen[:, :1])
    out["joints3d"][known] = (seen - seen[:, :1])[known]
    out["joints3d_known"][known] = there[known]
    depth = np.maximum(seen[..., 2], 1e-3)
    pixel = np.stack([fx * seen[..., 0] / depth + cx, fy * seen[..., 1] / depth + cy], axis=-1)
    height, width = camera.shape[:2]
    inside = (pixel >= 0).all(-1) & (pixel <= [width - 1, height - 1]).all(-1) & (seen[..., 2] > 0.05)
    inside &= there
    box = features["box"].astype(np.float64)
    boxed = known & (box[:, 2] > 0)
    relative = (pixel - [width / 2, height / 2]) / width - box[:, None, :2]
    out["joints2d"][boxed] = (relative[boxed] / box[boxed, None, 2:]).astype(np.float32)
    out["joints2d_known"][boxed] = inside[boxed]
    out["contact"], out["contact_known"] = _contact(times, world, features["time"], known)


def _body20(info: StreamInfo, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the joints (N, 20, 3) of BODY20 of flattened rows (N, C), NaN for those that are not in them."""
    channels = list(info.channels)
    if not channels and tuple(info.shape) == (len(BODY20), 3):
        return rows.reshape(len(rows), len(BODY20), 3)
    out = np.full((len(rows), len(BODY20), 3), np.nan)
    for number, joint in enumerate(BODY20):
        names = [f"{joint}.{axis}" for axis in "xyz"]
        if all(name in channels for name in names):
            out[:, number] = rows[:, [channels.index(name) for name in names]]
    if not np.isfinite(out[:, BODY20.index("pelvis")]).all():
        raise DataError(
            f"{info.name}: the truth does not say where the pelvis is",
            mend="Name its channels pelvis.x, pelvis.y, pelvis.z, spine.x ...",
        )
    return out


def _camera(recording: Recording) -> StreamInfo:
    looked = {reader.info.properties.get("camera") for reader in recording.features.values()}
    for name, reader in sorted(recording.streams.items()):
        seen = not reader.withheld or name in looked  # others take no part in the features
        if reader.info.kind == "camera" and "extrinsics" in reader.info.properties and seen:
            return reader.info
    raise DataError(
        "the recording has true joints but no camera that says where it stands",
        mend="Give the camera the properties intrinsics and extrinsics, or train without the truth stream",
    )


def pinhole(
    camera: StreamInfo,
) -> tuple[NDArray[np.float64], NDArray[np.float64], tuple[float, float, float, float]]:
    """Return rotation (3, 3) world -> camera, translation (3,) m and (fx, fy, cx, cy) px of a camera.

    Raises:
        DataError: the properties are missing or malformed.
    """
    try:
        pose = json.loads(camera.properties["extrinsics"])
        rotation = np.array(pose["R"], np.float64).reshape(3, 3)
        translation = np.array(pose["t"], np.float64).reshape(3)
        fx, fy, cx, cy = (float(v) for v in json.loads(camera.properties["intrinsics"]))
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{camera.name}: the camera's calibration cannot be read ({error})",
            mend='Give intrinsics as [fx, fy, cx, cy] and extrinsics as {"R": 3x3, "t": [x, y, z]}',
        ) from error
    return rotation, translation, (fx, fy, cx, cy)


def _contact(
    times: NDArray[np.int64], world: NDArray[np.float64], ticks: NDArray[np.int64], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return foot contact (T, 2), from how high and how fast the true feet are, and where known (T,)."""
    feet = world[:, [BODY20.index("left_foot"), BODY20.index("right_foot")]]
    if len(times) < 3 or not np.isfinite(feet).all():
        return np.zeros((len(ticks), 2), np.float32), np.zeros(len(ticks), np.float32)
    seconds = (times - times[0]) / 1e9
    speed = np.linalg.norm(np.gradient(feet, seconds, axis=0), axis=-1)
    height = feet[..., 2] - feet[..., 2].min()
    stands = ((speed < _CONTACT_SPEED) & (height < _CONTACT_HEIGHT_M)).astype(np.float64)
    at_ticks, _ = interpolate(times, stands, ticks, _MAX_GAP_S)
    return (at_ticks > 0.5).astype(np.float32), known.astype(np.float32)
