"""For all tests: one thread a library, the folder of real data, and how examples are drawn.

Small tensors on many threads of a busy machine spend their time waiting for one another, so each library that
would take them all is given one, before any is loaded.
"""

import os
import tempfile
from pathlib import Path

from hypothesis import settings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Nobody's own keys: neither those of who runs the tests, nor any left by another run.
os.environ["CHORUS_KEYS"] = str(Path(tempfile.gettempdir()) / f"chorus-tests-{os.getpid()}" / "keys")

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where real data is looked for when ``CHORUS_DATA`` names no folder; tests skip where there is none."""

if BESIDE.is_dir():
    os.environ.setdefault("CHORUS_DATA", str(BESIDE))

# Property tests: a busy machine is no failure; a run of continuous integration can be repeated exactly, and
# new examples are looked for everywhere else.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
