import msgspec
import numpy as np
import pytest
from helpers_features import CAMERA, SECOND, stamps
from session_features import BODY, EYE, INTRINSICS, ROTATION, TRANSLATION, Blob, body_at, write_session

from drivers.base import Batch, StreamInfo
from drivers.errors import ConfigError, DataError
from fusion.features import KEYPOINT_COLUMNS, features_of, stack, targets_of, vision_of
from fusion.features.targets import pinhole
from fusion.skeletons import BODY20
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_session(tmp_path_factory.mktemp("features") / "session.h5")


@pytest.fixture(scope="module")
def features(path):
    with open_recording(path) as recording:
        return features_of(recording, vision=Blob())


def test_a_recording_gives_a_row_for_each_tick_from_first_to_last_sample(features):
    time = features["time"]
    assert set(np.diff(time)) == {16666666, 16666667}
    assert len(time) == pytest.approx(120, abs=1)
    assert features["audio_present"][2:].all()
    assert features["inertial_present"].sum(axis=1).min() == 1


def test_nobody_in_the_picture_is_nobody_in_the_features(features):
    seconds = features["time"] / SECOND
    away = (seconds > 1.05) & (seconds < 1.2)
    assert not features["vision_present"][away].any()
    assert features["vision_present"][(seconds > 0.1) & (seconds < 0.95)].all()
    assert features["vision_age"][1:].max() < 0.04


def test_the_cache_gives_the_same_without_looking_again(path, features, tmp_path):
    first, second = Blob(), Blob()
    with open_recording(path) as recording:
        features_of(recording, vision=first, cache=tmp_path)
        again = features_of(recording, vision=second, cache=tmp_path)
    assert first.pictures == 60
    assert second.pictures == 0
    for name in features:
        np.testing.assert_array_equal(again[name], features[name])


def test_a_damaged_cache_is_made_anew(path, features, tmp_path):
    with open_recording(path) as recording:
        features_of(recording, vision=Blob(), cache=tmp_path)
        (kept,) = tmp_path.iterdir()
        kept.write_bytes(b"PK\x03\x04 no archive")
        again = features_of(recording, vision=Blob(), cache=tmp_path)
    np.testing.assert_array_equal(again["vision"], features["vision"])


def test_progress_runs_to_the_end(path):
    seen = []
    with open_recording(path) as recording:
        features_of(recording, vision=Blob(), progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_the_session_says_which_front_end_it_was_made_for(path):
    with open_recording(path) as recording:
        assert vision_of(recording) == "markers"
        with pytest.raises(ConfigError, match="no vision front end"):
            features_of(recording, vision="crystal_ball")


def test_key_points_that_were_recorded_stand_in_for_pictures_that_were_not(tmp_path, path, features):
    points = StreamInfo(
        name="camera_blob",
        kind="features",
        shape=(20, 10),
        channels=KEYPOINT_COLUMNS,
        properties={"skeleton": ",".join(BODY20), "width": "640", "height": "480"},
    )
    private = write_session(tmp_path / "one.h5", withheld=True, truth=False)
    from fusion.features.vision import keypoints_of

    with open_recording(path) as recording:
        eyes, camera = Blob(), recording.streams["camera"]
        people = [eyes(camera.image(i), 0) for i in range(len(camera))]
        times = camera.times
    rows = np.stack([keypoints_of(p[0]) if p else np.zeros((20, 10), np.float32) for p in people])
    out = tmp_path / "two.h5"
    with (
        open_recording(private) as recording,
        SessionWriter(out, SessionAttributes(id="y"), sync_s=0) as writer,
    ):
        for stream in recording.streams.values():
            writer.add_stream(stream.info, withheld=stream.withheld)
        writer.add_stream(points)
        writer.append(Batch("camera_blob", stamps(times), rows))
        for batch in recording.batches():
            writer.append(batch)
    with open_recording(out) as recording:
        got = features_of(recording)
    np.testing.assert_allclose(got["vision"], features["vision"], atol=1e-6)
    np.testing.assert_array_equal(got["audio"], features["audio"])


def test_true_joints_become_targets_in_the_cameras_eyes(path, features):
    with open_recording(path) as recording:
        targets = targets_of(recording, features, ("stand", "wave"))
    known = targets["joints3d_known"][:, 0] > 0
    assert known.sum() >= len(known) - 2
    expected = (BODY - BODY[0]) @ ROTATION.T
    np.testing.assert_allclose(
        targets["joints3d"][known], np.broadcast_to(expected, (known.sum(), 20, 3)), atol=1e-5
    )
    seconds = features["time"] / SECOND
    seen = body_at(seconds) @ ROTATION.T + TRANSLATION
    pixel = INTRINSICS[0] * seen[..., :2] / seen[..., 2:] + INTRINSICS[2:]
    box = features["box"].astype(float)
    back = (targets["joints2d"] * box[:, None, 2:] + box[:, None, :2]) * 640 + [320, 240]
    good = targets["joints2d_known"] > 0
    assert good.mean() > 0.8
    assert np.abs(back - pixel)[good].max() < 0.15  # px; truth is interpolated between its samples
    acting = targets["action"] == 1
    assert acting.any()
    assert seconds[acting].min() >= 0.5
    assert seconds[acting].max() < 1.0
    assert (targets["action"][~acting] == -1).all()
    assert (targets["contact_known"] == known).all()


def test_without_truth_the_front_ends_own_joints_are_the_labels(tmp_path):
    with open_recording(write_session(tmp_path / "s.h5", truth=False)) as recording:
        features = features_of(recording, vision=Blob())
        targets = targets_of(recording, features)
    known = targets["joints3d_known"] > 0
    assert known.any()
    np.testing.assert_array_equal(targets["joints3d"][known], features["vision_world"][known])
    np.testing.assert_array_equal(targets["joints3d"][..., 2], features["vision"][..., 7])
    assert not targets["contact_known"].any()


def test_a_camera_that_does_not_say_where_it_stands_is_refused():
    with pytest.raises(DataError, match="calibration"):
        pinhole(CAMERA)
    with pytest.raises(DataError, match="calibration"):
        pinhole(msgspec.structs.replace(EYE, properties={**EYE.properties, "extrinsics": "[]"}))
    rotation, translation, focal = pinhole(EYE)
    assert rotation.shape == (3, 3)
    assert translation.tolist() == TRANSLATION.tolist()
    assert focal == INTRINSICS


def test_no_ticks_are_empty_arrays_of_the_right_shapes():
    empty = stack([])
    assert empty["vision"].shape == (0, 20, 9)
    assert empty["time"].dtype == np.int64
