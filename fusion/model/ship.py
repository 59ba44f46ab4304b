"""A checkpoint of training -> a safetensors file for inference.

python -m fusion.model.ship runs/simulated/checkpoints/last.ckpt FILE.safetensors [NOTE]
"""

from __future__ import annotations

import sys

from drivers.errors import ChorusError
from fusion.model.checkpoint import load_net, save_net


def main(argv: list[str]) -> int:
    """Convert ``argv[0]`` to ``argv[1]`` (float16), with ``argv[2]`` as a note."""
    if len(argv) not in (2, 3):
        print("usage: python -m fusion.model.ship FILE.ckpt FILE.safetensors [NOTE]", file=sys.stderr)
        return 2
    try:
        save_net(load_net(argv[0]), argv[1], half=True, notes={"trained_on": argv[2]} if argv[2:] else None)
    except ChorusError as error:
        print(f"ship: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
