"""``chorus import WHAT PATH --output DIR``: what others recorded, as sessions.

WHAT is berkeley-mhad, human36m, openpose or xdf.
"""

from __future__ import annotations

import dataclasses
import json as json_format
import re
from pathlib import Path

from drivers.errors import ConfigError
from fusion.commands.arguments import UsageError, call, check_positive


def main(argv: list[str], program: str) -> int:
    sets = {"berkeley-mhad": berkeley_mhad, "human36m": human36m, "openpose": openpose, "xdf": xdf}
    if not argv or argv[0] in ("-h", "--help"):
        print(f"usage: {program} WHAT PATH --output DIR\n\nWhat there is to import: {', '.join(sets)}")
        return 0 if argv else 2
    if argv[0] not in sets:
        raise ConfigError(f"there is no importer for {argv[0]!r}", mend=f"Choose of {', '.join(sets)}")
    return call(sets[argv[0]], argv[1:], f"{program} {argv[0]}")


def berkeley_mhad(
    root: str, output: str = "sessions", only: str = "", plot: str | None = None, json: bool = False
) -> int:
    """Write a session for each trial of Berkeley MHAD: six accelerometers, and stamps of cameras.

    Args:
        root: folder with Accelerometer and Time_stamps, or the archive.
        output: folder of the sessions.
        only: trials, as s01_a01_r01, with commas between; all by default.
        plot: picture (.png) of jitter before and after, drift, and the clocks' errors.
        json: print JSON for other programs.
    """
    from rich.console import Console
    from rich.progress import Progress

    from fusion.commands.view import print_import
    from recordings.importers.berkeley_sessions import import_sessions

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Berkeley MHAD", total=None)
        report = import_sessions(
            root,
            Path(output),
            [name for name in only.split(",") if name],
            lambda done, of, what: progress.update(
                task, completed=done, total=of, description=f"Berkeley MHAD {what}"
            ),
        )
    if plot is not None:
        from recordings.importers.berkeley_plot import draw

        draw(report, Path(plot))
    if json:
        facts = {
            "files": [str(path) for path in report.files],
            "sensors": [dataclasses.asdict(sensor) for sensor in report.sensors],
        }
        print(json_format.dumps(facts, indent=2))
    else:
        print_import(report)
    return 0


def human36m(
    root: str, output: str = "sessions", subjects: str = "", only: str = "", json: bool = False
) -> int:
    """Write a session for each action of Human3.6M: four calibrated cameras' key points, and true joints.

    Args:
        root: folder with cameras.h5 and S1 .. S11 in the layout of 3d-pose-baseline.
        output: folder of the sessions.
        subjects: by commas, as in 9,11; all that are there by default.
        only: actions by commas, as their files are called: Walking 1; all by default.
        json: print JSON for other programs.
    """
    from rich.console import Console
    from rich.progress import Progress

    from recordings.importers.human36m_sessions import import_human36m

    try:
        chosen = [int(word) for word in subjects.split(",") if word]
    except ValueError:
        raise UsageError(f"--subjects is '{subjects}'", mend="Give numbers by commas, as in 9,11") from None
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("Human3.6M", total=None)
        report = import_human36m(
            root,
            output,
            chosen,
            [name.strip() for name in only.split(",") if name.strip()],
            lambda done, of, what: progress.update(
                task, completed=done, total=of, description=f"Human3.6M {what}"
            ),
        )
    if json:
        files = [str(path) for path in report.files]
        print(json_format.dumps({"files": files, "detected": report.detected}, indent=2))
    else:
        share = f"{sum(report.detected)} of {4 * len(report.files)} views"
        print(f"{len(report.files)} sessions in {output}; {share} with detected key points")
    return 0


def openpose(
    folder: str,
    output: str = "sessions",
    fps: float | None = None,
    size: str = "",
    video: str = "",
    film: str = "",
    people: int = 1,
    json: bool = False,
) -> int:
    """Write a folder of OpenPose's JSON as a session with the key points of who is seen best.

    Args:
        folder: with files *_keypoints.json, as given to --write_json.
        output: the session (.h5), or a folder for it.
        fps: pictures a second; not needed with a video.
        size: of the pictures, as in 1920x1080; not needed with a video.
        video: that OpenPose looked at: its own times and size are taken.
        film: which, where the folder has several.
        people: how many to follow.
        json: print JSON for other programs.
    """
    from rich.console import Console
    from rich.progress import Progress

    from recordings.importers.openpose_sessions import import_openpose

    check_positive("--fps", fps)
    check_positive("--people", people)
    sides = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", size) if size else None
    if size and sides is None:
        raise UsageError(f"--size is '{size}'", mend="Give width and height in px, as in 1920x1080")
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("OpenPose", total=None)
        report = import_openpose(
            folder,
            output,
            fps=fps or 0.0,
            size=(int(sides[1]), int(sides[2])) if sides else None,
            video=video or None,
            film=film,
            people=people,
            on_progress=lambda done, of: progress.update(task, completed=done, total=of),
        )
    if json:
        print(json_format.dumps({**dataclasses.asdict(report), "file": str(report.file)}, indent=2))
        return 0
    print(f"{report.file}: {report.frames} frames of {report.joints} joints, {report.missing} missing")
    for number, seen in enumerate(report.seen):
        print(f"person {number + 1}: seen in {seen} frames")
    for line in (*report.notes, *report.faults[:10]):
        print(f"note: {line}")
    if len(report.faults) > 10:
        print(f"note: and {len(report.faults) - 10} more files that could not be read")
    return 0


def xdf(file: str, output: str = "sessions", json: bool = False) -> int:
    """Write an XDF file (Lab Streaming Layer, LabRecorder) as a session.

    Args:
        file: the file (.xdf).
        output: the session (.h5), or a folder for it.
        json: print JSON for other programs.
    """
    from rich.console import Console

    from fusion.commands.view import print_xdf
    from recordings.importers.xdf import import_xdf

    with Console(stderr=True).status(f"importing {Path(file).name}"):
        report = import_xdf(file, output)
    if json:
        print(json_format.dumps({**dataclasses.asdict(report), "file": str(report.file)}, indent=2))
    else:
        print_xdf(report)
    return 0
