"""Drivers of other packages: one is installed and recorded from; broken ones cost themselves only."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from drivers.errors import ChorusError, ConfigError, MissingDependency
from drivers.registry import driver_class, names
from drivers.rig import create_driver, load_rig
from recordings.check import examine
from recordings.reader import open_recording

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "third_party_driver"
PACKET = np.dtype([("count", "<u4"), ("channels", "<i2", 4)])


def sent(count: int) -> bool:
    """Whether the amplifier ever sends the packet of this number."""
    return count % 500 >= 2


def packets(count: np.ndarray) -> np.ndarray:
    """What the amplifier sends for these counter values."""
    made = np.zeros(len(count), PACKET)
    made["count"] = count
    made["channels"] = np.stack([count % 3000, -(count % 3000), count % 7, count * 0], axis=1)
    return made


class Amplifier:
    """The amplifier at its wire: 1000 packets a second, some of which it never sends."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self._packets = [packets(np.array([n])).tobytes() for n in range(60_000) if sent(n)]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._stop = threading.Event()
        self._thread.start()

    def _run(self) -> None:
        link, _ = self._server.accept()
        with link, contextlib.suppress(OSError):
            for start in range(0, len(self._packets), 20):
                if self._stop.wait(0.02):
                    return
                link.sendall(b"".join(self._packets[start : start + 20]))
            self._stop.wait(60)

    def close(self) -> None:
        self._stop.set()
        self._server.close()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example package as pip installs it."""
    source = tmp_path_factory.mktemp("source") / "package"
    shutil.copytree(EXAMPLE, source)
    target = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    done = subprocess.run([*command, "--target", target, source], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return target


def test_the_example_package_records_with_no_change_to_chorus(installed: Path, tmp_path: Path) -> None:
    amplifier = Amplifier()
    (tmp_path / "rig.yaml").write_text(
        (EXAMPLE / "rig.yaml").read_text().replace("4000", str(amplifier.port))
    )
    try:
        done = subprocess.run(
            [sys.executable, "-m", "fusion.cli", "record", "rig.yaml", "--duration=3", "--output=emg.h5"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(installed), str(ROOT)])},
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        amplifier.close()
    assert done.returncode == 0, done.stdout + done.stderr
    with open_recording(tmp_path / "emg.h5") as recording:
        emg = recording.features["emg"]
        assert (emg.info.units, emg.info.device) == (("uV",) * 4, "Acme EMG amplifier")
        count = emg.stamps["seq"].astype(np.int64)
        assert len(count) > 1000
        assert count.tolist() == [n for n in range(count[0], count[-1] + 1) if sent(n)]
        values = (packets(count)["channels"] * 0.1).astype(np.float32)
        np.testing.assert_array_equal(emg.data[:], values)
        assert set(emg.ledger.lost) == {"device_gap"}
        assert len(recording.streams["wrist"]) > 100
    assert examine(tmp_path / "emg.h5").exit_code == 0


GOOD = """
import dataclasses
import numpy as np
from drivers.base import Driver, Samples, StreamInfo

@dataclasses.dataclass(frozen=True)
class Config:
    rows: int = 3

class Good(Driver[Config]):
    Config = Config
    def open(self):
        return StreamInfo(name=self.context.stream, kind="features", shape=(2,))
    def read(self, timeout_s):
        return Samples.arriving(np.zeros((1, 2), np.float32), 0)
    def close(self):
        pass

"""
"""A driver that works; each broken one below differs from it in one point."""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Install a module with a driver ``broken.one``, and return the name."""
    site = tmp_path / "site"

    def install(code: str, target: str = "broken_driver:Broken", package: str = "broken") -> str:
        metadata = site / f"{package}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (site / "broken_driver.py").write_text(GOOD + code)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (metadata / "entry_points.txt").write_text(f"[chorus.drivers]\nbroken.one = {target}\n")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(site), str(ROOT)]))
        monkeypatch.delitem(sys.modules, "broken_driver", raising=False)
        return "broken.one"

    return install


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        ("import nowhere_to_be_found", MissingDependency, "needs the Python module 'nowhere_to_be_found'"),
        ("from drivers.base import Nonsense", ConfigError, "cannot be imported: ImportError"),
        (
            "raise RuntimeError('no licence\\nfound')",
            ConfigError,
            "cannot be imported: RuntimeError: no licence found",
        ),
        ("this is no Python", ConfigError, "cannot be imported: SyntaxError"),
        ("None.attribute", ConfigError, "cannot be imported: AttributeError"),
        ("pass", ConfigError, "broken_driver:Broken, which does not exist"),
        ("class Broken: pass", ConfigError, "is not a drivers.base.Driver"),
        ("Broken = Good(Config(), None)", ConfigError, "is not a drivers.base.Driver"),
        ("class Broken(Driver): Config = Config", ConfigError, "has no close and no open and no read"),
        ("class Broken(Good): Config = dict", ConfigError, "has no Config that is a dataclass"),
    ],
)
def test_a_package_that_is_broken_is_told_in_one_line(
    package: Callable[..., str], code: str, kind: type[ChorusError], says: str
) -> None:
    with pytest.raises(kind) as caught:
        driver_class(package(code))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "broken.one" in names()
    assert driver_class("simulator.imu").__name__ == "SimulatedImu"


def test_two_packages_with_one_name_are_told(package: Callable[..., str]) -> None:
    package("Broken = Good")
    assert driver_class("broken.one").__name__ == "Good"
    package("Broken = Good", "broken_driver:Good", "another")
    with pytest.raises(ConfigError, match=r"two packages: .*another"):
        driver_class("broken.one")


RIG = """
name: two
streams:
  broken: {driver: broken.one, required: false}
  truth: {driver: simulator.truth, rate_hz: 60}
"""


@pytest.mark.parametrize(
    ("method", "says"),
    [
        ("__init__(self, *_): 1 / 0", "cannot be made: ZeroDivisionError"),
        ("open(self): return None", "open() returned None, not a StreamInfo"),
        (
            "open(self): return StreamInfo(name='x', kind='features', rate_hz='50')",
            "Expected `float`, got `str`",
        ),
        ("open(self): raise ValueError('one\\ntwo')", "failed with ValueError: one two"),
        ("open(self): raise SystemExit('enough')", "failed with SystemExit: enough"),
        ("read(self, timeout_s): raise KeyError(7)", "failed with KeyError: 7"),
        ("read(self, timeout_s): return [1, 2]", "read() returned list [1, 2], not Samples or None"),
        (
            "read(self, timeout_s): return Samples.arriving(np.zeros((4, 3), np.float32), 0)",
            "read() returned float32 of shape (4, 3), not float32 of shape (rows, 2)",
        ),
        (
            "read(self, timeout_s): return Samples.arriving(np.zeros((1, 2)), 0)",
            "read() returned float64 of shape (1, 2), not float32 of shape (rows, 2)",
        ),
        (
            "read(self, timeout_s): return dataclasses.replace(Good.read(self, 0), seq=np.arange(2))",
            "read() returned 1 rows with seq int64 of shape (2,), not uint64 of shape (1,)",
        ),
        (
            "read(self, timeout_s): return dataclasses.replace(Good.read(self, 0), lost={'luck': 3})",
            "read() says that 3 rows were lost by 'luck'",
        ),
    ],
)
def test_a_driver_that_misbehaves_is_told_in_one_line(
    package: Callable[..., str], tmp_path: Path, method: str, says: str
) -> None:
    from drivers.bus import Hub
    from drivers.bus.publisher import Publisher
    from drivers.loop import pump

    package(f"class Broken(Good):\n    def {method}\n")
    (tmp_path / "rig.yaml").write_text(RIG)
    rig = load_rig(tmp_path / "rig.yaml")
    try:
        driver = create_driver(rig, "broken", 0)
    except ChorusError as error:
        told = str(error)
    else:
        with Hub() as hub, Publisher(hub.address, "broken") as publisher:
            told = str(pump(driver, publisher))
    assert says in told
    assert told.startswith("broken: ")
    assert "\n" not in told


def test_a_driver_that_misbehaves_costs_no_other_stream(package: Callable[..., str], tmp_path: Path) -> None:
    package("class Broken(Good):\n    def read(self, timeout_s): return 'nonsense'\n")
    (tmp_path / "rig.yaml").write_text(RIG)
    done = subprocess.run(
        [sys.executable, "-m", "fusion.cli", "record", "rig.yaml", "--duration=2", "--output=two.h5"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "read() returned str 'nonsense', not Samples or None" in " ".join(
        (done.stdout + done.stderr).split()
    )
    assert "Traceback" not in done.stderr
    with open_recording(tmp_path / "two.h5") as recording:
        assert len(recording.streams["truth"]) > 80
    assert all(problem.startswith("broken: ") for problem in examine(tmp_path / "two.h5").problems)
