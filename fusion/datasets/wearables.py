"""UTD-MHAD and Berkeley MHAD: every trial's files."""

from __future__ import annotations

import re
from pathlib import Path

from drivers.errors import DataError
from fusion.datasets.report import SetReport, some
from recordings.importers import berkeley_mhad as mhad
from recordings.importers import utd_depth
from recordings.importers import utd_mhad as utd

_ABSENT = {(8, 1, 4), (23, 6, 4), (27, 8, 4)}
"""Trials that UTD-MHAD itself does not have."""
_TRIALS = {(a, s, t) for a in range(1, 28) for s in range(1, 9) for t in range(1, 5)} - _ABSENT
_NAME = re.compile(r"a(\d+)_s(\d+)_t(\d+)_(skeleton|inertial|depth)\.mat\Z")
_BERKELEY_ABSENT = {"s04_a08_r05", "s02_a07_r05"}
"""Trials without accelerometer files in the copies that were looked at (658 of 660)."""
_BERKELEY = {f"s{s:02}_a{a:02}_r{r:02}" for s in range(1, 13) for a in range(1, 12) for r in range(1, 6)}

Trial = tuple[int, int, int]


def utd_mhad(folder: Path, deep: bool) -> list[SetReport]:
    """Look for skeletons and inertial data, and depth where there is some."""
    archives = [folder / name for name in (utd.ARCHIVE, utd_depth.ARCHIVE)]
    parts = ("Skeleton", "Inertial", "Depth")
    inside = not folder.is_file() and any((folder / name).is_dir() for name in parts)
    if not inside and not any(path.is_file() for path in archives) and folder.name != utd.ARCHIVE:
        return []
    report = SetReport(folder, {})
    try:
        root = utd.find_root(folder)
    except DataError as error:
        if inside:
            absent = [name for name in parts[:2] if not (folder / name).is_dir()]
            report.missing.extend(some("folders absent", absent))
        else:
            report.broken.append(error.what)
        return [report]
    skeletons, inertial = _trials(root / "Skeleton"), _trials(root / "Inertial")
    report.facts["trials"] = (
        f"{len(skeletons & inertial)} of {len(_TRIALS)} with skeleton and inertial sensor"
    )
    report.facts["subjects"] = ", ".join(str(s) for s in sorted({s for _, s, _ in skeletons & inertial}))
    report.missing.extend(some("skeletons absent", _stems(_TRIALS - skeletons)))
    report.missing.extend(some("inertial files absent", _stems(_TRIALS - inertial)))
    wrong = []
    chosen = sorted(skeletons & inertial)
    for action, subject, trial in chosen if deep else chosen[:: max(1, len(chosen) // 40)]:
        try:
            utd.read_trial(root, action, subject, trial)
        except DataError as error:
            wrong.append(error.what)
    report.broken.extend(some("trials that can't be read", wrong))
    if not deep:
        report.notes.append("40 trials were read; --deep reads all")
    _depth(folder, report, deep)
    return [report]


def _depth(folder: Path, report: SetReport, deep: bool) -> None:
    try:
        maps = utd_depth.find_depth(folder)
    except DataError as error:
        if (folder / utd_depth.ARCHIVE).is_file():
            report.broken.append(error.what)
        else:
            report.notes.append("no depth: heatmap_utd_depth.yaml needs the folder Depth")
        return
    there = _trials(maps)
    by_trial = sorted({trial for _, _, trial in there})
    report.facts["depth"] = f"{len(there)} maps, of trials {', '.join(map(str, by_trial))}"
    wrong = []
    for subject in sorted({subject for _, subject, _ in there}) if deep else []:
        try:
            for _ in utd_depth.depth_trials(folder, (subject,)):
                pass
        except DataError as error:
            wrong.append(error.what)
    report.broken.extend(some("maps that can't be read", wrong))


def _trials(folder: Path) -> set[Trial]:
    names = (_NAME.match(path.name) for path in folder.iterdir()) if folder.is_dir() else ()
    return {(int(found[1]), int(found[2]), int(found[3])) for found in names if found}


def _stems(trials: set[Trial]) -> list[str]:
    return [f"a{action}_s{subject}_t{trial}" for action, subject, trial in sorted(trials)]


def berkeley_mhad(folder: Path, deep: bool) -> list[SetReport]:
    """Look for the six accelerometers and the cameras' stamps."""
    inside = not folder.is_file() and (folder / "Accelerometer").is_dir()
    if not inside and not (folder / mhad.ARCHIVE).is_file() and folder.name != mhad.ARCHIVE:
        return []
    report = SetReport(folder, {})
    try:
        root = mhad.find_root(folder)
        keys = mhad.keys(root)
    except DataError as error:
        report.broken.append(error.what)
        return [report]
    names = {str(key) for key in keys}
    report.facts["trials"] = f"{len(names)} of {len(_BERKELEY - _BERKELEY_ABSENT)}"
    report.facts["subjects"] = ", ".join(str(s) for s in sorted({key.subject for key in keys}))
    report.missing.extend(some("trials absent", sorted(_BERKELEY - _BERKELEY_ABSENT - names)))
    files = [
        (root / "Accelerometer" / f"Shimmer{n:02}" / f"acc_h{n:02}_{name}.txt", f"Shimmer{n:02}, {name}")
        for name in sorted(names)
        for n in range(1, len(mhad.PLACES) + 1)
    ]
    report.missing.extend(some("accelerometer files absent", [n for path, n in files if not path.is_file()]))
    stamps = [name for name in sorted(names) if not _stamps(root, name).is_file()]
    report.missing.extend(some("files of camera stamps absent", stamps))
    wrong = []
    for key in keys if deep else keys[:: max(1, len(keys) // 40)]:
        try:
            mhad.read_trial(root, key)
        except DataError as error:
            if "is missing" not in error.what:
                wrong.append(error.what)
    report.broken.extend(some("trials that can't be read", wrong))
    if not deep:
        report.notes.append("40 trials were read; --deep reads all")
    return [report]


def _stamps(root: Path, name: str) -> Path:
    return root / "Time_stamps" / f"time_stamps_img_{name}.txt"
