"""The benchmarks of IMU calibration, run small: they print their figures, and the figures hold."""

from __future__ import annotations

import re

import pytest

from benchmarks.devices import axes, imu, wearing


@pytest.mark.slow
def test_every_mistake_is_named_and_no_sound_sensor_is_blamed(capsys):
    assert axes.main(["--seeds=1", "--first=7"]) == 0
    out = capsys.readouterr().out
    assert "false alarms: 0 of 5 " in out
    assert re.search(r"named: (\d+) of \1 ", out)


@pytest.mark.slow
def test_what_is_left_of_a_sensors_errors_is_small(capsys):
    assert imu.main(["--sensors=2", "--first=3"]) == 0
    out = capsys.readouterr().out
    bias = re.search(r"accelerometer bias, mg +([\d.]+)", out)
    assert bias is not None
    assert float(bias[1]) < 5.0
    assert out.count("told 2 of 2") == 3


@pytest.mark.slow
def test_wearers_are_aligned_and_faults_are_told(capsys):
    assert wearing.main(["--wearers=1", "--poor=1", "--first=3"]) == 0
    out = capsys.readouterr().out
    medians = [float(found) for found in re.findall(r"^  all +([\d.]+) +[\d.]+ +goal: 3 deg", out, re.M)]
    assert len(medians) == 3
    assert medians[0] < 3.0
    assert len(re.findall(r"100.0 %", out)) >= 7
