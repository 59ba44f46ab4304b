"""Virtual cameras: moving bodies -> what a pose network tells of them, as the vision features have it.

::

    joints -> views -> places -> hidden by body and furniture -> PoseNetwork -> swaps, losses
                                                                      |
                 frames (rate, delay, blackouts) -> boxes, frame by frame -> ticks: vision, presence, age, box

Units of the picture are those of the ``box`` feature: picture widths from the middle, x right, y down.
"""

from __future__ import annotations

import dataclasses

import torch
from torch import Tensor

from drivers.places import PLACES
from fusion.features.spec import MAX_AGE_S, SHAPES, FeatureSpec
from fusion.skeletons import BODY20, other_side
from fusion.virtual.frames import FrameRanges, Frames, draw_frames, smooth_boxes
from fusion.virtual.keypoints import JOINT, Found, PoseNetwork, Seeing
from fusion.virtual.noise import BLAZEPOSE
from fusion.virtual.occlusion import furniture, self_occlusion
from fusion.virtual.smooth import derivatives, sampled, stretches, wandering
from fusion.virtual.views import ViewRanges, Views, draw_views

UNKNOWN: tuple[tuple[str, ...], ...] = (
    ("left_hand", "right_hand"),
    ("left_foot", "right_foot"),
    ("spine",),
    ("left_hand", "right_hand", "left_foot", "right_foot"),
    ("left_hand", "right_hand", "left_foot", "right_foot", "spine", "head"),
)
"""Sets of joints that some pose networks do not know."""

_MIRROR = other_side(BODY20)
_SWAPPED_DEPTH = 0.35
"""What BlazePose goes on telling of the depth where it takes left for right: 0.2 and 0.5 were measured."""
_LEGS = ("knee", "ankle", "foot")
_ARMS = ("elbow", "wrist", "hand")
_SEGMENT = {
    "pelvis": "pelvis", "spine": "chest", "neck": "chest", "head": "head", "shoulder": "chest",
    "elbow": "upper_arm", "wrist": "forearm", "hand": "hand", "hip": "pelvis", "knee": "thigh",
    "ankle": "shin", "foot": "foot",
}  # fmt: skip


def _segment_of(joint: str) -> int:
    side, _, part = joint.partition("_") if "_" in joint else ("", "", joint)
    segment = _SEGMENT[part]
    return PLACES.index(segment if segment in PLACES else f"{side}_{segment}")


_SEGMENTS = [_segment_of(name) for name in BODY20]
"""(20,) the segment that carries the flesh at each joint."""


@dataclasses.dataclass(frozen=True)
class CameraRanges:
    """What cameras and pose networks are like. Probabilities are per window.

    Attributes:
        view: where cameras stand.
        frames: how frames come.
        noise: factor of the network's errors.
        definition_m: standard deviation of what a network means by a joint, and where clothes put it, against
            the anatomical joint, fixed to the flesh.
        exposure_s: shortest and longest exposure, log-uniform.
        dark: probability that it is dark.
        darkness: least and most, see :data:`fusion.virtual.noise.CONDITIONS`; the exposure grows with it.
        furniture: probability that something stands in front.
        unknown: probability that the network does not know some joints.
        found: probability that it finds pelvis, spine and neck by itself instead of making them.
        depth_known: probability that it gives depth.
        flicker: probability per joint and frame that it is missed.
        box: standard deviation of an error of the box, least and most, box sizes.
        prone: probability that the network takes left for right now and then; how often it does then follows
            from the share in the noise model.
        hide: joints that are never measured, whatever the network finds.
        limb_swap: probability that it does so with the legs or the arms alone, where they are near each
        other.
    """

    view: ViewRanges = ViewRanges()  # noqa: RUF009  (frozen)
    frames: FrameRanges = FrameRanges()  # noqa: RUF009
    noise: float = 1.0
    definition_m: float = 0.012
    exposure_s: tuple[float, float] = (0.002, 0.02)
    dark: float = 0.12
    darkness: tuple[float, float] = (0.0, 1.6)
    furniture: float = 0.2
    unknown: float = 0.15
    found: float = 0.15
    depth_known: float = 0.75
    flicker: float = 0.01
    box: tuple[float, float] = (0.0, 0.03)
    prone: float = 0.15
    hide: tuple[str, ...] = ()
    limb_swap: float = 0.1


@dataclasses.dataclass(frozen=True)
class Seen:
    """Vision features of T ticks and the truth in the camera's frame; N is windows times cameras.

    Attributes:
        vision, vision_present, vision_age, box: (N, T, ...), see :data:`fusion.features.spec.SHAPES`.
        joints3d: (N, T, 20, 3) m from the pelvis, camera axes.
        joints2d: (N, T, 20, 2) true places from the box's centre, in box sizes.
        joints2d_known: (N, T, 20) 1 where there is a box.
        views: the cameras.
    """

    vision: Tensor
    vision_present: Tensor
    vision_age: Tensor
    box: Tensor
    joints3d: Tensor
    joints2d: Tensor
    joints2d_known: Tensor
    views: Views


class VirtualCameras:
    """Random cameras on each window of a motion.

    Args:
        ranges: what they are like.
        rate_hz: ticks per second, those of the motion.
    """

    def __init__(self, ranges: CameraRanges | None = None, rate_hz: float = 60.0) -> None:
        self.ranges = ranges or CameraRanges()
        self.rate_hz = rate_hz
        self.network = PoseNetwork(BLAZEPOSE, self.ranges.noise)

    def __call__(
        self,
        joints: Tensor,
        orientations: Tensor,
        generator: torch.Generator,
        lead: int = 0,
        cameras: int = 1,
        views: Views | None = None,
    ) -> Seen:
        """Return what the cameras see.

        Args:
            joints: (N, lead + T, 20, 3) m, world frame, z up.
            orientations: (N, lead + T, 16, 3, 3) segment to world.
            generator: of all that is random.
            lead: ticks before the window, so that frames that come late exist.
            cameras: of each window; window n is seen by numbers n * cameras and on.
            views: where the cameras stand; default: random.
        """
        g, ranges = generator, self.ranges
        views = views or draw_views(joints, ranges.view, g, cameras)
        joints = joints.repeat_interleave(cameras, dim=0)
        orientations = orientations.repeat_interleave(cameras, dim=0)
        batch, total = joints.shape[:2]
        seen = views.to_camera(joints)
        true = views.project(seen)
        # Cameras that look at one person through one network have its idea of a joint in common.
        flesh = ranges.definition_m * torch.randn(batch // cameras, 1, len(BODY20), 3, 1, generator=g)
        flesh = flesh.repeat_interleave(cameras, dim=0)
        meant = joints + (orientations[:, :, _SEGMENTS] @ flesh)[..., 0]
        meant = views.to_camera(meant)
        frames = draw_frames(batch, total, self.rate_hz, ranges.frames, g)
        seeing = self._look(views, meant, frames, g)
        made = torch.rand(batch, generator=g) >= ranges.found
        found = self._swapped(self.network(seeing, g, made), seeing, g)
        present = self._present(found, seeing, frames, g)
        return self._ticks(views, seen, true, frames, found, present, g, lead)

    def _look(self, views: Views, meant: Tensor, frames: Frames, g: torch.Generator) -> Seeing:
        ranges, batch = self.ranges, len(meant)
        places = views.project(meant)
        # The costliest part; what hides what changes little in a tick, so every other one is looked at.
        hidden = self_occlusion(meant[:, ::2]).repeat_interleave(2, dim=1)[:, : meant.shape[1]]
        hidden = torch.maximum(hidden, furniture(places, ranges.furniture, g))
        _, velocity, _ = derivatives(places, self.rate_hz)
        size = (places.amax(dim=2) - places.amin(dim=2)).amax(dim=-1)
        depth = meant[..., 2] - meant[..., :1, 2]
        low, high = ranges.darkness
        dark = (low + (high - low) * torch.rand(batch, 1, generator=g)).expand(-1, frames.at.shape[1])
        dark = dark * (torch.rand(batch, 1, generator=g) < ranges.dark)
        shortest, longest = ranges.exposure_s
        exposure = shortest * (longest / shortest) ** torch.rand(batch, generator=g)
        exposure = torch.maximum(exposure, (exposure * (1 + 2 * dark[:, 0])).clamp(max=0.033))
        together = torch.cat([places.flatten(2), velocity.flatten(2), depth, hidden, size[..., None]], dim=-1)
        together = sampled(together, frames.at)
        count = len(BODY20)
        flat, moving, depth, hidden, size = together.split([2 * count, 2 * count, count, count, 1], dim=-1)
        flat = flat.unflatten(-1, (count, 2))
        return Seeing(
            places=flat,
            depth=depth,
            hidden=hidden,
            outside=~views.inside(flat),
            velocity=moving.unflatten(-1, (count, 2)),
            size=size[..., 0],
            dark=dark,
            exposure_s=exposure,
            dt=frames.dt,
        )

    def _swapped(self, found: Found, seeing: Seeing, g: torch.Generator) -> Found:
        """Take left for right: the whole body in stretches, or legs or arms where they nearly meet."""
        ranges, noise = self.ranges, self.network.noise
        batch, count = found.score.shape[:2]
        share = noise.swap_share / max(ranges.prone, 1e-6)
        prone = torch.rand(batch, 1, generator=g) < ranges.prone
        whole = prone & stretches((batch, count), seeing.dt, share, noise.swap_s, g)
        columns = torch.arange(len(BODY20)).expand(batch, count, -1)
        index = torch.where(whole[..., None], torch.tensor(_MIRROR), columns)
        for limb in (_LEGS, _ARMS):
            pairs = [(JOINT[f"left_{part}"], JOINT[f"right_{part}"]) for part in limb]
            left, right = [a for a, _ in pairs], [b for _, b in pairs]
            apart = (seeing.places[:, :, left] - seeing.places[:, :, right]).norm(dim=-1).mean(dim=-1)
            near = apart < 0.08 * seeing.size
            hit = stretches((batch, count), seeing.dt, 0.3, noise.swap_s, g) & near & ~whole
            hit &= torch.rand(batch, 1, generator=g) < ranges.limb_swap
            index = torch.where(
                hit[..., None] & torch.isin(columns, torch.tensor(left + right)), torch.tensor(_MIRROR), index
            )

        def taken(x: Tensor) -> Tensor:
            at = index.reshape(*index.shape, *[1] * (x.ndim - 3)).expand_as(x)
            return x.gather(2, at)

        found = Found(*(taken(getattr(found, field.name)) for field in dataclasses.fields(found)))
        # Who takes a back for a front is not sure what is near and what is far.
        depth = torch.where(whole[..., None], _SWAPPED_DEPTH * found.depth, found.depth)
        return dataclasses.replace(found, depth=depth)

    def _present(self, found: Found, seeing: Seeing, frames: Frames, g: torch.Generator) -> Tensor:
        """Return (N, F, 20) bool: what was measured in each frame; nothing where nobody was found."""
        ranges, noise, spec = self.ranges, self.network.noise, FeatureSpec()
        batch, count = found.score.shape[:2]
        unknown = torch.zeros(len(UNKNOWN), len(BODY20), dtype=torch.bool)
        for number, names in enumerate(UNKNOWN):
            unknown[number, [JOINT[name] for name in names]] = True
        chosen = unknown[torch.randint(len(UNKNOWN), (batch,), generator=g)]
        chosen = chosen & (torch.rand(batch, 1, generator=g) < ranges.unknown)
        present = (found.score >= spec.min_score) & ~chosen[:, None]
        present[:, :, [JOINT[name] for name in ranges.hide]] = False
        present &= torch.rand(present.shape, generator=g) >= ranges.flicker
        lost = noise.lost + (1 - noise.lost) * torch.sigmoid(6.0 * (seeing.dark - noise.lost_stop))
        lost = torch.where(seeing.dark > 0, lost, torch.full_like(lost, noise.lost))
        # Losses come in stretches as well.
        luck = torch.special.ndtr(wandering((batch, count), seeing.dt, 0.2, g))
        somebody = (luck >= lost) & frames.kept & ~frames.covered
        somebody &= present.sum(dim=-1) >= spec.min_joints
        return present & somebody[..., None]

    def _ticks(
        self, views: Views, seen: Tensor, true: Tensor, frames: Frames, found: Found, present: Tensor,
        g: torch.Generator, lead: int,
    ) -> Seen:  # fmt: skip
        """Normalise by the box and hold the newest frame at each tick, as the feature builder does."""
        ranges, batch = self.ranges, len(seen)
        mask = present[..., None]
        low = torch.where(mask, found.places, torch.inf).amin(dim=2)
        high = torch.where(mask, found.places, -torch.inf).amax(dim=2)
        there = present.any(dim=-1)
        raw = torch.cat([(low + high) / 2, (high - low).amax(dim=-1, keepdim=True)], dim=-1)
        raw = torch.where(there[..., None], raw, torch.zeros_like(raw))
        boxes = smooth_boxes(raw, there, frames.dt)
        least, most = ranges.box
        wrong = (least + (most - least) * torch.rand(batch, 1, 1, generator=g)) * wandering(
            boxes.shape, frames.dt, 1.0, g
        )
        size = boxes[..., 2:]
        boxes = torch.cat([boxes[..., :2] + wrong[..., :2] * size, size * (1 + wrong[..., 2:])], dim=-1)
        centre, size = boxes[:, :, None, :2], boxes[:, :, None, 2:].clamp(min=1e-6)
        depth_known = (torch.rand(batch, 1, 1, generator=g) < ranges.depth_known).float()
        depth_known = (depth_known * present[..., :1]).expand_as(found.depth)
        rows = torch.cat(
            [
                (found.places - centre) / size, found.peak[..., None], found.variance / size.square(),
                found.score[..., None], (found.depth * depth_known)[..., None], depth_known[..., None],
            ], dim=-1,
        ) * mask  # fmt: skip
        row, newest = torch.arange(batch)[:, None], frames.newest.clamp(min=0)
        any_frame = frames.newest >= 0
        fresh = any_frame & (frames.age <= FeatureSpec().vision_hold_s)
        vision_present = (present[row, newest] & fresh[..., None]).float()
        vision = rows[row, newest] * vision_present[..., None]
        assert vision.shape[2:] == SHAPES["vision"]
        box = boxes[row, newest] * any_frame[..., None]
        boxed = any_frame & (boxes[row, newest][..., 2] > 1e-5)
        relative = (true - box[:, :, None, :2]) / box[:, :, None, 2:].clamp(min=1e-5)
        relative = torch.where(boxed[..., None, None], relative, torch.zeros_like(relative))
        age = torch.where(any_frame, frames.age.clamp(0.0, MAX_AGE_S), torch.full_like(frames.age, MAX_AGE_S))
        known = (boxed[..., None] & (seen[..., 2] > 0.2)).float()
        return Seen(
            vision=vision[:, lead:],
            vision_present=vision_present[:, lead:],
            vision_age=age[:, lead:],
            box=torch.where(boxed[..., None], box, torch.zeros_like(box))[:, lead:],
            joints3d=(seen - seen[:, :, :1])[:, lead:],
            joints2d=relative[:, lead:],
            joints2d_known=known[:, lead:],
            views=views,
        )
