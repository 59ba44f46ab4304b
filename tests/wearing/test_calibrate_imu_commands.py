"""``chorus calibrate imu | pose | axes`` on recorded sessions, by the real command line."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import warm_start
import yaml
from wearing_sessions import session

from benchmarks.devices import axes, imu, wearing
from drivers.calibration import read_calibration
from drivers.imu.calibration import ImuCalibration
from drivers.simulator.wearer import Habits
from drivers.simulator.worn import Errors, Part

RIG = """\
name: walk
streams:
  # the one on the left
  left_forearm:
    driver: imu.serial
    worn_on: left_forearm
    port: /dev/ttyUSB0
  imu:
    driver: imu.serial
    port: /dev/ttyUSB1
"""


def chorus(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    return warm_start.run(folder, "calibrate", *argv)


def test_axes_of_a_sound_session(tmp_path):
    session(tmp_path / "a.h5", [axes.sound(axes.SETUPS["MPU-like, 6 axes, 200 Hz"], 1)])
    done = chorus(tmp_path, "axes", "--session", "a.h5")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "imu: units, axes, signs and timing are right\n"


def test_axes_names_mistakes_and_their_mends(tmp_path):
    sound = axes.sound(axes.SETUPS["MPU-like, 6 axes, 200 Hz"], 1)
    _, _, grams = axes.MISTAKES["g, not m/s²"]
    _, _, inverted = axes.MISTAKES["gyroscope z inverted"]
    session(tmp_path / "a.h5", [grams(inverted(sound))])
    done = chorus(tmp_path, "axes", "--session=a.h5")
    assert (done.returncode, done.stderr) == (1, "")
    assert "in g, not m/s²" in done.stdout
    assert "gyroscope: axis z inverted" in done.stdout
    report = json.loads(chorus(tmp_path, "axes", "--session=a.h5", "--json").stdout)
    assert {one["code"] for one in report["mistakes"]} >= {"force_unit", "rate_axes"}
    assert all(one["mend"] for one in report["mistakes"])


def test_imu_writes_a_calibration_that_the_rig_names(tmp_path):
    rng = np.random.default_rng(1)
    errors = Errors.drawn(Part(), rng)
    trace, iron = imu.turned(errors, 100.0, rng)
    session(tmp_path / "a.h5", [trace])
    (tmp_path / "walk.yaml").write_text(RIG)
    done = chorus(tmp_path, "imu", "--session=a.h5", "--rig=walk.yaml")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert "written into walk.yaml: imu" in done.stdout
    text = (tmp_path / "walk.yaml").read_text()
    assert "# the one on the left" in text
    named = yaml.safe_load(text)["streams"]["imu"]["calibration"]
    found = ImuCalibration.from_parts(read_calibration(tmp_path / named).parts, named)
    assert found.angular_rate is not None
    assert found.specific_force is not None
    assert found.magnetic_field is not None
    np.testing.assert_allclose(np.degrees(found.angular_rate.bias - errors.rate_bias), 0, atol=0.02)
    np.testing.assert_allclose(found.specific_force.bias, errors.force_bias, atol=0.02)
    np.testing.assert_allclose(found.magnetic_field.bias, iron, atol=0.5)


def test_imu_keeps_what_it_found_and_says_what_is_missing(tmp_path):
    rng = np.random.default_rng(2)
    trace, _ = imu.turned(Errors.drawn(Part(), rng), 100.0, rng, imu.SIDES[:4])
    session(tmp_path / "a.h5", [trace])
    done = chorus(tmp_path, "imu", "--session=a.h5", "--json")
    assert (done.returncode, done.stderr) == (1, "")
    report = json.loads(done.stdout)
    assert "sides are missing" in report["quality"]["advice"][0]
    assert set(report["inertial"]) == {"angular_rate"}
    assert read_calibration(tmp_path / "imu.calibration.yaml").parts["inertial"] == report["inertial"]


def marked(folder: Path, run: wearing.Run, seed: int) -> Path:
    traces = wearing.measure(run, seed, Part(), calibrated=False, habits=Habits())
    marks = {step: start for step, (start, _) in run.windows.items()}
    return session(folder / "steps.h5", list(traces.values()), marks)


def test_pose_takes_marks_as_steps_and_keeps_the_other_part_of_the_file(tmp_path):
    run = wearing.plan(np.random.default_rng(1))
    run.mounts = {"left_forearm": run.mounts["left_forearm"]}
    marked(tmp_path, run, 1)
    (tmp_path / "walk.yaml").write_text(RIG)
    (tmp_path / "left_forearm.calibration.yaml").write_text(
        "kind: imu\ninertial: {angular_rate: {bias: [0.01, 0, 0]}}\n"
    )
    done = chorus(tmp_path, "pose", "--session=steps.h5", "--rig=walk.yaml")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    parts = read_calibration(tmp_path / "left_forearm.calibration.yaml").parts
    assert parts["inertial"] == {"angular_rate": {"bias": [0.01, 0, 0]}}
    found = ImuCalibration.from_parts(parts, "test")
    assert found.alignment is not None
    residual = (found.alignment * run.mounts["left_forearm"].rotation.inv()).magnitude()
    assert np.degrees(residual) < 8.0
    streams = yaml.safe_load((tmp_path / "walk.yaml").read_text())["streams"]
    assert streams["left_forearm"]["calibration"] == "left_forearm.calibration.yaml"
    assert "calibration" not in streams["imu"]


def test_a_poor_pose_is_told_and_not_written(tmp_path):
    run = wearing.plan(np.random.default_rng(2))
    wearing.not_held(run)
    run.mounts = {"left_forearm": run.mounts["left_forearm"]}
    marked(tmp_path, run, 2)
    done = chorus(tmp_path, "pose", "--session=steps.h5")
    assert (done.returncode, done.stderr) == (1, "")
    assert "the T-pose was not held still" in done.stdout
    assert not (tmp_path / "left_forearm.calibration.yaml").exists()
    assert chorus(tmp_path, "pose", "--session=steps.h5", "--poor").returncode == 1
    assert (tmp_path / "left_forearm.calibration.yaml").exists()


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("imu",), "needs a rig or a session"),
        (("pose",), "needs a rig or a session"),
        (("axes", "--rig=a.yaml", "--session=a.h5"), "needs a rig or a session"),
        (("imu", "--session=none.h5"), "none.h5"),
        (("imu", "--rig=none.yaml"), "none.yaml"),
        (("axes", "--session=two.h5"), "there are 2 IMUs"),
        (("imu", "--session=two.h5", "--stream=head"), "no IMU 'head'"),
        (("pose", "--session=two.h5"), "worn on a place"),
        (("pose", "--rig=walk.yaml", "--pace=0"), "--pace"),
        (("imu", "--rig=walk.yaml", "--stream=wrist"), "no stream 'wrist'"),
    ],
)
def test_what_cannot_be_done_is_one_line(tmp_path, argv, words):
    sound = axes.sound(axes.SETUPS["phone-like, 50 Hz, poor parts"], 1)
    session(tmp_path / "two.h5", [sound, dataclasses.replace(sound, name="other")])
    (tmp_path / "walk.yaml").write_text(RIG)
    done = chorus(tmp_path, *argv)
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1, done.stderr
    assert words in done.stderr
