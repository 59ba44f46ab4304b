import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from benchmarks.live.posed import body_of
from drivers.simulator.anatomy import BodyShape
from drivers.simulator.wearer import EXACT, Task, Wearer
from fusion.posture import read
from fusion.posture.angles import ANGLES, neutral_of
from fusion.posture.reading import UNITS
from fusion.segments import JOINT

UP = np.array([0.0, 0.0, 1.0])


def body(**angles):
    return body_of({name: np.array([value]) for name, value in angles.items()}, BodyShape(), "one")


def value(motion, name, way="rotations"):
    rotations = motion.rotations.numpy() if way == "rotations" else None
    return float(
        read(motion.joints.numpy(), UP, rotations, neutral_of(motion.skeleton.offsets.numpy()))[name][0]
    )


def moved(motion, joint):
    """Return by how much a joint is off its place in upright stance: forward, left, up, m."""
    still = body(trunk_flexion=0.0)
    at = motion.joints[0] - motion.root[0]
    return (at - (still.joints[0] - still.root[0]))[JOINT[joint]].numpy()


# Where a limb goes when an angle grows, in a body that looks along x: (angle, joint, axis, way).
GROWS = (
    ("trunk_flexion", "neck", 0, 1),
    ("trunk_bending", "neck", 1, -1),
    ("trunk_rotation", "right_shoulder", 0, 1),
    ("neck_flexion", "head", 0, 1),
    ("neck_bending", "head", 1, -1),
    ("left_hip_flexion", "left_knee", 0, 1),
    ("right_hip_flexion", "right_knee", 0, 1),
    ("left_hip_adduction", "left_knee", 1, -1),
    ("right_hip_adduction", "right_knee", 1, 1),
    ("left_knee_flexion", "left_ankle", 0, -1),
    ("right_ankle_dorsiflexion", "right_foot", 2, 1),
    ("left_hip_rotation", "left_foot", 1, -1),
    ("right_hip_rotation", "right_foot", 1, 1),
    ("right_ankle_rotation", "right_foot", 1, 1),
    ("left_elbow_flexion", "left_wrist", 0, 1),
    ("right_wrist_flexion", "right_hand", 1, 1),
    ("left_wrist_flexion", "left_hand", 1, -1),
    ("right_wrist_radial", "right_hand", 0, 1),
)


@pytest.mark.parametrize(("angle", "joint", "axis", "way"), GROWS)
def test_an_angle_grows_in_the_direction_of_its_name(angle, joint, axis, way):
    motion = body(**{angle: 20.0})
    assert moved(motion, joint)[axis] * way > 0.005
    assert value(motion, angle) == pytest.approx(20.0, abs=1e-3)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("way", ["rotations", "joints"])
def test_an_arm_forward_is_elevated_in_the_plane_of_90_degrees_and_sideways_in_that_of_0(side, way):
    out = 1.0 if side == "left" else -1.0
    for plane, goes in ((90.0, (1.0, 0.0)), (0.0, (0.0, out))):
        motion = body(**{f"{side}_shoulder_plane": plane, f"{side}_shoulder_elevation": 80.0})
        arm = (motion.joints[0, JOINT[f"{side}_elbow"]] - motion.joints[0, JOINT[f"{side}_shoulder"]]).numpy()
        assert np.dot(arm[:2], goes) == pytest.approx(
            np.linalg.norm(arm) * np.sin(np.radians(80.0)), rel=1e-3
        )
        assert value(motion, f"{side}_shoulder_plane", way) == pytest.approx(plane, abs=0.1)
        assert value(motion, f"{side}_shoulder_elevation", way) == pytest.approx(80.0, abs=0.1)


def test_the_forearm_of_an_inwardly_turned_arm_lies_before_the_belly():
    for side, way in (("left", -1.0), ("right", 1.0)):
        motion = body(
            **{
                f"{side}_shoulder_elevation": 15.0,
                f"{side}_shoulder_rotation": 60.0,
                f"{side}_elbow_flexion": 90.0,
            }
        )
        assert moved(motion, f"{side}_wrist")[1] * way > 0.05
        for told in ("rotations", "joints"):
            assert value(motion, f"{side}_shoulder_rotation", told) == pytest.approx(60.0, abs=0.1)


def test_the_plane_of_a_hanging_arm_is_not_told():
    assert np.isnan(value(body(left_shoulder_elevation=5.0), "left_shoulder_plane"))


def test_a_simulated_wearer_who_squats_as_told_has_the_angles_that_it_was_told():
    wearer = Wearer([Task("squats", 0.0, 8.0)], seed=3, habits=EXACT)
    times = np.linspace(0.0, 8.0, 200)
    frames = wearer.orientations(times)
    places = {"pelvis": 0, "chest": 1, "thigh": 9, "shin": 10}
    pitch = {
        name: np.degrees(np.arctan2(frames[:, n, 0, 2], frames[:, n, 2, 2])) for name, n in places.items()
    }
    reading = read(np.zeros((200, 20, 3)), UP, frames[:, :15])
    assert pitch["thigh"].min() < -50.0
    assert reading["left_knee_flexion"] == pytest.approx(pitch["shin"] - pitch["thigh"], abs=0.2)
    assert reading["left_hip_flexion"] == pytest.approx(pitch["pelvis"] - pitch["thigh"], abs=0.2)
    assert reading["trunk_flexion"] == pytest.approx(pitch["chest"] - pitch["pelvis"], abs=0.2)


_NAMES = [
    a.name for a in ANGLES if not any(part in a.name for part in ("shoulder", "adduction", "inversion"))
]
_SAME = [name for name in _NAMES if "knee_rotation" not in name]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-60.0, 60.0), min_size=len(_SAME), max_size=len(_SAME)), st.integers(0, 1000))
def test_commanded_angles_come_back_from_rotations_whatever_way_one_looks_at_them(values, seed):
    angles = {
        name: abs(v) if "knee_f" in name or "elbow" in name else v
        for name, v in zip(_SAME, values, strict=True)
    }
    motion = body(**angles)
    turn = Rotation.random(random_state=seed).as_matrix()
    reading = read(motion.joints.numpy() @ turn.T, turn @ UP, turn @ motion.rotations.numpy())
    for name, true in angles.items():
        assert float(reading[name][0]) == pytest.approx(true, abs=0.05), name


@settings(max_examples=40, deadline=None)
@given(
    st.floats(-20.0, 110.0), st.floats(-25.0, 25.0), st.floats(25.0, 130.0), st.floats(-30.0, 30.0),
    st.floats(15.0, 160.0), st.floats(-60.0, 60.0), st.floats(25.0, 130.0), st.integers(0, 1000),
)  # fmt: skip
def test_joints_alone_tell_what_they_are_said_to_tell(hip, adduction, knee, turned, up, plane, elbow, seed):
    angles = {
        "right_hip_flexion": hip,
        "right_hip_adduction": adduction,
        "right_hip_rotation": turned,
        "right_knee_flexion": knee,
        "left_shoulder_elevation": up,
        "left_shoulder_plane": plane,
        "left_elbow_flexion": elbow,
        "right_ankle_dorsiflexion": turned / 2,
    }
    motion = body(**angles)
    axes = Rotation.random(random_state=seed).as_matrix()
    neutral = neutral_of(motion.skeleton.offsets.numpy())
    reading = read(motion.joints.numpy() @ axes.T, axes @ UP, None, neutral)
    for name, true in angles.items():
        assert float(reading[name][0]) == pytest.approx(true, abs=0.2), name
    untold = {a.name for a in ANGLES if not a.from_joints}
    assert all(np.isnan(reading[name]).all() for name in untold)


def test_measures_against_the_vertical_have_their_signs():
    lean = body_of({"left_knee_flexion": np.zeros(1)}, BodyShape(), "lean", 30.0, tilt=25.0, list_=0.0)
    assert value(lean, "trunk_inclination") == pytest.approx(25.0, abs=0.1)
    aside = body_of({"left_knee_flexion": np.zeros(1)}, BodyShape(), "aside", -70.0, tilt=0.0, list_=12.0)
    assert value(aside, "trunk_side_lean") == pytest.approx(12.0, abs=0.1)
    assert value(aside, "shoulder_tilt") == pytest.approx(-12.0, abs=0.1)
    squat = body(right_hip_flexion=90.0, right_knee_flexion=120.0, right_ankle_dorsiflexion=30.0)
    assert value(squat, "right_thigh_inclination") == pytest.approx(90.0, abs=0.1)
    shape = BodyShape()
    ahead = shape.shin * np.sin(np.radians(30.0)) - shape.foot
    assert value(squat, "right_knee_past_toes") == pytest.approx(ahead, abs=1e-3)
    heel = body(right_hip_flexion=90.0, right_knee_flexion=120.0)
    assert value(heel, "right_foot_pitch") == pytest.approx(30.0, abs=0.1)
    assert value(heel, "right_foot_pitch", "joints") == pytest.approx(30.0, abs=0.1)
    for side, way in (("left", -1.0), ("right", 1.0)):
        inward = body(
            **{f"{side}_hip_flexion": 30.0, f"{side}_hip_adduction": 15.0, f"{side}_knee_flexion": 60.0}
        )
        assert value(inward, f"{side}_knee_inward") > 0.02, way


def test_every_value_has_a_unit():
    reading = read(body(trunk_flexion=1.0).joints.numpy(), UP)
    assert set(reading.values) == set(UNITS)
