"""Labels as comma-separated text: an interval a line, as people write it and as ``chorus export`` does.

::

    start,stop,action,who
    12.5,14,squat,Ada
    2026-05-04T09:30:17.25Z,2026-05-04T09:30:19Z,squat,

``start`` and ``stop`` are s of session time, or ISO 8601 with a zone; ``start_s`` and ``start_ns`` numbers.
"""

from __future__ import annotations

import csv
import dataclasses
import datetime
import io
import itertools
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from pathlib import Path

from drivers.errors import DataError
from drivers.typed import nearest
from recordings.exporters.csv_files import seconds
from recordings.labels import Label

COLUMNS: tuple[str, ...] = ("start_s", "stop_s", "action", "who")
"""As written."""

WHO = "csv"
"""Who said so where the table does not."""

_TIMES = ("start", "stop", "start_s", "stop_s", "start_ns", "stop_ns")
_KNOWN = (*_TIMES, "action", "who")
_LONGEST = 200
_MOST_BYTES = 64 << 20
_AGREE_NS = 1_000
"""Times told twice may differ by their rounding, no more: else one was changed and the other forgotten."""


@dataclasses.dataclass(frozen=True)
class Bounds:
    """What intervals must lie in.

    Attributes:
        first, last: session time of the first and the last moment, ns.
        utc_ns: UTC of session time 0, ns since 1970; 0: not known.
    """

    first: int
    last: int
    utc_ns: int = 0


SLACK_NS = 100_000_000
"""An interval may reach so far beyond the session: people type tenths of a second."""


def read_labels(path: Path | str, bounds: Bounds) -> list[Label]:
    """Read a table of intervals, sorted by time.

    Args:
        path: a CSV file, UTF-8, with a line of column names; commas or semicolons between.
        bounds: of the session.

    Raises:
        DataError: anything is wrong with any line, which is named; nothing is taken then.
    """
    path = Path(path)
    rows = _rows(path)
    head = [name.strip().lower() for name in rows[0][1]]
    _check_head(path, head)
    found: list[tuple[Label, int]] = []
    for line, cells in rows[1:]:
        if len(cells) != len(head):
            raise _wrong(path, line, f"has {len(cells)} values, and there are {len(head)} columns")
        values = {name: cell.strip() for name, cell in zip(head, cells, strict=True)}
        found.append((_label(path, line, values, bounds), line))
    found.sort()
    for (one, first), (other, second) in itertools.pairwise(found):
        if other.start < one.stop:
            first, second = sorted((first, second))
            raise _wrong(
                path,
                second,
                f"overlaps line {first}: '{one.action}' lasts until {seconds(one.stop)} s, "
                f"'{other.action}' begins at {seconds(other.start)} s",
                "Let each moment have one action",
            )
    return [label for label, _ in found]


def labels_text(labels: Iterable[Label]) -> str:
    """Return labels as a table that :func:`read_labels` reads back exactly."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((seconds(la.start), seconds(la.stop), la.action, la.who) for la in labels)
    return out.getvalue()


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Return (number of the line, its cells), without empty lines; the first is the line of names."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise DataError(f"{path} is too large for a table of labels", mend="Give a CSV file of intervals")
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror or error})", mend="Give a CSV file of intervals"
        ) from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is no UTF-8 text", mend="Save the table as CSV in UTF-8") from None
    first = text.lstrip().partition("\n")[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True)
    rows = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, cells))
    except csv.Error as error:
        raise _wrong(path, reader.line_num, f"is not CSV ({error})") from None
    if not rows:
        raise DataError(f"{path} is empty", mend="Its first line names the columns: start,stop,action")
    return rows


def _check_head(path: Path, head: list[str]) -> None:
    for name in head:
        if name not in _KNOWN:
            raise DataError(f"{path} has a column '{name[:40]}'", mend=nearest(name, _KNOWN, "Columns are"))
        if head.count(name) > 1:
            raise DataError(f"{path} has two columns '{name}'", mend="Leave one of them out")
    for end in ("start", "stop"):
        if not any(name in head for name in (end, f"{end}_s", f"{end}_ns")):
            raise DataError(f"{path} has no column '{end}'", mend="Its first line must be: start,stop,action")
    if "action" not in head:
        raise DataError(f"{path} has no column 'action'", mend="Its first line must be: start,stop,action")


def _label(path: Path, line: int, values: dict[str, str], bounds: Bounds) -> Label:
    start = _time(path, line, "start", values, bounds)
    stop = _time(path, line, "stop", values, bounds)
    if stop <= start:
        raise _wrong(path, line, f"stops at {seconds(stop)} s, not after its start at {seconds(start)} s")
    for name, time in (("start", start), ("stop", stop)):
        if not bounds.first - SLACK_NS <= time <= bounds.last + SLACK_NS:
            raise _wrong(
                path,
                line,
                f"has its {name} at {seconds(time)} s, and the session lasts from "
                f"{bounds.first * 1e-9:.2f} to {bounds.last * 1e-9:.2f} s",
                "Give session time, as chorus info and the exported tables have it",
            )
    action, who = " ".join(values["action"].split()), " ".join(values.get("who", "").split())
    if not action:
        raise _wrong(path, line, "names no action", "Leave out what has no action: it is unknown")
    if max(len(action), len(who)) > _LONGEST or not (action + who).isprintable():
        raise _wrong(path, line, f"has a name that is none ('{action[:40]}')", "Give a few words")
    return Label(start, stop, action, who or WHO)


def _time(path: Path, line: int, end: str, values: dict[str, str], bounds: Bounds) -> int:
    """Return ``start`` or ``stop`` of a line, ns of session time, from the columns that tell it."""
    told = {name: values[name] for name in (end, f"{end}_s", f"{end}_ns") if values.get(name)}
    if not told:
        raise _wrong(path, line, f"has no {end}")
    times = {name: _instant(path, line, name, text, bounds) for name, text in told.items()}
    if max(times.values()) - min(times.values()) > _AGREE_NS:
        both = " and ".join(f"{name} {text[:40]}" for name, text in told.items())
        raise _wrong(path, line, f"tells two times: {both}", "Leave one of the two columns out")
    return times.get(f"{end}_ns", next(iter(times.values())))


def _instant(path: Path, line: int, name: str, text: str, bounds: Bounds) -> int:
    try:
        number = Decimal(text)
    except InvalidOperation:
        if not name.endswith(("_s", "_ns")):
            return _utc(path, line, name, text, bounds)
        number = Decimal("nan")
    limit = 2**62 if name.endswith("_ns") else 2**32
    if not number.is_finite() or abs(number) > limit:
        mend = "Write the number with a point" if "," in text else "Give a number of seconds"
        if name.endswith("_ns"):
            mend = "Give whole nanoseconds"
        raise _wrong(path, line, f"has '{text[:40]}' as {name}", mend)
    return int((number if name.endswith("_ns") else number * 1_000_000_000).to_integral_value())


def _utc(path: Path, line: int, name: str, text: str, bounds: Bounds) -> int:
    """Return the session time of an ISO 8601 moment, ns."""
    try:
        moment = datetime.datetime.fromisoformat(text)
    except ValueError:
        mend = (
            "Write the number with a point"
            if text.replace(",", "", 1).isdigit()
            else ("Give seconds of session time, or a moment as 2026-05-04T09:30:17.25Z")
        )
        raise _wrong(path, line, f"has '{text[:40]}' as {name}", mend) from None
    if moment.tzinfo is None:
        raise _wrong(
            path, line, f"has '{text[:40]}' as {name}, in no zone", "End it with Z for UTC, or +02:00"
        )
    if not bounds.utc_ns:
        raise _wrong(
            path,
            line,
            f"has a time of day as {name}, and the session knows no UTC",
            "Give seconds of session time",
        )
    since = moment - datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1_000 - bounds.utc_ns


def _wrong(
    path: Path, line: int, what: str, mend: str = "Correct that line; nothing was changed"
) -> DataError:
    return DataError(f"{path} line {line} {what}", mend=mend)
