"""Poses of a recording, in Python and without torch: python examples/live_poses.py walk.h5"""

import sys
import time

from fusion.model.exported import load_packaged
from fusion.tracking.meter import Meter
from fusion.tracking.sequential import run_recording
from fusion.vision.base import front_end
from recordings.reader import open_recording

poses = []
with open_recording(sys.argv[1]) as recording, front_end("markers") as eyes:
    meter = Meter(time.monotonic_ns, live=False)
    run_recording(recording, load_packaged("free"), eyes, [], meter=meter, on_pose=poses.append)
print(f"{len(poses)} poses; left wrist, m from the pelvis: {poses[-1].joints[7].round(2)}")
