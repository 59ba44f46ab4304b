"""Session time on another host: the bound contains the truth, whatever the network does."""

from __future__ import annotations

import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.bus.messages import PROBE
from drivers.clock.host import HostClock, clock_identity, estimate_offset

EPOCH = 10**15


class Network:
    """Two clocks and a path between them, both simulated; times in ns."""

    def __init__(self, seed, *, offset=0, skew=0.0, least=(100e3, 100e3), jitter=(1e6, 1e6)):
        self.rng = np.random.default_rng(seed)
        self.offset, self.skew, self.least, self.jitter = offset, skew, least, jitter
        self.now = 5 * 10**12

    def session(self, host_ns):
        """The truth."""
        return host_ns + self.offset + round(self.skew * (host_ns - 5 * 10**12))

    def probe(self):
        there, back = (
            int(least + self.rng.exponential(jitter))
            for least, jitter in zip(self.least, self.jitter, strict=True)
        )
        t0 = self.now
        t1 = self.session(t0 + there)
        t2 = self.session(t0 + there + 30_000)
        t3 = t0 + there + 30_000 + back
        self.now = t3
        return t0, t1, t2, t3


def test_the_bound_contains_the_truth_of_nearly_all_samples_over_many_networks():
    """What holds for every probe set is tested beside the constraints; here the bound as handed out."""
    rng = np.random.default_rng(0)
    inside = []
    for seed in range(150):
        least = (0.0, 0.0) if seed % 2 else tuple(rng.uniform(0, 20e6, 2))
        jitter = tuple(10 ** rng.uniform(3, 7.7, 2))
        network = Network(seed, offset=10**14, skew=rng.uniform(-5e-4, 5e-4), least=least, jitter=jitter)
        clock = HostClock(EPOCH, same=False)
        for i in range(40):
            clock.update(network.probe())
            asked = network.now + np.array([0, 10**8, 10**9])
            times, bounds = clock.to_session(asked)
            truth = np.array([network.session(int(t)) for t in asked]) - EPOCH
            inside.append(np.abs(times - truth) <= bounds)
            network.now += 10**7 if i < 8 else 10**9
        assert clock.steps == 0
    assert np.mean(inside) > 0.998


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    offset=st.integers(-(10**17), 10**17),
    skew=st.floats(-500e-6, 500e-6),
    least=st.tuples(st.floats(0, 20e6), st.floats(0, 20e6)),
    jitter=st.tuples(st.floats(1e3, 50e6), st.floats(1e3, 50e6)),
)
def test_for_any_delays_times_are_sane_and_can_be_turned_back(seed, offset, skew, least, jitter):
    network = Network(seed, offset=offset, skew=skew, least=least, jitter=jitter)
    clock = HostClock(EPOCH, same=False)
    for i in range(40):
        probe = network.probe()
        clock.update(probe)
        asked = network.now + np.array([0, 10**8, 10**9])
        times, bounds = clock.to_session(asked)
        truth = np.array([network.session(int(t)) for t in asked]) - EPOCH
        assert np.all(np.abs(times - truth) <= bounds + (probe[3] - probe[0]) + 10**6)
        assert np.all((bounds > 0) & (bounds < 10**10))
        one, bound = clock.to_session(int(asked[1]))
        assert one == times[1]
        assert 0 < bound <= bounds[1] + 1
        assert abs(clock.to_session(clock.to_host(one))[0] - one) <= 2
        network.now += 10**7 if i < 8 else 10**9
    assert clock.steps == 0
    assert clock.refused == 0


def test_a_minute_of_probes_over_bad_wireless_gives_better_than_half_the_least_round_trip():
    errors = []
    for seed in range(10):
        network = Network(seed, offset=123456789, skew=40e-6, least=(1e6, 1e6), jitter=(5e6, 5e6))
        clock = HostClock(EPOCH, same=False)
        for _ in range(60):
            clock.update(network.probe())
            network.now += 10**9
        time, _ = clock.to_session(network.now)
        errors.append(abs(time - (network.session(network.now) - EPOCH)))
        assert clock.estimate.skew == pytest.approx(40e-6, abs=60e-6)
    assert np.median(errors) < 1e6  # 1 ms of least delay each way, 5 ms of jitter


def test_asymmetry_is_inside_the_bound():
    network = Network(1, least=(10e6, 0.0), jitter=(1e3, 1e3))
    clock = HostClock(EPOCH, same=False)
    for _ in range(30):
        clock.update(network.probe())
        network.now += 10**9
    time, bound = clock.to_session(network.now)
    error = abs(time - (network.session(network.now) - EPOCH))
    assert 4e6 < error <= bound < 6e6


def test_a_step_is_found_and_the_old_probes_are_given_up():
    network = Network(2, jitter=(1e5, 1e5))
    clock = HostClock(EPOCH, same=False)
    for _ in range(20):
        clock.update(network.probe())
        network.now += 10**9
    network.offset += 50_000_000
    clock.update(network.probe())
    assert clock.steps == 1
    time, bound = clock.to_session(network.now)
    assert abs(time - (network.session(network.now) - EPOCH)) <= bound < 2e6


@pytest.mark.parametrize("jump_ns", [20_000_000, 700_000_000, 10 * 10**9])
@pytest.mark.parametrize("ahead", ["session", "host"])
def test_handed_out_time_never_runs_back_and_is_true_again_after_a_step(jump_ns, ahead):
    """Either clock may jump ahead (a machine that slept). Time asked for rises, as rows come."""
    network = Network(4, offset=10**12, skew=200e-6, jitter=(1e6, 1e6))
    clock = HostClock(EPOCH, same=False)
    jumped, last, wrong_since, late = False, None, None, 0.0
    for second in range(60):
        if second == 30:
            network.offset += jump_ns if ahead == "session" else -jump_ns
            network.now += 0 if ahead == "session" else jump_ns
            jumped, wrong_since = True, network.now
        clock.update(*(network.probe() for _ in range(4)))
        for _ in range(100):
            time, bound = clock.to_session(network.now)
            error = abs(time - (network.session(network.now) - EPOCH))
            assert last is None or time > last
            assert error <= bound
            if jumped and error > 1e6:
                late = (network.now - wrong_since) / 1e9
            last = time
            network.now += 10**7
    assert clock.steps == 1
    # Forward at once; back takes as long as the step was, since time has to wait, and a moment more.
    assert late < (0.5 if ahead == "session" else jump_ns / 1e9 * 1.02 + 4.0)


def test_time_does_not_jump_where_an_estimate_improves():
    network = Network(6, jitter=(20e6, 20e6))
    clock = HostClock(EPOCH, same=False)
    last = None
    for _ in range(200):
        clock.update(network.probe())
        time, _ = clock.to_session(network.now)
        assert last is None or 0 < time - last[0] < 1.1 * (network.now - last[1])
        last = time, network.now
        network.now += 10**7
        time, _ = clock.to_session(network.now)
        assert time > last[0]


def test_the_age_of_the_newest_probe_can_be_asked():
    clock = HostClock(EPOCH, same=True)
    assert clock.age(7) is None
    clock.update((10, 20, 20, 30))
    assert clock.age(35) == 5


def test_probes_in_any_order_and_twice_do_no_harm():
    network = Network(7, skew=-100e-6, jitter=(5e6, 5e6))
    probes = []
    for _ in range(60):
        probes.append(network.probe())
        network.now += 5 * 10**8
    mixed = HostClock(EPOCH, same=False)
    for k in np.random.default_rng(0).permutation(len(probes)).tolist():
        mixed.update(probes[k], probes[k])
    time, bound = mixed.to_session(network.now + 2 * 10**9)
    assert abs(time - (network.session(network.now + 2 * 10**9) - EPOCH)) <= bound < 10**7
    assert mixed.steps == 0


def test_a_long_run_keeps_few_probes_and_its_accuracy():
    network = Network(8, skew=60e-6, least=(2e6, 2e6), jitter=(10e6, 10e6))
    clock = HostClock(EPOCH, same=False)
    errors = []
    for _ in range(400):
        clock.update(*(network.probe() for _ in range(4)))
        time, bound = clock.to_session(network.now)
        errors.append(abs(time - (network.session(network.now) - EPOCH)))
        assert errors[-1] <= bound
        network.now += 5 * 10**8
    assert np.median(errors[40:]) < 3e5
    assert max(errors[40:]) < 1e6


def test_probes_that_cannot_be_are_refused():
    clock = HostClock(EPOCH, same=False)
    for impossible in ((10, 0, 0, 5), (0, 10, 5, 20), (0, 0, 30, 20)):
        clock.update(impossible)
    assert clock.refused == 3
    with pytest.raises(RuntimeError):
        clock.to_session(0)
    clock.update(np.array([(0, 5, 6, 11)], PROBE)[0])
    assert clock.estimate.probes == 1


def test_one_clock_needs_no_probe_and_has_no_error():
    clock = HostClock(EPOCH, same=True)
    clock.update((1, 500, 600, 1000))
    assert clock.to_session(EPOCH + 7) == (7, 0)
    times, bounds = clock.to_session(np.array([EPOCH, EPOCH + 1]))
    assert times.tolist() == [0, 1]
    assert bounds.tolist() == [0, 0]
    assert clock.to_host(7) == EPOCH + 7


def test_the_estimate_is_a_pure_function_of_the_probes():
    network = Network(3, skew=-100e-6)
    probes = np.array([network.probe() for _ in range(20)], PROBE)
    assert estimate_offset(probes, network.now) == estimate_offset(probes.copy(), network.now)


def test_processes_of_one_host_share_the_identity_of_its_clock():
    code = "from drivers.clock.host import clock_identity; print(clock_identity())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert other.stdout.strip() == clock_identity()


def _moved(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["unshare", "--user", "--map-root-user", "--time", "--monotonic", "1000", "--fork"]
    return subprocess.run(
        [*command, sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60
    )


@pytest.mark.skipif(
    shutil.which("unshare") is None or _moved("pass").returncode != 0,
    reason="this kernel lets nobody make a time namespace (unshare --user --time)",
)
def test_a_process_whose_clock_is_moved_by_a_known_offset_finds_that_offset():
    from drivers.bus import Hub

    code = """
import sys, time
from drivers.bus import Publisher
from drivers.clock.host import clock_identity
with Publisher(sys.argv[1], "wrist") as publisher:
    now = time.monotonic_ns()
    session, bound = publisher.host_clock.to_session(now)
    print(publisher.session.clock == clock_identity(), session - (now - publisher.session.epoch_ns), bound)
"""
    with Hub() as hub:
        result = _moved(code, hub.address)
    assert result.returncode == 0, result.stderr
    same, moved, bound = result.stdout.split()
    assert same == "False"
    assert abs(int(moved) + 1000 * 10**9) <= int(bound)
    assert int(bound) < 50_000_000
