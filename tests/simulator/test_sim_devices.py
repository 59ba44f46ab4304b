"""Simulated IMU, microphone and truth behave like devices, with clocks that are wrong as told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from drivers.base import DriverContext
from drivers.errors import ConfigError, DeviceError
from drivers.imu.serial.driver import SerialImuConfig, SerialImuDriver
from drivers.rig import create_driver, load_rig
from drivers.simulator.actions import ACTIONS
from drivers.simulator.body import GRAVITY, Body
from drivers.simulator.clock import SimulatedClock
from drivers.simulator.imu import ImuConfig, SimulatedImu
from drivers.simulator.microphone import MicrophoneConfig, SimulatedMicrophone
from drivers.simulator.sensor import RANGE_DPS, RANGE_G, PseudoTerminal, Sensor, shocks
from drivers.simulator.sound import Sound
from drivers.simulator.truth import SimulatedTruth, TruthConfig

RIG = Path(__file__).parents[2] / "configs" / "rigs" / "simulated.yaml"


def gather(driver, rows, limit_s=20.0):
    """Read until ``rows`` rows came; return them with their seq, host and device times."""
    found, lost, deadline = [], {}, time.monotonic() + limit_s
    while sum(map(len, found)) < rows and time.monotonic() < deadline:
        samples = driver.read(0.1)
        if samples is not None:
            found.append(samples)
            for reason, count in samples.lost.items():
                lost[reason] = lost.get(reason, 0) + count
    data = np.concatenate([s.data for s in found])
    host, device, seq = (
        np.concatenate([getattr(s, name) for s in found]) for name in ("time_host", "time_device", "seq")
    )
    return data, host, device, seq.astype(np.int64), lost


def ago(seconds):
    return time.monotonic_ns() - round(seconds * 1e9)


# Clock


def test_a_fast_clock_captures_too_often_and_never_knows():
    clock = SimulatedClock(100.0, start_ns=7, offset_ns=1000, drift_ppm=1000.0)
    rows = np.array([0, 100_100])
    assert clock.capture(rows).tolist() == [7, 7 + 1000 * 10**9]
    assert clock.stamp(rows).tolist() == [1000, 1000 + 1001 * 10**9]
    assert clock.rows_until(7 + 1000 * 10**9) == 100_101
    assert SimulatedClock.from_text(clock.text()) == clock


def test_samples_arrive_in_order_and_never_early():
    clock = SimulatedClock(1000.0, delay_ns=2_000_000, jitter_ns=3e6)
    rows = np.arange(5000)
    arrival = clock.arrival(rows, np.random.default_rng(0))
    late = arrival - clock.capture(rows)
    assert (np.diff(arrival) >= 0).all()
    assert late.min() >= 2_000_000
    assert late.min() < 2_100_000


# IMU


def test_the_serial_driver_reads_exactly_what_the_sensor_sent():
    body, made = Body(seed=3), []

    def make(start_ns):
        sensor = Sensor(
            body, "left_shin", SimulatedClock(200.0, start_ns), np.random.default_rng(0), noise=0.0
        )
        made.append(sensor)
        return sensor

    terminal = PseudoTerminal("shin")
    driver = SerialImuDriver(SerialImuConfig(port=terminal.port, rate_hz=200.0), DriverContext("shin"))
    try:
        terminal.play(make, ago(5.0))
        driver.open()
        data, _, _, seq, lost = gather(driver, 200)
    finally:
        driver.close()
        terminal.close()
    force, rate, turn = made[0].counts(seq)
    assert lost == {}
    assert seq.tolist() == list(range(len(data)))
    np.testing.assert_allclose(data[:, 0:3], force / 32768 * RANGE_G * GRAVITY, rtol=1e-6)
    np.testing.assert_allclose(data[:, 3:6], np.radians(rate / 32768 * RANGE_DPS), rtol=1e-6)
    np.testing.assert_array_equal(data[:, [9, 6, 7, 8]], turn / 32768)


def test_the_imu_measures_the_body_at_the_instants_of_its_own_clock():
    epoch = ago(4.0)
    config = ImuConfig(
        seed=1, script=("march",), drift_ppm=300, offset_ms=5000, delay_ms=4, jitter_ms=1, shock=False
    )
    imu = SimulatedImu(config, DriverContext("shin", "left_shin", epoch))
    info = imu.open()
    data, host, device, seq, lost = gather(imu, 150)
    imu.close()
    clock = SimulatedClock.from_text(info.properties["true_clock"])
    captured = clock.capture(seq)
    ideal = config.body().inertial(captured / 1e9, ("left_shin",))
    assert lost == {}
    assert clock.drift_ppm == 300
    assert (host - epoch - captured).min() >= 4_000_000
    assert device == pytest.approx(clock.stamp(seq), abs=1_000_000)
    assert np.abs(data[:, 0:3] - ideal.specific_force[:, 0]).max() < 0.5
    assert np.abs(data[:, 3:6] - ideal.angular_rate[:, 0]).max() < 0.05
    assert info.worn_on == "left_shin"
    assert info.rate_hz == 100.0


def test_an_imu_at_rest_reads_gravity_upward():
    imu = SimulatedImu(ImuConfig(script=("stand",), sway=0.0), DriverContext("p", "pelvis", ago(2.0)))
    imu.open()
    data, *_ = gather(imu, 40)
    imu.close()
    assert data[:, 0:3].mean(0) == pytest.approx([0.0, 0.0, GRAVITY], abs=0.4)
    assert np.abs(data[:, 3:6]).max() < 0.05


def test_every_lost_sample_is_counted_when_packets_are_dropped_and_damaged():
    config = ImuConfig(rate_hz=400.0, dropout=0.02, garbage=0.02)
    imu = SimulatedImu(config, DriverContext("p", "pelvis", ago(2.0)))
    info = imu.open()
    data, _, device, seq, lost = gather(imu, 400)
    imu.close()
    clock = SimulatedClock.from_text(info.properties["true_clock"])
    sent = np.rint((device - clock.offset_ns) * clock.rate_hz / 1e9 + 0.2).astype(int)  # stamps are whole ms
    missing = seq[-1] - seq[0] + 1 - len(data)
    assert np.array_equal(seq - seq[0], sent - sent[0])
    assert missing > 5
    assert 0 <= sum(lost.values()) - missing <= 3  # some may be lost after the last that came


def test_an_imu_opens_again_after_it_was_closed_and_leaves_nothing_open():
    imu = SimulatedImu(ImuConfig(), DriverContext("p", "pelvis", ago(2.0)))
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(2):
        imu.open()
        assert len(gather(imu, 5)[0]) >= 5
        imu.close()
        imu.close()
    assert len(list(Path("/dev/fd").iterdir())) == before
    with pytest.raises(DeviceError, match="read while closed"):
        imu.read(0.0)


def test_claps_shake_the_hands_and_steps_the_feet():
    body = Body(script=("clap", "march"), seed=2)
    impacts = body.impacts(0.0, 15.0)
    clap = next(i.time for i in impacts if i.kind == "clap")
    step = next(i for i in impacts if i.kind == "step")
    after = np.arange(0.0, 0.03, 0.001)
    assert np.abs(shocks(body, clap + after, "right_hand")).max() > 10
    assert np.abs(shocks(body, clap + after, "left_foot")).max() == 0
    assert np.abs(shocks(body, step.time + after, f"{step.side}_foot")).max() > 10


# Microphone


def test_claps_are_heard_when_they_happen():
    body = Body(script=("clap",), seed=1)
    rate = 48_000
    times = np.arange(0, 6 * rate) / rate
    sound = Sound(body)(times)
    for impact in body.impacts(0.0, 5.8):
        at = round(impact.time * rate)
        onset = np.flatnonzero(np.abs(sound[at - 480 : at + 2400]) > 0.1)
        assert len(onset) > 0
        assert 0 <= onset[0] - 480 < 240  # within 5 ms, never before


def test_sound_does_not_depend_on_the_blocks_it_is_asked_for_in():
    body = Body(script=("jump",), seed=1)
    times = np.arange(0, 48_000) / 48_000 + 1.0
    whole = Sound(body, noise=0.0)(times)
    blocks = np.concatenate([Sound(body, noise=0.0)(part) for part in np.split(times, 50)])
    assert np.abs(whole).max() > 0.05
    assert np.array_equal(whole, blocks)


def test_the_microphone_sends_gap_free_blocks_with_impacts_at_their_true_times():
    epoch = ago(1.0)
    config = MicrophoneConfig(script=("clap",), seed=1, drift_ppm=200, delay_ms=5)
    microphone = SimulatedMicrophone(config, DriverContext("m", "", epoch))
    info = microphone.open()
    data, host, _, seq, lost = gather(microphone, 2 * 48_000)
    microphone.close()
    clock = SimulatedClock.from_text(info.properties["true_clock"])
    assert lost == {}
    assert seq.tolist() == list(range(0, len(data), 960))
    assert (host - epoch - clock.capture(seq)).min() >= 4_990_000  # the block is 200 ppm shorter than told
    times = clock.capture(np.arange(len(data))) / 1e9
    claps = [i.time for i in config.body().impacts(times[0] + 0.05, times[-1] - 0.05)]
    assert claps
    for clap in claps:
        first = np.searchsorted(times, clap)
        assert np.abs(data[first : first + 480]).max() > 0.1 * 32767
        assert np.abs(data[first - 480 : first]).max() < 0.05 * 32767


# Truth


def test_truth_tells_where_the_joints_are_and_when_actions_change():
    config = TruthConfig(seed=0)
    body = config.body()
    change = body.segments(3.0, 60.0)[0].stop
    epoch = ago(change - 0.5)  # the session has run until half a second before an action changes
    truth = SimulatedTruth(config, DriverContext("truth", "", epoch))
    info = truth.open()
    data, host, events = [], [], []
    deadline = time.monotonic() + 20
    while len(events) < 3 and time.monotonic() < deadline:
        samples = truth.read(0.1)
        events += truth.events()
        if samples is not None:
            data.append(samples.data)
            host.append(samples.time_host)
    truth.close()
    times = (np.concatenate(host) - epoch) / 1e9
    assert info.channels[:4] == ("pelvis.x", "pelvis.y", "pelvis.z", "spine.x")
    np.testing.assert_allclose(np.concatenate(data), body.pose(times).joints, atol=1e-5)
    before, after = (ACTIONS[i] for i in body.actions([change - 0.1, change + 0.1]))
    assert [(kind, label) for _, kind, label in events[:3]] == [
        ("label_start", before),
        ("label_stop", before),
        ("label_start", after),
    ]
    assert events[1][0] == epoch + round(change * 1e9)
    assert json.loads(info.properties["actions"]) == list(ACTIONS)


# Rig


def test_the_simulated_rig_loads_and_all_its_devices_show_the_same_body():
    rig = load_rig(RIG)
    bodies = {
        (o.seed, o.script, o.stature, o.sway, o.heading_deg)
        for o in (s.options for s in rig.streams.values())
    }
    drifts = {s.options.drift_ppm for s in rig.streams.values()}
    assert rig.vision == "markers"
    assert len(bodies) == 1
    assert len(drifts) == len(rig.streams)
    assert {s.driver for s in rig.streams.values()} == {
        "simulator.camera",
        "simulator.imu",
        "simulator.microphone",
        "simulator.truth",
    }
    assert all(s.latency_ms == s.options.delay_ms for s in rig.streams.values())
    assert isinstance(create_driver(rig, "pelvis", time.monotonic_ns()), SimulatedImu)


@pytest.mark.parametrize("setting", ["script=[fly]", "drift_ppm=99999", "fps=0", "seed=-1", "statur=1.7"])
def test_a_wrong_option_is_refused_in_one_line(setting):
    with pytest.raises(ConfigError) as caught:
        load_rig(RIG, [f"--streams.camera.{setting}"])
    assert "\n" not in str(caught.value)
    assert "streams.camera" in str(caught.value)
