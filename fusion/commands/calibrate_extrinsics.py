"""``chorus calibrate extrinsics SESSION --square_mm=150 --rig RIG.yaml``: where several cameras stand."""

from __future__ import annotations

import json as json_format
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusion.commands.arguments import call

if TYPE_CHECKING:
    from drivers.camera.model import CameraModel
    from fusion.calibrate.extrinsics import Extrinsics


def main(argv: list[str], program: str) -> int:
    return call(extrinsics, argv, program)


def extrinsics(
    source: str,
    board: str = "7x5",
    square_mm: float = 0.0,
    marker_mm: float = 0.0,
    dictionary: str = "5x5_100",
    legacy: bool = False,
    world: str = "board",
    cameras: str | None = None,
    output: str | None = None,
    rig: str | None = None,
    map: str = "",
    json: bool = False,
) -> int:
    """Find where the cameras of a session stand, from a board that several of them see at the same moments.

    Lay the board on the floor first, where two cameras see it: it becomes the world, z up. Then carry it
    through the room, turned to the gap between two neighbouring cameras, pair after pair, slowly.

    Args:
        source: a session (.h5) of all cameras; or a Qualisys .qca.txt or Calib.toml, which is taken over.
        board: squares across and down.
        square_mm: side of a square as measured on the paper, mm: the scale of the world.
        marker_mm: side of a marker, mm; by default three quarters of the square.
        dictionary: of the markers.
        legacy: the board was drawn by OpenCV before 4.6.
        world: board, as above; or a camera: x to its right, y ahead, z up as it stands.
        cameras: folder with NAME.yaml of each camera's lens; by default what the session keeps.
        output: folder of the camera files; by default the rig's, else this one.
        rig: a rig (YAML) whose cameras are to use the files; NAME.bak keeps it as it was.
        map: where names differ in a .qca.txt or .toml: stream=camera,stream=camera.
        json: print JSON for other programs.
    """
    from drivers.camera.model import save_camera
    from fusion.calibrate.store import name_in_rig
    from fusion.geometry.foreign import is_calibration

    found: Extrinsics | None = None
    if is_calibration(source):
        models = _taken_over(source, map)
    else:
        from fusion.calibrate.board import board_of

        known = board_of(board, square_mm, marker_mm, dictionary, legacy)
        found = _from_session(source, known, world, cameras, quiet=json)
        models = found.cameras
    folder = Path(output) if output is not None else Path(rig).parent if rig is not None else Path()
    files = {name: folder / f"{name}.yaml" for name in models}
    for name, model in models.items():
        save_camera(model, files[name])
    if rig is not None:
        name_in_rig(rig, files)
    if json:
        print(json_format.dumps(_report(models, found, files), indent=2))
    else:
        _print(models, found, files, rig)
    return 0


def _taken_over(source: str, pairs: str) -> dict[str, CameraModel]:
    """Return the cameras of another program's calibration, by the names that streams have."""
    import dataclasses

    from fusion.commands.arguments import UsageError
    from fusion.geometry.foreign import read_calibration

    known = read_calibration(source)
    if not pairs:
        return known
    chosen = {}
    for pair in filter(None, pairs.split(",")):
        stream, _, camera = pair.partition("=")
        if camera not in known or not stream:
            raise UsageError(
                f"--map: '{pair}' names no camera of {source}", mend=f"Cameras: {', '.join(known)}"
            )
        chosen[stream] = dataclasses.replace(known[camera], name=stream)
    return chosen


def _from_session(source: str, board: Any, world: str, folder: str | None, *, quiet: bool) -> Extrinsics:
    from rich.console import Console
    from rich.progress import Progress

    from drivers.camera.model import load_camera, model_of
    from drivers.errors import CalibrationError
    from fusion.calibrate.extrinsics import calibrate_places
    from fusion.calibrate.moments import moments_of
    from fusion.calibrate.pictures import cameras_of
    from recordings.reader import open_recording

    with (
        open_recording(source) as recording,
        Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar,
    ):
        streams, lenses = cameras_of(recording), {}
        for name, stream in streams.items():
            size = (stream.info.shape[1], stream.info.shape[0])
            if folder is not None:
                lens = load_camera(Path(folder) / f"{name}.yaml").scaled(size)
            else:
                lens = model_of(stream.info.properties, size, name)
            if lens is None:
                raise CalibrationError(
                    f"the lens of camera {name} is unknown",
                    mend=f"chorus calibrate camera SOURCE --camera={name}, then give --cameras=FOLDER",
                )
            lenses[name] = lens
        task = bar.add_task("looking for the board", total=None)
        moments = moments_of(streams, board, lambda done, of: bar.update(task, completed=done, total=of))
        return calibrate_places(lenses, moments, board, world)


def _report(
    models: dict[str, CameraModel], found: Extrinsics | None, files: dict[str, Path]
) -> dict[str, Any]:
    return {
        "world": found.world if found else "as in the file",
        "moments": len(found.moments) if found else None,
        "cameras": {
            name: {
                "file": str(files[name]),
                "centre_m": model.pose.centre.tolist() if model.pose else None,
                "error_px": round(found.errors_px[name], 3) if found else None,
                "focal_moved_percent": round(found.focal_moved[name], 4)
                if found and name in found.focal_moved
                else None,
            }
            for name, model in models.items()
        },
        "shared": {" ".join(pair): count for pair, count in found.shared.items()} if found else {},
    }


def _print(
    models: dict[str, CameraModel], found: Extrinsics | None, files: dict[str, Path], rig: str | None
) -> None:
    from rich.console import Console
    from rich.markup import escape

    from fusion.commands.view import table

    console = Console()
    shown = table("camera", "stands at [m]", "error [px]", "file")
    for name, model in models.items():
        at = "" if model.pose is None else " ".join(f"{v:.3f}" for v in model.pose.centre)
        shown.add_row(name, at, f"{found.errors_px[name]:.2f}" if found else "", str(files[name]))
    console.print(shown)
    if found:
        for name, percent in found.focal_moved.items():
            console.print(
                f"{escape(name)}: its lens was adjusted with the places, as far as its calibration allows "
                f"(focal length {percent:+.2f} %), and is written with them",
                highlight=False,
            )
        console.print(f"{len(found.moments)} moments; the world: {escape(found.world)}", highlight=False)
        weak = [f"{a} and {b}" for (a, b), count in found.shared.items() if 0 < count < 10]
        if weak:
            console.print(
                f"seldom together: {escape(', '.join(weak))}; more moments make it truer", highlight=False
            )
    if rig is not None:
        console.print(f"named in {escape(rig)}", highlight=False)
