"""``chorus live --people=N`` as people run it."""

import csv
import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from rig_runs import track_rig
from two_people import write_two_people

from drivers.errors import ConfigError
from fusion.commands.arguments import UsageError
from fusion.tracking.live import main
from fusion.tracking.options import LiveOptions
from fusion.tracking.sinks import PeopleSink

RIG = """
vision: markers
streams:
  camera: {driver: simulator.camera, width: 320, height: 240, fps: 15}
  pelvis: {driver: simulator.imu, worn_on: pelvis, rate_hz: 50}
"""


@pytest.fixture(scope="module")
def session(tmp_path_factory):
    return str(write_two_people(tmp_path_factory.mktemp("session") / "two.h5", 4.0))


def test_a_recording_of_two_people_gives_each_a_number_and_a_file(session, weights, tmp_path):
    words = ["--source", session, "--weights", weights, "--people=3", "--motion=[trc]"]
    tables = []
    for name in ("a", "b"):
        out = tmp_path / name
        assert main([*words, "--output", str(out)]) == 0
        tables.append((out / "poses.csv").read_bytes())
    assert tables[0] == tables[1]
    with (out / "poses.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if int(row["time_ns"]) > 2_500_000_000]
    assert {row["person"] for row in rows} == {"1", "2"}
    assert {row["person"] for row in rows if row["wears_sensors"] == "1"} == {"2"}  # who stands on the left
    files = {path.name for path in out.iterdir()}
    assert {"overlay.mp4", "motion_person01.trc", "motion_person02.trc"} <= files
    assert json.loads((out / "summary.json").read_text())["frames"] == 40


def test_of_one_person_the_table_and_the_files_are_as_they_were(session, weights, tmp_path):
    out = tmp_path / "out"
    assert main(["--source", session, "--weights", weights, "--motion=[trc]", "--output", str(out)]) == 0
    with (out / "poses.csv").open() as file:
        assert {(row["person"], row["wears_sensors"]) for row in csv.DictReader(file)} == {("0", "1")}
    assert (out / "motion.trc").is_file()


@pytest.mark.parametrize("people", [0, -1, 17])
def test_a_number_of_people_that_makes_no_sense_is_refused(session, people):
    with pytest.raises(UsageError, match=f"--people is {people}"):
        main(["--source", session, f"--people={people}"])


def test_a_front_end_that_sees_one_person_is_refused_for_several(session, weights, tmp_path):
    words = ["--source", session, "--weights", weights, "--output", str(tmp_path / "out")]
    with pytest.raises(ConfigError, match="one person only"):
        main([*words, "--people=2", "--vision=heatmapnet"])


def test_a_rig_publishes_everybody_beside_the_wearer(weights, tmp_path):
    (tmp_path / "rig.yaml").write_text(RIG)
    options = LiveOptions(
        weights=weights, output=str(tmp_path / "out"), duration=4.0, people=2, film=False, runtime="torch"
    )
    tracked = track_rig(tmp_path / "rig.yaml", options, PeopleSink.STREAM)
    assert tracked.info.shape == (3, 20, 10)
    assert len(tracked.rows) > 30
    told = {tuple(row[0, 0, 8:]) for row in tracked.rows}  # number, and whether they wear the sensors
    assert (1.0, 1.0) in told
    assert {wears for _, wears in told} <= {0.0, 1.0}
