"""The wizards, live: the real command leads a simulated person whose sensor speaks WitMotion on a pty."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.spatial.transform import Rotation

from drivers.calibration import read_calibration
from drivers.imu.calibration import ImuCalibration
from drivers.simulator.clock import SimulatedClock
from drivers.simulator.sensor import PseudoTerminal, Sensor
from drivers.simulator.turned import Hand, Turned
from drivers.simulator.wearer import Habits, Task, Wearer
from fusion.calibrate.axes.script import SCRIPT
from fusion.calibrate.pose.steps import STEP

RATE_HZ = 100.0


class Plugged:
    """A sensor on a pseudo-terminal, on a body that a test moves.

    Its port is a link that goes with it: numbers of pseudo-terminals are given out again at once, and a
    driver that looks for an unplugged device would find that of another test.
    """

    def __init__(self, body: object, place: str = "") -> None:
        self.terminal = PseudoTerminal("imu")
        self._epoch_ns = self._zero_ns = time.monotonic_ns()

        def make(start_ns: int) -> Sensor:
            """Begin the body's time when the port is opened."""
            self._zero_ns = self._epoch_ns + start_ns
            clock = SimulatedClock(rate_hz=RATE_HZ, start_ns=start_ns)
            late = Late(body, start_ns / 1e9)
            return Sensor(late, place, clock, np.random.default_rng(1), shock=False)  # type: ignore[arg-type]

        self.terminal.play(make, self._epoch_ns)
        self._folder = tempfile.TemporaryDirectory(prefix="chorus-port-")
        self.port = Path(self._folder.name) / "ttyUSB0"
        self.port.symlink_to(self.terminal.port)

    def unplug(self) -> None:
        self._folder.cleanup()
        self.terminal.close()

    @property
    def now(self) -> float:
        """Time of the body, s."""
        return (time.monotonic_ns() - self._zero_ns) / 1e9

    def rig(self, folder: Path, name: str, **keys: str) -> Path:
        lines = "".join(f"    {key}: {value}\n" for key, value in keys.items())
        path = folder / "walk.yaml"
        path.write_text(
            f"streams:\n  {name}:\n    driver: imu.serial\n    port: {self.port}\n"
            f"    rate_hz: {RATE_HZ:g}\n{lines}"
        )
        return path


class Late:
    """A body that begins later."""

    def __init__(self, body, start_s: float) -> None:
        self.body, self.start_s = body, start_s

    def inertial(self, times, places=("",)):
        return self.body.inertial(np.asarray(times) - self.start_s, places)

    def impacts(self, start, stop):
        return []


@pytest.fixture
def plug() -> Iterator[Callable[..., Plugged]]:
    plugged: list[Plugged] = []

    def make(*args, **keys) -> Plugged:
        plugged.append(Plugged(*args, **keys))
        return plugged[-1]

    yield make
    for one in plugged:
        one.unplug()


def start(folder: Path, *argv: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "fusion.cli", "calibrate", *argv]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    with process:
        try:
            out, err = process.communicate(timeout=120)
        except BaseException:
            process.kill()
            raise
    return process.returncode, out, err


@pytest.mark.slow
def test_axes_leads_through_the_turns_and_finds_a_sound_sensor_sound(tmp_path, plug):
    hand = Hand(rest_s=(1.3, 1.5), move_s=(0.6, 0.9))
    wired = plug(Turned(SCRIPT.turn, 1, hand, start_s=4.0))
    code, out, err = finish(start(tmp_path, "axes", f"--rig={wired.rig(tmp_path, 'imu')}"))
    assert (code, err) == (0, ""), out
    lines = out.splitlines()
    assert [line.split()[0] for line in lines[:7]] == [f"{number}/7" for number in range(1, 8)]
    assert lines[-1] == "imu: units, axes, signs and timing are right"


@pytest.mark.slow
def test_axes_names_a_range_that_is_set_wrongly(tmp_path, plug):
    """The sensor measures up to 16 g, the rig says 2: what lies still reads an eighth."""
    hand = Hand(rest_s=(1.3, 1.5), move_s=(0.6, 0.9))
    wired = plug(Turned(SCRIPT.turn, 2, hand, start_s=4.0))
    rig = wired.rig(tmp_path, "imu", range_g="2")
    code, out, err = finish(start(tmp_path, "axes", f"--rig={rig}", "--json"))
    assert (code, err) == (1, ""), out
    codes = [one["code"] for one in json.loads(out)["mistakes"]]
    assert codes == ["force_scale"]


@pytest.mark.slow
def test_imu_ends_by_itself_when_all_six_sides_were_there(tmp_path, plug):
    x, y, _ = np.eye(3)
    hand = Hand((85.0, 95.0), 3.0, 2.0, 0.3, (2.9, 3.0), (0.6, 0.8))
    wired = plug(Turned(np.array([x, x, x, x, y, y, y]), 3, hand, start_s=5.0, sides=True))
    rig = wired.rig(tmp_path, "imu")
    code, out, err = finish(start(tmp_path, "imu", f"--rig={rig}"))
    assert (code, err) == (0, ""), out
    assert "6/6  all sides were there" in out
    named = yaml.safe_load(rig.read_text())["streams"]["imu"]["calibration"]
    found = ImuCalibration.from_parts(read_calibration(tmp_path / named).parts, named)
    assert found.specific_force is not None
    assert found.angular_rate is not None
    assert 1e-3 < np.abs(found.specific_force.bias).max() < 0.3
    assert np.abs(np.diag(found.specific_force.matrix) - 1).max() < 0.01


@pytest.mark.slow
def test_ctrl_c_ends_imu_with_what_there_is(tmp_path, plug):
    wired = plug(Turned(np.zeros((0, 3)), 4, start_s=100.0))
    rig = wired.rig(tmp_path, "imu")
    process = start(tmp_path, "imu", f"--rig={rig}", "--store=false")
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first.startswith("Lay the sensor on the desk")
    process.stdout.readline()  # it has been found at rest
    process.send_signal(signal.SIGINT)
    code, out, err = finish(process)
    assert code == 1
    assert "at rest for" in err or "sides are missing" in out
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == [rig]


@pytest.mark.slow
def test_pose_leads_a_wearer_and_the_rig_is_aligned(tmp_path, plug):
    wearer = Wearer([], 5, habits=Habits())
    mount = Rotation.from_rotvec(np.radians(30) * np.array([0.6, -0.64, 0.48]))

    class Worn:
        def inertial(self, times, places=("",)):
            ideal = wearer.inertial(times, places)
            turn = mount.as_matrix()
            return dataclasses.replace(
                ideal,
                specific_force=ideal.specific_force @ turn,
                angular_rate=ideal.angular_rate @ turn,
                orientations=ideal.orientations @ turn,
            )

    wired = plug(Worn(), place="pelvis")
    rig = wired.rig(tmp_path, "hip", worn_on="pelvis")
    pace = 1.5
    process = start(tmp_path, "pose", f"--rig={rig}", f"--pace={pace}")
    assert process.stdout is not None
    told: list[str] = []
    for line in process.stdout:
        told.append(line)
        name = line.partition("  ")[2].partition(":")[0]
        if name in STEP:
            now = wired.now + 0.4  # the person reads; what the sensor sends is made 0.2 s ahead
            wearer.add(Task(name.removesuffix("_again"), now, now + STEP[name].seconds / pace))
    code, _, err = finish(process)
    assert (code, err) == (0, ""), "".join(told)
    named = yaml.safe_load(rig.read_text())["streams"]["hip"]["calibration"]
    parts = read_calibration(tmp_path / named).parts
    found = ImuCalibration.from_parts(parts, named)
    assert found.alignment is not None
    assert np.degrees((found.alignment * mount.inv()).magnitude()) < 6.0


@pytest.mark.slow
def test_ctrl_c_stops_pose_and_leaves_nothing(tmp_path, plug):
    wired = plug(Wearer([], 6), place="pelvis")
    rig = wired.rig(tmp_path, "hip", worn_on="pelvis")
    process = start(tmp_path, "pose", f"--rig={rig}")
    assert process.stdout is not None
    assert process.stdout.readline()
    assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130, err
    assert err == "chorus calibrate: stopped\n"
    assert list(tmp_path.iterdir()) == [rig]
    assert not [one for one in threading.enumerate() if one.name.startswith("hub")]


@pytest.mark.slow
def test_a_sensor_that_is_unplugged_meanwhile_is_one_line(tmp_path, plug):
    wired = plug(Turned(SCRIPT.turn, 7, start_s=60.0))
    process = start(tmp_path, "axes", f"--rig={wired.rig(tmp_path, 'imu')}")
    assert process.stdout is not None
    assert process.stdout.readline().startswith("1/7")
    wired.unplug()
    code, out, err = finish(process)
    assert code == 1, out
    assert err.count("\n") == 1, err
    assert err.startswith("chorus calibrate: imu")


def test_a_sensor_that_is_not_there_is_one_line(tmp_path):
    (tmp_path / "walk.yaml").write_text("streams:\n  imu: {driver: imu.serial, port: /dev/ttyNONE}\n")
    code, out, err = finish(start(tmp_path, "axes", "--rig=walk.yaml"))
    assert code == 1
    assert err.count("\n") == 1
    assert "there is no port /dev/ttyNONE" in err
    assert "Traceback" not in out + err
