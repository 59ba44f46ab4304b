"""Names of drivers to classes: built-ins imported late, third parties by entry points.

A rig says ``driver: imu.serial``; the module behind the name is imported only when the name is
asked for, so that a missing library of one driver never touches the others. A package of
somebody else adds a driver with::

    [project.entry-points."chorus.drivers"]
    "emg.acme" = "acme_chorus:EmgDriver"
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
from typing import Any

from drivers.base import Driver
from drivers.errors import ConfigError, MissingDependency

GROUP = "chorus.drivers"
"""Entry-point group of drivers that live in other packages."""

BUILT_IN: dict[str, str] = {
    "camera.webcam": "drivers.camera.webcam:WebcamDriver",
    "camera.file": "drivers.camera.file:VideoFileDriver",
    "camera.url": "drivers.camera.url:UrlCameraDriver",
    "imu.serial": "drivers.imu.serial:SerialImuDriver",
    "microphone.portaudio": "drivers.microphone.portaudio:PortAudioDriver",
    "microphone.file": "drivers.microphone.file:SoundFileDriver",
    "simulator.camera": "drivers.simulator.camera:SimulatedCamera",
    "simulator.imu": "drivers.simulator.imu:SimulatedImu",
    "simulator.microphone": "drivers.simulator.microphone:SimulatedMicrophone",
    "simulator.truth": "drivers.simulator.truth:SimulatedTruth",
}
"""Driver name to ``module:class``."""


def names() -> tuple[str, ...]:
    """Return every driver name that a rig may use, sorted; built-ins shadow third parties."""
    return tuple(sorted(set(BUILT_IN) | set(_third_party())))


def driver_class(name: str) -> type[Driver[Any]]:
    """Return the class behind a driver name; imports its module.

    Raises:
        ConfigError: no driver has this name, or what it points at is not a driver.
        MissingDependency: its module needs a library that is not installed.
    """
    target = BUILT_IN.get(name) or _third_party().get(name)
    if target is None:
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"Did you mean '{near[0]}'?" if near else f"Drivers: {', '.join(names())}"
        raise ConfigError(f"There is no driver '{name}'", mend=hint)
    module_name, _, attribute = target.partition(":")
    try:
        found = getattr(importlib.import_module(module_name), attribute)
    except ModuleNotFoundError as error:
        missing = error.name or module_name
        raise MissingDependency(
            f"Driver '{name}' needs the Python module '{missing}', which is not installed",
            mend=f"Install the package that brings '{missing.partition('.')[0]}' with pip",
        ) from error
    except AttributeError as error:
        raise ConfigError(
            f"Driver '{name}' points at {target}, which does not exist",
            mend="Install a version of its package that fits this one",
        ) from error
    if not (isinstance(found, type) and issubclass(found, Driver)):
        raise ConfigError(
            f"Driver '{name}' points at {target}, which is not a drivers.base.Driver",
            mend="Let its class derive from drivers.base.Driver",
        )
    return found


def _third_party() -> dict[str, str]:
    entries = importlib.metadata.entry_points(group=GROUP)
    return {entry.name: entry.value for entry in entries if entry.name not in BUILT_IN}
