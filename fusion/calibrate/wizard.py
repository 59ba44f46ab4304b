"""What the wizards say on the console: one line a step, and a status that moves where somebody looks."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.markup import escape
from rich.status import Status


class Guide:
    """Leads through steps; a context manager. Where nobody looks, only the lines are printed, each at once.

    Args:
        quiet: print nothing: ``--json``.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=quiet, width=None if sys.stdout.isatty() else 200, quiet=quiet)
        self._status: Status | None = None

    def __enter__(self) -> Guide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._still()

    def step(self, number: int, of: int, words: str) -> None:
        """Say what to do now."""
        self._still()
        self._console.print(f"[bold]{number}/{of}[/bold]  {escape(words)}", highlight=False)
        sys.stdout.flush()

    def say(self, words: str) -> None:
        """Say something that is no step."""
        self._still()
        self._console.print(escape(words), highlight=False)
        sys.stdout.flush()

    def show(self, words: str) -> None:
        """Show how far things are, in the moving last line."""
        if not self._console.is_terminal:
            return
        if self._status is None:
            self._status = self._console.status(escape(words))
            self._status.start()
        else:
            self._status.update(escape(words))

    def _still(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
