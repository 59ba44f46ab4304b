"""Weights that come with the package, each with a card beside it."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).parent / "weights"

PACKAGED = {path.stem: path for path in sorted(_FOLDER.glob("*.safetensors"))}
"""Name to file."""
GRAPHS = {path.stem: path for path in sorted(_FOLDER.glob("*.onnx"))}
"""Name to the graph of their step; the weights are those in the file of :data:`PACKAGED`."""
DEFAULT = "free"
"""Name of those that are used where none are named: trained on what may be used for all purposes."""
