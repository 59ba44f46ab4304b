"""The scenes of the benchmark are made in tests too: they lie beside the packages, not in one."""

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[2])
if ROOT not in sys.path:
    sys.path.append(ROOT)
