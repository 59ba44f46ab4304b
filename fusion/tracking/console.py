"""What one sees while it runs: a table on a terminal, a line a second elsewhere."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fusion.tracking.meter import Meter
from fusion.tracking.pose import Pose, action_name

_EVERY_S = 1.0
_REDRAW_S = 0.25


class LiveConsole:
    """Shows rate, latency, ages and action of a run.

    Args:
        meter: of the run.
        actions: names of the network's actions.
        console: the terminal; by default standard error. Where that is none, the lines go to standard output:
            standard error is for errors then.
    """

    def __init__(self, meter: Meter, actions: Sequence[str], console: Console | None = None) -> None:
        self._meter, self._actions = meter, tuple(actions)
        self._console = console or Console(stderr=True)
        self._live: Live | None = None
        self._pose: Pose | None = None
        self._due = 0.0

    @contextlib.contextmanager
    def shown(self) -> Iterator[LiveConsole]:
        """Show it while the block runs."""
        if not self._console.is_terminal:
            yield self
            return
        with Live(self._table(), console=self._console, auto_refresh=False, transient=True) as self._live:
            yield self
        self._live = None

    def pose(self, pose: Pose) -> None:
        """Take the newest pose; cheap, and may be called from any thread."""
        self._pose = pose

    def update(self) -> None:
        """Redraw if it is time to; called by the thread that owns the terminal."""
        now = time.monotonic()
        if now < self._due or self._pose is None:
            return
        if self._live is not None:
            self._due = now + _REDRAW_S
            self._live.update(self._table(), refresh=True)
        else:
            self._due = now + _EVERY_S
            print(self._line(self._pose), flush=True)

    def _line(self, pose: Pose) -> str:
        rate, frame, sample = self._meter.recent()
        action, probability = action_name(pose, self._actions)
        latencies = [  # of a recording there are none
            f"{name} {each.p50_ms:.0f}/{each.p95_ms:.0f} ms"
            for name, each in (("frame", frame), ("sample", sample))
            if math.isfinite(each.p50_ms)
        ]
        return (
            f"{pose.time / 1e9:8.2f} s  {rate:5.1f} poses/s  "
            f"{'  '.join(latencies)}{' (p50/p95)  ' if latencies else ''}"
            f"{action} {probability:.0%}  fed by {', '.join(pose.fed) or 'nothing'}"
        )

    def _table(self) -> Table:
        table = Table(show_header=False, box=None, padding=(0, 2))
        pose = self._pose
        if pose is None:
            table.add_row("waiting for the first samples")
            return table
        rate, frame, sample = self._meter.recent()
        action, probability = action_name(pose, self._actions)
        age = "none yet" if pose.frame_time is None else f"{(pose.time - pose.frame_time) / 1e6:.0f} ms"
        table.add_row("session time", f"{pose.time / 1e9:.2f} s")
        table.add_row("poses", f"{self._meter.poses}, {rate:.1f}/s")
        table.add_row("pictures", f"{self._meter.frames} seen, {self._meter.frames_skipped} skipped")
        table.add_row("latency from picture", str(frame))
        table.add_row("latency from sample", str(sample))
        table.add_row("age of the picture", age)
        table.add_row("fed by", ", ".join(pose.fed) or "nothing")
        table.add_row("late, skipped ticks", f"{self._meter.late_ticks}, {self._meter.skipped_ticks}")
        table.add_row("action", f"{action} {probability:.0%}" if action else "unknown")
        return table
