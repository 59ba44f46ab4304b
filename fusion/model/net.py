"""FusionNet: features of a fixed grid of ticks -> pose, contact and action, causally.

::

    vision ----> token -+
    inertial --> token -+-> gated sum -> causal blocks -> heads (2D, 3D, contact, action)
    audio -----> token -+                  (banded attention, rolling key/value buffers)
           newest measurement of each joint ----------------^

``forward`` runs over a whole window and ``step`` over one tick with a state; they give the same numbers.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from drivers.places import PLACES
from fusion.model.encoders import AudioEncoder, GatedFusion, InertialEncoder, VisionEncoder
from fusion.model.heads import NEVER_S, Held, LabelHead, PoseHead
from fusion.model.transformer import CausalBlock, LayerState
from fusion.skeletons import BODY20

AUDIO_BANDS = 33
FEATURES: dict[str, tuple[int, ...]] = {
    "time": (),
    "vision": (len(BODY20), 9),
    "vision_present": (len(BODY20),),
    "vision_age": (),
    "box": (3,),
    "inertial": (len(PLACES), 12),
    "inertial_present": (len(PLACES),),
    "inertial_age": (len(PLACES),),
    "audio": (AUDIO_BANDS,),
    "audio_present": (),
    "audio_age": (),
}
"""Names and shapes of the features of one tick; ``time`` is int64 ns, all others float32."""


@dataclasses.dataclass(frozen=True)
class NetConfig:
    """Sizes of a FusionNet.

    Attributes:
        width: channels of the tokens.
        layers: causal blocks.
        heads: attention heads.
        window: ticks that a tick attends to in each layer, itself included.
        expansion: feed-forward channels as a multiple of ``width``.
        taps: length of the causal convolution of a block, ticks.
        joint_width: channels of the embedding of a joint.
        place_width: channels of the embedding of an inertial sensor.
        dropout: probability, in training.
        actions: names of the actions, in the order of the logits.
    """

    width: int = 128
    layers: int = 4
    heads: int = 4
    window: int = 120
    expansion: float = 3.0
    taps: int = 4
    joint_width: int = 16
    place_width: int = 24
    dropout: float = 0.1
    actions: tuple[str, ...] = ("unknown",)

    @classmethod
    def tiny(cls, actions: tuple[str, ...] = ("unknown",)) -> NetConfig:
        """At most 2 million parameters: for CPUs and for live."""
        return cls(actions=actions)

    @classmethod
    def base(cls, actions: tuple[str, ...] = ("unknown",)) -> NetConfig:
        """At most 8 million parameters."""
        return cls(
            width=288, layers=6, heads=6, expansion=4.0, joint_width=24, place_width=32, actions=actions
        )


class NetState(NamedTuple):
    """What the network remembers between ticks; its size does not depend on history.

    Attributes:
        layers: a :class:`LayerState` for each block.
        value: (B, 20, 4) newest measured x, y, depth, depth_known of each joint.
        sd: (B, 20) its standard deviation.
        time: (B, 20) int64 ns, when it was captured.
        measured: (B, 20) bool, whether it ever was.
        seen: () int64, ticks so far.
    """

    layers: tuple[LayerState, ...]
    value: Tensor
    sd: Tensor
    time: Tensor
    measured: Tensor
    seen: Tensor


class FusionNet(nn.Module):
    """The network.

    Args:
        config: sizes and names of actions.
    """

    def __init__(self, config: NetConfig | None = None) -> None:
        super().__init__()
        config = config or NetConfig()
        self.config = config
        width, drop = config.width, config.dropout
        self.vision = VisionEncoder(len(BODY20), config.joint_width, width, drop)
        self.inertial = InertialEncoder(len(PLACES), config.place_width, width, drop)
        self.audio = AudioEncoder(AUDIO_BANDS, width, drop)
        self.fusion = GatedFusion(3, width)
        self.blocks = nn.ModuleList(
            CausalBlock(width, config.heads, config.window, config.expansion, config.taps, drop)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        self.pose = PoseHead(width, len(BODY20))
        self.labels = LabelHead(width, len(config.actions), drop)

    @property
    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run over a window that begins with the stream.

        Args:
            features: as in :data:`FEATURES`, each with (B, T) in front.

        Returns:
            keypoints2d (B, T, 20, 2) box-normalised and keypoints2d_logvar (B, T, 20);
            joints3d (B, T, 20, 3) m, relative to the pelvis, camera frame (x right, y down, z forward) and
            joints3d_logvar (B, T, 20) of m²; contact (B, T, 2) and action (B, T, A) logits.
        """
        x = self._encode(features)
        for block in self.blocks:
            x = block(x)
        return self._heads(x, self._hold(features))

    def init_state(self, batch: int = 1) -> NetState:
        """Return the state before the first tick of ``batch`` streams."""
        like = self.norm.weight
        joints = len(BODY20)
        return NetState(
            layers=tuple(block.init_state(batch) for block in self._blocks()),
            value=like.new_zeros(batch, joints, 4),
            sd=like.new_zeros(batch, joints),
            time=torch.zeros(batch, joints, dtype=torch.int64, device=like.device),
            measured=torch.zeros(batch, joints, dtype=torch.bool, device=like.device),
            seen=torch.zeros((), dtype=torch.int64, device=like.device),
        )

    @torch.no_grad()
    def step(self, features: Mapping[str, Tensor], state: NetState) -> tuple[dict[str, Tensor], NetState]:
        """Run one tick; call ``eval()`` first.

        Args:
            features: as in :data:`FEATURES`, each with (B,) in front.
            state: from :meth:`init_state` or the step before.

        Returns:
            The outputs of :meth:`forward` without the axis T, and the state after the tick.
        """
        x = self._encode(features)
        layers = []
        for block, layer in zip(self._blocks(), state.layers, strict=True):
            x, after = block.step(x, layer, state.seen)
            layers.append(after)
        value, sd, captured, present = _measurement(features)
        value = torch.where(present[..., None], value, state.value)
        sd = torch.where(present, sd, state.sd)
        captured = torch.where(present, captured, state.time)
        measured = present | state.measured
        held = _held(value, sd, captured, measured, features["time"])
        after = NetState(tuple(layers), value, sd, captured, measured, state.seen + 1)
        return self._heads(x, held), after

    def _blocks(self) -> list[CausalBlock]:
        return [block for block in self.blocks if isinstance(block, CausalBlock)]

    def _encode(self, f: Mapping[str, Tensor]) -> Tensor:
        tokens = [
            self.vision(f["vision"], f["vision_present"], f["vision_age"], f["box"]),
            self.inertial(f["inertial"], f["inertial_present"], f["inertial_age"]),
            self.audio(f["audio"], f["audio_present"], f["audio_age"]),
        ]
        return self.fusion(torch.stack(tokens, dim=-2))

    def _heads(self, x: Tensor, held: Held) -> dict[str, Tensor]:
        x = self.norm(x)
        return {**self.pose(x, held), **self.labels(x)}

    @staticmethod
    def _hold(features: Mapping[str, Tensor]) -> Held:
        """Carry the newest measurement of each joint forward along T."""
        value, sd, captured, present = _measurement(features)
        ticks = torch.arange(present.shape[1], device=present.device)[None, :, None]
        newest = torch.where(present, ticks, -1).cummax(dim=1).values
        measured = newest >= 0
        at = newest.clamp(min=0)
        value = value.gather(1, at[..., None].expand_as(value)) * measured[..., None]
        sd = sd.gather(1, at) * measured
        return _held(value, sd, captured.gather(1, at), measured, features["time"])


def _measurement(features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return (..., 20, 4) values, (..., 20) sd, capture time ns and presence of this tick's joints."""
    present = features["vision_present"] > 0.5
    vision = torch.where(present[..., None], features["vision"], torch.zeros_like(features["vision"]))
    value = torch.cat([vision[..., :2], vision[..., 7:9]], dim=-1)
    sd = (0.5 * (vision[..., 3] + vision[..., 5])).clamp(min=0.0).sqrt()
    age_ns = (features["vision_age"].clamp(0.0, NEVER_S) * 1e9).long()
    captured = (features["time"] - age_ns)[..., None].expand(present.shape)
    return value, sd, captured, present


def _held(value: Tensor, sd: Tensor, captured: Tensor, measured: Tensor, time: Tensor) -> Held:
    age = ((time[..., None] - captured).to(value.dtype) * 1e-9).clamp(0.0, NEVER_S)
    return Held(value, sd, torch.where(measured, age, torch.full_like(age, NEVER_S)))
