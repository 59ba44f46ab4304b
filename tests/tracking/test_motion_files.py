import dataclasses
import socket

import numpy as np
import pytest
from pythonosc.osc_packet import OscPacket
from scipy.spatial.transform import Rotation

from benchmarks.live.posed import body_of, squats
from drivers.errors import ConfigError
from drivers.simulator.anatomy import BodyShape
from fusion.segments import JOINT
from fusion.skeletons import BODY20
from fusion.tracking.levelled import Leveller, world_of
from fusion.tracking.motionfiles import BvhSink, MotSink, TrcSink
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs
from fusion.tracking.pose import Pose
from fusion.tracking.vmc import VmcSink, bones_of
from fusion.virtual import bvh

CAMERA = Rotation.from_euler("yx", [25.0, -12.0], degrees=True).as_matrix() @ np.array(
    [[0.0, -1.0, 0.0], [0.0, 0.0, -1.0], [1.0, 0.0, 0.0]]
)
"""World with z up to the axes of a camera that is tilted."""


def poses(seconds=10.0, rotations=True):
    posed = squats(2, seconds=seconds)
    joints = (posed.motion.joints - posed.motion.root[:, None]).numpy() @ CAMERA.T
    turned = CAMERA @ posed.motion.rotations.numpy()
    plain = Pose(
        time=0,
        keypoints=np.full((20, 2), np.nan, np.float32),
        keypoints_var=np.ones(20, np.float32),
        joints=joints[0],
        joints_var=np.ones(20, np.float32),
        score=np.zeros(20, np.float32),
        contact=np.ones(2, np.float32),
        action=np.ones(1, np.float32),
        frame_time=None,
        sample_time=None,
        fed=("pelvis",),
        up=(CAMERA @ [0.0, 0.0, 1.0]).astype(np.float32),
    )
    extra = {"offsets": posed.motion.skeleton.offsets.numpy()} if rotations else {}
    return posed, [
        dataclasses.replace(
            plain,
            time=round((5.0 + row / 60.0) * 1e9),
            joints=joints[row].astype(np.float32),
            rotations=turned[row].astype(np.float32) if rotations else None,
            **extra,
        )
        for row in range(len(joints))
    ]


def written(sink, all_poses):
    for pose in all_poses:
        sink.pose(pose)
    sink.close()


def test_the_world_is_level_whatever_the_camera_does():
    turn = world_of(CAMERA @ [0.0, 0.0, 1.0])
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(turn) == pytest.approx(1.0)
    np.testing.assert_allclose(turn @ CAMERA @ [0.0, 0.0, 1.0], [0.0, 0.0, 1.0], atol=1e-12)


def test_a_trc_has_every_joint_in_mm_y_up_and_says_how_many_rows(tmp_path):
    _, all_poses = poses()
    written(TrcSink(tmp_path / "a.trc", 60.0), all_poses)
    lines = (tmp_path / "a.trc").read_text().splitlines()
    head = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert int(head["NumFrames"]) == int(head["OrigNumFrames"]) == len(all_poses)
    assert head["Units"] == "mm"
    assert [name for name in lines[3].split("\t") if name][2:] == list(BODY20)
    rows = np.array([[float(v) for v in line.split("\t")] for line in lines[6:]])
    assert rows.shape == (len(all_poses), 2 + 3 * 20)
    np.testing.assert_allclose(rows[:, 1], np.arange(len(rows)) / 60.0, atol=1e-5)
    places = rows[:, 2:].reshape(-1, 20, 3)
    assert (places[:, JOINT["head"], 1] > places[:, JOINT["pelvis"], 1]).all()
    for a, b in (("left_knee", "left_ankle"), ("right_shoulder", "right_elbow")):
        length = np.linalg.norm(places[0, JOINT[a]] - places[0, JOINT[b]])
        true = 1000 * np.linalg.norm(all_poses[0].joints[JOINT[a]] - all_poses[0].joints[JOINT[b]])
        assert length == pytest.approx(true, abs=0.01)


def table(path):
    lines = path.read_text().splitlines()
    start = lines.index("endheader") + 1
    names = lines[start].split("\t")
    rows = np.array([[float(v) for v in line.split("\t")] for line in lines[start + 1 :]])
    return lines, {name: rows[:, column] for column, name in enumerate(names)}


def test_a_mot_has_the_coordinates_of_opensim_in_degrees(tmp_path):
    posed, all_poses = poses()
    written(MotSink(tmp_path / "a.mot", 60.0), all_poses)
    lines, columns = table(tmp_path / "a.mot")
    assert f"nRows={len(all_poses):09d}" in lines
    assert f"nColumns={len(columns)}" in lines
    for name, angle, sign in (
        ("knee_angle_r", "right_knee_flexion", 1),
        ("hip_flexion_l", "left_hip_flexion", 1),
        ("ankle_angle_l", "left_ankle_dorsiflexion", 1),
        ("lumbar_extension", "trunk_flexion", -1),
        ("elbow_flex_r", "right_elbow_flexion", 1),
    ):
        np.testing.assert_allclose(columns[name], sign * posed.truth[angle], atol=0.01)
    deep = columns["knee_angle_r"].argmax()
    assert columns["pelvis_tilt"][deep] < -5.0  # leans forward, and OpenSim counts that down
    assert columns["pelvis_ty"][deep] < columns["pelvis_ty"][0] - 0.2


def test_without_rotations_a_mot_has_what_joints_tell_and_a_bvh_is_not_written(tmp_path):
    posed, all_poses = poses(rotations=False)
    written(MotSink(tmp_path / "a.mot", 60.0), all_poses)
    _, columns = table(tmp_path / "a.mot")
    assert "lumbar_extension" not in columns
    assert "arm_rot_l" not in columns
    np.testing.assert_allclose(columns["knee_angle_l"], posed.truth["left_knee_flexion"], atol=0.05)
    written(BvhSink(tmp_path / "a.bvh", 60.0), all_poses)
    assert not (tmp_path / "a.bvh").exists()


def test_a_bvh_read_again_has_the_joints_of_the_poses(tmp_path):
    _, all_poses = poses()
    written(BvhSink(tmp_path / "a.bvh", 60.0), all_poses)
    read = bvh.read(tmp_path / "a.bvh")
    _, places = read.world
    assert len(places) == len(all_poses)
    names = list(read.names)
    level = Leveller()
    true = np.stack([level(pose).joints for pose in all_poses])
    for node, joint in (("LeftLeg", "left_knee"), ("RightHand", "right_wrist"), ("LeftFoot", "left_ankle")):
        mine = (
            places[:, names.index(node)] @ np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]]) / 100
        )
        np.testing.assert_allclose(mine, true[:, JOINT[joint]], atol=2e-3)


def test_vmc_packets_are_osc_that_others_read_with_every_bone_once():
    _, all_poses = poses(0.5)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(10)
        sink = VmcSink(f"127.0.0.1:{receiver.getsockname()[1]}")
        sink.pose(all_poses[0])
        packet = OscPacket(receiver.recv(65536))
        sink.close()
    messages = [each.message for each in packet.messages]
    assert [m.address for m in messages[:3]] == ["/VMC/Ext/OK", "/VMC/Ext/T", "/VMC/Ext/Root/Pos"]
    bones = {m.params[0]: np.array(m.params[1:]) for m in messages if m.address == "/VMC/Ext/Bone/Pos"}
    assert {"Hips", "Spine", "Head", "LeftUpperArm", "LeftLowerArm", "RightUpperLeg", "RightFoot"} <= set(
        bones
    )
    assert len(bones) == 15
    assert all(np.linalg.norm(values[3:]) == pytest.approx(1.0, abs=1e-5) for values in bones.values())


def test_a_body_in_t_pose_has_no_rotations_and_a_bent_knee_one_about_x():
    still = {f"{side}_shoulder_elevation": np.array([90.0]) for side in ("left", "right")}
    motion = body_of(still | {"right_knee_flexion": np.array([50.0])}, BodyShape(), "t")
    bones = bones_of(motion.rotations[0].numpy().astype(float))
    for name, turn in bones.items():
        if name not in ("RightLowerLeg", "RightFoot"):
            np.testing.assert_allclose(np.abs(turn), [0, 0, 0, 1], atol=1e-3, err_msg=name)
    # In Unity's left-handed axes a shin that goes back turns about +x.
    np.testing.assert_allclose(bones["RightLowerLeg"][0], np.sin(np.radians(25.0)), atol=1e-3)


def test_a_receiver_or_a_kind_of_file_that_is_none_is_told(tmp_path):
    with pytest.raises(ConfigError, match="no receiver"):
        VmcSink("127.0.0.1:99999")
    with pytest.raises(ConfigError, match="c3d"):
        Outputs(LiveOptions(output=str(tmp_path / "run"), motion=["c3d"]))


def test_a_run_writes_the_files_that_were_asked_for(tmp_path):
    outputs = Outputs(LiveOptions(output=str(tmp_path / "run"), motion=["trc", "mot", "bvh"], table=False))
    sinks = outputs.open(("stand",), pictures=False, threaded=True)
    _, all_poses = poses(1.0)
    for pose in all_poses:
        for sink in sinks:
            sink.pose(pose)
    for sink in sinks:
        sink.close()
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert names == {"motion.trc", "motion.mot", "motion.bvh", "events.csv"}
