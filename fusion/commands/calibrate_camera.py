"""``chorus calibrate camera SOURCE --square_mm=35``: a camera's lens, from pictures of a ChArUco board."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from fusion.commands.arguments import call, check_positive

if TYPE_CHECKING:
    from fusion.calibrate.intrinsics import Intrinsics


def main(argv: list[str], program: str) -> int:
    return call(camera, argv, program)


def camera(
    source: str,
    board: str = "7x5",
    square_mm: float = 0.0,
    marker_mm: float = 0.0,
    dictionary: str = "5x5_100",
    legacy: bool = False,
    camera: str = "",
    lens: Literal["brown", "rational", "fisheye"] = "brown",
    seconds: float = 60.0,
    output: str | None = None,
    rig: str | None = None,
    plot: str | None = None,
    json: bool = False,
) -> int:
    """Find the focal length, middle and distortion of a camera's lens from a board moved before it.

    `chorus board` makes the board. Move it slowly through the whole picture, into its corners too, near and
    far, tilted this way and that. A calibration that can't be relied on is refused, with what to do better.

    Args:
        source: a session (.h5), a film, a folder of pictures, or a rig (.yaml) whose camera is opened.
        board: squares across and down.
        square_mm: side of a square as measured on the paper, mm.
        marker_mm: side of a marker, mm; by default three quarters of the square.
        dictionary: of the markers.
        legacy: the board was drawn by OpenCV before 4.6.
        camera: which of the source; by default all of a session.
        lens: model of distortion: brown, rational for wide lenses, fisheye for very wide ones.
        seconds: how long to look through a rig's camera.
        output: the camera file; by default NAME.yaml, beside the rig if one is given.
        rig: a rig (YAML) whose camera is to use the file; NAME.bak keeps it as it was.
        plot: picture (.png) of where the board was and what errors remain.
        json: print JSON for other programs.
    """
    from drivers.errors import CalibrationError, ConfigError
    from fusion.calibrate.board import board_of
    from fusion.calibrate.intrinsics import calibrate_lens
    from fusion.calibrate.pictures import views_of

    check_positive("--seconds", seconds, "seconds")
    known = board_of(board, square_mm, marker_mm, dictionary, legacy)
    if rig is None and source.endswith((".yaml", ".yml")):
        rig = source
    with _progress(quiet=json) as told:
        seen = views_of(source, known, camera, seconds, told)
    if output is not None and len(seen) > 1:
        raise ConfigError(
            f"{source} has {len(seen)} cameras, and --output names one file",
            mend=f"Name one with --camera, or leave --output: {', '.join(f'{name}.yaml' for name in seen)}",
        )
    results: dict[str, Intrinsics] = {}
    for name, found in seen.items():
        if not found.views:
            raise CalibrationError(
                f"{name}: the board was found in none of {found.finder.looked} pictures",
                mend=found.finder.why_none(),
            )
        results[name] = calibrate_lens(
            found.views, known, found.size, lens, name, f"{Path(source).name}, {known}"
        )
    files = _store(results, output, rig)
    if plot is not None:
        from fusion.calibrate.lens_plot import draw

        draw(results, {name: found.views for name, found in seen.items()}, plot)
    if json:
        print(json_format.dumps({name: _facts(one, files[name]) for name, one in results.items()}, indent=2))
    else:
        _print(results, files, rig)
    return 0


def _store(results: dict[str, Intrinsics], output: str | None, rig: str | None) -> dict[str, Path]:
    from drivers.camera.model import save_camera
    from fusion.calibrate.store import name_in_rig

    folder = Path(rig).parent if rig is not None else Path()
    files = {name: Path(output) if output is not None else folder / f"{name}.yaml" for name in results}
    for name, one in results.items():
        save_camera(one.model, files[name])
    if rig is not None:
        name_in_rig(rig, files)
    return files


def _facts(one: Intrinsics, file: Path) -> dict[str, Any]:
    from drivers.camera.model import parts_of

    return {
        **parts_of(one.model),
        "file": str(file),
        "focal_percent": one.focal_percent if one.focal_percent == one.focal_percent else None,
        "coverage": float(one.coverage.mean()),
        "thrown": list(one.thrown),
        "advice": list(one.advice),
    }


def _progress(*, quiet: bool) -> Any:
    import contextlib

    from rich.console import Console
    from rich.progress import Progress

    @contextlib.contextmanager
    def bars() -> Any:
        with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
            tasks: dict[str, Any] = {}

            def told(camera: str, done: int, count: int, views: int) -> None:
                words = f"{camera}: the board in {views} of {done}"
                if camera not in tasks:
                    tasks[camera] = bar.add_task(words, total=count or None)
                bar.update(tasks[camera], completed=done, description=words)

            yield told

    return bars()


def _print(results: dict[str, Intrinsics], files: dict[str, Path], rig: str | None) -> None:
    from rich.console import Console
    from rich.markup import escape

    from fusion.commands.view import table

    console = Console()
    shown = table("camera", "focal [px]", "±", "middle [px]", "error [px]", "views", "covered", "file")
    for name, one in results.items():
        matrix = one.model.matrix
        shown.add_row(
            name,
            f"{matrix[0, 0]:.1f} {matrix[1, 1]:.1f}",
            "" if one.focal_percent != one.focal_percent else f"{one.focal_percent:.2f} %",
            f"{matrix[0, 2]:.1f} {matrix[1, 2]:.1f}",
            f"{one.model.reprojection_px:.3f}",
            f"{len(one.used)}",
            f"{one.coverage.mean():.0%}",
            str(files[name]),
        )
    console.print(shown)
    for name, one in results.items():
        if one.thrown:
            console.print(
                f"{escape(name)}: {len(one.thrown)} views did not fit and were left out", highlight=False
            )
        for line in one.advice:
            console.print(f"{escape(name)}: it would be better still to {escape(line)}", highlight=False)
    if rig is not None:
        console.print(f"named in {escape(rig)}", highlight=False)
