"""Named corruptions with levels: what an evaluation does to sensors to see what it costs.

``NAME:LEVEL``, e.g. ``blackout:0.5`` or ``imus:wrists``; several by commas are done one after another. Some
change the virtual sensors before they measure (``ranges``), others change features that are there already
(``batch``), recorded ones as well.

============  ===================  ==========================================================================
blackout      share, 0 to 0.95     so much of the frames is gone, in bursts of 1 s
gap           seconds              no frame for so long, once, in the middle of the window
noise         factor               the pose network's errors times the factor (virtual only)
dark          1, 2, 3              4, 5 and 5.5 stops too dark (virtual only)
blur          1, 2, 3              exposures of 1/30, 1/15 and 1/10 s (virtual only)
imu_lost      number               so many of the sensors worn are lost, random ones in each window
imu_without   PLACE+PLACE...       the sensors at these places are lost
imus          six, wrist, wrists,  exactly these sensors are worn; or PLACE+PLACE... (virtual only)
              wrists_head, none
calibrated    degrees              places are told and headings are off by at most so much (virtual only)
heading       degrees              each orientation is turned about the vertical, one way or the other
legs          camera, both         knees, ankles and feet are hidden from the camera; both: and unworn
wearer        unknown, stature,    what is told of the wearer's body (virtual only)
              bones
sound         off, decibels        no microphone; or steps at 1 m so far above the noise (virtual only)
cameras       2 to 8               so many calibrated cameras; 2+uncalibrated ...: nobody knows where they
                                   stand, so that the reference camera is alone (virtual only)
covered       share, 0 to 1        with several: the reference camera sees nobody so often, in bursts of 1 s
                                   (virtual only)
============  ===================  ==========================================================================
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable

import torch

from drivers.errors import ConfigError
from drivers.places import PLACES
from fusion.data.batches import Batch
from fusion.skeletons import BODY20
from fusion.virtual.missing import rate_of, unfelt, unseen
from fusion.virtual.parts import COMMON_SIX, about_z
from fusion.virtual.sensing import SensorRanges

LEG_JOINTS: tuple[str, ...] = tuple(f"{s}_{j}" for s in ("left", "right") for j in ("knee", "ankle", "foot"))
LEG_PLACES: tuple[str, ...] = tuple(f"{s}_{p}" for s in ("left", "right") for p in ("thigh", "shin", "foot"))
SETS: dict[str, tuple[str, ...]] = {
    "six": COMMON_SIX,
    "wrist": ("right_forearm",),
    "wrists": ("left_forearm", "right_forearm"),
    "wrists_head": ("left_forearm", "right_forearm", "head"),
    "none": (),
}
DARK = (0.5, 1.0, 1.25)
"""Stops beyond the third, halved, of each level."""
BLUR_S = (1 / 30, 1 / 15, 1 / 10)
BURST_S = 1.0


@dataclasses.dataclass(frozen=True)
class Corruption:
    """One corruption at one level, or several.

    Attributes:
        name: as it was given: ``NAME:LEVEL``, or several by commas.
        virtual: whether it changes virtual sensors alone and does nothing to recorded features.
        ranges: sensors -> sensors.
        batch: batch -> batch, the arguments untouched.
    """

    name: str
    virtual: bool
    ranges: Callable[[SensorRanges], SensorRanges]
    batch: Callable[[Batch, torch.Generator], Batch]

    def __str__(self) -> str:
        return self.name


def corruption(text: str) -> Corruption:
    """Return the corruption that ``NAME:LEVEL`` names, or several by commas.

    Raises:
        ConfigError: there is no such corruption, or it has no such level.
    """
    first, *more = (_one(word.strip()) for word in text.split(","))
    return functools.reduce(_then, more, first)


def _then(first: Corruption, second: Corruption) -> Corruption:
    return Corruption(
        f"{first},{second}",
        first.virtual or second.virtual,
        lambda ranges: second.ranges(first.ranges(ranges)),
        lambda batch, g: second.batch(first.batch(batch, g), g),
    )


def _one(text: str) -> Corruption:
    name, _, level = text.partition(":")
    if name not in _MAKERS:
        raise ConfigError(f"there is no corruption '{name}'", mend=f"Choose one of: {', '.join(_MAKERS)}")
    make, levels = _MAKERS[name]
    try:
        ranges, batch = make(level)
    except (ValueError, KeyError, IndexError):
        raise ConfigError(
            f"corruption {name} has no level '{level}'", mend=f"Give {name}:LEVEL with {levels}"
        ) from None
    return Corruption(text, batch is None, ranges or (lambda r: r), batch or (lambda b, g: b))


_Ranges = Callable[[SensorRanges], SensorRanges] | None
_Change = Callable[[Batch, torch.Generator], Batch] | None


def _camera(**changes: object) -> Callable[[SensorRanges], SensorRanges]:
    return lambda r: dataclasses.replace(r, camera=dataclasses.replace(r.camera, **changes))  # type: ignore[arg-type]


def _number(text: str, low: float, high: float) -> float:
    value = float(text)
    if not low <= value <= high:  # NaN as well
        raise ValueError(text)
    return value


def _blackout(level: str) -> tuple[_Ranges, _Change]:
    share = _number(level, 0.0, 0.95)

    def change(batch: Batch, g: torch.Generator) -> Batch:
        count, ticks = batch["valid"].shape
        burst = max(1, round(BURST_S * rate_of(batch)))
        slots = -(-ticks // burst) + 1
        # Slots of one burst each, of which the share is dark, from a random phase.
        dark = torch.rand(count, slots, generator=g).argsort(dim=1).argsort(dim=1) < round(share * slots)
        phase = torch.randint(burst, (count, 1), generator=g)
        at = (torch.arange(ticks)[None] + phase) // burst
        return unseen(batch, dark.gather(1, at))

    return None, change


def _gap(level: str) -> tuple[_Ranges, _Change]:
    seconds = _number(level, 0.0, 3600.0)

    def change(batch: Batch, g: torch.Generator) -> Batch:
        ticks = batch["valid"].shape[1]
        length = round(seconds * rate_of(batch))
        tick = torch.arange(ticks)
        first = max(0, (ticks - length) // 2)
        return unseen(batch, ((tick >= first) & (tick < first + length)).expand(batch["valid"].shape))

    return None, change


def _noise(level: str) -> tuple[_Ranges, _Change]:
    factor = _number(level, 0.0, 100.0)
    return lambda r: _camera(noise=r.camera.noise * factor)(r), None


def _dark(level: str) -> tuple[_Ranges, _Change]:
    amount = DARK[int(_number(level, 1, 3)) - 1]
    return _camera(dark=1.0, darkness=(amount, amount)), None


def _blur(level: str) -> tuple[_Ranges, _Change]:
    exposure = BLUR_S[int(_number(level, 1, 3)) - 1]
    return _camera(exposure_s=(exposure, exposure)), None


def _imu_lost(level: str) -> tuple[_Ranges, _Change]:
    number = int(level)
    _number(level, 0, len(PLACES))

    def change(batch: Batch, g: torch.Generator) -> Batch:
        worn = (batch["features"]["inertial_present"] > 0.5).any(dim=1)
        order = torch.where(worn, torch.rand(worn.shape, generator=g), 2.0).argsort(dim=1).argsort(dim=1)
        return unfelt(batch, order < number)

    return None, change


def _imu_without(level: str) -> tuple[_Ranges, _Change]:
    places = _places(level)
    lost = torch.tensor([place in places for place in PLACES])
    return None, lambda batch, g: unfelt(batch, lost.expand(len(batch["valid"]), -1))


def _imus(level: str) -> tuple[_Ranges, _Change]:
    places = SETS[level] if level in SETS else _places(level)

    def change(ranges: SensorRanges) -> SensorRanges:
        imu = dataclasses.replace(ranges.imu, places=places)
        if not places:
            imu = dataclasses.replace(ranges.imu, without=PLACES)
        return dataclasses.replace(ranges, imu=imu)

    return change, None


def _calibrated(level: str) -> tuple[_Ranges, _Change]:
    changes = {"heading_deg": _number(level, 0.0, 180.0), "shared": 0.0, "own": 0.0, "nameless": 0.0}
    return lambda r: dataclasses.replace(r, imu=dataclasses.replace(r.imu, **changes)), None


def _heading(level: str) -> tuple[_Ranges, _Change]:
    angle = math.radians(_number(level, 0.0, 180.0))

    def change(batch: Batch, g: torch.Generator) -> Batch:
        features, targets = dict(batch["features"]), dict(batch["targets"])
        inertial = features["inertial"]
        sign = torch.randint(2, (len(inertial), 1, len(PLACES)), generator=g) * 2.0 - 1.0
        turn = about_z(sign * angle)
        axes = inertial[..., 6:].unflatten(-1, (2, 3))
        axes = (turn[..., None, :, :] @ axes[..., None])[..., 0].flatten(-2)
        present = (features["inertial_present"] > 0.5)[..., None]
        axes = torch.where(present, axes, inertial[..., 6:])
        features["inertial"] = torch.cat([inertial[..., :6], axes], dim=-1)
        heading = targets["heading"] + math.degrees(angle) * sign
        targets["heading"] = torch.remainder(heading + 180.0, 360.0) - 180.0
        return {**batch, "features": features, "targets": targets}

    return None, change


def _legs(level: str) -> tuple[_Ranges, _Change]:
    unworn = {"camera": (), "both": LEG_PLACES}[level]
    joints = torch.tensor([name in LEG_JOINTS for name in BODY20])
    places = torch.tensor([place in unworn for place in PLACES])

    def ranges(r: SensorRanges) -> SensorRanges:
        imu = dataclasses.replace(r.imu, without=(*r.imu.without, *unworn))
        camera = dataclasses.replace(r.camera, hide=(*r.camera.hide, *LEG_JOINTS))
        return dataclasses.replace(r, imu=imu, camera=camera)

    def change(batch: Batch, g: torch.Generator) -> Batch:
        features = dict(batch["features"])
        present = features["vision_present"] * ~joints
        features["vision_present"] = present
        features["vision"] = features["vision"] * (present > 0.5)[..., None]
        return unfelt({**batch, "features": features}, places.expand(len(batch["valid"]), -1))

    return ranges, change


def _sound(level: str) -> tuple[_Ranges, _Change]:
    if level == "off":
        changes: dict[str, object] = {"there": 0.0}
    else:
        snr = _number(level, -40.0, 120.0)
        changes = {"there": 1.0, "snr_db": (snr, snr), "drop": 0.0}
    return (
        lambda r: dataclasses.replace(r, microphone=dataclasses.replace(r.microphone, **changes)),  # type: ignore[arg-type]
        None,
    )


def _several(**changes: object) -> Callable[[SensorRanges], SensorRanges]:
    return lambda r: dataclasses.replace(r, several=dataclasses.replace(r.several, **changes))  # type: ignore[arg-type]


def _cameras(level: str) -> tuple[_Ranges, _Change]:
    number, _, known = level.partition("+")
    count, calibrated = int(_number(number, 2, 8)), {"": 1.0, "uncalibrated": 0.0}[known]
    return _several(batches=1.0, least=count, most=count, calibrated=calibrated), None


def _covered(level: str) -> tuple[_Ranges, _Change]:
    return _several(covered=_number(level, 0.0, 1.0)), None


def _wearer(level: str) -> tuple[_Ranges, _Change]:
    unknown, stature = {"unknown": (1.0, 0.0), "stature": (0.0, 1.0), "bones": (0.0, 0.0)}[level]
    changes = {"unknown": unknown, "stature": stature}
    return lambda r: dataclasses.replace(r, wearer=dataclasses.replace(r.wearer, **changes)), None


def _places(text: str) -> tuple[str, ...]:
    places = tuple(text.split("+"))
    if not all(place in PLACES for place in places):
        raise ValueError(text)
    return places


_LIST = "PLACE+PLACE..., places as in drivers/places.py"
_MAKERS: dict[str, tuple[Callable[[str], tuple[_Ranges, _Change]], str]] = {
    "blackout": (_blackout, "a share of 0 to 0.95"),
    "gap": (_gap, "seconds"),
    "noise": (_noise, "a factor"),
    "dark": (_dark, "1, 2 or 3"),
    "blur": (_blur, "1, 2 or 3"),
    "imu_lost": (_imu_lost, "a number of sensors"),
    "imu_without": (_imu_without, _LIST),
    "imus": (_imus, f"{', '.join(SETS)} or {_LIST}"),
    "calibrated": (_calibrated, "degrees of 0 to 180"),
    "heading": (_heading, "degrees of 0 to 180"),
    "legs": (_legs, "camera or both"),
    "wearer": (_wearer, "unknown, stature or bones"),
    "sound": (_sound, "off or decibels"),
    "cameras": (_cameras, "a number of 2 to 8, or 2+uncalibrated"),
    "covered": (_covered, "a share of 0 to 1"),
}
NAMES: tuple[str, ...] = tuple(_MAKERS)
