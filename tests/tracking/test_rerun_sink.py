"""What goes to Rerun can be read back from the file."""

import dataclasses
import importlib.util
import re
import subprocess
import sys

import numpy as np
import pytest
from test_sinks import SECOND, pose

from drivers.errors import ConfigError, MissingDependency
from fusion.tracking.meter import Meter
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs


def printed(path):
    """Return what Rerun's own program says is in a file: its rows by entity, and all its text."""
    done = subprocess.run(
        [sys.executable, "-m", "rerun_cli", "rrd", "print", "-vvv", str(path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    rows: dict[str, int] = {}
    for count, entity in re.findall(r"with (\d+) rows \([^)]*\) - (/\S+)", done.stdout):
        rows[entity] = rows.get(entity, 0) + int(count)
    return rows, done.stdout


def test_poses_of_everybody_and_pictures_are_in_the_file(tmp_path):
    pytest.importorskip("rerun")
    outputs = Outputs(LiveOptions(output=str(tmp_path / "out"), rerun="file", film=False, events=False))
    sinks = outputs.open(("stand", "wave"), pictures=True, threaded=True)
    for k in range(5):
        time = k * SECOND // 60
        for sink in sinks:
            if sink.wants_pictures:
                sink.picture(time, np.full((48, 64, 3), 40 * k, np.uint8))
            first = pose(time, frame_time=time)
            sink.poses([first, dataclasses.replace(first, person=3)])
    outputs.close(Meter(lambda: 0, live=False))
    rows, text = printed(tmp_path / "out" / "run.rrd")
    for person in (0, 3):
        for what in ("joints", "bones", "deviation"):
            assert rows[f"/people/{person}/{what}"] == 5
        assert rows[f"/people/{person}/action"] == 1
        assert rows[f"/camera/{person}"] == 5
    assert rows["/camera"] == 5
    assert "session_time" in text
    assert "wave 70%" in text
    assert "0.25" in text  # m, of every joint


def test_without_rerun_one_line_says_what_to_install(tmp_path, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "rerun" else real(name, *rest)
    )
    with pytest.raises(MissingDependency, match=r"chorus-fusion\[viz\]"):
        Outputs(LiveOptions(output=str(tmp_path / "out"), rerun="file"))
    assert not (tmp_path / "out").exists()


def test_what_is_neither_a_file_nor_a_viewer_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="proxy"):
        Outputs(LiveOptions(output=str(tmp_path / "out"), rerun="somewhere"))
