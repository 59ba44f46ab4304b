"""UTD-MHAD: one Kinect skeleton and one inertial sensor, 27 actions, 8 subjects, 4 trials.

C. Chen, R. Jafari, N. Kehtarnavaz, "UTD-MHAD: A Multimodal Dataset for Human Action Recognition Utilizing a
Depth Camera and a Wearable Inertial Sensor", ICIP 2015. Research use with citation.

::

    ROOT/Skeleton/a1_s1_t1_skeleton.mat   d_skel (20, 3, T)  m, Kinect frame
    ROOT/Inertial/a1_s1_t1_inertial.mat   d_iner (N, 6)      g with gravity, deg/s

Three traps, and what is done about them:

* The Kinect frame as stored has x growing towards the right of a *mirrored* picture (the subject's left hand
  is at negative x). Here the frame is that of an ordinary camera: x right, y down, z forward; both x and y
  change sign, so that left stays left. To draw the joints over the stored depth picture, mirror them again.
* There are no time stamps, and the skeleton does not run at the 30 Hz of its sensor: against the inertial
  sensor's 50 Hz it comes at about 18 Hz. Both streams are mapped start to end, each frame evenly in between.
* The sensor is on the right wrist for actions 1-21 and on the right thigh for 22-27. Its place would give the
  group of actions away, so every sample here says ``worn_on = "unspecified"``.
"""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import DataError
from drivers.joints import KINECT20
from recordings.importers.archive import Member

ACTIONS: tuple[str, ...] = (
    "swipe left",
    "swipe right",
    "wave",
    "clap",
    "throw",
    "cross arms",
    "basketball shoot",
    "draw x",
    "draw circle clockwise",
    "draw circle counter-clockwise",
    "draw triangle",
    "bowl",
    "box",
    "baseball swing",
    "tennis swing",
    "curl arms",
    "tennis serve",
    "push",
    "knock",
    "catch",
    "pick up and throw",
    "jog",
    "walk",
    "sit to stand",
    "stand to sit",
    "lunge",
    "squat",
)
"""Action n of the file names is ``ACTIONS[n - 1]``."""

INERTIAL_RATE_HZ = 50.0
DEPTH_FOCAL_PX = 285.63
DEPTH_SIZE_PX = (320, 240)
"""Focal length and size of the depth picture that the joints project into (centre 160, 120)."""

STANDARD_GRAVITY = 9.80665
ARCHIVE = "utd_mhad.tar.xz"
_FILE = re.compile(r"a(\d+)_s(\d+)_t(\d+)_skeleton\.mat\Z")
_MAX_MEMBERS = 10_000
_MAX_BYTES = 2 << 30


@dataclasses.dataclass(frozen=True)
class Trial:
    """One subject doing one action once.

    Attributes:
        action: 1 .. 27, see :data:`ACTIONS`.
        subject: 1 .. 8.
        trial: 1 .. 4.
        joints: (T, 20, 3) float32 m in the order of :data:`drivers.joints.KINECT20`; camera frame: x right,
            y down, z forward.
        joint_time: (T,) float64 s since the start.
        specific_force: (N, 3) float32 m/s², gravity in, sensor frame.
        angular_rate: (N, 3) float32 rad/s, sensor frame.
        inertial_time: (N,) float64 s since the start.
        worn_on: always "unspecified", see above.
    """

    action: int
    subject: int
    trial: int
    joints: NDArray[np.float32]
    joint_time: NDArray[np.float64]
    specific_force: NDArray[np.float32]
    angular_rate: NDArray[np.float32]
    inertial_time: NDArray[np.float64]
    worn_on: str = "unspecified"


def worn_on(action: int) -> str:
    """Return where the sensor sat in an action (1 .. 27)."""
    return "right_forearm" if action <= 21 else "right_thigh"


def find_root(root: str | Path | None = None) -> Path:
    """Return the folder that holds ``Skeleton`` and ``Inertial``.

    Args:
        root: that folder, one above it, one with the archive ``utd_mhad.tar.xz`` in it, or the archive;
            by default the environment variable ``CHORUS_DATA``. An archive is unpacked once, into the
            user's cache.

    Raises:
        DataError: nothing there.
    """
    given = root or os.environ.get("CHORUS_DATA")
    if not given:
        raise DataError(
            "UTD-MHAD: no folder is named",
            mend="Set CHORUS_DATA to the folder that holds utd_mhad.tar.xz, or give --data.root=FOLDER",
        )
    base = Path(given).expanduser()
    for folder in (base, base / "utd_mhad"):
        if (folder / "Skeleton").is_dir() and (folder / "Inertial").is_dir():
            return folder
    archive = base if base.is_file() else base / ARCHIVE
    if archive.is_file():
        return _unpack(archive)
    raise DataError(
        f"UTD-MHAD: {base} has neither the folders Skeleton and Inertial nor {ARCHIVE}",
        mend="Name the folder that has them with CHORUS_DATA or --data.root=FOLDER",
    )


def trials(root: str | Path | None = None, subjects: tuple[int, ...] | None = None) -> Iterator[Trial]:
    """Read the trials of ``subjects`` (default: all), ordered by action, subject and trial.

    Raises:
        DataError: a folder or file is missing or malformed.
    """
    folder = find_root(root)
    names = [m for path in (folder / "Skeleton").iterdir() if (m := _FILE.match(path.name))]
    keys = sorted((int(m[1]), int(m[2]), int(m[3])) for m in names)
    keys = [key for key in keys if subjects is None or key[1] in subjects]
    if not keys:
        raise DataError(
            f"UTD-MHAD: no trials of subjects {subjects or 'at all'} in {folder}",
            mend="Check that Skeleton/ holds files like a1_s1_t1_skeleton.mat",
        )
    for action, subject, trial in keys:
        yield read_trial(folder, action, subject, trial)


def read_trial(folder: Path, action: int, subject: int, trial: int) -> Trial:
    """Read one trial.

    Raises:
        DataError: a file is missing, is no MATLAB file, or holds other shapes or values than it should.
    """
    if not 1 <= action <= len(ACTIONS):
        raise DataError(
            f"UTD-MHAD: action {action} is not 1..{len(ACTIONS)}", mend="Remove the file from Skeleton/"
        )
    stem = f"a{action}_s{subject}_t{trial}"
    skeleton = _load(folder / "Skeleton" / f"{stem}_skeleton.mat", "d_skel")
    inertial = _load(folder / "Inertial" / f"{stem}_inertial.mat", "d_iner")
    if skeleton.ndim != 3 or skeleton.shape[:2] != (len(KINECT20), 3) or skeleton.shape[2] < 2:
        raise _malformed(f"{stem}_skeleton.mat", f"d_skel is {skeleton.shape}, not (20, 3, T)")
    if inertial.ndim != 2 or inertial.shape[1] != 6 or inertial.shape[0] < 2:
        raise _malformed(f"{stem}_inertial.mat", f"d_iner is {inertial.shape}, not (N, 6)")
    inertial_time = np.arange(len(inertial)) / INERTIAL_RATE_HZ
    joints = skeleton.transpose(2, 0, 1) * np.array([-1.0, -1.0, 1.0])
    return Trial(
        action=action,
        subject=subject,
        trial=trial,
        joints=np.ascontiguousarray(joints, dtype=np.float32),
        joint_time=np.linspace(0.0, inertial_time[-1], len(joints)),
        specific_force=np.ascontiguousarray(inertial[:, :3] * STANDARD_GRAVITY, dtype=np.float32),
        angular_rate=np.ascontiguousarray(np.radians(inertial[:, 3:]), dtype=np.float32),
        inertial_time=inertial_time,
    )


def _load(path: Path, name: str) -> NDArray[np.float64]:
    value = read_array(path, name).astype(np.float64)
    if not np.isfinite(value).all():
        raise _malformed(path.name, f"{name} holds values that are not finite")
    return value


def read_array(path: Path, name: str) -> NDArray:
    """Return numbers in a MATLAB 5 file.

    Raises:
        DataError: it is missing, no such file, or has no numbers of that name.
    """
    from scipy.io import loadmat

    if not path.is_file():
        raise DataError(
            f"UTD-MHAD: {path.parent.name}/{path.name} is missing", mend=f"Unpack {ARCHIVE} again, whole"
        )
    try:
        content = loadmat(path, variable_names=[name])
    except Exception as error:  # of damaged bytes the reader raises whatever comes
        raise _malformed(path.name, f"not a MATLAB 5 file ({error})") from None
    value = content.get(name)
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiu":
        raise _malformed(path.name, f"it has no numbers called {name}")
    return value


def _malformed(name: str, why: str) -> DataError:
    return DataError(f"UTD-MHAD: {name}: {why}", mend=f"Unpack {ARCHIVE} again")


def _unpack(archive: Path) -> Path:
    """Unpack skeletons and inertial data into the user's cache, once and whole or not at all."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chorus"
    stat = archive.stat()
    target = cache / f"utd_mhad-{stat.st_size}-{stat.st_mtime_ns}"
    if target.is_dir():
        return _inside(target)
    cache.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix="utd_mhad-", dir=cache))
    try:
        with tarfile.open(archive, tarinfo=Member) as tar:
            size = 0
            for count, member in enumerate(tar):
                size += member.size
                if count >= _MAX_MEMBERS or size > _MAX_BYTES:
                    raise DataError(
                        f"UTD-MHAD: {archive} is far larger than it should be", mend="Get it again"
                    )
                if member.isfile() and "Depth" not in Path(member.name).parts:
                    tar.extract(member, work, filter="data")
        root = _inside(work)
        try:
            work.rename(target)
        except OSError:  # somebody else was faster
            if not target.is_dir():
                raise
            return _inside(target)
        return target / root.relative_to(work)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(
            f"UTD-MHAD: {archive} could not be unpacked ({error})",
            mend="Unpack it by hand and name the folder with CHORUS_DATA or --data.root=FOLDER",
        ) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _inside(folder: Path) -> Path:
    for skeletons in sorted(folder.rglob("Skeleton")):
        if (skeletons.parent / "Inertial").is_dir():
            return skeletons.parent
    raise DataError(
        "UTD-MHAD: the archive has no folders Skeleton and Inertial",
        mend="Name the right archive with CHORUS_DATA",
    )
