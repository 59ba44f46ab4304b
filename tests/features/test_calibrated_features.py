"""A calibration in the stream's properties is applied where features are made, and the rows stay raw."""

import json

import msgspec
import numpy as np
import pytest
from helpers_features import IMU, SECOND
from scipy.spatial.transform import Rotation

from drivers.errors import ConfigError
from drivers.imu.calibration import ImuCalibration, Triad
from fusion.inertial.features import STANDARD_GRAVITY, InertialReader

FORCE = Triad(np.array([0.3, -0.2, 0.1]), np.array([[1.01, 0.02, 0.0], [0.0, 0.98, -0.01], [0.0, 0.0, 1.02]]))
RATE = Triad(np.array([0.01, -0.02, 0.015]), np.eye(3))


def calibrated(info, calibration):
    parts = {name: json.dumps(value) for name, value in calibration.parts().items()}
    return msgspec.structs.replace(info, properties=info.properties | parts)


def turning(n=400, rate_hz=100.0):
    """True specific force and angular rate of a sensor that turns about its x, and its orientation."""
    angle = np.linspace(0, np.pi / 2, n)
    truth = Rotation.from_euler("x", angle[:, None])
    rate = np.zeros((n, 3))
    rate[:, 0] = angle[1] * rate_hz
    return truth.inv().apply([0, 0, STANDARD_GRAVITY]), rate, truth


def read(info, rows):
    times = np.arange(len(rows)) * SECOND // 100
    return InertialReader(info)(rows, times, np.arange(len(rows), dtype=np.uint64))


def test_the_errors_of_the_sensor_are_taken_off():
    force, rate, _ = turning()
    raw = np.hstack([force @ np.linalg.inv(FORCE.matrix).T + FORCE.bias, rate + RATE.bias])
    got = read(calibrated(IMU, ImuCalibration(FORCE, RATE)), raw)
    np.testing.assert_allclose(got[:, :3] * STANDARD_GRAVITY, force, atol=1e-5)
    np.testing.assert_allclose(got[:, 3:6], rate, atol=1e-6)
    np.testing.assert_allclose(got, read(IMU, np.hstack([force, rate])), atol=1e-5)


def test_units_of_the_stream_are_made_si_before_the_correction():
    force, rate, _ = turning()
    raw = np.hstack([force @ np.linalg.inv(FORCE.matrix).T + FORCE.bias, rate + RATE.bias])
    other = msgspec.structs.replace(IMU, units=("mg",) * 3 + ("deg/s",) * 3)
    raw = np.hstack([raw[:, :3] / STANDARD_GRAVITY * 1000, np.degrees(raw[:, 3:])])
    got = read(calibrated(other, ImuCalibration(FORCE, RATE)), raw)
    np.testing.assert_allclose(got[:, :3] * STANDARD_GRAVITY, force, atol=1e-4)


@pytest.mark.parametrize("own", [True, False])
def test_an_aligned_sensor_reads_as_one_mounted_along_the_bone(own):
    force, rate, truth = turning()
    mount = Rotation.from_rotvec([0.3, -0.4, 0.2])  # sensor -> bone
    sensor = np.hstack([mount.inv().apply(force), mount.inv().apply(rate)])
    bone = np.hstack([force, rate])
    info = IMU
    if own:
        names = ("orientation_x", "orientation_y", "orientation_z", "orientation_w")
        info = msgspec.structs.replace(
            IMU, channels=IMU.channels + names, units=(*IMU.units, *"1111"), shape=(10,)
        )
        sensor = np.hstack([sensor, (truth * mount).as_quat()])
        bone = np.hstack([bone, truth.as_quat()])
    aligned = calibrated(info, ImuCalibration(alignment=mount, worn_on=IMU.worn_on))
    got, expected = read(aligned, sensor), read(info, bone)
    np.testing.assert_allclose(got[:, :6], expected[:, :6], atol=1e-5)
    if own:
        np.testing.assert_allclose(got, expected, atol=1e-5)
    else:  # without a magnetometer the heading of each filter is its own: compare what is up
        up = [np.cross(one[:, 6:9], one[:, 9:])[:, 2] for one in (got, expected)]
        np.testing.assert_allclose(up[0], up[1], atol=0.02)


def test_an_alignment_for_another_place_is_refused():
    info = calibrated(IMU, ImuCalibration(alignment=Rotation.identity(), worn_on="head"))
    with pytest.raises(ConfigError, match="aligned on head"):
        InertialReader(info)


@pytest.mark.parametrize(
    "text", ["{", '{"specific_force": {"bias": [1, 2]}}', '{"gyro": {}}', '{"angular_rate": 3}']
)
def test_a_malformed_calibration_is_refused_whole(text):
    info = msgspec.structs.replace(IMU, properties={"inertial": text})
    with pytest.raises(ConfigError):
        InertialReader(info)


def test_parts_make_the_same_calibration_again():
    one = ImuCalibration(FORCE, RATE, None, Rotation.from_rotvec([0.1, 0.2, 0.3]), "head")
    again = ImuCalibration.from_parts(json.loads(json.dumps(one.parts())), "test")
    np.testing.assert_allclose(again.specific_force.matrix, FORCE.matrix)
    assert (one.alignment.inv() * again.alignment).magnitude() < 1e-5
    assert again.worn_on == "head"
