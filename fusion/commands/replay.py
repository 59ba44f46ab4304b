"""``chorus replay FILE``: a recording back onto a bus, at its own pace."""

from __future__ import annotations

import contextlib

from fusion.commands.arguments import call, check_positive


def main(argv: list[str], program: str) -> int:
    return call(replay, argv, program)


def replay(file: str, connect: str | None = None, speed: float = 1.0) -> int:
    """Put a recording back onto a bus at its own pace.

    Without --connect it opens a bus of its own on this machine and prints the address for others to join.

    Args:
        file: the session file (.h5).
        connect: address of a session's bus; by default a new one.
        speed: 2 is twice as fast.
    """
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from recordings.replay import replay as replay_file

    check_positive("--speed", speed)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with contextlib.ExitStack() as stack:
        progress = Progress(*columns)
        task = progress.add_task("replaying", total=None)

        def start(address: str) -> None:
            print(f"bus at {address}", flush=True)
            stack.enter_context(progress)

        def advance(done: float, total: float) -> None:
            progress.update(task, completed=done, total=total)

        rows = replay_file(file, connect or "", speed=speed, on_start=start, on_progress=advance)
    print(f"{rows} rows replayed")
    return 0
