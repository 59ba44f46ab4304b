"""What the verbs print: tables for people; ``--json`` is for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection
from statistics import median
from typing import TYPE_CHECKING, Any, ClassVar

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from recordings.check import CheckReport
from recordings.status import RecordStatus, RecordSummary, StreamStatus

if TYPE_CHECKING:
    from recordings.editing.repair import RepairReport
    from recordings.importers.berkeley_sessions import ImportReport
    from recordings.importers.xdf import XdfReport
    from recordings.resync import ResyncReport


LITTLE_ROOM_S = 600.0
"""A disk that is full within so long is told in red."""

CLIPS_DB = -0.5
"""Sound that comes nearer to full scale is distorted."""


def plain_console() -> Console:
    """Return the console on stdout; wide where nobody looks, so that programs find whole lines."""
    return Console(width=None if sys.stdout.isatty() else 200)


def table(*columns: str) -> Table:
    """Return a plain table: the first column to the left, the others to the right."""
    drawn = Table(box=None, header_style="bold", pad_edge=False)
    for number, column in enumerate(columns):
        justify = "left" if number == 0 else "right"
        drawn.add_column(escape(column), justify=justify, no_wrap=number == 0)
    return drawn


def print_check(report: CheckReport, console: Console | None = None) -> None:
    """Print what ``chorus check`` found."""
    console = console or plain_console()
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
    console.print()
    console.print(_sync_table(report))
    if report.clocks:
        console.print()
        console.print(_clock_table(report))
    for note in report.notes:
        console.print(f"note: {escape(note)}", highlight=False)
    for problem in report.problems:
        console.print(f"[red]✗[/red] {escape(problem)}", highlight=False)
    verdict = "[green]✓ sound" if report.ok else f"[red]✗ {len(report.problems)} problems"
    console.print(f"{verdict}[/]  {escape(report.path)}", highlight=False)


def _sync_table(report: CheckReport) -> Table:
    """How well the times of each stream hold together; ``docs/time.md`` says how to read it."""
    drawn = table("time", "jitter [ms]", "wander [ms]", "drift [ppm]", "steps", "gaps", "shared events [ms]")
    for name, stream in report.streams.items():
        sync = stream.sync
        shared = f"{_figure(sync.cross_modal_ms, 1)} ± {_figure(sync.cross_modal_spread_ms, 1)}"
        drawn.add_row(
            name,
            f"{sync.jitter_ms:.3f}",
            _figure(sync.wander_ms, 3),
            _figure(sync.drift_ppm, 1),
            f"[yellow]{sync.steps}" if sync.steps else "0",
            f"[yellow]{sync.gaps} ({sync.gap_rows} rows)" if sync.gaps else "0",
            shared if sync.cross_modal_ms is not None else "-",
        )
    return drawn


def _clock_table(report: CheckReport) -> Table:
    drawn = table(
        "clock of host", "probes", "round trip [ms]", "bound [ms]", "skew [ppm]", "steps", "silences"
    )
    for host, clock in report.clocks.items():
        drawn.add_row(
            escape(host[:20]),
            str(clock.probes),
            f"{clock.round_trip_ms:.3f}",
            f"{clock.bound_ms:.3f}",
            f"{clock.skew_ppm:.2f}",
            f"[yellow]{clock.steps}" if clock.steps else "0",
            f"[red]{clock.silences}, up to {clock.longest_silence_s:.0f} s" if clock.silences else "0",
        )
    return drawn


def _figure(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def print_resync(report: ResyncReport, console: Console | None = None) -> None:
    """Print what ``chorus resync`` did."""
    console = console or plain_console()
    done = table(
        "stream", "moved [ms]", "at most [ms]", "of it latency [ms]", "bound before [ms]", "bound [ms]", "how"
    )
    for name, one in report.streams.items():
        figures = (one.moved_ms, one.moved_max_ms, one.latency_ms, one.bound_before_ms, one.bound_ms)
        done.add_row(name, *(f"{figure:.3f}" for figure in figures), escape(one.method))
    console.print(done)
    console.print(escape(str(report.output)), highlight=False, soft_wrap=True)


def print_repair(report: RepairReport, console: Console | None = None) -> None:
    """Print what ``chorus repair`` did."""
    console = console or plain_console()
    done = table("stream", "rows", "damaged, left out", "without a checksum yet")
    for name, one in report.streams.items():
        done.add_row(name, str(one.rows), str(one.damaged), str(one.unverified))
    console.print(done)
    for line in report.gone:
        console.print(escape(f"! lost whole: {line}"), highlight=False, soft_wrap=True)
    console.print(escape(str(report.output)), highlight=False, soft_wrap=True)


def print_import(report: ImportReport, console: Console | None = None) -> None:
    """Print what an import found of each sensor, over all subjects."""
    console = console or plain_console()
    done = table(
        "sensor",
        "rows",
        "period [ms]",
        "drift [ppm]",
        "clock error [ms]",
        "jitter [ms]",
        "p99",
        "gaps",
        "restarts",
    )
    for name in dict.fromkeys(sensor.stream for sensor in report.sensors):
        each = [sensor for sensor in report.sensors if sensor.stream == name]
        drift = sorted(sensor.drift_ppm for sensor in each)
        done.add_row(
            name,
            str(sum(sensor.rows for sensor in each)),
            f"{median(sensor.period_ms for sensor in each):.5f}",
            f"{median(drift):.1f} ({drift[0]:.1f}..{drift[-1]:.1f})",
            f"{median(sensor.line_error_ms for sensor in each):.2f}",
            f"{median(sensor.jitter_ms for sensor in each):.1f}",
            f"{median(sensor.jitter_p99_ms for sensor in each):.1f}",
            f"{sum(sensor.gaps for sensor in each)} ({sum(sensor.gap_rows for sensor in each)} rows)",
            str(sum(sensor.restarts for sensor in each)),
        )
    console.print(done)
    where = report.files[0].parent if report.files else ""
    console.print(f"{len(report.files)} sessions in {escape(str(where))}", highlight=False, soft_wrap=True)


def print_xdf(report: XdfReport, console: Console | None = None) -> None:
    """Print what became of each stream of an XDF file."""
    console = console or plain_console()
    done = table("stream", "type", "became", "rows", "lost", "clock offsets", "scatter [ms]")
    for one in report.streams:
        became = f"{one.became} {one.name}" if one.became != "nothing" else one.became
        done.add_row(
            escape(one.xdf_name),
            escape(one.xdf_type),
            became,
            str(one.rows),
            str(one.lost),
            str(one.offsets),
            f"{one.scatter_ms:.3f}" if one.offsets else "",
        )
    console.print(done)
    for line in (*report.notes, *(f"{one.xdf_name}: {one.note}" for one in report.streams if one.note)):
        console.print(escape(f"! {line}"), highlight=False, soft_wrap=True)
    console.print(escape(str(report.file)), highlight=False, soft_wrap=True)


def print_info(facts: dict[str, Any], console: Console | None = None) -> None:
    """Print what ``chorus info`` knows of a session."""
    console = console or plain_console()
    session = facts["session"]
    console.print(f"[bold]{escape(facts['path'])}[/]  {facts['bytes'] / 1e6:.1f} MB", highlight=False)
    facts_of = {key: session.get(key) for key in ("id", "subject", "task", "software")} | session["metadata"]
    for key, value in facts_of.items():
        if value:
            console.print(f"  {key}: {escape(str(value))}", highlight=False)
    for edit in map(json.loads, session["edits"]):
        console.print(
            f"  edited: {escape(edit['what'])} {escape(str(edit.get('source', '')))}", highlight=False
        )
    for marker in facts["markers"]:
        console.print(f"  mark at {marker['time'] * 1e-9:.3f} s: {escape(marker['label'])}", highlight=False)
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


class RecordView:
    """The console while recording: one line a stream, drawn anew at each status.

    Use as a context manager; call it with each :class:`~recordings.status.RecordStatus`. Where stderr is no
    terminal it prints a line when something changes and every ten seconds, to stdout: stderr is for errors.

    Args:
        hint: printed after the bus's address, ``{address}`` replaced; how others join.
        keys: what keys do, shown below.
        console: the terminal; default: stderr.

    Attributes:
        said: errors that were told already.
    """

    STATES: ClassVar = {
        "waiting": "yellow",
        "running": "green",
        "away": "bold red",
        "faulty": "bold red",
        "ended": "dim",
        "failed": "red",
    }
    QUIET_S = 10.0

    def __init__(self, hint: str = "", console: Console | None = None, keys: str = "") -> None:
        self.said: set[str] = set()
        self._keys = keys
        self._hint = hint
        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._last = ("", -self.QUIET_S)
        self._address = ""
        self._began = False

    def __enter__(self) -> RecordView:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def __call__(self, status: RecordStatus) -> None:
        if not self._address:
            self._address = status.address
            print(f"bus at {status.address}{self._hint.format(address=status.address)}", flush=True)
        self._began |= status.phase == "recording"
        # Until then an error ends the program, which tells it.
        for error in {s.error for s in status.streams if s.state == "failed" and self._began} - self.said:
            self.said.add(error)
            print(error, file=sys.stderr, flush=True)
        if self._console.is_terminal:
            self._live.update(self._draw(status), refresh=True)
            return
        silent = [f"{s.name}: silent since {s.silent_s:.0f} s" for s in status.streams if s.silent_s]
        silent += [s.error for s in status.streams if s.state in ("away", "faulty")]
        news = status.phase + "".join(f"{s.state}{s.silent_s > 0}" for s in status.streams)
        news += str(bool(status.warnings))
        if news != self._last[0] or status.elapsed_s >= self._last[1] + self.QUIET_S:
            self._last = (news, status.elapsed_s)
            states = ", ".join(f"{s.name} {s.state} {s.rows}" for s in status.streams)
            print(f"{status.phase} {status.elapsed_s:.0f} s: {states}", flush=True)
            for warning in (*silent, *status.warnings):
                print(f"! {warning}", flush=True)

    def _draw(self, status: RecordStatus) -> Table:
        columns = ("stream", "state", "rows", "rate [Hz]", "lost", "bound [ms]", "age [s]", "level", "MB")
        drawn = table(*columns)
        until = f" of {status.duration_s:.0f}" if status.duration_s is not None else ""
        drawn.title = f"{status.phase} {status.elapsed_s:.1f}{until} s -> {escape(str(status.path))}"
        room = f"{status.file_bytes / 1e6:.0f} MB; {status.free_bytes / 1e9:.1f} GB left on the disk"
        if status.room_s is not None:
            colour = "red" if status.room_s < LITTLE_ROOM_S else "dim"
            room += f", [{colour}]enough for {_span(status.room_s)}[/]"
        drawn.caption = f"{room}\nbus {status.address}; {self._keys or 'Ctrl-C stops in order'}"
        away = [stream.error for stream in status.streams if stream.state in ("away", "faulty")]
        for warning in (*away, *status.warnings):
            drawn.caption = f"{drawn.caption}\n[yellow]! {escape(warning)}[/]"
        for stream in status.streams:
            drawn.add_row(*self._row(stream), style="red" if _missed(stream) else "")
        return drawn

    def _row(self, stream: StreamStatus) -> list[str]:
        state = f"[{self.STATES[stream.state]}]{stream.state}"
        if stream.silent_s:
            state = f"[{'bold red' if stream.required else 'yellow'}]silent {stream.silent_s:.0f} s"
        of = f" of {stream.nominal_rate_hz:g}" if stream.nominal_rate_hz else ""
        return [
            stream.name,
            state,
            str(stream.rows),
            f"{stream.rate_hz:.1f}{of}",
            f"[red]{stream.lost}" if stream.lost else "0",
            "" if stream.bound_ms is None else f"{stream.bound_ms:.2f}",
            "" if stream.age_s is None else f"{stream.age_s:.2f}",
            meter(stream.level, stream.level_unit),
            f"{stream.bytes / 1e6:.1f}",
        ]


def _missed(stream: StreamStatus) -> bool:
    return stream.state in ("away", "faulty") or (stream.silent_s > 0 and stream.required)


def meter(level: float | None, unit: str) -> str:
    """Return a level as text: a bar for sound, -60 dB to full scale, red where it clips."""
    if level is None:
        return ""
    if unit != "dBFS":
        return f"{level:.1f} {escape(unit)}"
    lit = round(min(max((level + 60) / 6, 0), 10))
    colour = "red" if level > CLIPS_DB else "green"
    return f"[{colour}]{'█' * lit}[/][dim]{'·' * (10 - lit)}[/] {level:4.0f} dB"


def _span(seconds: float) -> str:
    if seconds >= 7200:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 120 else f"{seconds:.0f} s"


def print_summary(summary: RecordSummary, said: Collection[str] = (), console: Console | None = None) -> None:
    """Print what came of a recording; problems go to stderr, except those that were said before."""
    console = console or plain_console()
    done = table("stream", "rows", "lost", "MB")
    for name, stream in summary.streams.items():
        lost = ", ".join(f"{rows} {reason}" for reason, rows in stream.lost.items() if rows) or "0"
        done.add_row(name, str(stream.rows), lost, f"{stream.bytes / 1e6:.1f}")
    console.print(done)
    share = 100 * summary.cpu_s / max(summary.duration_s, 1e-9)
    used = f"recorder used {summary.cpu_s:.1f} s of processor ({share:.0f} % of a core)"
    console.print(
        f"{summary.duration_s:.1f} s; {used}, drivers {summary.drivers_cpu_s:.1f} s", highlight=False
    )
    for name, stream in summary.streams.items():
        if stream.absences:
            times = f"{stream.absences} times" if stream.absences > 1 else "once"
            words = f"{name}: its device was away {times}, {stream.away_s:.1f} s until it was back"
            console.print(escape(words), highlight=False)
        if stream.faults:
            words = (
                f"{name}: its device was faulty {'once' if stream.faults == 1 else f'{stream.faults} times'}"
            )
            console.print(escape(words), highlight=False)
    for problem in summary.problems:
        if problem not in said:
            print(problem, file=sys.stderr, flush=True)
    console.print(f"{escape(str(summary.path))}", highlight=False, soft_wrap=True)
