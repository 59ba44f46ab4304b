"""A driver in a process of its own: it starts, ends, fails and dies without taking anything down."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading

import numpy as np
import pytest
import soundfile

from drivers.bus import Hub, Subscriber
from drivers.bus.messages import Announcement, Batch, Ended, Failed
from drivers.errors import BusUnreachable, ConfigError, DeviceError
from drivers.process import DriverProcesses, main, run_driver
from drivers.rig import load_rig

RATE = 8000


@pytest.fixture
def rig_file(tmp_path):
    """Two microphones that play files: a short one, and one that never ends."""
    wave = (np.arange(RATE // 2) % 100 / 200).astype("f4")
    soundfile.write(tmp_path / "short.wav", wave, RATE, subtype="FLOAT")
    path = tmp_path / "two.yaml"
    path.write_text(
        """
streams:
  short: {driver: microphone.file, path: short.wav}
  endless: {driver: microphone.file, path: short.wav, loop: true}
  broken: {driver: microphone.file, path: short.wav}
  elsewhere: {driver: microphone.file, path: short.wav, remote: true}
""",
        encoding="utf-8",
    )
    return path


def gone(pid_file_descriptor: int, timeout_s: float = 20.0) -> bool:
    """Whether a process ended in time; the kernel wakes us when it does."""
    ready, _, _ = select.select([pid_file_descriptor], [], [], timeout_s)
    os.close(pid_file_descriptor)
    return bool(ready)


def receive(subscriber, kind, stream):
    while True:
        message = subscriber.receive(30)
        assert message is not None, f"no {kind.__name__} of {stream}"
        if isinstance(message, kind):
            name = message.info.name if isinstance(message, Announcement) else message.stream
            if name == stream:
                return message


def test_a_file_is_driven_to_its_end(rig_file):
    with Hub() as hub, Subscriber(hub.address) as subscriber:
        with DriverProcesses(load_rig(rig_file), hub.address, ["short"]) as processes:
            rows = []
            while not (rows and isinstance(rows[-1], Ended)):
                rows.append(subscriber.receive(30))
                assert rows[-1] is not None
            exits = processes.stop()
        assert rows[-1] == Ended("short", RATE // 2, {})
        data = np.concatenate([m.data for m in rows if isinstance(m, Batch)])
        wave, _ = soundfile.read(rig_file.parent / "short.wav", dtype="float32")
        assert np.array_equal(data[:, 0], wave)
        assert [(one.stream, one.code, one.error) for one in exits] == [("short", 0, "")]


def test_the_hub_stops_all_in_order_and_remote_streams_are_left_alone(rig_file):
    with Hub() as hub, Subscriber(hub.address) as subscriber:
        rig = load_rig(rig_file, ["--streams.broken.path=missing.wav"])
        with DriverProcesses(rig, hub.address, ["endless", "elsewhere"]) as processes:
            assert list(processes.pids) == ["endless"]
            receive(subscriber, Batch, "endless")
            os.kill(processes.pids["endless"], signal.SIGINT)  # Ctrl-C is for the parent
            receive(subscriber, Batch, "endless")
            assert processes.running == ("endless",)
            hub.request_stop()
            assert receive(subscriber, Ended, "endless").produced > 0
            assert [one.code for one in processes.stop()] == [0]


def test_a_driver_that_fails_says_so_on_the_bus_and_to_its_parent_and_only_once(rig_file, caplog):
    rig = load_rig(rig_file, ["--streams.broken.path=missing.wav"])
    with (
        Hub() as hub,
        Subscriber(hub.address) as subscriber,
        DriverProcesses(rig, hub.address, ["broken"]) as processes,
    ):
        failed = receive(subscriber, Failed, "broken")
        receive(subscriber, Ended, "broken")
        (over,) = processes.stop()
    assert over.code == 1
    assert over.error == failed.error
    assert "missing.wav" in over.error
    assert not caplog.records  # the parent reports it; a second line would be noise


def test_what_a_driver_prints_reaches_the_user(rig_file, caplog, monkeypatch):
    monkeypatch.setenv("PYTHONWARNINGS", "nonsense")  # the interpreter complains about it on stderr
    with (
        Hub() as hub,
        Subscriber(hub.address) as subscriber,
        DriverProcesses(load_rig(rig_file), hub.address, ["short"]) as processes,
    ):
        receive(subscriber, Ended, "short")
        assert [one.code for one in processes.stop()] == [0]
    assert any(record.getMessage().startswith("short: Invalid -W option") for record in caplog.records)


def test_a_driver_that_is_killed_is_reported_with_the_signal(rig_file):
    with (
        Hub() as hub,
        Subscriber(hub.address) as subscriber,
        DriverProcesses(load_rig(rig_file), hub.address, ["endless"]) as processes,
    ):
        receive(subscriber, Batch, "endless")
        process = os.pidfd_open(processes.pids["endless"])
        os.kill(processes.pids["endless"], signal.SIGKILL)
        assert gone(process)
        (over,) = processes.check()
    assert over.code == -signal.SIGKILL
    assert "SIGKILL" in over.error


def test_drivers_end_when_their_parent_dies(rig_file):
    parent = """
import sys
from drivers.process import DriverProcesses
from drivers.rig import load_rig
processes = DriverProcesses(load_rig(sys.argv[1]), sys.argv[2], ["endless"])
print(processes.pids["endless"], flush=True)
sys.stdin.read()
"""
    with Hub() as hub, Subscriber(hub.address) as subscriber:
        process = subprocess.Popen(
            [sys.executable, "-c", parent, str(rig_file), hub.address],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            child = os.pidfd_open(int(process.stdout.readline()))
            receive(subscriber, Batch, "endless")
            process.kill()
            assert receive(subscriber, Ended, "endless").produced > 0  # in order, nothing lost
        assert gone(child)


def test_drivers_end_when_the_hub_goes(rig_file):
    hub = Hub()
    with (
        Subscriber(hub.address) as subscriber,
        DriverProcesses(load_rig(rig_file), hub.address, ["endless"]) as processes,
    ):
        receive(subscriber, Batch, "endless")
        process = os.pidfd_open(processes.pids["endless"])
        hub.close()
        assert gone(process)
        assert [one.code for one in processes.stop()] == [0]


def test_a_driver_can_run_in_a_thread(rig_file):
    with Hub() as hub, Subscriber(hub.address) as subscriber:
        thread = threading.Thread(target=run_driver, args=(load_rig(rig_file), "short", hub.address))
        thread.start()
        assert receive(subscriber, Ended, "short").produced == RATE // 2
        thread.join(20)
        assert not thread.is_alive()


def test_bad_input_is_one_line_and_a_status(rig_file, capfd):
    with Hub() as hub:
        address = hub.address
        with pytest.raises(ConfigError, match="sort"):
            run_driver(load_rig(rig_file), "sort", address)
        with pytest.raises(DeviceError, match=r"missing\.wav"):
            run_driver(load_rig(rig_file, ["--streams.short.path=missing.wav"]), "short", address)
    with pytest.raises(BusUnreachable):
        run_driver(load_rig(rig_file), "short", address, timeout_s=0.2)
    handlers = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert main([str(rig_file) + "x", "--only", "short", "--connect", address]) == 1
    finally:
        for one, handler in handlers.items():
            signal.signal(one, handler)
    error = capfd.readouterr().err.strip()
    assert "two.yamlx" in error
    assert "\n" not in error


def test_a_spare_takes_over_for_a_driver_that_died_and_another_waits_no_longer_than_its_parent(rig_file):
    with Hub() as hub, Subscriber(hub.address) as subscriber:
        with DriverProcesses(load_rig(rig_file), hub.address, ["endless"]) as processes:
            for how in ("a spare", "a spare that died", "none"):
                receive(subscriber, Batch, "endless")
                spare = None
                if how != "none":
                    processes.prepare()
                    processes.prepare()  # one is enough
                    spare = processes._spare
                    assert spare is not None
                    assert processes.running == ("endless",)  # it drives nothing
                if how == "a spare that died":
                    spare.kill()
                    spare.wait()
                old = processes.pids["endless"]
                os.kill(old, signal.SIGKILL)
                gone(os.pidfd_open(old))
                hub.release("endless")
                processes.restart("endless")
                assert (processes.pids["endless"] == (spare.pid if spare else 0)) == (how == "a spare")
                assert receive(subscriber, Failed, "endless")  # the run before has no end
            processes.prepare()
            last = os.pidfd_open(processes._spare.pid)
            hub.request_stop()
            receive(subscriber, Ended, "endless")
            assert [one.code for one in processes.stop()] == [0]
        assert gone(last)


def test_a_spare_ends_with_its_parent(rig_file):
    command = [sys.executable, "-m", "drivers.process", str(rig_file), "--spare", "--guarded"]
    command += ["--connect", "tcp://127.0.0.1:9"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as spare:
        spare.stdin.close()
        assert spare.wait(30) == 0
