"""``chorus triangulate SESSION [--calibration FILE] --output a.trc``: a person in 3D from several cameras."""

from __future__ import annotations

import contextlib
import json as json_format
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from fusion.commands.arguments import UsageError, call

if TYPE_CHECKING:
    from drivers.camera.model import CameraModel
    from fusion.geometry.people import Person3D
    from recordings.reader import Recording


def main(argv: list[str], program: str) -> int:
    return call(triangulate, argv, program)


def triangulate(
    session: str,
    calibration: str | None = None,
    map: str = "",
    output: str | None = None,
    plot: str | None = None,
    vision: str = "",
    looks: int = 4,
    turn: Literal["auto", "yes", "no"] = "auto",
    smooth_hz: float = 6.0,
    raw: bool = False,
    units: Literal["mm", "m"] = "mm",
    up: Literal["z", "y"] = "z",
    fit: Literal["auto", "bars", "crop", "squeeze"] = "auto",
    json: bool = False,
) -> int:
    """Find a person's joints in 3D from the pictures of two or more calibrated cameras of a session.

    Tells how steady the bones of arms and legs are: a body's do not change their length.

    Args:
        session: the session file (.h5).
        calibration: a Qualisys .qca.txt or a Calib.toml; by default what the session keeps of its cameras.
        map: which camera of the calibration is which stream: left=cam01,right=cam02; by default by name.
        output: the joints: .csv (m, with errors) or .trc.
        plot: picture (.png) of poses, bones and errors.
        vision: name of the front end; by default the one of the session's rig.
        looks: looks of BlazePose at each picture, 1 to 8; more are slower and steadier.
        turn: turn cameras that see all joints to one side of where the others do; auto: if it is plain.
        smooth_hz: cutoff of the zero-phase low-pass (Butterworth, 4th order in all); 0: none.
        raw: write places as triangulated, not smoothed.
        units: of the TRC.
        up: axis of the TRC that points up: z as the world's, y for OpenSim.
        fit: how pictures were made from those that were calibrated, where their shape differs.
        json: print JSON for other programs.
    """
    from fusion.geometry.people import Options, person_of
    from fusion.geometry.write3d import write_3d
    from recordings.reader import open_recording

    if not 0 <= smooth_hz < 1000:
        raise UsageError(f"--smooth_hz is {smooth_hz:g}", mend="Give Hz, such as 6, or 0 for none")
    options = Options(vision, looks, turn, smooth_hz, fit)
    with open_recording(session) as recording:
        cameras = None if calibration is None else _cameras(recording, calibration, map)
        with _progress(quiet=json) as told:
            person = person_of(recording, cameras, options, told)
    if output is not None:
        write_3d(person, output, units, up, not raw)
    if plot is not None:
        from fusion.geometry.steady_plot import draw

        draw(person, plot)
    if json:
        print(json_format.dumps(_report(person), indent=2))
    else:
        _print(person, smooth_hz, [path for path in (output, plot) if path is not None])
    return 0


def _cameras(recording: Recording, calibration: str, pairs: str) -> dict[str, CameraModel]:
    """Return the cameras of a calibration by the streams of a session.

    Raises:
        UsageError: a pair names what is not there, or no names fit.
    """
    from fusion.geometry.foreign import read_calibration

    known = read_calibration(calibration)
    streams = [name for name, stream in recording.streams.items() if stream.info.kind == "camera"]
    chosen = {}
    for pair in filter(None, pairs.split(",")):
        stream, _, camera = pair.partition("=")
        if stream not in streams or camera not in known:
            raise UsageError(
                f"--map: '{pair}' pairs no stream with a camera",
                mend=f"Streams: {', '.join(streams)}. Cameras: {', '.join(known)}",
            )
        chosen[stream] = known[camera]
    if not chosen:
        lower = {name.lower(): model for name, model in known.items()}
        chosen = {stream: lower[stream] for stream in streams if stream in lower}
    if not chosen:
        example = ",".join(f"{a}={b}" for a, b in zip(streams, known, strict=False))
        raise UsageError(
            f"no camera of {calibration} ({', '.join(known)}) is called as a stream ({', '.join(streams)})",
            mend=f"Say which is which, such as --map={example}",
        )
    return chosen


@contextlib.contextmanager
def _progress(*, quiet: bool) -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True, disable=quiet) as bar:
        tasks: dict[str, Any] = {}

        def told(camera: str, done: float) -> None:
            if camera not in tasks:
                tasks[camera] = bar.add_task(f"looking at {camera}", total=1.0)
            bar.update(tasks[camera], completed=done)

        yield told


def _report(person: Person3D) -> dict[str, Any]:
    import numpy as np

    from fusion.geometry.steady import limb_bones

    raw, smooth = limb_bones(person.skeleton, person.raw), limb_bones(person.skeleton, person.places)
    off = person.points.residual_px
    return {
        "moments": len(person.times),
        "pace": person.pace,
        "bones": {
            b.name: {
                "length_m": round(b.length, 4),
                "variation_percent": round(b.variation, 2),
                "raw_variation_percent": round(a.variation, 2),
                "plain_variation_percent": round(b.plain_variation, 2),
                "raw_plain_variation_percent": round(a.plain_variation, 2),
                "known": round(b.known, 3),
            }
            for a, b in zip(raw, smooth, strict=True)
        },
        "cameras": {
            name: {
                "error_px": round(float(np.nanmedian(off[i])), 2) if np.isfinite(off[i]).any() else None,
                "offset_px": round(person.offset_px[name], 2),
                "turned_deg": round(person.turned_deg[name], 3),
                "seen": round(person.seen[name], 3),
                "sides_swapped": round(person.swapped[name], 3),
            }
            for i, name in enumerate(person.cameras)
        },
    }


def _print(person: Person3D, smooth_hz: float, files: list[str]) -> None:
    from rich.console import Console
    from rich.markup import escape

    from fusion.commands.view import table

    console, report = Console(), _report(person)
    bones = table("bone", "length [cm]", "varies [%]", "raw [%]", "with outliers [%]", "raw [%]", "known")
    for name, bone in report["bones"].items():
        bones.add_row(
            name,
            f"{100 * bone['length_m']:.1f}",
            f"{bone['variation_percent']:.1f}",
            f"{bone['raw_variation_percent']:.1f}",
            f"{bone['plain_variation_percent']:.1f}",
            f"{bone['raw_plain_variation_percent']:.1f}",
            f"{bone['known']:.0%}",
        )
    console.print(bones)
    filtered = f"zero-phase Butterworth, {smooth_hz:g} Hz" if smooth_hz else "jumps and gaps only"
    if smooth_hz and person.pace != 1.0:
        filtered += f" in the film's own time, as it was played at {person.pace:.2g} of its pace"
    console.print(
        f"{report['moments']} moments; smoothed: {filtered}; varies: robust, 1.4826 MAD / median",
        highlight=False,
    )
    for name, camera in report["cameras"].items():
        words = f"{name}: {camera['error_px']} px from the result, somebody seen in {camera['seen']:.0%}"
        if camera["turned_deg"]:
            words += (
                f"; saw all joints {camera['offset_px']:.1f} px aside: turned {camera['turned_deg']:.2f} deg"
            )
        if camera["sides_swapped"]:
            words += f"; left and right set right in {camera['sides_swapped']:.0%}"
        console.print(escape(words), highlight=False)
    for path in files:
        print(path)
