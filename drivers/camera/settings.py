"""How a webcam is set: exposure, gain, white balance, focus and brightness by name, and whether it took them.

On Linux the kernel is asked (:mod:`.v4l2`), elsewhere OpenCV. Each setting is read back: one that the
camera did not take is told by name, with what it is instead.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Protocol

from drivers.camera.v4l2 import (
    EXPOSURE_APERTURE_PRIORITY,
    EXPOSURE_AUTOMATIC,
    EXPOSURE_MANUAL,
    EXPOSURE_UNIT_MS,
    Control,
    Id,
    VideoDevice,
)

Value = float | Literal["auto"]

UNITS = {"exposure": " ms", "white_balance": " K"}
"""Of the settings that have one; the others count as the camera does."""


@dataclasses.dataclass(frozen=True)
class Refused:
    """A setting that a camera did not take.

    Attributes:
        name: of the setting.
        what: what it is instead.
        mend: which values it takes, in words.
    """

    name: str
    what: str
    mend: str


class Setter(Protocol):
    """Sets a camera."""

    def set(self, name: str, value: Value) -> Refused | None:
        """Set one thing; return what became of it where it is not as wanted."""
        ...


def apply(setter: Setter, wanted: Mapping[str, Value | None]) -> Iterator[Refused]:
    """Set all that is wanted; yield what the camera did not take."""
    for name, value in wanted.items():
        if value is not None and (refused := setter.set(name, value)) is not None:
            yield refused


@dataclasses.dataclass(frozen=True)
class _Knob:
    """How Video4Linux knows a setting.

    Attributes:
        value: the control of its value.
        unit: what one step of the control is, in the setting's unit.
        auto: the control that leaves it to the camera, if there is one, and its values for that and for not.
    """

    value: Id
    unit: float = 1.0
    auto: Id | None = None
    on: tuple[int, ...] = (1,)
    off: int = 0


_KNOBS = {
    "exposure": _Knob(
        Id.EXPOSURE_ABSOLUTE,
        EXPOSURE_UNIT_MS,
        Id.EXPOSURE_AUTO,
        (EXPOSURE_APERTURE_PRIORITY, EXPOSURE_AUTOMATIC),
        EXPOSURE_MANUAL,
    ),
    "gain": _Knob(Id.GAIN, auto=Id.AUTOGAIN),
    "white_balance": _Knob(Id.WHITE_BALANCE_TEMPERATURE, auto=Id.AUTO_WHITE_BALANCE),
    "focus": _Knob(Id.FOCUS_ABSOLUTE, auto=Id.FOCUS_AUTO),
    "brightness": _Knob(Id.BRIGHTNESS),
}


class KernelSetter:
    """Sets a camera through Video4Linux."""

    def __init__(self, device: VideoDevice) -> None:
        self._device = device

    def set(self, name: str, value: Value) -> Refused | None:
        """See :class:`Setter`."""
        knob = _KNOBS[name]
        try:
            return self._automatic(name, knob) if value == "auto" else self._by_hand(name, knob, value)
        except OSError as error:
            return Refused(name, f"cannot be set: {error.strerror}", f"Take '{name}' out of the rig")

    def _automatic(self, name: str, knob: _Knob) -> Refused | None:
        if knob.auto is None or self._device.control(knob.auto) is None:
            return _absent(f"{name}: auto", f"Set '{name}' to a number, or take it out of the rig")
        for on in knob.on:
            try:
                if self._device.set(knob.auto, on) == on:
                    return None
            except OSError:  # it has another automatic mode
                continue
        return Refused(f"{name}: auto", "is not taken", f"Set '{name}' to a number")

    def _by_hand(self, name: str, knob: _Knob, value: float) -> Refused | None:
        control = self._device.control(knob.value)
        if control is None:
            return _absent(name, f"Take '{name}' out of the rig")
        if knob.auto is not None and self._device.control(knob.auto) is not None:
            self._device.set(knob.auto, knob.off)
        asked = round(value / knob.unit)
        within = min(max(asked, control.minimum), control.maximum)
        got = self._device.set(knob.value, within)
        near = max(control.step / 2, 0.01 * abs(asked), 0.5)
        if abs(got - value / knob.unit) <= near:
            return None
        return Refused(name, _is(name, got * knob.unit, value), _takes(name, control, knob.unit))


class OpenCvSetter:
    """Sets a camera through OpenCV, where the system has no better way: Windows and macOS.

    There exposure is the power of two of seconds (-6: 15.6 ms); macOS takes no settings at all.

    Args:
        capture: a ``cv2.VideoCapture``.
    """

    def __init__(self, capture: Any) -> None:
        import cv2

        self._capture = capture
        self._properties = {
            "exposure": (cv2.CAP_PROP_EXPOSURE, cv2.CAP_PROP_AUTO_EXPOSURE),
            "gain": (cv2.CAP_PROP_GAIN, None),
            "white_balance": (cv2.CAP_PROP_WB_TEMPERATURE, cv2.CAP_PROP_AUTO_WB),
            "focus": (cv2.CAP_PROP_FOCUS, cv2.CAP_PROP_AUTOFOCUS),
            "brightness": (cv2.CAP_PROP_BRIGHTNESS, None),
        }

    def set(self, name: str, value: Value) -> Refused | None:
        """See :class:`Setter`."""
        number, auto = self._properties[name]
        if value == "auto":
            if auto is not None and self._capture.set(auto, 1):
                return None
            return _absent(f"{name}: auto", f"Set '{name}' to a number, or take it out of the rig")
        if auto is not None:
            self._capture.set(auto, 0)
        asked = round(math.log2(value / 1000)) if name == "exposure" else value
        if not self._capture.set(number, asked):
            return _absent(name, f"Take '{name}' out of the rig")
        got = float(self._capture.get(number))
        if name == "exposure":
            got = 1000 * 2.0**got
        near = 0.42 * value if name == "exposure" else max(0.01 * abs(value), 0.5)
        if abs(got - value) <= near:
            return None
        return Refused(name, _is(name, got, value), f"Set '{name}' to that, or another value")


def _absent(name: str, mend: str) -> Refused:
    return Refused(name, "is not something it can set", mend)


def _is(name: str, got: float, wanted: float) -> str:
    unit = UNITS.get(name, "")
    return f"is {got:g}{unit}, not {wanted:g}{unit}"


def _takes(name: str, control: Control, unit: float) -> str:
    low, high, step = (round(part * unit, 6) for part in control[:3])
    steps = f" in steps of {step:g}" if step > unit else ""
    return f"Set '{name}' to {low:g} to {high:g}{UNITS.get(name, '')}{steps}"
