"""How far the poses of live tracking lie from those of the full window, over one recording.

    python -m benchmarks.live.same_poses FILE.h5 [--weights FILE]

The recording goes once through ``live --source`` (tick by tick, key/value ring buffers) and once through
the offline path (features of the whole file, one forward pass). Exit status 1: they differ by more
than 1e-4 in the network's own units.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

from drivers.errors import ChorusError
from fusion.features import features_of, vision_of
from fusion.features.offline import usable_streams
from fusion.model.checkpoint import load_net
from fusion.model.net import FEATURES
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Pose
from fusion.tracking.sequential import run_recording
from fusion.vision.base import front_end
from recordings.reader import open_recording

TOLERANCE = 1e-4


def main() -> int:
    """Run it; see the module."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--weights", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)  # as live does: the network is small
    try:
        net = load_net(options.weights)
        with open_recording(options.recording) as recording:
            poses: list[Pose] = []
            eyes = front_end(vision_of(recording)) if usable_streams(recording)[1] else None
            run_recording(
                recording, net, eyes, [], meter=Meter(time.monotonic_ns, live=False), on_pose=poses.append
            )
            if eyes is not None:
                eyes.close()
            features = features_of(recording)
    except ChorusError as error:
        print(error, file=sys.stderr)
        return 2
    with torch.no_grad():
        full = net({name: torch.from_numpy(features[name])[None] for name in FEATURES})
    assert [pose.time for pose in poses] == features["time"].tolist()
    box = features["box"].astype(np.float64)
    camera = next((s.info for s in recording.streams.values() if s.info.kind == "camera"), None)
    seen = box[:, 2] > 0
    worst = {
        "joints3d, m": _distance([p.joints for p in poses], full["joints3d"]),
        "action, probability": _distance([p.action for p in poses], full["action"].softmax(-1)),
        "contact, probability": _distance([p.contact for p in poses], full["contact"].sigmoid()),
    }
    if camera is not None and seen.any():
        height, width = camera.shape[:2]
        places = np.array([p.keypoints for p in poses])[seen] - [width / 2, height / 2]
        normal = (places / width - box[seen, None, :2]) / box[seen, None, 2:]
        worst["keypoints2d, box"] = float(np.abs(normal - full["keypoints2d"][0].numpy()[seen]).max())
    print(f"{len(poses)} ticks; the network looks back {net.config.window} ticks in each layer")
    for name, value in worst.items():
        print(f"{name:22} max difference {value:.1e}")
    return 0 if max(worst.values()) <= TOLERANCE else 1


def _distance(streamed: list[np.ndarray], full: torch.Tensor) -> float:
    return float(np.abs(np.array(streamed) - full[0].numpy()).max())


if __name__ == "__main__":
    sys.exit(main())
