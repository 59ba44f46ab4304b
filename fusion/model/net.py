"""FusionNet: features of a fixed grid of ticks -> body, key points, contact and action, causally.

::

    cameras, IMUs by place, sound --> tokens --> attention over them --> first causal block
                                                                              |
                        orientations turned right <-- headings of the IMUs <--+
                                    |                                         |
                                    +-----------------------------------------+--> later causal blocks
        newest key points --------------------------------------------------------------> |
                      |                                                                   |
                      +--> what key points say beyond the body, projected <-- body <--- heads
                                              |
                                              +--> last causal block --> the same heads, again
        joints <-- kinematics <-- rotations, bones; 2D, velocity, contact, action <--------+

``forward`` runs over a whole window and ``step`` over one tick with a state; they give the same numbers.
Networks of form 1 (weights of version 1) add the tokens of three modalities through gates and have
no body: their 3D joints are free.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from drivers.places import PLACES
from fusion.model.aligned import facing, felt, lifted, of_wearer, worn
from fusion.model.attention import ModalityAttention
from fusion.model.body import SLOW, BodyHead, Headings
from fusion.model.contract import AUDIO_BANDS
from fusion.model.contract import FEATURES as FEATURES
from fusion.model.encoders import AudioEncoder, GatedFusion, InertialEncoder, VisionEncoder
from fusion.model.geometry import from_six_d
from fusion.model.heads import NEVER_S, Held, KeypointHead, LabelHead, PoseHead
from fusion.model.passes import TAPS, Tick, Window
from fusion.model.reprojection import Reprojection
from fusion.model.transformer import CausalBlock, LayerState
from fusion.segments import SEGMENTS
from fusion.skeletons import BODY20


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
        form: 2: attention over the sensors, headings, a body; 1: gated sum, free joints.
        first: blocks before the headings are corrected; form 2.
        any_fit: the network is also told what of inertial sensors does not depend on how they sit; form 1.
        weighed: ticks vote for the action of a window by weights that they tell themselves.
        reprojected: the body is guessed twice: the last block knows where the first guess, projected, misses
            the key points; form 2.
        steady: time constant, ticks, with which rotations are smoothed; 0: not at all; form 2.
        memory: ticks after which what is summed up of headings, bones and view has faded to 1 / e; form 2.
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
    form: int = 1
    first: int = 1
    memory: int = 1800
    any_fit: bool = False
    weighed: bool = False
    reprojected: bool = False
    steady: float = 0.0

    @classmethod
    def tiny(cls, actions: tuple[str, ...] = ("unknown",)) -> NetConfig:
        """At most 2 million parameters: for CPUs and for live."""
        return cls(actions=actions, layers=5, form=2, first=2, reprojected=True, steady=1.0)

    @classmethod
    def base(cls, actions: tuple[str, ...] = ("unknown",)) -> NetConfig:
        """At most 8 million parameters."""
        return cls(
            width=256, layers=5, heads=8, expansion=3.0, joint_width=24, place_width=32, actions=actions,
            form=2, first=2, reprojected=True, steady=1.0,
        )  # fmt: skip


class NetState(NamedTuple):
    """What the network remembers between ticks; its size does not depend on history.

    Attributes:
        layers: a :class:`LayerState` for each block.
        sums: what is summed up of headings (B, 32) and of bones and view (B, C), for a second guess of bones
            and view (B, C) and of headings (B, 30) once more; the newest rotations (B, 450), where they
            are smoothed; form 2, else none.
        value: (B, 20, 4) newest measured x, y, depth, depth_known of each joint.
        sd: (B, 20) its standard deviation.
        time: (B, 20) int64 ns, when it was captured.
        measured: (B, 20) bool, whether it ever was.
        seen: () int64, ticks so far; (B,) where people came at different times.
    """

    layers: tuple[LayerState, ...]
    sums: tuple[Tensor, ...]
    value: Tensor
    sd: Tensor
    time: Tensor
    measured: Tensor
    seen: Tensor


class FusionNet(nn.Module):
    """The network.

    Attributes:
        fading: (K,) weights of the newest ticks in a smoothed rotation, the newest last.

    Args:
        config: sizes and names of actions.

    Raises:
        ValueError: the configuration's form is unknown, or no block is left after the first ones.
    """

    fading: Tensor

    def __init__(self, config: NetConfig | None = None) -> None:
        super().__init__()
        config = config or NetConfig()
        after = config.layers - int(config.reprojected)
        if config.form not in (1, 2) or (config.form == 2 and not 0 < config.first <= after):
            raise ValueError(f"form {config.form} with {config.first} of {config.layers} blocks is none")
        self.config = config
        width, drop = config.width, config.dropout
        if config.form == 1:
            self.vision = VisionEncoder(len(BODY20), config.joint_width, width, drop)
            self.inertial = InertialEncoder(len(PLACES), config.place_width, width, drop, config.any_fit)
            self.audio = AudioEncoder(AUDIO_BANDS, width, drop)
            self.fusion = GatedFusion(3, width)
        else:
            self.sensors = ModalityAttention(
                width, config.heads, config.joint_width, config.place_width, drop
            )
        self.blocks = nn.ModuleList(
            CausalBlock(width, config.heads, config.window, config.expansion, config.taps, drop)
            for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(width)
        if config.form == 1:
            self.pose = PoseHead(width, len(BODY20))
        else:
            self.headings = Headings(width, config.reprojected)
            self.body = BodyHead(width)
            self.points = KeypointHead(width, len(BODY20))
            if config.reprojected:
                self.reprojection = Reprojection(width)
            faded = torch.exp(-torch.arange(TAPS - 1, -1, -1) / max(config.steady, 1e-3))
            self.register_buffer("fading", faded / faded.sum(), persistent=False)
        self.labels = LabelHead(width, len(config.actions), drop, config.weighed)

    @torch.no_grad()
    def second_guess_at_rest(self) -> None:
        """Let the second guess of the body be the first one until it has learned better."""
        block = self.blocks[-1]
        assert isinstance(block, CausalBlock)
        silent = (block.conv, *block.to_out.parameters(), *block.feed[-1].parameters())
        for values in (*silent, *self.reprojection.told[-1].parameters()):
            values.zero_()

    @property
    def parameter_count(self) -> int:
        """Number of trained values."""
        return sum(p.numel() for p in self.parameters())

    def forward(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Run over a window that begins with the stream.

        Args:
            features: as in :func:`fusion.model.contract.shapes`, each with (B, T) in front: rows are people,
                each with the sensors assigned to them.

        Returns:
            keypoints2d (B, T, 20, 2) box-normalised and keypoints2d_logvar (B, T, 20);
            joints3d (B, T, 20, 3) m, relative to the pelvis, camera frame (x right, y down, z forward) and
            joints3d_logvar (B, T, 20) of m²; contact (B, T, 2) and action (B, T, A) logits.
            Form 2 also: rotations (B, T, 15, 3, 3) segment to camera axes and offsets (B, T, 20, 3) m of the
            body (:mod:`fusion.virtual.kinematics`); root_velocity (B, T, 3) m/s, camera axes; heading
            (B, T, 16, 2), cosine and sine of each sensor's heading error times the concentration of a von
            Mises distribution around it; attention (B, T, 18), the weights of
            :data:`fusion.model.attention.TOKENS`, after them of further cameras; view (B, T, 3, 3), levelled
            world to camera axes; rough (B, T, 15, 3, 3), the rotations guessed before headings are corrected,
            camera axes; draft (B, T, 15, 3, 3), those of the first of two guesses. Networks of form 1 look
            through the reference camera alone.
        """
        return self._run(features, self._hold(features), Window(self))

    def init_state(self, batch: int = 1) -> NetState:
        """Return the state before the first tick of ``batch`` streams."""
        like = self.norm.weight
        joints = len(BODY20)
        sums = (2 * len(PLACES), SLOW) if self.config.form == 2 else ()
        sums = (*sums, SLOW, 2 * len(SEGMENTS)) if self.config.reprojected else sums
        sums = (*sums, (TAPS - 1) * 6 * len(SEGMENTS)) if self.config.steady else sums
        return NetState(
            layers=tuple(block.init_state(batch) for block in self.blocks if isinstance(block, CausalBlock)),
            sums=tuple(like.new_zeros(batch, channels) for channels in sums),
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
            features: as in :func:`fusion.model.contract.shapes`, each with (B,) in front.
            state: from :meth:`init_state` or the step before.

        Returns:
            The outputs of :meth:`forward` without the axis T, and the state after the tick.
        """
        value, sd, captured, present = _measurement(features)
        value = torch.where(present[..., None], value, state.value)
        sd = torch.where(present, sd, state.sd)
        captured = torch.where(present, captured, state.time)
        measured = present | state.measured
        held = _held(value, sd, captured, measured, features["time"])
        tick = Tick(self, state)
        outputs = self._run(features, held, tick)
        sums = tuple(tick.sums[number] for number in range(len(tick.sums)))
        return outputs, NetState(tuple(tick.layers), sums, value, sd, captured, measured, state.seen + 1)

    def _run(self, features: Mapping[str, Tensor], held: Held, time: Window | Tick) -> dict[str, Tensor]:
        f, count = dict(features), self.config.layers
        if self.config.form == 1:
            x = self._gated(f)
            for number in range(count):
                x = time.block(number, x)
            x = self.norm(x)
            return {**self.pose(x, held), **self.labels(x)}
        sensors = worn(f)
        x, attention = self.sensors(f, sensors.up)
        for number in range(self.config.first):
            x = time.block(number, x)
        evidence, rough = self.headings(x, sensors)
        felt_headings = time.sum(0, evidence)
        heading = self.headings.headings(felt_headings)
        turned = self.headings.turned(sensors, heading)
        faces = facing(rough)
        aligned = torch.cat([felt(sensors, turned, faces).flatten(-2), of_wearer(f)], dim=-1)
        seen = lifted(held, faces).flatten(-2)
        x = x + self.headings.summand(torch.cat([aligned, seen], dim=-1), sensors, heading)
        last = count - int(self.config.reprojected)
        for number in range(self.config.first, last):
            x = time.block(number, x)

        def guess(
            x: Tensor, sum_: int, smooth: Callable[[Tensor], Tensor] | None = None
        ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
            hidden = self.body.encode(x, aligned, sensors)
            own, other = self.body.own(hidden, faces)
            alone = from_six_d(own)
            total = time.sum(sum_, self.body.guesses(hidden, alone, sensors, turned))
            return hidden, alone, self.body(own, other, total, sensors, turned, faces, f, smooth)

        if self.config.reprojected:
            normed = self.norm(x)
            _, _, draft = guess(normed, 1)
            x = x + self.reprojection(normed, draft, faces, held, f["box"])
            x = time.block(last, x)
        x = self.norm(x)
        second = 2 if self.config.reprojected else 1
        smooth = functools.partial(time.smooth, 2 * second) if self.config.steady else None
        hidden, alone, body = guess(x, second, smooth)
        if self.config.reprojected:
            more = time.sum(3, self.headings.again(hidden, alone, sensors))
            heading = self.headings.headings(self.headings.both(felt_headings, more))
            body["draft"] = draft["rotations"]
        guessed = self.body.seen(rough, body["view"])
        return {
            **self.points(x, held), **body, **self.labels(x),
            "heading": heading, "attention": attention, "rough": guessed,
        }  # fmt: skip

    def _gated(self, f: Mapping[str, Tensor]) -> Tensor:
        tokens = [
            self.vision(f["vision"], f["vision_present"], f["vision_age"], f["box"]),
            self.inertial(f["inertial"], f["inertial_present"], f["inertial_age"]),
            self.audio(f["audio"], f["audio_present"], f["audio_age"]),
        ]
        return self.fusion(torch.stack(tokens, dim=-2))

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
