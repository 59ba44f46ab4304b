"""A sink of one's own, told every pose: python examples/custom_sink.py walk.h5"""

import sys
import time

from fusion.model.exported import load_packaged
from fusion.tracking.meter import Meter
from fusion.tracking.pose import Pose
from fusion.tracking.sequential import run_recording
from fusion.tracking.sinks import Sink
from fusion.vision.base import front_end
from recordings.reader import open_recording


class Standing(Sink):
    """Counts the ticks at which both feet stand."""

    name = "standing"
    ticks = 0

    def pose(self, pose: Pose) -> None:
        """Look at the feet."""
        self.ticks += bool((pose.contact > 0.5).all())


sink = Standing()
with open_recording(sys.argv[1]) as recording, front_end("markers") as eyes:
    meter = Meter(time.monotonic_ns, live=False)
    run_recording(recording, load_packaged("free"), eyes, [sink], meter=meter)
print(f"both feet stood at {sink.ticks} ticks")
