"""One clip of human motion, whatever it came from, and windows of many clips as a batch."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import torch
from torch import Tensor

from drivers.errors import DataError
from drivers.simulator.anatomy import BodyShape
from fusion.segments import JOINT, SEGMENTS
from fusion.skeletons import BODY20
from fusion.virtual.kinematics import Posed, forward, orientations, soles

LEG_OF_STATURE = 0.491
"""Thigh and shin together, of stature (Winter, Biomechanics and Motor Control of Human Movement, fig.
4.1)."""


@dataclasses.dataclass(frozen=True)
class Label:
    """An action from ``start_s`` to ``stop_s``, s since the clip's first row."""

    start_s: float
    stop_s: float
    action: str


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """Bone lengths and proportions.

    Attributes:
        offsets: (20, 3) float32 m, what hangs where in which segment's frame:
            :data:`fusion.virtual.kinematics.HANGS`.
    """

    offsets: Tensor

    @property
    def stature(self) -> float:
        """Height of the body, m, as its legs tell."""
        return float(stature_of(self.offsets))

    @classmethod
    def of_shape(cls, shape: BodyShape) -> Skeleton:
        """Return the skeleton of a simulated body."""
        s, rows = shape, torch.zeros(len(BODY20), 3)
        places: dict[str, tuple[float, float, float]] = {
            "spine": (0.0, 0.0, s.pelvis_to_spine),
            "neck": (0.0, 0.0, s.spine_to_neck),
            "head": (0.15 * s.neck_to_head, 0.0, s.neck_to_head),
        }
        for side, way in (("left", 1.0), ("right", -1.0)):
            places |= {
                f"{side}_shoulder": (0.0, way * s.shoulder_half_width, s.spine_to_shoulder),
                f"{side}_elbow": (0.0, 0.0, -s.upper_arm),
                f"{side}_wrist": (0.0, 0.0, -s.forearm),
                f"{side}_hand": (0.0, 0.0, -s.hand),
                f"{side}_hip": (0.0, way * s.hip_half_width, 0.0),
                f"{side}_knee": (0.0, 0.0, -s.thigh),
                f"{side}_ankle": (0.0, 0.0, -s.shin),
                f"{side}_foot": (s.foot, 0.0, -0.65 * s.ankle_height),
            }
        for name, place in places.items():
            rows[JOINT[name]] = torch.tensor(place)
        return cls(rows)


def stature_of(offsets: Tensor) -> Tensor:
    """Return the stature (...,) m of skeletons (..., 20, 3), from the length of their legs."""
    names = ("left_knee", "right_knee", "left_ankle", "right_ankle")
    bones = offsets[..., [JOINT[name] for name in names], :].norm(dim=-1)
    return bones.sum(dim=-1) / (2.0 * LEG_OF_STATURE)


@dataclasses.dataclass(frozen=True)
class Motion:
    """One clip: a body of fixed bone lengths that moves.

    Attributes:
        clip: its name, unique within the source.
        source: where it comes from: ``simulator``, ``bandai``, ``cmu`` ...
        licence: under which it may be used, SPDX where there is one.
        subject: who moved, as far as the source tells; empty where it does not.
        rate_hz: rows per second.
        skeleton: the body.
        rotations: (T, 15, 3, 3) float32, segment to world; :mod:`fusion.virtual.kinematics` has the frames.
        root: (T, 3) float32 m, the pelvis in the world: z up, the ground at z = 0.
        girdle: (T, 3, 3) float32 m, what base of neck and shoulders are off their places in the chest.
        contacts: (T, 2) bool, left and right foot on the ground.
        labels: actions, in order; there may be none.

    Raises:
        DataError: shapes do not fit, values are not finite, or the rate is no rate.
    """

    clip: str
    source: str
    licence: str
    subject: str
    rate_hz: float
    skeleton: Skeleton
    rotations: Tensor
    root: Tensor
    girdle: Tensor
    contacts: Tensor
    labels: tuple[Label, ...] = ()

    def __post_init__(self) -> None:
        rows = len(self.root)
        wanted = {
            "rotations": (rows, len(SEGMENTS), 3, 3),
            "root": (rows, 3),
            "girdle": (rows, 3, 3),
            "contacts": (rows, 2),
        }
        for name, shape in wanted.items():
            value = getattr(self, name)
            if tuple(value.shape) != shape:
                raise self._bad(f"{name} has shape {tuple(value.shape)}, not {shape}")
            if not bool(torch.isfinite(value).all()):
                raise self._bad(f"{name} holds values that are not finite")
        if tuple(self.skeleton.offsets.shape) != (len(BODY20), 3):
            raise self._bad(f"the skeleton has shape {tuple(self.skeleton.offsets.shape)}")
        if not rows or not 0.0 < self.rate_hz < 10_000.0:
            raise self._bad(f"{rows} rows at {self.rate_hz} Hz are no motion")

    def _bad(self, what: str) -> DataError:
        return DataError(f"{self.source} {self.clip}: {what}", mend="Read the clip again from its source")

    def __len__(self) -> int:
        return len(self.root)

    @property
    def seconds(self) -> float:
        """Its length, s."""
        return len(self) / self.rate_hz

    @functools.cached_property
    def posed(self) -> Posed:
        """Joints (T, 20, 3) and origins of the segments (T, 15, 3), m in the world."""
        return forward(self.rotations, self.skeleton.offsets, self.root, self.girdle)

    @property
    def joints(self) -> Tensor:
        """(T, 20, 3) float32 m in the world, in the order of BODY20."""
        return self.posed.joints

    @property
    def orientations(self) -> Tensor:
        """(T, 16, 3, 3) float32: the segment at each of PLACES to the world."""
        return orientations(self.rotations)

    @property
    def soles(self) -> Tensor:
        """(T, 2, 2, 3) m in the world: under heel and toes of the left and the right foot."""
        return soles(self.posed, self.rotations, self.skeleton.offsets, self.skeleton.stature)

    def actions(self, names: Sequence[str]) -> Tensor:
        """Return (T,) int64: where each row's action stands in ``names``, -1 where it does not."""
        out = torch.full((len(self),), -1, dtype=torch.int64)
        times = torch.arange(len(self)) / self.rate_hz
        for label in self.labels:
            if label.action in names:
                out[(times >= label.start_s) & (times < label.stop_s)] = names.index(label.action)
        return out


@dataclasses.dataclass(frozen=True)
class Motions:
    """Windows of N clips, of one length and rate, as batched tensors.

    Attributes:
        rate_hz: rows per second.
        offsets: (N, 20, 3) m, the bodies.
        rotations: (N, T, 15, 3, 3).
        root: (N, T, 3) m.
        girdle: (N, T, 3, 3) m.
        contacts: (N, T, 2) float, 0 or 1.
        action: (N, T) int64, -1 where unknown.
    """

    rate_hz: float
    offsets: Tensor
    rotations: Tensor
    root: Tensor
    girdle: Tensor
    contacts: Tensor
    action: Tensor

    def __len__(self) -> int:
        return len(self.root)

    def posed(self) -> Posed:
        """Return joints (N, T, 20, 3) and origins of the segments (N, T, 15, 3), m in the world."""
        return forward(self.rotations, self.offsets[:, None], self.root, self.girdle)

    def soles(self, posed: Posed | None = None) -> Tensor:
        """Return (N, T, 2, 2, 3): under heel and toes of the left and the right foot, m in the world."""
        offsets = self.offsets[:, None]
        return soles(posed or self.posed(), self.rotations, offsets, stature_of(offsets))

    @classmethod
    def windows(
        cls, motions: Sequence[Motion], starts: Sequence[int], rows: int, actions: Sequence[str] = ()
    ) -> Motions:
        """Cut ``rows`` rows out of each motion, from row ``starts`` on; one that is shorter stands still at
        its end.

        Raises:
            DataError: the motions' rates differ.
        """
        rates = {motion.rate_hz for motion in motions}
        if len(rates) != 1:
            raise DataError(f"motions at {sorted(rates)} Hz can't be one batch", mend="Resample them first")

        def cut(name: str) -> Tensor:
            values = []
            for motion, start in zip(motions, starts, strict=True):
                at = torch.arange(start, start + rows).clamp(max=len(motion) - 1)
                values.append((motion.actions(actions) if name == "action" else getattr(motion, name))[at])
            return torch.stack(values)

        return cls(
            rate_hz=rates.pop(),
            offsets=torch.stack([motion.skeleton.offsets for motion in motions]),
            rotations=cut("rotations"),
            root=cut("root"),
            girdle=cut("girdle"),
            contacts=cut("contacts").float(),
            action=cut("action"),
        )
