"""A wider network that says what a trained one says, to go on from: T. Chen et al., "Net2Net", ICLR 2016.

The stream that blocks add to is repeated; what reads it takes unequal shares of the copies, which therefore
learn different things. Hidden units, heads and embeddings are new, and silent until they have learned.
"""

from __future__ import annotations

import re

import torch
from torch import Tensor

from fusion.model.net import FusionNet
from fusion.skeletons import BODY20

_SHARE_SD = 0.5
_MADE_OF = ("layers", "window", "expansion", "taps", "form", "first", "memory", "weighed", "reprojected")
_INTO = r"(sensors|blocks\.\d+)\.feed\.0|body\.into"
_TOLD = r"headings\.corrected\.0|reprojection\.told\.0"
_OUT = r"(sensors|blocks\.\d+)\.feed\.3|blocks\.\d+\.to_out|headings\.corrected\.2|reprojection\.told\.2"
_READ = r"headings\.guess|points\.out|reprojection\.lens|labels\.(contact|vote|action\.1)"
_AXES: tuple[tuple[str, str], ...] = (
    (r"sensors\.(query|other|norm\.\w+|\w+\.slots\.absent|audio\.slots\.value\.bias)", "repeat"),
    (r"sensors\.(bearing|audio\.slots\.value\.weight)", "repeat same"),
    (r"sensors\.audio\.slots\.(slot|missing)", "same repeat"),
    (r"sensors\.(vision\.slots|places)\.(slot|missing)", "same new"),
    (r"sensors\.(vision\.slots|places)\.value\.weight", "new same"),
    (r"sensors\.(vision\.slots|places)\.value\.bias", "new"),
    (r"sensors\.vision\.slots\.mix\.0\.weight", "repeat embedded"),
    (r"sensors\.\w+\.slots\.mix\.\d\.weight", "repeat shares"),
    (r"sensors\.\w+\.slots\.mix\.\d\.bias", "repeat"),
    (r"sensors\.places\.to_value", "same silent repeat"),
    (r"sensors\.places\.to_key\.weight", "repeat silent"),
    (r"sensors\.places\.to_key\.bias", "repeat"),
    (r"sensors\.(vision|audio)_out\.weight", "key_and_value shares"),
    (r"sensors\.(vision|audio)_out\.bias", "key_and_value"),
    (r"sensors\.asks\.weight", "repeat shares"),
    (r"sensors\.asks\.bias", "repeat"),
    (r"blocks\.\d+\.conv", "same repeat"),
    (r"(blocks\.\d+\.\w+_)?norm\.\w+", "repeat"),
    (r"blocks\.\d+\.to_qkv\.weight", "thirds shares"),
    (r"blocks\.\d+\.to_qkv\.bias", "thirds"),
    (rf"({_INTO})\.weight", "new shares"),
    (rf"({_TOLD})\.weight", "new same"),
    (rf"({_INTO}|{_TOLD})\.bias", "new"),
    (rf"({_OUT})\.weight", "repeat silent"),
    (rf"({_OUT})\.bias", "repeat"),
    (r"(headings\.sure|body\.(fast|slow|mounting\.sure))\.weight", "same silent"),
    (rf"({_READ})\.weight", "same shares"),
)
"""Of weights, by their names, what each axis is: ``repeat`` of the stream, ``shares`` of what is read from
it, ``new`` hidden units, ``silent`` where those are read; the others are the same."""


def widened(source: FusionNet, like: FusionNet) -> dict[str, Tensor]:
    """Return weights of a network of the sizes of ``like`` that says what ``source`` says.

    Args:
        source: of form 2.
        like: a whole number of times as wide, with as many times the heads; embeddings are no narrower, all
            else is the same but for actions. New units have its weights.

    Raises:
        ValueError: the networks differ in more.
    """
    ours, theirs = like.config, source.config
    times, rest = divmod(ours.width, theirs.width)
    unlike = [name for name in _MADE_OF if getattr(ours, name) != getattr(theirs, name)]
    if rest or theirs.form != 2 or ours.heads != times * theirs.heads or unlike:
        raise ValueError(
            f"{theirs.width} channels with {theirs.heads} heads can't become {ours.width} with {ours.heads}"
            + (f"; other {', '.join(unlike)}" if unlike else "")
        )
    generator = torch.Generator().manual_seed(0)
    sizes, out = like.state_dict(), {}
    for name, value in source.state_dict().items():
        kinds = next((kinds for pattern, kinds in _AXES if re.fullmatch(pattern, name)), "").split()
        fresh = sizes[name]
        if name.startswith("labels.action"):
            fresh = fresh[:1].expand(len(value), *fresh.shape[1:])
        for axis in range(len(kinds) - 1, -1, -1):
            value = _grown(kinds[axis], value, fresh, axis, times, source, generator)
        out[name] = value.clone()
    return out


def _grown(
    kind: str,
    value: Tensor,
    fresh: Tensor,
    axis: int,
    times: int,
    source: FusionNet,
    generator: torch.Generator,
) -> Tensor:
    """Return ``value`` with one axis as long as that of ``fresh``, later axes being so already."""
    old, new = value.shape[axis], fresh.shape[axis]
    if kind == "repeat":
        return torch.cat([value] * times, axis)
    if kind == "key_and_value":
        parts = value.split([source.sensors.key, source.config.width], axis)
        return torch.cat([part for part in parts for _ in range(times)], axis)
    if kind == "new":
        return torch.cat([value, fresh.narrow(axis, old, new - old)], axis)
    if kind == "thirds":
        pairs = zip(value.chunk(3, axis), fresh.chunk(3, axis), strict=True)
        return torch.cat([_grown("new", a, b, axis, times, source, generator) for a, b in pairs], axis)
    if kind == "silent":
        return torch.cat(
            [value, value.new_zeros(*value.shape[:axis], new - old, *value.shape[axis + 1 :])], axis
        )
    if kind == "embedded":
        joints = len(BODY20)
        embedded = joints * source.config.joint_width
        slots, more = value.split([embedded, old - embedded], axis)
        slots = slots.unflatten(axis, (joints, -1))
        slots = torch.nn.functional.pad(slots, (0, (new - old) // joints)).flatten(axis)
        return torch.cat([slots, more], axis)
    if kind == "shares":
        stream = (new - old) // (times - 1)
        read, more = value.split([stream, old - stream], axis)
        part = _SHARE_SD * torch.randn(times, *read.shape, generator=generator)
        part = part - part.mean(dim=0) + 1.0 / times
        return torch.cat([*(read * share for share in part), more], axis)
    return value
