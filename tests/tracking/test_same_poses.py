"""One recording through live and through the offline path gives the same poses."""

import time

import numpy as np
import pytest
import torch
from session_features import Blob, write_session

from drivers.bus.messages import Ended
from fusion.features import FeatureBuilder, features_of
from fusion.features.vision import picture_size
from fusion.model.net import FEATURES, FusionNet, NetConfig
from fusion.tracking.engine import LiveEngine, Timing
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Fuser, pose_of
from fusion.tracking.sequential import run_recording
from recordings.reader import open_recording

TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return FusionNet(NetConfig(width=32, layers=2, heads=2, window=30, actions=("stand", "wave"))).eval()


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return write_session(tmp_path_factory.mktemp("tracking") / "session.h5", 3.0)


@pytest.fixture(scope="module")
def offline(net, path):
    """Poses of the full window over the recording's features: more ticks than the network looks back."""
    with open_recording(path) as recording:
        features = features_of(recording, vision=Blob())
    with torch.no_grad():
        outputs = net({name: torch.from_numpy(features[name])[None] for name in FEATURES})
    return [
        pose_of(
            {name: value[k] for name, value in features.items()},
            {name: value[0, k].numpy() for name, value in outputs.items()},
            (640, 480),
        )
        for k in range(len(features["time"]))
    ]


def assert_same(got, expected):
    assert [pose.time for pose in got] == [pose.time for pose in expected]
    assert [pose.fed for pose in got] == [pose.fed for pose in expected]
    for name in ("joints", "score", "contact", "action"):
        a, b = (np.array([getattr(p, name) for p in poses]) for poses in (got, expected))
        assert np.abs(a - b).max() <= TOLERANCE, name
    a, b = (np.array([p.keypoints for p in poses]) for poses in (got, expected))
    assert (np.isnan(a) == np.isnan(b)).all()
    assert np.nanmax(np.abs(a - b)) / 640 <= TOLERANCE


def test_replayed_step_by_step_a_recording_gives_the_poses_of_the_full_window(net, path, offline):
    poses = []
    with open_recording(path) as recording:
        run_recording(
            recording, net, Blob(), [], meter=Meter(time.monotonic_ns, live=False), on_pose=poses.append
        )
    assert len(poses) > 150
    assert_same(poses, offline)


def test_the_live_engine_gives_the_same_poses_when_it_looks_at_every_frame(net, path, offline):
    poses = []
    with open_recording(path) as recording:
        builder = FeatureBuilder([s.info for s in recording.streams.values()], Blob.skeleton)
        assert builder.camera is not None
        clock = [0]  # session time stands still: no tick is ever late
        engine = LiveEngine(
            builder,
            Fuser(net, picture_size(builder.camera)),
            Blob(),
            [],
            now=lambda: clock[0],
            meter=(meter := Meter(time.monotonic_ns, live=True)),
            timing=Timing(patience_s=1e6),
            on_pose=poses.append,
        )
        engine.start()
        for batch in recording.batches(streams=builder.used):
            if batch.stream == "camera":
                assert engine.wait_seen(20)  # the picture before it
            engine.feed(batch)
        for name in builder.used:
            engine.feed(Ended(name, 0, {}))
        assert engine.wait(30)
        engine.stop()
    assert meter.frames_skipped == meter.late_ticks == meter.skipped_ticks == 0
    assert_same(poses, offline)
