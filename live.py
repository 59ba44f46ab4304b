"""Track live: python live.py configs/rigs/simulated.yaml --duration 10

The same as ``chorus live``.
"""

import sys

from fusion.cli import run

if __name__ == "__main__":
    sys.exit(run("fusion.tracking.live", sys.argv[1:], "live.py"))
