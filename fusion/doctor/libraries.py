"""Libraries that are missing or cannot be loaded."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator
from importlib import metadata

from fusion.doctor.finding import Finding

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

TRAIN = {"torch", "pytorch-lightning"}
"""Of the extra ``train``; a machine that records and tracks does without."""

EXTRAS: dict[str, tuple[str, str]] = {
    "imu.ble": ("bleak", "ble"),
    "imu.movella_dot": ("bleak", "ble"),
}
"""Drivers that need a library which an extra brings: module and extra."""


def versions() -> tuple[dict[str, str | None], list[Finding]]:
    """Return the version of each library, or None, and what is wrong with those."""
    findings: list[Finding] = []
    found: dict[str, str | None] = {}
    for module, distribution in LIBRARIES:
        found[distribution] = None
        try:
            found[distribution] = _version(module, distribution)
        except OSError as error:
            findings.append(_not_loaded(module, distribution, error))
        except ImportError as error:
            findings.append(_not_there(distribution, error))
    return found, findings


def extras(drivers: Iterable[str]) -> Iterator[Finding]:
    """Extras that drivers need and that are not installed."""
    for module, extra in sorted({EXTRAS[name] for name in drivers if name in EXTRAS}):
        try:
            importlib.import_module(module)
        except ImportError:
            who = ", ".join(sorted(name for name in set(drivers) if EXTRAS.get(name) == (module, extra)))
            yield Finding(
                f"{who} needs {module}, which is not installed", f"pip install 'chorus-fusion[{extra}]'"
            )


def _version(module: str, distribution: str) -> str:
    if module not in HEAVY:
        loaded = importlib.import_module(module)
        if distribution == "opencv-python":  # or its build without windows, which has another name
            return loaded.__version__
    return metadata.version(distribution)


def _not_loaded(module: str, distribution: str, error: OSError) -> Finding:
    if module != "sounddevice":
        return Finding(
            f"{distribution} can't be loaded: {error}", f"pip install --force-reinstall {distribution}"
        )
    mend = "brew install portaudio" if sys.platform == "darwin" else "sudo apt install libportaudio2"
    damaged = "" if "not found" in str(error) else f" ({error})"
    return Finding(f"microphones: the PortAudio library is missing{damaged}", mend)


def _not_there(distribution: str, error: ImportError) -> Finding:
    if "libGL" in str(error):
        return Finding("OpenCV needs libGL, which is missing", "sudo apt install libgl1")
    if distribution in TRAIN:
        mend = "pip install 'chorus-fusion[train]'"
        return Finding(f"{distribution}, which training needs, is not installed", mend, note=True)
    if isinstance(error, ModuleNotFoundError | metadata.PackageNotFoundError):
        return Finding(f"{distribution} is not installed", f"pip install {distribution}")
    return Finding(
        f"{distribution} can't be loaded: {error}", f"pip install --force-reinstall {distribution}"
    )
