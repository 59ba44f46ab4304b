import msgspec
import numpy as np
import pytest
from helpers_features import IMU, SECOND, imu_batch
from scipy.spatial.transform import Rotation

from drivers.errors import ConfigError
from fusion.inertial.features import STANDARD_GRAVITY, InertialReader
from fusion.inertial.orientation import six_d

QUATERNION = ("orientation_x", "orientation_y", "orientation_z", "orientation_w")


def read(info, batch):
    return InertialReader(info)(batch.data, batch.stamps["time"], batch.stamps["seq"])


def test_units_are_made_one():
    metric = imu_batch(0.5)
    other = msgspec.structs.replace(IMU, units=("g",) * 3 + ("deg/s",) * 3)
    rows = metric.data.astype(np.float64)
    rows[:, :3] /= STANDARD_GRAVITY
    rows[:, 3:] = np.degrees(rows[:, 3:])
    got = InertialReader(other)(rows, metric.stamps["time"], metric.stamps["seq"])
    np.testing.assert_allclose(got, read(IMU, metric), atol=1e-5)
    np.testing.assert_allclose(got[:, :3], metric.data[:, :3] / STANDARD_GRAVITY, atol=1e-5)


def test_the_devices_own_orientation_is_taken_as_it_is():
    info = msgspec.structs.replace(
        IMU, channels=IMU.channels + QUATERNION, units=(*IMU.units, *"1111"), shape=(10,)
    )
    rotations = Rotation.random(20, random_state=1)
    rows = np.concatenate([np.zeros((20, 6)), rotations.as_quat()], axis=1)
    got = InertialReader(info)(rows, np.arange(20) * 10**7, np.arange(20, dtype=np.uint64))
    expected = rotations.as_matrix()[:, :, :2].transpose(0, 2, 1).reshape(20, 6)
    np.testing.assert_allclose(got[:, 6:], expected, atol=1e-6)


def test_a_device_without_an_orientation_yet_gives_no_rotation():
    assert six_d(np.array([[0.0] * 4, [np.nan] * 4])).tolist() == [[1, 0, 0, 0, 1, 0]] * 2


@pytest.mark.parametrize("regular", [True, False])
def test_without_orientation_the_filter_finds_up_and_follows_a_turn(regular):
    info = msgspec.structs.replace(IMU, regular=regular, rate_hz=100.0 if regular else 0.0)
    n, up = 600, np.array([0.0, 0.0, STANDARD_GRAVITY])
    angle = np.concatenate([np.zeros(200), np.linspace(0, np.pi / 2, 200), np.full(200, np.pi / 2)])
    truth = Rotation.from_euler("x", angle[:, None])
    rows = np.zeros((n, 6))
    rows[:, :3] = truth.inv().apply(up)
    rows[:-1, 3] = np.diff(angle) * 100.0
    times = np.arange(n) * SECOND // 100
    got = InertialReader(info)(rows, times, np.arange(n, dtype=np.uint64))
    world_z = np.cross(got[:, 6:9], got[:, 9:12])  # the third column; its z element is R[2, 2]
    tilt = np.degrees(np.arccos(np.clip(world_z[:, 2], -1, 1)))
    np.testing.assert_allclose(tilt, np.degrees(angle), atol=2.0)


def test_lost_rows_do_not_stop_the_turn():
    n = 400
    rate = np.zeros((n, 6))
    rate[:, 2] = STANDARD_GRAVITY
    rate[100:300, 5] = np.pi / 4  # 90 degrees about the vertical in 2 s
    seq, times = np.arange(n, dtype=np.uint64), np.arange(n) * SECOND // 100
    kept = np.ones(n, bool)
    kept[150:180] = False
    whole = InertialReader(IMU)(rate, times, seq)[-1, 6:9]
    holed = InertialReader(IMU)(rate[kept], times[kept], seq[kept])[-1, 6:9]
    assert np.degrees(np.arccos(np.clip(whole @ holed, -1, 1))) < 1.0
    assert np.degrees(np.arccos(np.clip(whole[0], -1, 1))) > 80


def test_a_stream_without_its_columns_or_with_strange_units_is_refused():
    with pytest.raises(ConfigError, match="specific force"):
        InertialReader(msgspec.structs.replace(IMU, channels=("a",) * 6))
    with pytest.raises(ConfigError, match="furlong"):
        InertialReader(msgspec.structs.replace(IMU, units=("furlong",) * 6))


@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("cuts", [[], [1, 2, 50]])
def test_a_sensor_that_tells_orientation_and_no_angular_rate_gets_the_rate_of_its_turning(regular, cuts):
    """A BNO08x in UART-RVC mode. Some rows are lost; a quaternion and its negative are one orientation."""
    info = msgspec.structs.replace(
        IMU,
        channels=IMU.channels[:3] + QUATERNION,
        units=(*IMU.units[:3], *"1111"),
        shape=(7,),
        rate_hz=100.0 if regular else 0.0,
        regular=regular,
    )
    seq = np.array([k for k in range(200) if k not in (20, 21, 77)], np.uint64)
    spin = np.array([0.3, -1.0, 2.0])  # rad/s in the sensor's axes: constant
    begin = Rotation.random(random_state=3)
    turned = (begin * Rotation.from_rotvec(seq[:, None] * spin / 100)).as_quat()
    turned[::7] *= -1
    rows = np.concatenate([np.tile([0, 0, STANDARD_GRAVITY], (len(seq), 1)), turned], axis=1)
    reader = InertialReader(info)
    times = seq.astype(np.int64) * 10**7
    parts = np.split(np.arange(len(seq)), cuts)
    got = np.concatenate([reader(rows[part], times[part], seq[part]) for part in parts])
    np.testing.assert_allclose(got[1:, 3:6], np.tile(spin, (len(seq) - 1, 1)), atol=1e-5)
    assert got[0, 3:6].tolist() == [0, 0, 0]


def test_over_a_long_gap_nobody_knows_how_it_turned():
    info = msgspec.structs.replace(
        IMU, channels=IMU.channels[:3] + QUATERNION, units=(*IMU.units[:3], *"1111"), shape=(7,)
    )
    turned = Rotation.from_rotvec([[0, 0, 0], [0, 0, 1.5]]).as_quat()
    rows = np.concatenate([np.zeros((2, 3)), turned], axis=1)
    got = InertialReader(info)(rows, np.array([0, SECOND]), np.array([0, 1000], np.uint64))
    assert not got[:, 3:6].any()
