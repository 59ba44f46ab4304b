"""A sensor's own errors are found from rests in six positions, and what is poor says so."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.devices import imu
from drivers.errors import CalibrationError
from drivers.simulator.worn import Errors, Part
from fusion.calibrate.sensor import calibrate_sensor
from fusion.calibrate.triads import coverage, fit_size


def sensor(seed, **changes):
    rng = np.random.default_rng((seed, 41))
    errors = Errors.drawn(dataclasses.replace(Part(), **changes), rng)
    trace, iron = imu.turned(errors, 100.0, rng)
    return errors, trace, iron


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_bias_scale_and_iron_are_found(seed):
    errors, trace, iron = sensor(seed)
    report = calibrate_sensor(trace)
    assert report.advice == ()
    assert report.score == 1.0
    left = imu.left(report, errors)
    assert left["accelerometer bias, mg"] < 1.0
    assert left["gyroscope bias, deg/s"] < 0.02
    assert left["gyroscope scale, %"] < 0.8
    assert left["size of gravity, worst, mg"] < 15.0
    assert report.calibration.magnetic_field is not None
    np.testing.assert_allclose(report.calibration.magnetic_field.bias, iron, atol=0.5)


def test_the_bias_of_the_gyroscope_comes_with_what_it_is_worth():
    errors, trace, _ = sensor(3)
    report = calibrate_sensor(trace)
    off = np.abs(report.gyro_bias_deg_s - np.degrees(errors.rate_bias))
    assert (off < 6 * report.gyro_sigma_deg_s + 1e-6).all()
    assert report.gyro_sigma_deg_s.max() < 0.02
    assert report.gyro_noise == pytest.approx(0.01, rel=0.25)
    assert np.isnan(report.gyro_instability_deg_h)


def test_long_rest_gives_the_least_allan_deviation():
    rng = np.random.default_rng(5)
    _, trace, _ = sensor(4)
    count = 12000
    still = dataclasses.replace(
        trace,
        time=np.arange(count) / 100.0,
        force=np.tile([0.0, 0.0, 9.81], (count, 1)) + rng.normal(0, 0.02, (count, 3)),
        rate=rng.normal(0.01, 1e-3, (count, 3)),
        field=None,
    )
    report = calibrate_sensor(still)
    assert 0 < report.gyro_instability_deg_h < 200
    assert report.calibration.specific_force is None
    assert "sides are missing: x up, x down" in report.advice[0]


def test_a_sensor_that_never_rests_is_refused():
    _, trace, _ = sensor(6)
    rng = np.random.default_rng(1)
    moving = dataclasses.replace(trace, rate=trace.rate + rng.normal(0, 1.0, trace.rate.shape))
    with pytest.raises(CalibrationError, match="at rest for"):
        calibrate_sensor(moving)


def test_too_short_a_rest_is_refused():
    _, trace, _ = sensor(7)
    with pytest.raises(CalibrationError, match="at rest for"):
        calibrate_sensor(trace.between(0, 6))


def test_units_that_are_wrong_are_not_calibrated_away():
    _, trace, _ = sensor(8)
    report = calibrate_sensor(dataclasses.replace(trace, force=trace.force / 9.80665))
    assert report.calibration.specific_force is None
    assert "chorus calibrate axes" in " ".join(report.advice)


def test_a_magnetometer_that_saw_few_directions_is_left_as_it_is():
    rng = np.random.default_rng(9)
    trace, _ = imu.turned(Errors.drawn(Part(), rng), 100.0, rng, imu.SIDES[:4])
    report = calibrate_sensor(trace)
    assert report.calibration.magnetic_field is None
    assert "magnetometer pointed to" in " ".join(report.advice)


def test_an_ellipsoid_with_cross_axis_terms_becomes_a_sphere():
    rng = np.random.default_rng(2)
    true = rng.normal(size=(400, 3))
    true *= 50 / np.linalg.norm(true, axis=1, keepdims=True)
    skew = np.array([[1.1, 0.08, -0.05], [0.08, 0.9, 0.04], [-0.05, 0.04, 1.05]])
    found = fit_size(true @ skew.T + [12.0, -30.0, 4.0], 50.0)
    np.testing.assert_allclose(found.triad.bias, [12.0, -30.0, 4.0], atol=1e-4)
    assert found.worst < 1e-4


def test_coverage_is_of_the_whole_sphere():
    rng = np.random.default_rng(3)
    everywhere = rng.normal(size=(2000, 3))
    assert coverage(everywhere) == 1.0
    assert coverage(np.abs(everywhere)) < 0.4
    assert coverage(everywhere * [1, 1, 0.01]) < 0.5
