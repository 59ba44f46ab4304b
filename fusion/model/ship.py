"""A checkpoint of training -> a safetensors file for inference.

python -m fusion.model.ship runs/simulated/checkpoints/last.ckpt FILE.safetensors [NOTE]
"""

from __future__ import annotations

import sys

from drivers.errors import ChorusError
from fusion.heatmapnet.checkpoint import save_heatmapnet
from fusion.heatmapnet.net import HeatmapNet
from fusion.model.checkpoint import save_net
from fusion.model.export import load_any


def main(argv: list[str]) -> int:
    """Convert ``argv[0]`` to ``argv[1]`` (float16), with ``argv[2]`` as a note."""
    if len(argv) not in (2, 3):
        print("usage: python -m fusion.model.ship FILE.ckpt FILE.safetensors [NOTE]", file=sys.stderr)
        return 2
    try:
        ship(argv[0], argv[1], {"trained_on": argv[2]} if argv[2:] else None)
    except ChorusError as error:
        print(f"ship: {error}", file=sys.stderr)
        return 1
    return 0


def ship(source: str, target: str, notes: dict[str, str] | None = None) -> None:
    """Write the fusion network, or the HeatmapNet, of ``source`` to a new file ``target``.

    Raises:
        WeightsError: it has neither, or ``target`` exists.
    """
    net = load_any(source)
    if isinstance(net, HeatmapNet):
        save_heatmapnet(net, target, half=True, notes=notes)
    else:
        save_net(net, target, half=True, notes=notes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
