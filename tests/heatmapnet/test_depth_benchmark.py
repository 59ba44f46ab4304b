"""The command that trains on depth and tells PCK, in small."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.training import heatmap_depth


def test_one_command_trains_tests_and_leaves_a_report(
    made_depth: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "run"
    small = ("height=64", "width=64")
    options = [
        f"--output={output}",
        f"--data.root={made_depth}",
        "--data.train_subjects=[1, 2, 3]",
        "--data.test_subjects=[5]",
        *(f"--data.{one}" for one in small),
        *(f"--model.init_args.net.{one}" for one in small),
        "--data.workers=0",
        "--model.init_args.net.channels=8",
        "--model.init_args.net.blocks=1",
        "--trainer.max_epochs=1",
        "--trainer.precision=32",
        "--trainer.callbacks=null",
    ]
    heatmap_depth.main(options)
    said = capsys.readouterr().out
    assert "PCK@0.1" in said
    assert "joints in 111 maps of unseen people" in said
    assert {path.name for path in (output / "report").iterdir()} == {
        "results.json", "pck.png", "pictures.png", "learning.png",
    }  # fmt: skip
    with pytest.raises(SystemExit):
        heatmap_depth.main(options)
