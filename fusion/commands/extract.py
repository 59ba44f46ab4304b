"""``chorus extract FOLDER --vision blazepose``: key points of many sessions, by many processes."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Literal

from drivers.errors import DataError, RecordingError
from fusion.commands.arguments import UsageError, call


def main(argv: list[str], program: str) -> int:
    return call(extract, argv, program)


def extract(
    folder: str,
    vision: str = "blazepose",
    output: str = "",
    workers: int = 2,
    engine: Literal["local", "ray"] = "local",
    pictures: bool = False,
) -> int:
    """Run a vision front end over all sessions of a folder: sessions with key points in place of pictures.

    What is there already is not made again: after a stop, the same command goes on.

    Args:
        folder: of sessions (.h5).
        vision: front end, NAME[:FILE][:key=value]...; docs/vision.md lists them.
        output: folder of the new sessions; by default FOLDER-NAME, with what else the front end was told.
        workers: processes at a time.
        engine: local processes, or Ray Data (extra `ray`).
        pictures: keep the pictures as well.
    """
    from fusion.extract.session import made_by
    from fusion.vision.base import FRONT_ENDS, parse_front_end, short

    if not 1 <= workers <= 256:
        raise UsageError(f"--workers is {workers}", mend="Give 1 to 256")
    if parse_front_end(vision)[0] not in FRONT_ENDS:
        raise UsageError(f"--vision is '{vision}'", mend=f"Choose one of: {', '.join(sorted(FRONT_ENDS))}")
    source = Path(folder)
    if not source.is_dir():
        what = f"{folder} is a file" if source.exists() else f"there is no folder {folder}"
        raise DataError(what, mend="Give a folder of sessions (.h5)")
    sessions = sorted(source.glob("*.h5"))
    if not sessions:
        raise DataError(f"{folder} holds no session", mend="Give a folder of sessions (.h5)")
    named = source if source.name not in ("", "..") else source.resolve()
    made = Path(output) if output else named.with_name(f"{named.name}-{short(vision).replace(':', '-')}")
    if made.resolve() == source.resolve():
        raise UsageError(f"--output is {made}, where the sessions are", mend="Name another folder")
    try:
        made.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RecordingError(
            f"{made} cannot be made: {error.strerror}", mend="Give another folder with --output"
        ) from None
    jobs = [(path, made / path.name) for path in sessions]
    todo = [job for job in jobs if not job[1].exists()]
    for _, there in jobs:
        if there.exists() and (other := made_by(there)) != vision:
            raise DataError(
                f"{there} is there already, made by {other or 'something else'}",
                mend="Name another folder with --output",
            )
    if len(todo) < len(jobs):
        print(f"{len(jobs) - len(todo)} of {len(jobs)} sessions are there already")
    if not todo:
        return 0
    failed = _run(todo, vision, pictures, min(workers, len(todo)), engine)
    for path, error in sorted(failed.items()):
        print(f"{path.name}: {error}")
    print(f"{len(todo) - len(failed)} of {len(todo)} sessions into {made}")
    return 1 if failed else 0


def _run(
    jobs: list[tuple[Path, Path]], vision: str, pictures: bool, workers: int, engine: str
) -> dict[Path, str]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from fusion.commands.view import plain_console

    console = plain_console()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with contextlib.ExitStack() as stack:
        shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        bar = stack.enter_context(shown)
        task = bar.add_task(f"{len(jobs)} sessions", total=float(len(jobs)))
        fractions: dict[Path, float] = {}

        def told(path: Path, fraction: float) -> None:
            fractions[path] = fraction
            bar.update(task, completed=sum(fractions.values()))

        if engine == "ray":
            from fusion.extract.cluster import run_on_ray

            return run_on_ray(jobs, vision, pictures, workers, told)
        from fusion.extract.local import LocalProcesses

        return LocalProcesses(vision, pictures, workers, told).run(jobs)
