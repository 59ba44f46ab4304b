"""What ``chorus calibrate imu`` finds of simulated sensors; ``python -m benchmarks.devices.imu``.

Each sensor has the noise, biases (0.5 to 1 deg/s, 20 to 40 mg on each axis), scale and cross-axis errors
(0.5 %) of a
consumer part. A hand lays it on its six sides and turns it once about each axis on edge, some degrees askew,
shaking where it holds. Told is what is left of bias and scale, with the errors before; and whether the poor
calibrations (moved all the time, too short, a side missing) say so.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from drivers.errors import CalibrationError
from drivers.imu.calibration import ImuCalibration
from drivers.simulator.turned import Hand, Turned
from drivers.simulator.worn import Errors, Part
from fusion.calibrate.sensor import SensorReport, calibrate_sensor
from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]

X, Y, Z = np.eye(3)
SIDES: tuple[Array, ...] = (X, X, X, X, Y, Y, Y, Y, X, Z, Z, Z, Z, -X)
"""Quarter turns that show every side, and then turn on edge about z."""
HAND = Hand((80.0, 100.0), 4.0, 2.0, 0.3, (3.0, 4.0), (0.8, 1.6))
GOAL = {"accelerometer bias, mg": 5.0, "gyroscope bias, deg/s": 0.02, "magnetometer bias, uT": 1.0}


def turned(
    errors: Errors,
    rate_hz: float,
    rng: np.random.Generator,
    turns: Sequence[Array] = SIDES,
    hand: Hand = HAND,
) -> tuple[ImuTrace, Array]:
    """Return what such a sensor sends while it is turned, and its magnetometer's iron (3,) uT."""
    body = Turned(np.array(turns), int(rng.integers(2**31)), hand, start_s=3.0, sides=hand is HAND)
    times = np.arange(0, body.stop, 1 / rate_hz)
    ideal = body.inertial(times)
    force, rate = errors.measured(ideal.specific_force[:, 0], ideal.angular_rate[:, 0], rate_hz, rng)
    iron = rng.uniform(-30, 30, 3)
    soft = np.eye(3) + rng.normal(0, 0.03, (3, 3))
    earth = np.array([20.0, 0.0, -43.0])
    field = body.orientation(times).inv().apply(earth) @ soft.T + iron
    field += rng.normal(0, 0.3, field.shape)
    return ImuTrace("imu", "", rate_hz, times, force, rate, field), iron


def calibrated_triads(errors: Errors, rate_hz: float, rng: np.random.Generator) -> ImuCalibration:
    """Return what the command finds of a sensor with these errors."""
    trace, _ = turned(errors, rate_hz, rng)
    found = calibrate_sensor(trace).calibration
    if found.specific_force is None:
        raise AssertionError("the six sides were not found")
    return found


def left(report: SensorReport, errors: Errors) -> dict[str, float]:
    """Return what is left of each error after the calibration: the worst direction."""
    found = report.calibration
    assert found.specific_force is not None
    assert found.angular_rate is not None
    up = np.vstack([np.eye(3), -np.eye(3), Rotation.random(60, random_state=1).apply([0, 0, 1])])
    read = 9.80665 * up @ errors.force_matrix.T + errors.force_bias
    size = np.linalg.norm(found.specific_force(read), axis=1)
    bias = found.angular_rate.bias - errors.rate_bias
    scale = np.diag(found.angular_rate.matrix @ errors.rate_matrix)
    return {
        "accelerometer bias, mg": float(
            np.abs(found.specific_force.bias - errors.force_bias).max() / 9.80665e-3
        ),
        "size of gravity, worst, mg": float(np.abs(size / 9.80665 - 1).max() * 1e3),
        "gyroscope bias, deg/s": float(np.degrees(np.abs(bias)).max()),
        "gyroscope scale, %": float(np.abs(scale - 1).max() * 100),
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--sensors", type=int, default=60)
    parser.add_argument("--first", type=int, default=0)
    options = parser.parse_args(argv)
    found: dict[str, list[float]] = {}
    told = advised = 0
    poor = {"moved all the time": 0, "too short": 0, "a side is missing": 0}
    for seed in range(options.first, options.first + options.sensors):
        rng = np.random.default_rng((seed, 41))
        errors = Errors.drawn(Part(), rng)
        trace, iron = turned(errors, 100.0, rng)
        report = calibrate_sensor(trace)
        advised += bool(report.advice)
        for name, value in left(report, errors).items():
            found.setdefault(name, []).append(value)
        if report.calibration.magnetic_field is not None:
            field = np.abs(report.calibration.magnetic_field.bias - iron).max()
            found.setdefault("magnetometer bias, uT", []).append(float(field))
        told += 1
        restless = Hand(HAND.turn_deg, 10.0, 5.0, 12.0, HAND.rest_s, HAND.move_s)
        for name, other in (
            (
                "moved all the time",
                turned(errors, 100.0, rng, [X + Y, Y, Z, X, Y], restless)[0].between(4, 60),
            ),
            ("too short", trace.between(0, 6.0)),
            ("a side is missing", turned(errors, 100.0, rng, SIDES[:5])[0]),
        ):
            try:
                poor[name] += bool(calibrate_sensor(other).advice)
            except CalibrationError:
                poor[name] += 1
    print(f"{told} sensors; what is left after the calibration")
    print(f"  {'':<30}{'median':>9}{'95 %':>9}")
    for name, values in found.items():
        low, high = np.quantile(values, [0.5, 0.95])
        goal = f"   goal: {GOAL[name]:g}" if name in GOAL else ""
        print(f"  {name:<30}{low:9.3f}{high:9.3f}{goal}   ({len(values)} of {told})")
    print(f"  sound ones with advice: {advised} of {told}")
    for name, count in poor.items():
        print(f"  {name:<30} told {count} of {told}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
