"""Record two seconds of a simulated rig: python examples/record_simulated.py walk.h5"""

import sys
import tempfile
from pathlib import Path

from fusion.cli import main

RIG = """
vision: markers
streams:
  camera: {driver: simulator.camera, width: 320, height: 240, fps: 15}
  wrist: {driver: simulator.imu, worn_on: right_forearm, rate_hz: 50}
"""

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        rig = Path(folder) / "rig.yaml"
        rig.write_text(RIG)
        sys.exit(main(["record", str(rig), "--duration=2", f"--output={sys.argv[1]}"]))
