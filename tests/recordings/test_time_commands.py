"""``chorus check --plot`` and ``chorus resync`` as one types them, and the view while recording."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console

from fusion.cli import main
from fusion.commands.view import RecordView, print_check
from recordings.check import examine
from recordings.status import RecordStatus

Make = Callable[..., Path]


def test_check_prints_sync_figures_and_draws_them(
    make_session: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "times.png"
    assert main(["check", str(make_session()), "--json", f"--plot={picture}"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert picture.read_bytes().startswith(b"\x89PNG")
    sync = told["streams"]["wrist"]["sync"]
    assert sync["drift_ppm"] == pytest.approx(0.0, abs=1e-6)
    assert sync["jitter_ms"] == sync["steps"] == sync["gaps"] == 0
    assert told["streams"]["camera"]["sync"]["drift_ppm"] is None
    assert told["clocks"] == {}


def test_the_table_names_its_figures_with_their_units(make_session: Make) -> None:
    console = Console(file=io.StringIO(), width=140)
    print_check(examine(make_session()), console)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    for word in ("jitter [ms]", "wander [ms]", "drift [ppm]", "steps", "gaps", "bound [ms]", "duration [s]"):
        assert word in printed


def test_a_picture_that_cannot_be_is_one_line(make_session: Make, capsys: pytest.CaptureFixture[str]) -> None:
    session = make_session()
    assert main(["check", str(session), "--plot=/nowhere/times.png"]) == 1
    error = capsys.readouterr().err
    assert error.startswith("chorus check: /nowhere/times.png can't be written")
    assert error.count("\n") == 1


def test_resync_prints_what_moved_and_where_the_new_file_is(
    make_session: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    session = make_session()
    assert main(["resync", str(session)]) == 0
    printed = capsys.readouterr().out
    assert "both directions" in printed
    assert "session.resynced.h5" in printed.replace("\n", "")
    assert main(["resync", str(session)]) == 1
    assert "not overwritten" in capsys.readouterr().err


@pytest.mark.parametrize("terminal", [True, False])
def test_a_warning_is_shown_while_recording(terminal: bool, capsys: pytest.CaptureFixture[str]) -> None:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=100)
    warning = "ankle: no clock probe for 7 s"
    status = RecordStatus("recording", "tcp://x", Path("a.h5"), 3.0, None, (), (warning,))
    with RecordView(console=console) as view:
        view(status)
    assert warning in console.file.getvalue() + capsys.readouterr().out  # type: ignore[attr-defined]
