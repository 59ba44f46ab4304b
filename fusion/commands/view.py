"""What the verbs print: tables for people; ``--json`` is for programs."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from recordings.check import CheckReport


def table(*columns: str) -> Table:
    """Return a plain table: the first column to the left, the others to the right."""
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        drawn.add_column(column, justify="left" if number == 0 else "right")
    return drawn


def print_check(report: CheckReport, console: Console | None = None) -> None:
    """Print what ``chorus check`` found."""
    console = console or Console()
    found = table("stream", "samples", "lost", "unexplained", "rate [Hz]", "duration [s]", "bound [ms]")
    for name, stream in report.streams.items():
        found.add_row(
            name,
            f"{stream.samples}",
            f"[yellow]{stream.lost}" if stream.lost else "0",
            f"[red]{stream.unexplained}" if stream.unexplained else "0",
            f"{stream.rate_hz:.3f}",
            f"{stream.duration_s:.2f}",
            f"{stream.time_bound_ms:.3f}",
        )
    console.print(found)
    for note in report.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    for problem in report.problems:
        console.print(f"[red]✗[/red] {escape(problem)}", highlight=False)
    verdict = "[green]✓ sound" if report.ok else f"[red]✗ {len(report.problems)} problems"
    console.print(f"{verdict}[/]  {escape(report.path)}", highlight=False)


def print_info(facts: dict[str, Any], console: Console | None = None) -> None:
    """Print what ``chorus info`` knows of a session."""
    console = console or Console()
    session = facts["session"]
    console.print(f"[bold]{escape(facts['path'])}[/]  {facts['bytes'] / 1e6:.1f} MB", highlight=False)
    for key in ("id", "subject", "task", "software"):
        if session.get(key):
            console.print(f"  {key}: {escape(str(session[key]))}", highlight=False)
    console.print(f"  {facts['duration_s']:.2f} s, {facts['events']} events, {len(facts['labels'])} labels")
    streams = table("stream", "kind", "device", "worn on", "rows", "rate [Hz]", "stored as")
    for name, one in facts["streams"].items():
        stored = "not stored" if one["withheld"] else f"{one['encoding']} {tuple(one['shape'])}"
        streams.add_row(
            name,
            one["kind"],
            escape(one["device"]),
            one["worn_on"],
            str(one["rows"]),
            f"{one['rate_hz']:.2f}",
            escape(stored),
        )
    console.print(streams)
