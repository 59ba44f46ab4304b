"""What ``chorus calibrate`` says of itself."""

from __future__ import annotations

import pytest

from fusion.cli import main
from fusion.commands.calibrate import WHAT


def test_calibrate_lists_what_there_is_to_calibrate(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in WHAT)


def test_a_misspelt_calibration_is_named_with_its_neighbour(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["calibrate", "latncy"]) == 2
    assert "calibrate latency`" in capsys.readouterr().err


@pytest.mark.parametrize("name", WHAT)
def test_every_calibration_has_a_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["calibrate", name, "--help"])
    assert stop.value.code == 0
    assert f"chorus calibrate {name}" in capsys.readouterr().out
