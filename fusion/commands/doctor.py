"""``chorus doctor [--json]``: what is plugged in, what is missing, and the command that mends each."""

from __future__ import annotations

import dataclasses
import importlib
import json as json_format
import os
import platform
import sys
from importlib import metadata

from drivers import discovery
from fusion.commands.arguments import call

LIBRARIES: tuple[tuple[str, str], ...] = (
    ("numpy", "numpy"),
    ("scipy", "scipy"),
    ("h5py", "h5py"),
    ("zmq", "pyzmq"),
    ("msgspec", "msgspec"),
    ("serial", "pyserial"),
    ("sounddevice", "sounddevice"),
    ("soundfile", "soundfile"),
    ("cv2", "opencv-python"),
    ("av", "av"),
    ("librosa", "librosa"),
    ("vqf", "vqf"),
    ("torch", "torch"),
    ("pytorch_lightning", "pytorch-lightning"),
    ("ai_edge_litert", "ai-edge-litert"),
)
"""(module, distribution) of everything a feature of Chorus loads."""

HEAVY = {"torch", "pytorch_lightning", "librosa"}
"""Looked up, not loaded: loading them takes seconds and tells no more."""


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something missing, and the command that mends it."""

    what: str
    mend: str


def main(argv: list[str], program: str) -> int:
    return call(doctor, argv, program)


def doctor(json: bool = False) -> int:
    """Find devices and missing libraries, and say the command that mends each.

    Exits 0 when nothing is missing, 1 otherwise.

    Args:
        json: print JSON for other programs.
    """
    problems: list[Problem] = []
    libraries = {name: _library(module, name, problems) for module, name in LIBRARIES}
    devices: list[discovery.Found] = []
    for list_devices in (discovery.cameras, discovery.serial_ports, discovery.microphones):
        try:
            devices += list_devices()
        except (OSError, ImportError):
            continue  # the library is among the problems already
    problems += [Problem(f"{d.kind} {d.name}: {d.problem}", d.mend) for d in devices if d.problem]
    system = {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }
    if json:
        report = {
            "ok": not problems,
            "system": system,
            "libraries": libraries,
            "devices": [dataclasses.asdict(device) for device in devices],
            "weights": _weights(),
            "problems": [dataclasses.asdict(problem) for problem in problems],
        }
        print(json_format.dumps(report, indent=2))
    else:
        _print(system, libraries, devices, problems)
    return 1 if problems else 0


def _library(module: str, distribution: str, problems: list[Problem]) -> str | None:
    """Return the version of a library, or None after adding what is wrong to ``problems``."""
    try:
        if module not in HEAVY:
            importlib.import_module(module)
        if distribution == "opencv-python":
            return importlib.import_module(module).__version__
        return metadata.version(distribution)
    except OSError as error:
        if module != "sounddevice":
            problems.append(Problem(f"{distribution} can't be loaded: {error}", _reinstall(distribution)))
            return None
        mend = "brew install portaudio" if sys.platform == "darwin" else "sudo apt install libportaudio2"
        problems.append(Problem("microphones: the PortAudio library is missing", mend))
    except ImportError as error:
        if "libGL" in str(error):
            problems.append(Problem("OpenCV needs libGL, which is missing", "sudo apt install libgl1"))
        else:
            problems.append(Problem(f"{distribution} is not installed", f"pip install {distribution}"))
    return None


def _reinstall(distribution: str) -> str:
    return f"pip install --force-reinstall {distribution}"


def _weights() -> list[dict[str, object]]:
    from fusion.weights import list_weights

    return [
        {key: getattr(entry, key) for key in ("name", "licence", "source", "cached")}
        for entry in list_weights()
    ]


def _print(
    system: dict[str, object],
    libraries: dict[str, str | None],
    devices: list[discovery.Found],
    problems: list[Problem],
) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    console.print(f"Python {system['python']}, {system['cores']} cores, {system['system']}", highlight=False)
    missing = [name for name, version in libraries.items() if version is None]
    console.print(f"libraries: {len(libraries) - len(missing)} of {len(libraries)} in order")
    table = Table(
        "kind", "name in a rig", "what", "state", box=None, header_style="bold", title_justify="left"
    )
    for device in devices:
        state = f"[red]{device.problem}" if device.problem else "[green]ready"
        table.add_row(device.kind, device.name, device.description, state)
    if devices:
        console.print(table)
    else:
        console.print("devices: none found; the simulated rig works without any: chorus demo")
    for problem in problems:
        console.print(f"[red]✗[/red] {problem.what}\n  mend: [bold]{problem.mend}[/bold]", highlight=False)
    if not problems:
        console.print("[green]✓[/green] nothing is missing")
