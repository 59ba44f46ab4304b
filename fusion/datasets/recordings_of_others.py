"""OpenPose's JSON and XDF: what is in the files, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from drivers.errors import DataError, MissingDependency
from fusion.datasets.report import SetReport, some
from recordings.importers.openpose_json import films, read_folder
from recordings.importers.xdf_read import load, read_all


def openpose(folder: Path, deep: bool) -> list[SetReport]:
    """Look for files ``*_keypoints.json``."""
    del deep  # each file is read anyway
    if folder.is_file():
        return []
    reports = []
    for film in films(folder):
        try:
            found = read_folder(folder, film)
        except DataError as error:
            reports.append(SetReport(folder, {"film": film or folder.name}, broken=[error.what]))
            continue
        people = np.array([len(frame.people) for frame in found.frames])
        facts = {
            "film": found.film,
            "frames": f"{len(people)}, numbers {found.frames[0].number} to {found.frames[-1].number}",
            "joints": f"{len(found.joints)}",
            "people": f"{people.mean():.1f} a frame, at most {people.max()}; nobody in {(people == 0).sum()}",
        }
        report = SetReport(folder, facts, broken=some("files that can't be read", found.faults))
        if found.missing > len(found.faults):
            report.missing.append(
                f"{found.missing - len(found.faults)} frames between the first and the last"
            )
        report.notes.append("neither time nor size of pictures is in the files: --video, or --fps and --size")
        reports.append(report)
    return reports


def xdf(folder: Path, deep: bool) -> list[SetReport]:
    """Look for files ``*.xdf``."""
    del deep
    files = [folder] if folder.is_file() else sorted(folder.glob("*.xdf"))
    return [_xdf(path) for path in files if path.suffix == ".xdf"]


def _xdf(path: Path) -> SetReport:
    try:
        streams, _, left_out, digest = load(path)
        reads = read_all(streams, f"xdf/{digest}")
    except (DataError, MissingDependency) as error:
        return SetReport(path, {}, broken=[str(error)])
    named = [f"{read.name} ({len(read.stamps)} rows)" for read in reads]
    report = SetReport(path, {"streams": ", ".join(named) or "none"})
    if left_out:
        report.broken.append(f"{left_out} bytes could not be used: it is truncated or damaged")
    if not any(len(read.stamps) for read in reads):
        report.missing.append("samples: no stream has any that can be read")
    for read in reads:
        report.notes.extend(f"{read.name}: {note}" for note in read.notes)
    return report
