"""For all tests: one thread a library, Ctrl-C, the folder of real data, and how examples are drawn.

Small tensors on many threads of a busy machine spend their time waiting for one another, so each library that
would take them all is given one, before any is loaded.
"""

import os
import signal
import tempfile
from pathlib import Path

from hypothesis import settings

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# Hundreds of programs are started: where nobody keeps bytecode, each would compile all of Chorus again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Nobody's own keys: neither those of who runs the tests, nor any left by another run.
os.environ["CHORUS_KEYS"] = str(Path(tempfile.gettempdir()) / f"chorus-tests-{os.getpid()}" / "keys")

# A shell lets what it runs in the background ignore Ctrl-C, and so would every program that a test starts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data"
"""Where real data is looked for when ``CHORUS_DATA`` names no folder; tests skip where there is none."""

if BESIDE.is_dir():
    os.environ.setdefault("CHORUS_DATA", str(BESIDE))

# Property tests: a busy machine is no failure; a run of continuous integration can be repeated exactly, and
# new examples are looked for everywhere else.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")
