import sys
from pathlib import Path

from fixtures import one_thread, weights  # noqa: F401

sys.path.insert(0, str(Path(__file__).parents[1] / "features"))
