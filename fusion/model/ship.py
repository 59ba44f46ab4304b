"""A checkpoint of training -> a safetensors file for inference.

python -m fusion.model.ship runs/base/checkpoints/last.ckpt FILE.safetensors [NOTE] [--beside WEIGHTS:0.25]

With ``--beside`` a quarter of each value is that of weights from which the training began: what they knew is
kept (M. Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
"""

from __future__ import annotations

import sys

import torch

from drivers.errors import ChorusError, ConfigError
from fusion.heatmapnet.checkpoint import save_heatmapnet
from fusion.heatmapnet.net import HeatmapNet
from fusion.model.checkpoint import load_net, save_net
from fusion.model.export import load_any
from fusion.model.net import FusionNet

BESIDE = "--beside"


def main(argv: list[str]) -> int:
    """Convert ``argv[0]`` to ``argv[1]`` (float16), with ``argv[2]`` as a note."""
    beside = ""
    if len(argv) >= 2 and argv[-2] == BESIDE:
        *argv, _, beside = argv
    if len(argv) not in (2, 3) or BESIDE in argv:
        print(
            f"usage: python -m fusion.model.ship FILE.ckpt FILE.safetensors [NOTE] [{BESIDE} WEIGHTS:SHARE]",
            file=sys.stderr,
        )
        return 2
    try:
        ship(argv[0], argv[1], {"trained_on": argv[2]} if argv[2:] else None, beside)
    except ChorusError as error:
        print(f"ship: {error}", file=sys.stderr)
        return 1
    return 0


def ship(source: str, target: str, notes: dict[str, str] | None = None, beside: str = "") -> None:
    """Write the fusion network, or the HeatmapNet, of ``source`` to a new file ``target``.

    Args:
        source: a checkpoint.
        target: the file.
        notes: kept in it.
        beside: ``WEIGHTS:SHARE`` of a fusion network of the same sizes; empty: none.

    Raises:
        WeightsError: it has neither, or ``target`` exists.
        ConfigError: ``beside`` is malformed, or of another network.
    """
    net = load_any(source)
    if isinstance(net, HeatmapNet):
        if beside:
            raise ConfigError("a HeatmapNet is not blended", mend=f"Leave {BESIDE} out")
        save_heatmapnet(net, target, half=True, notes=notes)
    else:
        if beside:
            blend(net, beside)
        save_net(net, target, half=True, notes=notes)


@torch.no_grad()
def blend(net: FusionNet, beside: str) -> None:
    """Draw a network's values towards those of ``WEIGHTS:SHARE``, by that share of the way.

    Raises:
        ConfigError: the text is malformed, or those weights have other sizes.
    """
    name, _, share = beside.rpartition(":")
    try:
        part = float(share)
    except ValueError:
        part = -1.0
    if not name or not 0.0 <= part <= 1.0:
        raise ConfigError(f"{beside} is no WEIGHTS:SHARE", mend="Give a share of 0 to 1, as base:0.25")
    other = load_net(name)
    if other.config != net.config:
        raise ConfigError(f"{name} is another network than the checkpoint's", mend="Give what it began from")
    for value, before in zip(net.state_dict().values(), other.state_dict().values(), strict=True):
        if value.is_floating_point():
            value.lerp_(before.to(value), part)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
