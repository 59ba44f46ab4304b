"""The units and axes checker on planted mistakes; ``python -m benchmarks.devices.axes``.

Sensors of five kinds (other rates, noise, quantisation; with and without magnetometer, orientation and a
clock of
their own) are laid on the desk and turned as ``chorus calibrate axes`` asks, by a hand that turns by 70 to
110 degrees about axes some degrees off, and shakes. Each of 20 mistakes is planted in each kind where it can
be, over many seeds. Named: its code is among those told and no other is. Sound set-ups must be told sound.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from drivers.simulator.turned import Turned
from drivers.simulator.worn import Errors, Part
from fusion.calibrate.axes.check import check
from fusion.calibrate.axes.script import SCRIPT
from fusion.calibrate.trace import ImuTrace

Array = NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Setup:
    """A sound sensor: rate, least count of force (m/s²) and turning (rad/s), what else it sends."""

    rate_hz: float
    part: Part
    counts: tuple[float, float]
    field: bool = False
    orientation: bool = False
    clock: bool = False


CHEAP = Part()
GOOD = Part(0.005, (0.05, 0.3), 0.002, 0.1, (2.0, 10.0), 0.002)
POOR = Part(0.03, (1.0, 3.0), 0.02, 0.6, (30.0, 60.0), 0.02)

SETUPS: dict[str, Setup] = {
    "WT901-like, 9 axes and orientation": Setup(100, CHEAP, (4.8e-3, 1.06e-3), True, True, True),
    "Xsens-like, orientation, 100 Hz": Setup(100, GOOD, (1e-4, 1e-5), True, True, True),
    "MPU-like, 6 axes, 200 Hz": Setup(200, CHEAP, (6e-4, 1.3e-4)),
    "x-IMU-like, 400 Hz, magnetometer": Setup(400, GOOD, (6e-4, 1.1e-3), True, False, True),
    "phone-like, 50 Hz, poor parts": Setup(50, POOR, (1e-2, 2e-3), True, True, False),
}


def sound(setup: Setup, seed: int) -> ImuTrace:
    """Return what a sound sensor sends."""
    rng = np.random.default_rng((seed, 31))
    turned = Turned(SCRIPT.turn, seed)
    times = np.arange(0, turned.stop, 1 / setup.rate_hz)
    ideal = turned.inertial(times)
    errors = Errors.drawn(setup.part, rng)
    force, rate = errors.measured(ideal.specific_force[:, 0], ideal.angular_rate[:, 0], setup.rate_hz, rng)
    pose = turned.orientation(times)
    field = quaternion = None
    if setup.field:
        dip = np.radians(rng.uniform(50, 72))
        earth = rng.uniform(25, 60) * np.array([np.cos(dip), 0, -np.sin(dip)])
        field = pose.inv().apply(earth) + rng.uniform(-6, 6, 3) + rng.normal(0, 0.4, (len(times), 3))
    if setup.orientation:
        from scipy.spatial.transform import Rotation

        drift = Rotation.from_rotvec(np.radians(2) * rng.normal(size=3))
        quaternion = (Rotation.from_euler("z", rng.uniform(0, 6)) * pose * drift).as_quat()
    stamps = times * (1 + rng.normal(0, 20e-6)) + 3.0
    return ImuTrace(
        "imu",
        "",
        setup.rate_hz,
        times + rng.normal(0, 1e-4, len(times)),
        np.round(force / setup.counts[0]) * setup.counts[0],
        np.round(rate / setup.counts[1]) * setup.counts[1],
        field,
        quaternion,
        np.arange(len(times), dtype=np.uint64),
        (stamps * 1e9).astype(np.int64) if setup.clock else None,
    )


def _with(**changes: Callable[[ImuTrace], object]) -> Callable[[ImuTrace], ImuTrace]:
    return lambda trace: dataclasses.replace(trace, **{key: value(trace) for key, value in changes.items()})


def _columns(name: str, order: Sequence[int], signs: Sequence[float]) -> Callable[[ImuTrace], ImuTrace]:
    return _with(**{name: lambda trace: getattr(trace, name)[:, list(order)] * np.array(signs)})


def _both(order: Sequence[int], signs: Sequence[float]) -> Callable[[ImuTrace], ImuTrace]:
    def change(trace: ImuTrace) -> ImuTrace:
        return _columns("rate", order, signs)(_columns("force", order, signs)(trace))

    return change


def _gravity_removed(trace: ImuTrace) -> ImuTrace:
    """As sensor fusion in the device does it: gravity by its own orientation, about 1 % wrong."""
    from scipy.spatial.transform import Rotation

    turned = Turned(SCRIPT.turn, _gravity_removed.seed)  # type: ignore[attr-defined]
    gravity = turned.orientation(trace.time).inv().apply([0, 0, 9.75])
    tilt = Rotation.from_rotvec([0.01, -0.008, 0.0])
    return dataclasses.replace(trace, force=trace.force - tilt.apply(gravity))


def _duplicated(trace: ImuTrace) -> ImuTrace:
    """The device measures at half the rate it sends."""
    index = np.arange(len(trace)) // 2 * 2
    return dataclasses.replace(trace, force=trace.force[index], rate=trace.rate[index])


def _saturated(trace: ImuTrace) -> ImuTrace:
    limit = 0.7 * float(np.abs(trace.rate).max())
    return dataclasses.replace(trace, rate=np.clip(trace.rate, -limit, limit))


MISTAKES: dict[str, tuple[str, str, Callable[[ImuTrace], ImuTrace]]] = {
    "gravity removed": ("gravity_removed", "gravity removed", _gravity_removed),
    "g, not m/s²": ("force_unit", "in g, not m/s²", _with(force=lambda t: t.force / 9.80665)),
    "mg, not m/s²": ("force_unit", "in mg, not m/s²", _with(force=lambda t: t.force / 9.80665e-3)),
    "deg/s, not rad/s": ("rate_unit", "in deg/s, not rad/s", _with(rate=lambda t: np.degrees(t.rate))),
    "accelerometer y inverted": ("force_axes", "axis y inverted", _columns("force", (0, 1, 2), (1, -1, 1))),
    "gyroscope z inverted": ("rate_axes", "axis z inverted", _columns("rate", (0, 1, 2), (1, 1, -1))),
    "accelerometer x, y swapped": (
        "force_axes",
        "axes x and y swapped",
        _columns("force", (1, 0, 2), (1, 1, 1)),
    ),
    "left-handed (y of both)": ("left_handed", "left-handed: axis y inverted", _both((0, 1, 2), (1, -1, 1))),
    "left-handed (x, z swapped)": ("left_handed", "left-handed: axes x and z", _both((2, 1, 0), (1, 1, 1))),
    "gyroscope turned on the chip": (
        "axes_disagree",
        "axes disagree",
        _columns("rate", (1, 0, 2), (1, -1, 1)),
    ),
    "gravity sign inverted": ("gravity_sign", "gravity sign inverted", _with(force=lambda t: -t.force)),
    "quaternion wxyz": (
        "quaternion_order",
        "order is w, x, y, z",
        _columns("quaternion", (3, 0, 1, 2), (1,) * 4),
    ),
    "quaternion conjugated": (
        "quaternion_conjugated",
        "conjugated",
        _columns("quaternion", (0, 1, 2, 3), (-1, -1, -1, 1)),
    ),
    "magnetometer in gauss": ("field_unit", "in gauss", _with(field=lambda t: t.field * 0.01)),  # type: ignore[operator]
    "magnetometer in nT": ("field_unit", "in nT", _with(field=lambda t: t.field * 1e3)),  # type: ignore[operator]
    "rate twice what was told": ("sample_rate", "the rate is wrong", _with(rate_hz=lambda t: t.rate_hz / 2)),
    "rows sent twice": ("duplicated", "rows are duplicated", _duplicated),
    "device stamps in us, told as ms": (
        "time_unit",
        "wrong unit",
        _with(time_device=lambda t: t.time_device * 1000),  # type: ignore[operator]
    ),
    "session times in ms, told as s": ("time_unit", "wrong unit", _with(time=lambda t: t.time * 1000)),
    "gyroscope saturates": ("saturated", "saturates", _saturated),
}
"""What is planted: the code and the words that must be told, and how it is done to a sound trace."""


def possible(name: str, setup: Setup) -> bool:
    """Whether this mistake can be made with such a sensor."""
    if name.startswith("quaternion"):
        return setup.orientation
    if name.startswith("magnetometer"):
        return setup.field
    return setup.clock or not name.startswith("device stamps")


ALSO: dict[str, set[str]] = {
    "force_axes": {"axes_disagree"},
    "rate_axes": {"axes_disagree"},
    "axes_disagree": {"rate_axes"},
    "time_unit": set(),
}
"""What may be told beside a mistake, as it is the same one in other words."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])  # type: ignore[union-attr]
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--first", type=int, default=100)
    options = parser.parse_args(argv)
    seeds = range(options.first, options.first + options.seeds)
    print(f"{len(seeds)} hands on each of {len(SETUPS)} sensors")
    false, tried = collections.Counter[str](), 0
    for label, setup in SETUPS.items():
        wrong = 0
        for seed in seeds:
            verdict = check(sound(setup, seed))
            tried += 1
            wrong += not verdict.sound
            false.update(one.code for one in verdict.mistakes)
            false.update([verdict.unfinished] if verdict.unfinished else [])
        print(f"  sound: {label:<38} false alarms {wrong} of {len(seeds)}")
    print(f"  false alarms: {sum(false.values())} of {tried}   goal: 0   {dict(false) or ''}")
    total = named_all = 0
    for name, (code, words, change) in MISTAKES.items():
        named, count, told = 0, 0, collections.Counter[str]()
        for setup in SETUPS.values():
            if not possible(name, setup):
                continue
            for seed in seeds:
                _gravity_removed.seed = seed  # type: ignore[attr-defined]
                verdict = check(change(sound(setup, seed)))
                codes = {one.code for one in verdict.mistakes}
                count += 1
                right = code in codes and any(words in str(one) for one in verdict.mistakes)
                right = right and codes <= {code} | ALSO.get(code, set())
                named += right
                if not right:
                    told.update(codes or {verdict.unfinished or "nothing"})
        total, named_all = total + count, named_all + named
        print(f"  {name:<34} named {named:4} of {count}   {dict(told) if told else ''}")
    print(f"  named: {named_all} of {total}   goal: all")
    return 0 if named_all == total and not false else 1


if __name__ == "__main__":
    raise SystemExit(main())
