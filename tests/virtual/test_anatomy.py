"""Every kind of file becomes the same body: joints at the same places, frames of the same meaning."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from made_bvh import BIOVISION, BIPED, MOTIONBUILDER, UNREAL, moving, stick_body
from scipy.spatial.transform import Rotation

from drivers.errors import DataError
from fusion.segments import JOINT, SEGMENT, SEGMENTS
from fusion.virtual import bvh
from fusion.virtual.anatomy import build, unit_of
from fusion.virtual.calibrate import shortest
from fusion.virtual.motion import Motion
from fusion.virtual.names import parts_of, stem
from fusion.virtual.rig import body_of


def motion_of(file: bvh.Bvh) -> Motion:
    read = body_of(file)
    motion, error = build(read.points, 60.0, clip="a", source="made", licence="own")
    assert error < 1e-4
    return motion


@pytest.fixture(scope="module")
def plain() -> Motion:
    return motion_of(stick_body(MOTIONBUILDER, turns=moving()))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("mixamorig:LeftForeArm", ("left", "forearm")),
        ("Character1_RightUpLeg", ("right", "upleg")),
        ("Bip01 L Thigh", ("left", "thigh")),
        ("Bip001 R UpperArm", ("right", "upperarm")),
        ("lShldr", ("left", "shldr")),
        ("rForeArm", ("right", "forearm")),
        ("calf_l", ("left", "calf")),
        ("UpperLeg_R", ("right", "upperleg")),
        ("L_Hip", ("left", "hip")),
        ("rfemur", ("right", "femur")),
        ("Left_Knee", ("left", "knee")),
        ("Hips", ("", "hips")),
        ("root", ("", "root")),
        ("LowerBack", ("", "lowerback")),
        ("head", ("", "head")),
    ],
)
def test_names_have_a_side_and_a_stem(name, wanted):
    assert stem(name) == wanted


@pytest.mark.parametrize("names", [MOTIONBUILDER, BIPED, UNREAL, BIOVISION])
def test_programs_name_the_same_parts_differently(names):
    file = stick_body(names)
    parts = parts_of(file.names, file.parents)
    for side in ("left", "right"):
        for part in ("upper_arm", "forearm", "hand", "thigh", "shin", "foot", "toes", "clavicle"):
            wanted = names[part].format(Side=side.title(), S=side[0].upper(), s=side[0])
            assert file.names[parts.limbs[f"{side}_{part}"]] == wanted
    assert file.names[parts.pelvis] == names["pelvis"]
    assert file.names[parts.chest] == names["chest"]
    assert parts.unmapped == ()


def test_what_is_not_known_is_told_and_what_is_missing_refused():
    file = stick_body({**MOTIONBUILDER, "spine": "Gizmo"})
    assert parts_of(file.names, file.parents).unmapped == ("Gizmo",)
    file = stick_body({**MOTIONBUILDER, "shin": "{Side}Gizmo"})
    with pytest.raises(DataError, match="left shin"):
        parts_of(file.names, file.parents)


@pytest.mark.parametrize("names", [BIPED, UNREAL, BIOVISION])
def test_names_make_no_difference(plain, names):
    assert_alike(motion_of(stick_body(names, turns=moving())), plain)


@pytest.mark.parametrize("order", ["ZYX", "XYZ", "YXZ", "XZY"])
def test_the_order_of_channels_makes_no_difference(plain, order):
    assert_alike(motion_of(stick_body(MOTIONBUILDER, turns=moving(), order=order)), plain)


@pytest.mark.parametrize("unit_m", [1.0, 0.001, 0.0254, 0.0254 / 0.45])
def test_units_are_found_from_the_legs(plain, unit_m):
    file = stick_body(MOTIONBUILDER, turns=moving(), unit_m=unit_m)
    assert body_of(file).unit_m == unit_m
    assert_alike(motion_of(file), plain, atol=1e-3)


def test_a_body_of_no_size_is_refused():
    with pytest.raises(DataError, match="no person"):
        unit_of(50.0)
    assert unit_of(0.86) == ("m", 1.0)


def test_z_may_be_up(plain):
    assert_alike(motion_of(stick_body(MOTIONBUILDER, turns=moving(), z_up=True)), plain, turned=True)


def test_axes_of_the_nodes_make_no_difference_where_a_t_pose_is_the_rest(plain):
    rng = np.random.default_rng(5)
    parts = [
        f"{side}_{part}" for side in ("left", "right") for part in ("thigh", "shin", "foot", "upper_arm")
    ]
    axes = {
        part: Rotation.random(random_state=rng).as_matrix() for part in (*parts, "pelvis", "chest", "head")
    }
    file = stick_body(MOTIONBUILDER, turns=moving(), axes=axes)
    read = body_of(file)
    assert read.reference == "first row"  # the rest pose of such files is a knot
    motion, _ = build(read.points, 60.0, clip="a", source="made", licence="own")
    short = dataclasses.replace(
        plain, **{f: getattr(plain, f)[1:] for f in ("rotations", "root", "girdle", "contacts")}
    )
    assert_alike(motion, short)


def test_without_a_t_pose_the_motion_tells_which_axis_is_which(plain):
    """As in rigs whose nodes' axes lie along the bones, in one way on the left and another on the right."""
    x, y, z = np.eye(3)
    axes = {"pelvis": np.stack([y, z, x], axis=1), "chest": np.stack([y, z, x], axis=1)}
    axes["head"] = axes["spine"] = axes["chest"]
    for side, way in (("left", 1.0), ("right", -1.0)):
        for part in ("thigh", "shin"):
            axes[f"{side}_{part}"] = np.stack([-way * y, x, way * z], axis=1)
        for part in ("upper_arm", "forearm", "hand", "clavicle"):
            axes[f"{side}_{part}"] = np.stack([x, -y, -z], axis=1)
    turns = moving()
    for part in turns:
        turns[part][0] = turns[part][1]  # no T-pose anywhere
    read = body_of(stick_body(MOTIONBUILDER, turns=turns, axes=axes))
    assert read.reference == "motion"
    motion, _ = build(read.points, 60.0, clip="a", source="made", licence="own")
    assert_alike(motion, plain, rows=slice(1, None), atol=2e-3, feet=False)


def test_standing_upright_every_frame_is_near_identity(plain):
    """Arms hang, knees and elbows are nearly straight in the row in which they bend least."""
    bend = plain.rotations[:, SEGMENT["left_shin"]] - torch.eye(3)
    row = int(bend.flatten(1).norm(dim=1)[1:].argmin()) + 1
    for segment in ("pelvis", "chest", "head", "left_upper_arm", "left_thigh", "left_foot", "left_shin"):
        angle = _angle(plain.rotations[row, SEGMENT[segment]], torch.eye(3))
        assert angle < 8.0, segment


def test_joints_are_anatomical(plain):
    joints = plain.joints
    hips = 0.5 * (joints[:, JOINT["left_hip"]] + joints[:, JOINT["right_hip"]])
    torch.testing.assert_close(joints[:, JOINT["pelvis"]], hips, atol=1e-5, rtol=0)
    # 0.84 m of legs make a body of 1.71 m, whose skull's middle is 0.048 of that above its base.
    head = plain.posed.joints[0, JOINT["head"]] - joints[0, JOINT["pelvis"]]
    assert float(head[2]) == pytest.approx(0.60 + 0.05 + 0.048 * 0.84 / 0.491, abs=0.005)
    toes = plain.skeleton.offsets[JOINT["left_foot"]]
    assert float(toes[0]) == pytest.approx(0.13 + 0.021 * 0.84 / 0.491, abs=1e-4)


def test_a_wrists_turn_is_the_forearms():
    turns = moving()
    turns["left_hand"] = np.tile([0.5, 0.0, 0.0], (90, 1)) * np.linspace(0, 1, 90)[:, None]
    turned, plain = (motion_of(stick_body(MOTIONBUILDER, turns=t)) for t in (turns, moving()))
    hand, forearm = SEGMENT["left_hand"], SEGMENT["left_forearm"]
    torch.testing.assert_close(turned.rotations[:, hand], turned.rotations[:, forearm], atol=1e-5, rtol=0)
    assert _angle(turned.rotations[-1, forearm], plain.rotations[-1, forearm]) == pytest.approx(28.6, abs=0.5)
    torch.testing.assert_close(turned.joints, plain.joints, atol=1e-5, rtol=0)


def test_the_shortest_turn_takes_one_direction_to_another():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 50, 3))
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    turn = shortest(a, b)
    np.testing.assert_allclose(np.einsum("nij,nj->ni", turn, a), b, atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(turn), 1.0, atol=1e-9)


def test_a_t_pose_alone_is_no_motion():
    with pytest.raises(DataError, match="no frames"):
        body_of(stick_body(MOTIONBUILDER, rows=0, turns={}))


def _angle(a: torch.Tensor, b: torch.Tensor) -> float:
    cosine = (torch.trace(a.T @ b) - 1) / 2
    return float(torch.rad2deg(torch.arccos(cosine.clamp(-1, 1))))


def assert_alike(
    motion: Motion,
    wanted: Motion,
    *,
    turned: bool = False,
    rows: slice = slice(None),
    atol: float = 1e-4,
    feet: bool = True,
) -> None:
    """Joints and frames agree, but for the heading where ``turned``; without ``feet`` theirs and the ground
    may not."""
    about = (torch.eye(3), motion.rotations[0, 0] @ wanted.rotations[0, 0].T)[turned]
    joints, frames = motion.joints[rows] @ about, about.T @ motion.rotations[rows]
    known = [n for name, n in JOINT.items() if feet or "foot" not in name]
    there = wanted.joints[rows]
    if not feet:
        joints, there = joints - joints[:, :1], there - there[:, :1]
    torch.testing.assert_close(joints[:, known], there[:, known], atol=atol, rtol=0)
    for segment in SEGMENTS:
        if feet or "foot" not in segment:
            at = SEGMENT[segment]
            torch.testing.assert_close(
                frames[:, at], wanted.rotations[rows][:, at], atol=max(atol, 2e-3), rtol=0
            )
