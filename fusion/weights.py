"""Weights of foreign networks: obtained once, checked by SHA-256, kept in the user's cache.

::

    get_weights("blazepose")  ->  {"detector": Path, "landmarks": Path}

Nothing is unpacked by pickle: networks are ``.tflite`` graphs, copied byte for byte out of a wheel
(a zip archive) with bounded sizes, and refused if their digest is not the one written here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

from drivers.errors import WeightsError

MAX_ARCHIVE = 256 << 20
"""Bytes; a larger archive is refused."""
MAX_FILE = 64 << 20
"""Bytes; a larger network within an archive is refused."""
TIMEOUT_S = 600.0
"""How long a download may take."""


@dataclasses.dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of a network: its path within the archive, its SHA-256 and its size in bytes."""

    member: str
    sha256: str
    size: int


@dataclasses.dataclass(frozen=True, slots=True)
class Weights:
    """A network that can be obtained.

    Attributes:
        name: as in :data:`WEIGHTS`.
        about: what it is.
        licence: of the weights, an SPDX name.
        requirement: the Python distribution whose wheel holds the files.
        platform: arguments that make pip choose the same wheel on every platform.
        files: role -> file.
    """

    name: str
    about: str
    licence: str
    requirement: str
    platform: tuple[str, ...]
    files: dict[str, WeightsFile]


WEIGHTS: dict[str, Weights] = {
    "blazepose": Weights(
        name="blazepose",
        about="BlazePose GHUM full: person detector and 33 landmarks, 2D and 3D, with heatmaps",
        licence="Apache-2.0",
        requirement="mediapipe==0.10.21",
        platform=(
            *("--python-version", "3.12", "--implementation", "cp", "--abi", "cp312"),
            *("--platform", "manylinux_2_28_x86_64"),
        ),
        files={
            "detector": WeightsFile(
                "mediapipe/modules/pose_detection/pose_detection.tflite",
                "9ba9dd3d42efaaba86b4ff0122b06f29c4122e756b329d89dca1e297fd8f866c",
                2959046,
            ),
            "landmarks": WeightsFile(
                "mediapipe/modules/pose_landmark/pose_landmark_full.tflite",
                "e9a5c5cb17f736fafd4c2ec1da3b3d331d6edbe8a0d32395855aeb2cdfd64b9f",
                6440512,
            ),
        },
    ),
}
"""Every network that ``chorus weights get`` can obtain."""


@dataclasses.dataclass(frozen=True, slots=True)
class WeightsStatus:
    """A line of ``chorus weights list``.

    Attributes:
        name, about, licence: as in :class:`Weights`.
        source: where it comes from, in words.
        cached: whether it is in the cache already.
        folder: of the cache.
        size: of all its files, bytes.
    """

    name: str
    about: str
    licence: str
    source: str
    cached: bool
    folder: Path
    size: int


def cache_folder() -> Path:
    """Return the folder of the cache: ``$XDG_CACHE_HOME/chorus/weights`` or ``~/.cache/chorus/weights``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "chorus" / "weights"


def list_weights() -> list[WeightsStatus]:
    """Return what can be obtained and what is in the cache already (sizes compared, not digests)."""
    lines = []
    for weights in WEIGHTS.values():
        folder = cache_folder() / weights.name
        cached = all(
            path.is_file() and path.stat().st_size == file.size
            for path, file in ((folder / Path(f.member).name, f) for f in weights.files.values())
        )
        size = sum(file.size for file in weights.files.values())
        source = f"the wheel of {weights.requirement} from the Python package index"
        lines.append(
            WeightsStatus(weights.name, weights.about, weights.licence, source, cached, folder, size)
        )
    return lines


def _tell(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def get_weights(name: str, *, say: Callable[[str], None] = _tell) -> dict[str, Path]:
    """Return the files of a network by role; obtain them first if they are not in the cache.

    Args:
        name: one of :data:`WEIGHTS`.
        say: called with a line of text when something is downloaded.

    Raises:
        WeightsError: unknown name, no network, or a file whose digest is wrong.
    """
    if name not in WEIGHTS:
        raise WeightsError(
            f"no weights are called '{name}'", mend=f"Choose one of: {', '.join(sorted(WEIGHTS))}"
        )
    weights = WEIGHTS[name]
    folder = cache_folder() / name
    paths = {role: folder / Path(file.member).name for role, file in weights.files.items()}
    missing = {role: file for role, file in weights.files.items() if not _sound(paths[role], file)}
    if missing:
        say(f"{name}: obtaining the weights once ({weights.requirement}, {weights.licence}) into {folder}")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="chorus-weights-") as scratch:
                wheel = download(weights, Path(scratch))
                for role, file in missing.items():
                    extract(wheel, file, paths[role])
        except OSError as error:
            raise WeightsError(
                f"{name}: the cache {folder} cannot be written: {error}",
                mend="Make room or set XDG_CACHE_HOME to a folder you may write to",
            ) from error
        say(f"{name}: verified by SHA-256 and cached")
    return paths


def digest(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sound(path: Path, file: WeightsFile) -> bool:
    return path.is_file() and path.stat().st_size == file.size and digest(path) == file.sha256


def download(weights: Weights, folder: Path) -> Path:
    """Download the wheel that holds the weights with pip, and return its path.

    Raises:
        WeightsError: pip is missing or could not obtain it.
    """
    command = [
        *(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"),
        *("--disable-pip-version-check", "--no-input", "--dest", str(folder)),
        *weights.platform,
        weights.requirement,
    ]
    mend = (
        "Connect to the network once and run `chorus weights get "
        f"{weights.name}`, or name a file you have with the vision option `weights: FILE.task`"
    )
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise WeightsError(
            f"{weights.name}: {weights.requirement} did not arrive in {TIMEOUT_S:.0f} s", mend=mend
        ) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR") or "No module" in line]
        reason = lines[-1].removeprefix("ERROR: ") if lines else f"pip ended with {done.returncode}"
        raise WeightsError(f"{weights.name}: could not obtain {weights.requirement}: {reason}", mend=mend)
    return wheels[0]


def read_member(archive: Path, member: str) -> bytes:
    """Return one file out of a zip archive, within the bounds of size.

    Raises:
        WeightsError: not a zip archive, too large, damaged, or without that file.
    """
    mend = "Obtain the file again, or use another source of the weights"
    try:
        if archive.stat().st_size > MAX_ARCHIVE:
            raise WeightsError(f"{archive} is larger than {MAX_ARCHIVE >> 20} MiB", mend=mend)
        with zipfile.ZipFile(archive) as bundle:
            if bundle.getinfo(member).file_size > MAX_FILE:
                raise WeightsError(f"{member} in {archive} is larger than {MAX_FILE >> 20} MiB", mend=mend)
            with bundle.open(member) as file:
                data = file.read(MAX_FILE + 1)
    except KeyError as error:
        raise WeightsError(f"{archive} has no {member}", mend=mend) from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise WeightsError(f"{archive} cannot be read as an archive: {error}", mend=mend) from error
    if len(data) > MAX_FILE:
        raise WeightsError(f"{member} in {archive} is larger than {MAX_FILE >> 20} MiB", mend=mend)
    return data


def extract(archive: Path, file: WeightsFile, destination: Path) -> None:
    """Copy a verified file out of an archive; the destination appears whole or not at all.

    Raises:
        WeightsError: as :func:`read_member`, or the digest is not the expected one.
    """
    data = read_member(archive, file.member)
    found = hashlib.sha256(data).hexdigest()
    if found != file.sha256:
        raise WeightsError(
            f"{file.member} in {archive.name} has SHA-256 {found[:16]}..., "
            f"expected {file.sha256[:16]}...: refused",
            mend="The archive is damaged or not the expected version; obtain it again from a trusted index",
        )
    handle, scratch = tempfile.mkstemp(dir=destination.parent, prefix=destination.name + ".")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        Path(scratch).replace(destination)
    except BaseException:
        Path(scratch).unlink(missing_ok=True)
        raise
