"""Lay it on the desk and turn it: every planted mistake is named, sound sensors are told sound."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from benchmarks.devices import axes
from drivers.simulator.turned import Hand, Turned
from fusion.calibrate.axes import frames
from fusion.calibrate.axes.check import check
from fusion.calibrate.axes.script import SCRIPT

SETUPS = list(axes.SETUPS.items())


@pytest.mark.parametrize(("name", "setup"), SETUPS, ids=[name for name, _ in SETUPS])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_sound_sensor_is_told_sound(name, setup, seed):
    verdict = check(axes.sound(setup, seed))
    assert verdict.sound, verdict
    assert not verdict.notes


@pytest.mark.parametrize("name", axes.MISTAKES)
def test_a_mistake_is_named_and_no_other(name):
    code, words, change = axes.MISTAKES[name]
    setup = next(setup for setup in axes.SETUPS.values() if axes.possible(name, setup))
    axes._gravity_removed.seed = 3
    verdict = check(change(axes.sound(setup, 3)))
    codes = {one.code for one in verdict.mistakes}
    assert code in codes
    assert codes <= {code} | axes.ALSO.get(code, set())
    assert words in " ".join(map(str, verdict.mistakes))


@pytest.mark.parametrize("matrix", frames.ALL[1:], ids=lambda m: frames.told(m))
def test_every_naming_of_the_axes_of_the_accelerometer_alone_is_seen(matrix):
    sound = axes.sound(axes.SETUPS["MPU-like, 6 axes, 200 Hz"], 4)
    verdict = check(dataclasses.replace(sound, force=sound.force @ matrix.T))
    assert not verdict.sound
    assert {one.code for one in verdict.mistakes} <= {"force_axes", "axes_disagree", "gravity_sign"}


def test_a_sensor_that_lies_turned_by_a_quarter_is_sound_with_a_note():
    sound = axes.sound(axes.SETUPS["MPU-like, 6 axes, 200 Hz"], 5)
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    verdict = check(dataclasses.replace(sound, force=sound.force @ turn.T, rate=sound.rate @ turn.T))
    assert verdict.sound
    assert "lay another way" in verdict.notes[0]


def test_two_mistakes_are_both_named():
    sound = axes.sound(axes.SETUPS["WT901-like, 9 axes and orientation"], 6)
    verdict = check(
        dataclasses.replace(sound, force=sound.force / 9.80665, rate=np.degrees(sound.rate * [1, -1, 1]))
    )
    codes = {one.code for one in verdict.mistakes}
    assert codes == {"force_unit", "rate_unit", "rate_axes", "axes_disagree"}


@pytest.mark.parametrize("turns", [SCRIPT.turn[:2], SCRIPT.turn[:0]])
def test_turns_that_were_not_done_are_told(turns):
    turned = Turned(np.reshape(turns, (-1, 3)), 7, Hand(), start_s=8.0)
    times = np.arange(0, max(turned.stop, 8.0), 0.01)
    ideal = turned.inertial(times)
    sound = axes.sound(axes.SETUPS["MPU-like, 6 axes, 200 Hz"], 7)
    noise = np.random.default_rng(1).normal(0, 1e-3, (2, len(times), 3))
    short = dataclasses.replace(
        sound,
        rate_hz=100.0,
        time=times,
        force=ideal.specific_force[:, 0] + noise[0],
        rate=ideal.angular_rate[:, 0] + noise[1],
        seq=np.arange(len(times), dtype=np.uint64),
    )
    verdict = check(short)
    assert not verdict.sound
    assert verdict.unfinished
    assert not verdict.mistakes


def test_a_dead_gyroscope_is_named():
    sound = axes.sound(axes.SETUPS["MPU-like, 6 axes, 200 Hz"], 8)
    verdict = check(dataclasses.replace(sound, rate=np.zeros_like(sound.rate)))
    assert [one.code for one in verdict.mistakes] == ["rate_dead"]
