"""Data sets of motion: where their files are, what is known of each, and what no training may ever see.

| set          | licence                      | held out of all training        |
|--------------|------------------------------|---------------------------------|
| bandai       | CC-BY-NC-4.0                 | files whose id ends in 4        |
| cmu          | CMU: free for all uses       | subjects 03 and 08              |
| cmu_dance    | CMU: free for all uses       | none                            |
| deepmimic    | MIT; ``sie``: CC-BY-NC-4.0   | none; ``amass`` is not read     |
| simulator    | Apache-2.0                   | none                            |
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from pathlib import Path

from drivers.errors import ConfigError, DataError
from fusion.virtual import bvh, deepmimic, resample
from fusion.virtual.anatomy import Points, build
from fusion.virtual.calm import calm
from fusion.virtual.mend import mend
from fusion.virtual.motion import Label, Motion
from fusion.virtual.rig import Read, body_of
from recordings.importers.archive import unpacked

CMU_LICENCE = "LicenseRef-CMU-Mocap"
"""The data used in this project was obtained from mocap.cs.cmu.edu, created with funding from NSF
EIA-0196217."""

FREE: frozenset[str] = frozenset({CMU_LICENCE, "MIT", "Apache-2.0"})
"""Licences under which weights may be used for anything. Of all others they are non-commercial."""

_BANDAI = re.compile(r"dataset-(?P<set>\d)_(?P<motion>[a-z-]+)_(?P<style>[a-z-]+)_(?P<id>\d+)")
_CMU = re.compile(r"(?P<subject>\d\d)_(?P<trial>\d\d)")
UNSEEN_SUBJECTS = ("03", "08")


@dataclasses.dataclass(frozen=True)
class Facts:
    """What is known of a file before it is read.

    Attributes:
        clip: its name within the set.
        licence: SPDX, or LicenseRef.
        subject: who moved, empty where nobody tells.
        action: over the whole clip, empty where nobody tells.
        split: ``train``, ``val`` or ``test``.
        rate_hz: rows per second where the file is wrong about it.
    """

    clip: str
    licence: str
    subject: str = ""
    action: str = ""
    split: str = "train"
    rate_hz: float | None = None


@dataclasses.dataclass(frozen=True)
class MotionSet:
    """A data set.

    Attributes:
        name: as commands and files call it.
        archive: its usual name.
        folder: one that it has, at any depth.
        pattern: of its files within the folder above that one.
        facts: of a file, given its path within the set; None for one that is not to be read.
    """

    name: str
    archive: str
    folder: str
    pattern: str
    facts: Callable[[Path], Facts | None]


def held_out(clip: str) -> bool:
    """Return whether a clip of this name must never be trained on, whatever set or folder it comes from."""
    name = Path(clip).name.removesuffix(".bvh")
    bandai, cmu = _BANDAI.fullmatch(name), _CMU.fullmatch(name)
    return bool((bandai and bandai["id"].endswith("4")) or (cmu and cmu["subject"] in UNSEEN_SUBJECTS))


def _bandai(path: Path) -> Facts | None:
    found = _BANDAI.fullmatch(path.stem)
    if found is None:
        return None
    split = {"4": "test", "9": "val"}.get(found["id"][-1], "train")
    return Facts(path.stem, "CC-BY-NC-4.0", "", found["motion"], split)


def _cmu(path: Path) -> Facts | None:
    found = _CMU.fullmatch(path.stem)
    if found is None:
        return None
    split = "test" if found["subject"] in UNSEEN_SUBJECTS else _every_fifth(found["trial"])
    return Facts(path.stem, CMU_LICENCE, f"cmu-{found['subject']}", "", split)


def _cmu_dance(path: Path) -> Facts | None:
    """The folder's note says that salsa is 60 fps, whatever its headers say; speeds agree with it.

    Salsa 01 to 15 and 16 to 30 are two partners of the same dances: every fifth keeps pairs together.
    """
    kind = path.parent.name
    if kind not in ("salsa", "indian", "martial") or not path.stem.isdigit():
        return None
    who = kind if kind != "salsa" else f"salsa-{'ab'[int(path.stem) > 15]}"
    rate = 60.0 if kind == "salsa" else None
    return Facts(f"{kind}_{path.stem}", CMU_LICENCE, who, "", _every_fifth(path.stem), rate)


def _deepmimic(path: Path) -> Facts | None:
    """Clips of ``amass`` have a licence of their own; mirrored ones are made again from the others."""
    group = path.parent.name
    if group not in ("motions", "long", "sie") or "humanoid3d" not in path.stem:
        return None
    if path.stem.endswith("_mirror"):
        return None
    licence = "CC-BY-NC-4.0" if group == "sie" else "MIT"
    split = "val" if path.stem.endswith(("05", "10", "long_walk3", "kick", "dance_b")) else "train"
    return Facts(path.stem, licence, "humanoid3d", "", split)


def _every_fifth(number: str) -> str:
    return "train" if int(number) % 5 else "val"


def _any(path: Path) -> Facts:
    return Facts(path.stem, "unknown", "", "", "test" if held_out(path.stem) else "train")


SETS: dict[str, MotionSet] = {
    made.name: made
    for made in (
        MotionSet(
            "bandai", "bandai_namco.tar.xz", "Bandai-Namco-Research-Motiondataset-*", "*/data/*.bvh", _bandai
        ),
        MotionSet("cmu", "cmu_bvh.tar.xz", "cmu_bvh", "cmu_bvh/[0-9][0-9]/*.bvh", _cmu),
        MotionSet(
            "cmu_dance",
            "cmu_salsa_indian_martial.tar.xz",
            "cmu_salsa_indian_martial",
            "cmu_salsa_indian_martial/*/*.bvh",
            _cmu_dance,
        ),
        MotionSet(
            "deepmimic",
            "deepmimic_motions.tar.xz",
            "deepmimic_motions",
            "deepmimic_motions/**/*.txt",
            _deepmimic,
        ),
    )
}
"""Sets that are files. The simulator is one more source, which needs none."""


def find(name: str, root: str | Path | None = None) -> Path:
    """Return the folder that a set's files are in.

    Args:
        name: of :data:`SETS`.
        root: the archive, a folder with the archive or with the unpacked files in it; by default the
        environment
            variable ``CHORUS_DATA``. An archive is unpacked once, into the user's cache.

    Raises:
        ConfigError: there is no such set.
        DataError: it is not there.
    """
    if name not in SETS:
        raise ConfigError(f"there is no motion set {name!r}", mend=f"Use one of: {', '.join(SETS)}")
    wanted = SETS[name]
    given = root or os.environ.get("CHORUS_DATA")
    if not given:
        raise DataError(
            f"{name}: no folder is named", mend=f"Set CHORUS_DATA to the folder that holds {wanted.archive}"
        )
    base = Path(given).expanduser()
    if base.is_dir():
        own = wanted.archive.partition(".")[0]
        for folder in (base, base / own, *([base.parent] if base.name == own else [])):
            if any(folder.glob(wanted.pattern)):
                return folder
    archive = base if base.is_file() else base / wanted.archive
    if archive.is_file():
        return unpacked(archive, name, wanted.folder)
    raise DataError(
        f"{name}: {base} has neither its files nor {wanted.archive}", mend="Set CHORUS_DATA to one that has"
    )


def files(name: str, folder: Path) -> list[tuple[Path, Facts]]:
    """Return the files of a set that are to be read, in order; ``name`` may be ``any``: all BVH in the
    folder."""
    pattern, facts = ("**/*.bvh", _any) if name == "any" else (SETS[name].pattern, SETS[name].facts)
    found = [(path, facts(path)) for path in sorted(folder.glob(pattern)) if path.is_file()]
    return [(path, known) for path, known in found if known is not None]


@dataclasses.dataclass(frozen=True)
class Loaded:
    """A motion.

    Attributes:
        motion: of the one body.
        error_m: how far its joints are from the file's at worst, m.
        read: what the file was; None for DeepMimic's.
        bridged, dropped: rows that no body did, see :mod:`fusion.virtual.mend`.
    """

    motion: Motion
    error_m: float
    read: Read | None
    bridged: int = 0
    dropped: int = 0


def load(path: Path, facts: Facts, source: str, rate_hz: float | None = None) -> Loaded:
    """Read a file as a motion.

    Args:
        path: a ``.bvh`` file, or one of DeepMimic's.
        facts: of it.
        source: name of its set.
        rate_hz: rows per second of the motion; the file's own by default (60 for DeepMimic's).

    Raises:
        DataError: it can't be read as a body.
    """
    if path.suffix == ".txt":
        rate = rate_hz or 60.0
        points, _ = deepmimic.read(path, rate)
        return _built(calm(points, rate), rate, facts, source, None)
    file = bvh.read(path)
    read = body_of(file, path.name)
    own = facts.rate_hz or 1.0 / file.frame_time_s
    if abs(own - round(own)) < 0.01 * own:
        own = float(round(own))  # 0.0083333 and 0.0333333 are 120 and 30
    points, bridged, dropped = mend(read.points, own)
    points = calm(points, own)
    if rate_hz is not None and abs(rate_hz - own) > 1e-6:
        points = _at_rate(points, own, rate_hz)
    made = _built(points, rate_hz or own, facts, source, read)
    return dataclasses.replace(made, bridged=bridged, dropped=dropped)


def _built(points: Points, rate: float, facts: Facts, source: str, read: Read | None) -> Loaded:
    seconds = len(points.skull) / rate
    labels = (Label(0.0, seconds, facts.action),) if facts.action else ()
    motion, error = build(
        points,
        rate,
        clip=facts.clip,
        source=source,
        licence=facts.licence,
        subject=facts.subject,
        labels=labels,
    )
    return Loaded(motion, error, read)


def _at_rate(points: Points, own_hz: float, rate_hz: float) -> Points:
    times = resample.even_times((len(points.skull) - 1) / own_hz, own_hz)
    wanted = resample.even_times(float(times[-1]), rate_hz)
    return points.changed(
        lambda values: resample.at_times(times, values, wanted),
        lambda frames: resample.matrices(
            resample.turns_at_times(times, resample.quaternions(frames), wanted)
        ),
    )
