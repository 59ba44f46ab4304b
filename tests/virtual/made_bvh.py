"""Small BVH files of our own: a body of sticks in several conventions, made to stand, bend and walk on the
spot."""

from __future__ import annotations

import warnings

import numpy as np
from scipy.spatial.transform import Rotation

from fusion.virtual.bvh import Bvh

MOTIONBUILDER = {
    "pelvis": "Hips", "spine": "Spine", "chest": "Spine1", "head": "Head",
    "clavicle": "{Side}Shoulder", "upper_arm": "{Side}Arm", "forearm": "{Side}ForeArm", "hand": "{Side}Hand",
    "thigh": "{Side}UpLeg", "shin": "{Side}Leg", "foot": "{Side}Foot", "toes": "{Side}ToeBase",
}  # fmt: skip
BIPED = {
    "pelvis": "Bip01 Pelvis", "spine": "Bip01 Spine", "chest": "Bip01 Spine1", "head": "Bip01 Head",
    "clavicle": "Bip01 {S} Clavicle", "upper_arm": "Bip01 {S} UpperArm", "forearm": "Bip01 {S} Forearm",
    "hand": "Bip01 {S} Hand", "thigh": "Bip01 {S} Thigh", "shin": "Bip01 {S} Calf", "foot": "Bip01 {S} Foot",
    "toes": "Bip01 {S} Toe0",
}  # fmt: skip
UNREAL = {
    "pelvis": "pelvis", "spine": "spine_01", "chest": "spine_02", "head": "head",
    "clavicle": "clavicle_{s}", "upper_arm": "upperarm_{s}", "forearm": "lowerarm_{s}", "hand": "hand_{s}",
    "thigh": "thigh_{s}", "shin": "calf_{s}", "foot": "foot_{s}", "toes": "ball_{s}",
}  # fmt: skip
BIOVISION = {
    "pelvis": "Hips", "spine": "Chest", "chest": "Chest2", "head": "Head",
    "clavicle": "{Side}Collar", "upper_arm": "{Side}Shoulder", "forearm": "{Side}Elbow", "hand":
    "{Side}Wrist", "thigh": "{Side}Hip", "shin": "{Side}Knee", "foot": "{Side}Ankle", "toes": "{Side}Toe",
}  # fmt: skip

_TREE = (  # part, parent, T-pose offset in m for the left side: x left, y up, z forward
    ("pelvis", "", (0.0, 0.0, 0.0)),
    ("thigh", "pelvis", (0.09, -0.05, 0.0)),
    ("shin", "thigh", (0.0, -0.42, 0.0)),
    ("foot", "shin", (0.0, -0.42, 0.0)),
    ("toes", "foot", (0.0, -0.05, 0.13)),
    ("spine", "pelvis", (0.0, 0.15, 0.0)),
    ("chest", "spine", (0.0, 0.15, 0.0)),
    ("head", "chest", (0.0, 0.30, 0.0)),
    ("clavicle", "chest", (0.03, 0.20, 0.0)),
    ("upper_arm", "clavicle", (0.15, 0.0, 0.0)),
    ("forearm", "upper_arm", (0.29, 0.0, 0.0)),
    ("hand", "forearm", (0.25, 0.0, 0.0)),
)


def stick_body(
    names: dict[str, str],
    *,
    unit_m: float = 0.01,
    order: str = "ZXY",
    z_up: bool = False,
    frame_time_s: float = 1 / 60,
    turns: dict[str, np.ndarray] | None = None,
    rows: int = 90,
    axes: dict[str, np.ndarray] | None = None,
    height_m: float = 0.96,
) -> Bvh:
    """Return a body in T-pose whose parts are turned by ``turns`` (T, 3), rotation vectors in rad, x left, y
    up.

    Args:
        names: of the nodes by part.
        unit_m: the file's unit.
        order: of the rotation channels.
        z_up: write the file with z up instead of y.
        frame_time_s: between rows.
        turns: by ``left_thigh`` ...; about the T-pose's axes.
        rows: of the motion.
        axes: (3, 3) by part: a node's own axes in the T-pose's; identity by default.
        height_m: of the pelvis' node.
    """
    parts: list[tuple[str, str, np.ndarray]] = []
    for part, parent, offset in _TREE:
        sides = ("",) if part in ("pelvis", "spine", "chest", "head") else ("left_", "right_")
        for side in sides:
            above = parent if parent in ("pelvis", "spine", "chest", "") else side + parent
            mirror = np.array([-1.0 if side == "right_" else 1.0, 1.0, 1.0])
            parts.append((side + part, above, np.array(offset) * mirror))
    numbers = {part: n for n, (part, _, _) in enumerate(parts)}
    own = {part: (axes or {}).get(part, np.eye(3)) for part in numbers}
    world = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]]) if z_up else np.eye(3)
    columns, channels, offsets, labels = [], [], [], []
    for part, above, offset in parts:
        outer = own[above] if above else np.eye(3)
        local = outer.T @ offset / unit_m
        turned = Rotation.from_rotvec((turns or {}).get(part, np.zeros((rows, 3)))).as_matrix()
        made = outer.T @ turned @ own[part]
        if not above:
            local, made = world @ local, world @ made
            columns.append(np.tile(world @ [0.0, height_m / unit_m, 0.0], (rows, 1)))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where two of the angles are one, either will do
            columns.append(Rotation.from_matrix(made).as_euler(order, degrees=True))
        turns_named = tuple(f"{axis}rotation" for axis in order)
        places = ("Xposition", "Yposition", "Zposition") if not above else ()
        channels.append(places + turns_named)
        offsets.append(local)
        side = part.partition("_")[0] if part.startswith(("left_", "right_")) else ""
        stem = part.removeprefix("left_").removeprefix("right_")
        labels.append(names[stem].format(Side=side.title(), S=side[:1].upper(), s=side[:1]))
    parents = tuple(numbers.get(above, -1) for _, above, _ in parts)
    order_of = _depth_first(parents)
    back = {old: new for new, old in enumerate(order_of)}
    values = [np.concatenate(columns[:2], axis=1), *columns[2:]]
    return Bvh(
        tuple(labels[n] for n in order_of),
        tuple(back[parents[n]] if parents[n] >= 0 else -1 for n in order_of),
        np.array([offsets[n] for n in order_of]),
        tuple(channels[n] for n in order_of),
        frame_time_s,
        np.concatenate([values[n] for n in order_of], axis=1),
    )


def _depth_first(parents: tuple[int, ...]) -> list[int]:
    def under(node: int) -> list[int]:
        return [node, *(n for child in range(len(parents)) if parents[child] == node for n in under(child))]

    return under(0)


def moving(rows: int = 90) -> dict[str, np.ndarray]:
    """Return turns of a body whose arms hang and whose elbows and knees bend in turn; the first row is the
    T-pose."""
    phase = np.linspace(0.0, 2 * np.pi, rows)
    out = {}
    for side, way in (("left", 1.0), ("right", -1.0)):
        swing = 0.5 + 0.5 * np.sin(phase + way)
        zero = np.zeros(rows)
        down = np.where(np.arange(rows) > 0, -way * 1.5, 0.0)  # short of the lock of Euler angles
        out[f"{side}_upper_arm"] = np.stack([zero, zero, down], axis=1)
        # In the T-pose the elbow's axis is vertical: the forearm goes forward.
        out[f"{side}_forearm"] = np.stack([zero, -way * (0.1 + 1.2 * swing), zero], axis=1)
        out[f"{side}_thigh"] = np.stack([-0.5 * swing, zero, zero], axis=1)
        out[f"{side}_shin"] = np.stack([swing, zero, zero], axis=1)
        for part in ("forearm", "thigh", "shin"):
            out[f"{side}_{part}"][0] = 0.0
    return out
