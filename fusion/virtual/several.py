"""Several virtual cameras on one person: the reference camera's features with the help of the others.

::

    VirtualCameras (C of each window) --+--> others: what each further camera tells
                                        +--> fusion.features.several, by a calibration that is a little off
                                                 --> vision ... box of the reference camera
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor

from fusion.features.box import CENTRE_S, SIZE_S
from fusion.features.several import ANCHOR_S, PELVIS, Looks, between, looks, merged, met, moment_of
from fusion.features.spec import MAX_AGE_S, FeatureSpec
from fusion.virtual.camera import Seen
from fusion.virtual.views import Views


@dataclasses.dataclass(frozen=True)
class SeveralRanges:
    """Several cameras.

    Attributes:
        batches: probability that the windows of a batch are seen by several.
        least, most: how many, evenly.
        calibrated: probability per window that it is known where they stand; else the reference camera is
            alone.
        turn_deg: standard deviation of the error of each axis of where a camera looks.
        shift_m: of where it stands, each axis.
        focal: of the focal length, relative.
        covered: share of the time in which the reference camera sees nobody, in stretches of 1 s.
    """

    batches: float = 0.0
    least: int = 2
    most: int = 4
    calibrated: float = 0.85
    turn_deg: float = 0.1
    shift_m: float = 0.008
    focal: float = 0.003
    covered: float = 0.0


class Calibrated:
    """A calibration of N times C virtual cameras, a little off: a :class:`fusion.features.several.Rig`.

    Arrays have the axes (N, 1, C), the second one for ticks.
    """

    def __init__(self, views: Views, cameras: int, ranges: SeveralRanges, generator: torch.Generator) -> None:
        count, g = len(views.focal), generator
        off = ranges.turn_deg * math.pi / 180.0 * torch.randn(count, 3, generator=g)
        rotation = roma.rotvec_to_rotmat(off) @ views.rotation
        position = views.position + ranges.shift_m * torch.randn(count, 3, generator=g)
        focal = views.focal * (1.0 + ranges.focal * torch.randn(count, generator=g))
        self.views = dataclasses.replace(views, rotation=rotation, position=position, focal=focal)
        self._cameras = cameras
        shifts = -(rotation @ position[..., None])[..., 0]
        self.turns, self.shifts, self.focal = (self._rows(x) for x in (rotation, shifts, focal))

    def _rows(self, x: Tensor) -> NDArray[np.float64]:
        return x.double().unflatten(0, (-1, self._cameras))[:, None].numpy()

    def straight(self, places: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return rays (N, T, C, 20, 2) of places."""
        flat = torch.from_numpy(places).transpose(1, 2).flatten(0, 1)
        rays = self.views.straight(flat).unflatten(0, (-1, self._cameras))
        return rays.transpose(1, 2).numpy()

    def bent(self, rays: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the reference cameras' places (N, T, 20, 2) of rays."""
        reference = self.views.repeated(torch.arange(0, len(self.views.focal), self._cameras))
        flat = torch.from_numpy(rays)
        return reference.project(torch.cat([flat, torch.ones_like(flat[..., :1])], dim=-1)).numpy()


def several(
    seen: Seen, cameras: int, ranges: SeveralRanges, rate_hz: float, generator: torch.Generator
) -> tuple[Seen, dict[str, Tensor]]:
    """Return what reference cameras see with the help of the others, and the features of those.

    Args:
        seen: of N windows times ``cameras``, the reference camera of each first.
        cameras: C, at least 2.
        ranges: how well they are calibrated.
        rate_hz: ticks per second.
        generator: of all that is random.
    """
    g, count = generator, len(seen.vision) // cameras
    ticks = seen.vision.shape[1]
    rig = Calibrated(seen.views, cameras, ranges, g)
    known = torch.rand(count, 1, generator=g) < ranges.calibrated
    burst = torch.arange(ticks) // round(rate_hz) + 1
    hidden = torch.rand(count, int(burst[-1]) + 1, generator=g)[:, burst] < ranges.covered
    by = {
        name: getattr(seen, name).unflatten(0, (count, cameras)).transpose(1, 2).clone()
        for name in ("vision", "vision_present", "vision_age", "box")
    }  # (N, T, C, ...)
    by["vision_present"][:, :, 0] *= ~hidden[..., None]
    by["vision"] *= by["vision_present"][..., None]
    first = {name: value[:, :, 0] for name, value in by.items()}
    others = _others(by, rig.views.facing.unflatten(0, (count, cameras)), known)
    helped = _helped(by, rig, rate_hz)
    features = {
        name: torch.where(known.reshape(-1, *[1] * (value.ndim - 1)), helped[name], value)
        for name, value in first.items()
    }
    reference = torch.arange(0, len(seen.vision), cameras)
    old, new = seen.box[reference][:, :, None], features["box"][:, :, None]
    true = seen.joints2d[reference] * old[..., 2:] + old[..., :2]
    boxed = (new[..., 2] > 1e-5) & (old[..., 2] > 1e-5)
    told = torch.where(boxed[..., None], (true - new[..., :2]) / new[..., 2:].clamp(min=1e-5), 0.0)
    out = Seen(
        **features,
        joints3d=seen.joints3d[reference],
        joints2d=told,
        joints2d_known=seen.joints2d_known[reference] * boxed,
        views=seen.views.repeated(reference),
    )
    return out, others


def _others(by: dict[str, Tensor], facing: Tensor, known: Tensor) -> dict[str, Tensor]:
    """Return what each further camera tells, (N, T, C - 1, ...); nothing where its place is unknown."""
    there = known.float()[:, :, None, None]
    turn = (facing[:, 1:] - facing[:, :1])[:, None].expand(-1, by["box"].shape[1], -1)
    bearing = torch.stack([turn.cos(), turn.sin(), torch.ones_like(turn)], dim=-1)
    age = by["vision_age"][:, :, 1:]
    return {
        "others": by["vision"][:, :, 1:] * there[..., None],
        "others_present": by["vision_present"][:, :, 1:] * there,
        "others_age": torch.where(known[..., None], age, torch.full_like(age, MAX_AGE_S)),
        "others_box": by["box"][:, :, 1:] * there,
        "others_bearing": bearing * there,
    }


def _helped(by: dict[str, Tensor], rig: Calibrated, rate_hz: float) -> dict[str, Tensor]:
    """Return vision ... box of the reference camera with the help of the others."""
    vision, shown, since, own_box = (
        by[name].double().numpy() for name in ("vision", "vision_present", "vision_age", "box")
    )
    new = looks(vision, shown, since, own_box, rig)
    moment = moment_of(new.age, new.present)
    seen = between(*_around(new, moment, rate_hz), moment)
    found = met(seen, rig)
    anchor = _anchor(found.places[..., PELVIS, :], found.known[..., PELVIS], rate_hz)
    told = merged(seen, found, rig, anchor)
    present = told.present & (told.present.sum(axis=-1) >= FeatureSpec().min_joints)[..., None]
    there = np.asarray(present.any(axis=-1))
    fresh = there & (moment <= FeatureSpec().vision_hold_s)
    present &= fresh[..., None]
    box = _boxes(told.vision[..., :2], present, own_box[:, :, 0], told.own, rate_hz)
    size = np.maximum(box[..., None, 2:], 1e-6)
    vision = told.vision.copy()
    vision[..., :2] = (vision[..., :2] - box[..., None, :2]) / size
    vision[..., 3:6] /= size**2
    vision *= present[..., None]
    age = np.where(fresh, moment, since[:, :, 0])
    made = {"vision": vision, "vision_present": present, "vision_age": age, "box": box}
    return {name: torch.from_numpy(np.asarray(value, np.float32)) for name, value in made.items()}


def _around(new: Looks, moment: NDArray[np.float64], rate_hz: float) -> tuple[Looks, Looks]:
    """Return the looks (N, T, C, ...) of two frames: around the moments, or the newest where none is after.

    Args:
        new: newest frame of each camera at each tick.
        moment: (N, T) ages.
        rate_hz: ticks per second.
    """
    count, ticks, cameras = new.age.shape
    tick = np.arange(ticks)
    taken_at = tick[None, :, None] / rate_hz - new.age  # rises from frame to frame
    wanted = tick / rate_hz - moment
    late = np.empty((count, ticks, cameras), np.int64)
    for n in range(count):
        for camera in range(cameras):
            late[n, :, camera] = np.searchsorted(taken_at[n, :, camera], wanted[n] - 1e-6)
    late = np.minimum(late, tick[None, :, None])  # no frame that is yet to come
    fresh = np.ones(taken_at.shape, bool)
    fresh[:, 1:] = np.diff(taken_at, axis=1) > 1e-4
    began = np.maximum.accumulate(np.where(fresh, tick[None, :, None], 0), axis=1)
    early = np.take_along_axis(began, late, axis=1) - 1

    def looked(at: NDArray[np.int64]) -> Looks:
        there, at = at >= 0, np.maximum(at, 0)

        def taken(x: NDArray) -> NDArray:
            return np.take_along_axis(x, at.reshape(*at.shape, *[1] * (x.ndim - 3)), axis=1)

        age = tick[None, :, None] / rate_hz - taken(taken_at)
        present = taken(new.present) & there[..., None]
        return Looks(taken(new.rays), taken(new.variance), taken(new.told), present, taken(new.size), age)

    return looked(early), looked(late)


def _anchor(pelvis: NDArray[np.float64], known: NDArray[np.bool_], rate_hz: float) -> NDArray[np.float64]:
    """Return (N, T, 3) where the pelvis was last, NaN where that is too long ago."""
    tick = np.arange(known.shape[1])
    last = np.maximum.accumulate(np.where(known, tick, -1), axis=1)
    held = np.take_along_axis(pelvis, np.maximum(last, 0)[..., None], axis=1)
    return np.where(((last >= 0) & (tick - last <= ANCHOR_S * rate_hz))[..., None], held, np.nan)


def _boxes(
    places: NDArray[np.float64],
    present: NDArray[np.bool_],
    own_box: NDArray[np.float64],
    own: NDArray[np.bool_],
    rate_hz: float,
) -> NDArray[np.float64]:
    """Return boxes (N, T, 3): the reference camera's own; where others help it, on from there smoothly."""
    mask = present[..., None]
    there = np.asarray(present.any(axis=-1))
    low = np.where(mask, places, np.where(there[..., None, None], np.inf, 0.0)).min(axis=2)
    high = np.where(mask, places, np.where(there[..., None, None], -np.inf, 0.0)).max(axis=2)
    raw = np.concatenate([(low + high) / 2, (high - low).max(axis=-1, keepdims=True)], axis=-1)
    gain = 1.0 - np.exp(-1.0 / (rate_hz * np.array([CENTRE_S, CENTRE_S, SIZE_S])))
    out, box = np.zeros_like(own_box), np.zeros_like(own_box[:, 0])
    for tick in range(out.shape[1]):
        helped = (there & ~own)[:, tick, None]
        first = box[:, 2:] <= 0.0
        moved = box + np.where(first, 1.0, gain) * (np.where(helped, raw[:, tick], 0.0) - box)
        box = np.where(helped, moved, np.where(own[:, tick, None] | first, own_box[:, tick], box))
        out[:, tick] = box
    return out
