"""Names of drivers to classes: built-ins imported late, third parties by entry points.

A rig says ``driver: imu.serial``; the module behind the name is imported only when the name is
asked for, so that a missing library of one driver never touches the others. A package of
somebody else adds a driver with::

    [project.entry-points."chorus.drivers"]
    "emg.acme" = "acme_chorus:EmgDriver"
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
from typing import TYPE_CHECKING, Any

from drivers.base import Driver
from drivers.errors import ConfigError, MissingDependency

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

GROUP = "chorus.drivers"
"""Entry-point group of drivers that live in other packages."""

BUILT_IN: dict[str, str] = {
    "camera.webcam": "drivers.camera.webcam:WebcamDriver",
    "camera.file": "drivers.camera.file:VideoFileDriver",
    "camera.url": "drivers.camera.url:UrlCameraDriver",
    "imu.ble": "drivers.imu.wireless.ble:BleImuDriver",
    "imu.movella_dot": "drivers.imu.wireless.movella_dot:MovellaDotDriver",
    "imu.udp": "drivers.imu.wireless.udp:UdpImuDriver",
    "camera.folder": "drivers.camera.folder:FolderDriver",
    "camera.depth": "drivers.camera.depth:DepthDriver",
    "camera.depth_file": "drivers.camera.depth_file:DepthFileDriver",
    "imu.serial": "drivers.imu.serial.driver:SerialImuDriver",
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
    return tuple(sorted(set(BUILT_IN) | {entry.name for entry in _entry_points()}))


def driver_class(name: str) -> type[Driver[Any]]:
    """Return the class behind a driver name; imports its module.

    Raises:
        ConfigError: no driver has this name, or what it points at is not a whole driver.
        MissingDependency: its module needs a library that is not installed.
    """
    target = BUILT_IN.get(name) or _third_party(name)
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
    except Exception as error:  # a module is other people's code: importing it may raise anything
        if isinstance(error, AttributeError) and error.name == attribute:
            what, mend = f"points at {target}, which does not exist", "that fits this one"
        else:
            what = f"cannot be imported: {type(error).__name__}: {str(error)[:200]}"
            mend = "that works, or report it to its author"
        raise ConfigError(
            f"Driver '{name}' {what}", mend=f"Install a version of its package {mend}"
        ) from error
    fault = _fault(found)
    if fault:
        raise ConfigError(f"Driver '{name}' points at {target}, which {fault[0]}", mend=fault[1])
    return found


def _fault(found: Any) -> tuple[str, str] | None:
    """Say what keeps something from being a whole driver, and the mend, or None."""
    if not (isinstance(found, type) and issubclass(found, Driver)):
        return "is not a drivers.base.Driver", "Let its class derive from drivers.base.Driver"
    missing = sorted(getattr(found, "__abstractmethods__", ()))
    if missing:
        return f"has no {' and no '.join(missing)}", "Give its class the methods open, read and close"
    config = getattr(found, "Config", None)
    if not (isinstance(config, type) and dataclasses.is_dataclass(config)):
        return (
            "has no Config that is a dataclass",
            "Let its class say 'Config = ' the dataclass of its options",
        )
    return None


def _third_party(name: str) -> str | None:
    """Return what the driver of that name in another package points at, or None.

    Raises:
        ConfigError: two packages bring different drivers of that name.
    """
    found = {
        entry.value: entry.dist.name if entry.dist else "?" for entry in _entry_points() if entry.name == name
    }
    if len(found) > 1:
        raise ConfigError(
            f"Driver '{name}' comes from two packages: {', '.join(found.values())}",
            mend=f"pip uninstall {list(found.values())[-1]}",
        )
    return next(iter(found), None)


def _entry_points() -> EntryPoints:
    """Return what other packages bring; looked for only where a name is no built-in's."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
