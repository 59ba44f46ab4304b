"""``chorus`` where torch and all that trains can't be imported, as on a machine that has none of it.

python -m no_torch VERB ...
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from types import ModuleType

REFUSED = ("torch", "pytorch_lightning", "lightning", "torchmetrics", "roma", "tensorboard", "onnx")


class Refuse(MetaPathFinder):
    """Finds nothing of what is refused, before anybody else finds it."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name.partition(".")[0] in REFUSED:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)


if __name__ == "__main__":
    sys.meta_path.insert(0, Refuse())
    from fusion.cli import main

    code = main(sys.argv[1:])
    loaded = sorted(name for name in REFUSED if name in sys.modules)
    assert not loaded, loaded
    sys.exit(code)
