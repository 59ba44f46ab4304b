import csv
import dataclasses
import json
import queue
import threading
from pathlib import Path

import numpy as np
import pytest

from benchmarks.live.posed import squats
from drivers.errors import ConfigError
from drivers.rig import Rig, StreamConfig
from fusion.posture import load_rules
from fusion.tracking.events import Watcher, events_of
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs
from fusion.tracking.pose import Pose
from fusion.tracking.segments import ActionSegments
from fusion.tracking.sinks import BusSink
from fusion.tracking.watch import CHANNELS, AnglesToBus, WatchSink
from recordings.check import examine
from recordings.reader import open_recording
from recordings.recorder import record

SQUAT = Path(__file__).parents[2] / "configs" / "posture" / "squat.yaml"
ACTIONS = ("stand", "squat", "wave")
RATE_HZ = 60


def tick(row):
    return round(row / RATE_HZ * 1e9)


def squat_poses(seconds=14.0):
    """Return poses of a body that squats, with one fault, and of an action that changes."""
    posed = squats(3, seconds=seconds)
    joints = (posed.motion.joints - posed.motion.root[:, None]).numpy()
    rotations = posed.motion.rotations.numpy()
    out = []
    for row in range(len(joints)):
        squatting = row >= 3 * RATE_HZ
        standing = (row // 40) % 2 == 0
        out.append(
            Pose(
                time=tick(row),
                keypoints=np.full((20, 2), np.nan, np.float32),
                keypoints_var=np.ones(20, np.float32),
                joints=joints[row],
                joints_var=np.full(20, 1e-4, np.float32),
                score=np.zeros(20, np.float32),
                contact=np.array([0.95, 0.95 if standing else 0.03], np.float32),
                action=np.array([0.1, 0.8, 0.1] if squatting else [0.8, 0.1, 0.1], np.float32),
                frame_time=None,
                sample_time=tick(row),
                fed=("pelvis",),
                up=np.array([0, 0, 1], np.float32),
                rotations=rotations[row],
            )
        )
    return out, posed


def feed(segments, courses, start=0):
    """Return segments of courses [(action, seconds, probability)]."""
    out, row = [], start
    for action, seconds, p in courses:
        for _ in range(round(seconds * RATE_HZ)):
            probability = np.full(len(ACTIONS), (1 - p) / (len(ACTIONS) - 1))
            probability[ACTIONS.index(action)] = p
            out += segments.update(tick(row), probability)
            row += 1
    return out


def test_actions_become_segments_that_begin_and_end_where_the_probabilities_changed():
    segments = ActionSegments(ACTIONS)
    first, second = feed(segments, [("stand", 2.0, 0.9), ("squat", 3.0, 0.85), ("wave", 2.0, 0.9)])
    assert (first.action, second.action) == ("stand", "squat")
    assert first.stop / 1e9 == pytest.approx(2.0, abs=0.02)
    assert (second.start / 1e9, second.stop / 1e9) == pytest.approx((2.0, 5.0), abs=0.02)
    assert second.confidence == pytest.approx(0.85, abs=0.05)
    assert segments.current is not None
    assert segments.current.action == "wave"
    (last,) = segments.close()
    assert last.stop == tick(7 * RATE_HZ - 1)
    assert segments.current is None


def test_a_label_that_wavers_is_one_segment():
    courses = [("squat", 1.0, 0.9)] + [("wave", 0.08, 0.5), ("squat", 0.3, 0.8)] * 8 + [("stand", 1.5, 0.9)]
    segments = feed(ActionSegments(ACTIONS), courses)
    assert [segment.action for segment in segments] == ["squat"]


def test_where_no_action_is_sure_there_is_no_segment():
    segments = ActionSegments(ACTIONS)
    assert feed(segments, [("stand", 3.0, 0.36)]) == []
    assert segments.current is None


def test_a_gap_in_the_stream_ends_the_segment_before_it():
    segments = ActionSegments(ACTIONS)
    feed(segments, [("stand", 1.0, 0.9)])
    (ended,) = feed(segments, [("stand", 1.0, 0.9)], start=10 * RATE_HZ)
    assert ended.stop / 1e9 == pytest.approx(1.0, abs=0.02)


def test_a_watcher_notes_angles_steps_segments_and_faults():
    poses, posed = squat_poses()
    watcher = Watcher(ACTIONS, load_rules(SQUAT))
    notes = [watcher(pose) for pose in poses]
    row = 200
    assert notes[row].reading.told_by == "rotations"
    assert float(notes[row].reading["left_knee_flexion"]) == pytest.approx(
        posed.truth["left_knee_flexion"][row], abs=0.01
    )
    said = {word.rule for note in notes for word in note.feedback if word.what != "ends"}
    assert {fault.rule for fault in posed.planted} <= said
    assert sum(note.repetition is not None for note in notes) == posed.repetitions
    assert [segment.action for note in notes for segment in note.ended] == ["stand"]
    assert notes[-1].action is not None
    assert notes[-1].action.action == "squat"
    steps = [step for note in notes for step in note.steps]
    assert {step.side for step in steps} <= {"right"}
    events = [event for note in notes for event in events_of(note)]
    assert {"label_start", "label_stop", "contact", "feedback", "repetition"} <= {
        event.kind for event in events
    }


def test_a_pose_that_nothing_feeds_gives_no_steps_and_no_words():
    poses, _ = squat_poses(6.0)
    watcher = Watcher(ACTIONS, load_rules(SQUAT))
    notes = [watcher(dataclasses.replace(pose, fed=())) for pose in poses]
    assert not any(note.feedback or note.steps or note.contacts for note in notes)


def test_events_and_the_review_are_files_of_the_run(tmp_path):
    outputs = Outputs(LiveOptions(output=str(tmp_path / "run"), posture=str(SQUAT), film=False, table=False))
    (sink,) = outputs.open(ACTIONS, pictures=False, threaded=False)
    poses, posed = squat_poses()
    for pose in poses:
        sink.pose(pose)
    sink.close()
    with (tmp_path / "run" / "events.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows if row["kind"] == "label_start"] == ["stand", "squat"]
    assert any(posed.planted[0].rule in row["label"] for row in rows if row["kind"] == "feedback")
    review = json.loads((tmp_path / "run" / "posture.json").read_text())
    assert len(review["repetitions"]) == posed.repetitions
    assert review["broken"][posed.planted[0].rule] == 1


def test_rules_that_are_none_stop_a_run_before_it_begins(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        Outputs(LiveOptions(output=str(tmp_path / "run"), posture=str(tmp_path / "none.yaml")))
    assert not (tmp_path / "run").exists()


def test_poses_angles_and_events_are_recorded_into_the_session(tmp_path):
    address: queue.Queue[str] = queue.Queue()
    result: queue.Queue[object] = queue.Queue()
    infos = [AnglesToBus.info(60.0), BusSink.info(60.0, "camera", ACTIONS)]
    streams = {info.name: StreamConfig(info.name, "imu.serial", remote=True) for info in infos}
    rig = Rig("bench", streams, text="name: bench\n", subject="nobody")

    def recording():
        try:
            result.put(record(rig, tmp_path / "a.h5", on_status=lambda status: address.put(status.address)))
        except BaseException as error:
            result.put(error)

    thread = threading.Thread(target=recording)
    thread.start()
    at = address.get(timeout=30)
    angles = AnglesToBus(at, 60.0)
    poses_out = BusSink(at, 60.0, "camera", ACTIONS)
    (tmp_path / "run").mkdir()
    sink = WatchSink(tmp_path / "run", ACTIONS, load_rules(SQUAT), angles)
    poses, posed = squat_poses(8.0)
    for pose in poses:
        sink.pose(pose)
        poses_out.pose(pose)
    sink.close()
    angles.close()
    poses_out.close()
    summary = result.get(timeout=60)
    thread.join()
    if isinstance(summary, BaseException):
        raise summary
    assert examine(tmp_path / "a.h5").problems == ()
    with open_recording(tmp_path / "a.h5") as file:
        stream = file.features[AnglesToBus.STREAM]
        assert stream.info.channels == CHANNELS
        knee = stream.data[:, CHANNELS.index("left_knee_flexion")]
        np.testing.assert_allclose(knee, posed.truth["left_knee_flexion"], atol=0.02)
        assert len(file.streams[BusSink.STREAM]) == len(poses)
        assert [label.action for label in file.labels] == ["stand", "squat"]
        kinds = {event.kind for event in file.events}
        assert {"contact", "label_start", "repetition"} <= kinds
