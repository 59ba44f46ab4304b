"""A checkpoint of training -> a safetensors file for inference.

python -m fusion.model.ship runs/simulated/checkpoints/last.ckpt FILE.safetensors [NOTE]
"""

from __future__ import annotations

import sys

from drivers.errors import ChorusError, WeightsError
from fusion.heatmapnet.checkpoint import load_heatmapnet, save_heatmapnet
from fusion.model.checkpoint import load_net, save_net


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
    try:
        net = load_net(source)
    except WeightsError as error:
        try:
            eyes = load_heatmapnet(source)
        except WeightsError:
            raise error from None
        save_heatmapnet(eyes, target, half=True, notes=notes)
        return
    save_net(net, target, half=True, notes=notes)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
