"""Attention over what the sensors say at one tick: cameras, each inertial sensor and sound are tokens.

A token has keys and values; what is missing has learned ones. Any number of tokens may come: another camera,
another sensor are more rows, not other code. The reference camera's token is there even where it sees
nothing; a further camera's only where it sees somebody. Values of the places on the body are mapped by
matrices of their own, so that nothing mixes which sensor said what before the network has seen it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from drivers.places import PLACES
from fusion.model.encoders import AGES_S, AudioEncoder, LockedDropout, VisionEncoder, age_code, masked
from fusion.skeletons import BODY20

TOKENS: tuple[str, ...] = ("vision", *PLACES, "audio")
"""What attention weights stand for; further cameras, where they are asked, come after."""

LATER: tuple[str, ...] = ("other", "bearing")
"""Parameters that older weights lack: without further cameras they change nothing."""

_AUDIO_BANDS = 33
_INERTIAL = 13 + len(AGES_S)


class PlaceTokens(nn.Module):
    """Inertial sensors by place -> a token each.

    Force, rate and how the sensor is tilted do not depend on its heading; what does is turned right later
    (:mod:`fusion.model.body`).

    Args:
        inner: channels of a token.
        key: channels of a key.
        width: channels of a value.
    """

    def __init__(self, inner: int, key: int, width: int) -> None:
        super().__init__()
        places = len(PLACES)
        self.value = nn.Linear(_INERTIAL, inner)
        self.slot = nn.Parameter(torch.randn(places, inner) * 0.1)
        self.missing = nn.Parameter(torch.randn(places, inner) * 0.1)
        self.to_key = nn.Linear(inner, key)
        self.to_value = nn.Parameter(torch.randn(places, inner, width) * inner**-0.5)

    def forward(self, inertial: Tensor, present: Tensor, age: Tensor, up: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys (..., 16, K) and values (..., 16, D) of the inertial features.

        Args:
            inertial, present, age: as in :func:`fusion.model.contract.shapes`.
            up: (..., 16, 1) how far z axes of the sensors point upwards.
        """
        force, rate, orientation = masked(inertial, present).split([3, 3, 6], dim=-1)
        values = torch.cat([force.clamp(-16, 16), 0.25 * rate, orientation, up, age_code(age)], dim=-1)
        known = present[..., None] > 0.5
        token = nn.functional.gelu(torch.where(known, self.value(values) + self.slot, self.missing))
        return self.to_key(token), torch.einsum("...pi,pid->...pd", token, self.to_value)


class ModalityAttention(nn.Module):
    """Features of a tick -> (..., D), by attention over the tokens of all sensors.

    Each head asks with a learned query and with the mean of the keys, that is, with what is there.

    Args:
        width: channels D.
        heads: attention heads, a divisor of ``width``.
        joint_width: channels of a joint's embedding.
        place_width: channels of an inertial sensor's token.
        dropout: probability, in training only.
    """

    def __init__(self, width: int, heads: int, joint_width: int, place_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.per_head = heads, 16
        key = heads * self.per_head
        self.vision = VisionEncoder(len(BODY20), joint_width, width, dropout)
        self.audio = AudioEncoder(_AUDIO_BANDS, width, dropout)
        self.places = PlaceTokens(place_width, key, width)
        self.vision_out = nn.Linear(width, key + width)
        self.audio_out = nn.Linear(width, key + width)
        self.query = nn.Parameter(torch.randn(key) * 0.5)
        self.asks = nn.Linear(key, key)
        self.norm = nn.LayerNorm(width)
        self.feed = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(), LockedDropout(dropout), nn.Linear(2 * width, width)
        )
        self.key = key
        self.other = nn.Parameter(torch.zeros(heads))
        self.bearing = nn.Parameter(torch.zeros(width, 3))

    def forward(self, f: Mapping[str, Tensor], up: Tensor) -> tuple[Tensor, Tensor]:
        """Return (..., D) and the weights (..., M) of the tokens, mean of the heads.

        Args:
            f: as in :func:`fusion.model.contract.shapes`, of one camera or more.
            up: (..., 16, 1) how far z axes of the inertial sensors point upwards.
        """
        seen = self.vision(f["vision"], f["vision_present"], f["vision_age"], f["box"])[..., None, :]
        heard = self.audio(f["audio"], f["audio_present"], f["audio_age"])[..., None, :]
        worn = self.places(f["inertial"], f["inertial_present"], f["inertial_age"], up)
        seen_key, seen_value = self._of(seen)
        heard_key, heard_value = self.audio_out(heard).split([self.key, heard.shape[-1]], dim=-1)
        keys = torch.cat([seen_key, worn[0], heard_key], dim=-2)
        values = torch.cat([seen_value, worn[1], heard_value], dim=-2)
        query = (self.query + self.asks(keys.mean(dim=-2))).unflatten(-1, (self.heads, self.per_head))
        scores = self._scores(keys, query)
        if "others" in f and (self.training or self.knows_others):
            key, value = self._of(self._others(f))
            there = (f["others_present"] > 0.5).any(dim=-1)[..., None]
            score = (self._scores(key, query) + self.other).masked_fill(~there, float("-inf"))
            scores, values = torch.cat([scores, score], dim=-2), torch.cat([values, value], dim=-2)
        elif self.training:  # processes that train together want a gradient of every parameter
            scores = scores + 0.0 * (self.other + self.bearing.sum())
        values = values.unflatten(-1, (self.heads, -1))
        weights = scores.softmax(dim=-2)
        x = (weights[..., None] * values).sum(dim=-3).flatten(-2) * len(TOKENS) ** 0.5
        return x + self.feed(self.norm(x)), weights.mean(dim=-1)

    @property
    def knows_others(self) -> bool:
        """Whether it was learned what to make of further cameras; before that they are not asked."""
        return bool(self.bearing.detach().any())

    def _of(self, seen: Tensor) -> tuple[Tensor, Tensor]:
        """Return keys (..., C, K) and values (..., C, D) of the tokens of cameras."""
        key, value = self.vision_out(seen).split([self.key, seen.shape[-1]], dim=-1)
        return key, value

    def _others(self, f: Mapping[str, Tensor]) -> Tensor:
        told = nn.functional.linear(f["others_bearing"], self.bearing)
        return self.vision(f["others"], f["others_present"], f["others_age"], f["others_box"], told)

    def _scores(self, keys: Tensor, query: Tensor) -> Tensor:
        """Return (..., M, H) of keys (..., M, K) and the query (..., H, K / H)."""
        keys = keys.unflatten(-1, (self.heads, -1))
        return (keys * query[..., None, :, :]).sum(dim=-1) * self.per_head**-0.5
