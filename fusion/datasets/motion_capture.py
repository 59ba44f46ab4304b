"""Human3.6M and motion capture: are all files of a set there, and does each read."""

from __future__ import annotations

from pathlib import Path

from drivers.errors import ConfigError, DataError
from fusion.datasets.report import SetReport, some
from fusion.virtual import bvh, sets
from fusion.virtual.look import sets_in
from recordings.importers.human36m import SUBJECTS, read, sequences

_ACTIONS = 15
"""Actions of each of Human3.6M's subjects, two takes each."""


def human36m(folder: Path, deep: bool) -> list[SetReport]:
    """Look for the layout of 3d-pose-baseline."""
    if folder.is_file():
        return []
    there = [n for n in SUBJECTS if (folder / f"S{n}" / "MyPoses" / "3D_positions").is_dir()]
    if not there and not (folder / "cameras.h5").is_file():
        return []
    report = SetReport(folder, {"subjects": ", ".join(f"S{n}" for n in there) or "none"})
    report.missing.extend(some("subjects absent", [f"S{n}" for n in SUBJECTS if n not in there]))
    views = detected = files = 0
    for number in there:
        try:
            found = sequences(folder, (number,))
        except DataError as error:
            report.broken.append(f"S{number}: {error.what}")
            continue
        positions = {one.positions for one in found}
        files += len(positions)
        if len(positions) < 2 * _ACTIONS:
            report.missing.append(f"S{number}: {len(positions)} of {2 * _ACTIONS} takes")
        views += len(found)
        detected += sum(one.detections is not None for one in found)
        wrong = []
        for one in found:
            if deep or one.detections is not None or one is found[0]:
                try:
                    read(one)
                except DataError as error:
                    wrong.append(error.what)
        report.broken.extend(f"S{number}: {line}" for line in some("files that are wrong", wrong))
    if not (folder / "cameras.h5").is_file():
        report.missing.append("cameras.h5: without it nothing can be projected")
    report.facts["takes"] = f"{files} files of 3D joints"
    report.facts["views"] = f"{views}, of them {detected} with key points of Stacked Hourglass"
    if detected < views:
        report.notes.append("where key points were not detected, the true joints are projected")
    return [report]


def motion(folder: Path, deep: bool) -> list[SetReport]:
    """Look for BVH files, or for the motion sets that are known."""
    if folder.is_file():
        return []
    named = [wanted.archive for wanted in sets.SETS.values()]
    own = any((folder / name).is_file() for name in named)
    if (
        not own
        and next(folder.glob("**/*.bvh"), None) is None
        and not (folder / "deepmimic_motions").is_dir()
    ):
        return []
    return [_motion(name, folder, deep) for name in sets_in(folder)]


def _motion(name: str, folder: Path, deep: bool) -> SetReport:
    title = "BVH files" if name == "any" else name
    try:
        base = folder if name == "any" else sets.find(name, folder)
        files = sets.files(name, base)
    except (DataError, ConfigError) as error:
        return SetReport(folder, {"set": title}, broken=[error.what])
    splits: dict[str, int] = {}
    for _, facts in files:
        splits[facts.split] = splits.get(facts.split, 0) + 1
    licences = sorted({facts.licence for _, facts in files})
    report = SetReport(
        folder,
        {
            "set": title,
            "files": f"{len(files)} ({', '.join(f'{count} {split}' for split, count in splits.items())})",
        },
        licence=", ".join(licences) if licences != ["unknown"] else "not told by the files",
    )
    if not files:
        report.missing.append("files with motion")
    wrong = []
    for path, facts in files:
        try:
            if deep:
                sets.load(path, facts, name)
            elif path.suffix == ".bvh":
                _glance(path)
        except DataError as error:
            wrong.append(f"{path.name} ({error.what})")
    report.broken.extend(some("files that can't be read", wrong))
    return report


def _glance(path: Path) -> None:
    """Refuse a BVH file whose rows are not as many as it says; cheap where :func:`bvh.read` is not."""
    text = path.read_bytes()
    head, _, rows = text.partition(b"MOTION")
    if not head.lstrip().startswith(b"HIERARCHY") or b"Frame Time:" not in rows:
        bvh.read(path)  # says what is wrong
        return
    counts, _, values = rows.partition(b"Frame Time:")
    told = counts.split(b":")[-1].strip()
    lines = sum(1 for line in values.split(b"\n")[1:] if line.strip())
    if not told.isdigit() or int(told) != lines:
        bvh.read(path)
