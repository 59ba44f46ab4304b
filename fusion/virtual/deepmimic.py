"""DeepMimic's reference motions: JSON rows of one humanoid.

X. B. Peng et al., "DeepMimic", ACM Transactions on Graphics 37(4), 2018. A row is the time to the next row
(s), the root's place (m, y up) and turn, and the turns of 12 joints in their parents' frames: quaternions w,
x, y, z or, for knees and elbows, one angle (rad) about z. With all of them zero the humanoid stands upright
with hanging arms and looks along x, z to its right.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from drivers.errors import DataError
from fusion.segments import SEGMENT, SEGMENTS
from fusion.virtual.anatomy import SKULL, Points
from fusion.virtual.bvh import Array
from fusion.virtual.motion import LEG_OF_STATURE
from fusion.virtual.resample import at_times, even_times, matrices, turns_at_times

COLUMNS = 44
MAX_BYTES, MAX_ROWS = 1 << 26, 200_000

_JOINTS: tuple[tuple[str, int], ...] = (
    ("chest", 4),
    ("head", 4),
    ("right_thigh", 4),
    ("right_shin", 1),
    ("right_foot", 4),
    ("right_upper_arm", 4),
    ("right_forearm", 1),
    ("left_thigh", 4),
    ("left_shin", 1),
    ("left_foot", 4),
    ("left_upper_arm", 4),
    ("left_forearm", 1),
)
"""Segment that each joint turns, and its numbers in a row, after time and root."""

_PARENT = {"chest": "pelvis", "head": "chest"} | {
    f"{side}_{segment}": parent if parent in ("pelvis", "chest") else f"{side}_{parent}"
    for side in ("left", "right")
    for segment, parent in (
        ("thigh", "pelvis"),
        ("shin", "thigh"),
        ("foot", "shin"),
        ("upper_arm", "chest"),
        ("forearm", "upper_arm"),
    )
}

# The character humanoid3d, m, x forward, y up, z right: each segment's beginning, from its parent's.
_OFFSETS: dict[str, tuple[float, float, float]] = {
    "chest": (0.0, 0.236151, 0.0),
    "head": (0.0, 0.223894, 0.0),
    "right_thigh": (0.0, 0.0, 0.084887),
    "right_shin": (0.0, -0.421546, 0.0),
    "right_foot": (0.0, -0.40987, 0.0),
    "right_upper_arm": (-0.02405, 0.2435, 0.18311),
    "right_forearm": (0.0, -0.274788, 0.0),
    "right_hand": (0.0, -0.258947, 0.0),
}
_OFFSETS |= {
    name.replace("right", "left"): (x, y, -z)
    for name, (x, y, z) in _OFFSETS.items()
    if name.startswith("right")
}
_HEAD_ABOVE = 0.175  # the middle of the head's sphere over the neck's joint
_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, -1.0], [0.0, 1.0, 0.0]])


def read(path: str | Path, rate_hz: float = 60.0) -> tuple[Points, float]:
    """Read a clip at an even rate.

    Args:
        path: of the file.
        rate_hz: of the rows returned; the file's own may vary.

    Returns:
        places and frames of the body, and the length of the clip, s.

    Raises:
        DataError: the file can't be read or a row is malformed; the error says which.
    """
    rows = _rows(Path(path))
    times = np.concatenate([[0.0], np.cumsum(rows[:-1, 0])])
    turns = _turns(rows)
    at = np.minimum(even_times(float(times[-1]), rate_hz), times[-1])
    place = at_times(times, rows[:, 1:4], at)
    smooth = matrices(turns_at_times(times, np.stack([*turns.values()], axis=1), at))
    local = {name: smooth[:, number] for number, name in enumerate(turns)}
    return _points(local, place), float(times[-1])


def _rows(path: Path) -> Array:
    def bad(what: str) -> DataError:
        return DataError(f"{path.name}: {what}", mend="Name one of DeepMimic's humanoid motions")

    try:
        if path.stat().st_size > MAX_BYTES:
            raise bad(f"larger than {MAX_BYTES >> 20} MB")
        frames = json.loads(path.read_text("utf-8"))["Frames"]
        counts = {len(row) for row in frames}
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise bad(f"no DeepMimic motion ({type(error).__name__}: {error})"[:200]) from None
    if counts != {COLUMNS} or not 2 <= len(frames) <= MAX_ROWS:
        wrong = next((n for n, row in enumerate(frames) if len(row) != COLUMNS), 0)
        raise bad(f"row {wrong} of {len(frames)} does not have {COLUMNS} numbers")
    try:
        rows = np.array(frames, dtype=np.float64)
    except (TypeError, ValueError):
        raise bad("a row holds something that is no number") from None
    if not np.isfinite(rows).all() or (rows[:-1, 0] <= 0).any() or (rows[:, 0] > 10.0).any():
        raise bad("a value is not finite, or a row lasts no time")
    return rows


def _turns(rows: Array) -> dict[str, Array]:
    """Return quaternions (T, 4), xyzw, by segment."""
    out, at = {"pelvis": _quaternions(rows[:, 4:8])}, 8
    for name, width in _JOINTS:
        values = rows[:, at : at + width]
        out[name] = _quaternions(values) if width == 4 else Rotation.from_euler("z", values).as_quat()
        at += width
    return out


def _quaternions(wxyz: Array) -> Array:
    """Return unit quaternions (T, 4), xyzw, of any that need not be; one of no length is no turn."""
    xyzw = wxyz[:, [1, 2, 3, 0]].copy()
    xyzw[np.linalg.norm(xyzw, axis=1) < 1e-6] = (0.0, 0.0, 0.0, 1.0)
    return xyzw / np.linalg.norm(xyzw, axis=1, keepdims=True)


def _points(local: dict[str, Array], place: Array) -> Points:
    turn: dict[str, Array] = {}
    begin: dict[str, Array] = {"pelvis": place}
    for name, rotation in local.items():
        turn[name] = rotation if name == "pelvis" else turn[_PARENT[name]] @ rotation
    for name, offset in _OFFSETS.items():
        parent = _PARENT.get(name, name.replace("hand", "forearm"))
        begin[name] = begin[parent] + np.einsum("tij,j->ti", turn[parent], np.array(offset))
    for side in ("left", "right"):
        turn[f"{side}_hand"] = turn[f"{side}_forearm"]  # the wrist is rigid
    frames = np.stack([_WORLD @ turn[name] @ _WORLD.T for name in SEGMENTS], axis=1)
    stature = -(_OFFSETS["left_shin"][1] + _OFFSETS["left_foot"][1]) / LEG_OF_STATURE
    middle = begin["head"] @ _WORLD.T + frames[:, SEGMENT["head"]][..., 2] * _HEAD_ABOVE
    skull = middle - np.einsum("tij,j->ti", frames[:, SEGMENT["head"]], stature * np.array(SKULL))

    def both(segment: str) -> Array:
        return np.stack([begin[f"left_{segment}"] @ _WORLD.T, begin[f"right_{segment}"] @ _WORLD.T], axis=1)

    return Points(
        frames=frames,
        shoulder=both("upper_arm"),
        elbow=both("forearm"),
        wrist=both("hand"),
        hip=both("thigh"),
        knee=both("shin"),
        ankle=both("foot"),
        skull=skull,
        toes=None,
    )
