"""The driver in drivers/README.md is a driver."""

from __future__ import annotations

import dataclasses
import importlib
import re
from pathlib import Path

import pytest
from device_wires import gather, joined, rows

from drivers.base import DriverContext

README = Path(__file__).parents[2] / "drivers" / "README.md"


@pytest.fixture
def thermometer(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "acme_thermometer.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    return importlib.import_module("acme_thermometer").ThermometerDriver


def test_the_example_runs_as_it_stands_there(thermometer, tmp_path):
    zone = tmp_path / "temp"
    driver = thermometer(thermometer.Config(str(zone), 100.0), DriverContext("cpu"))
    with pytest.raises(FileNotFoundError):
        driver.open()
    zone.write_text("43500\n")
    info = driver.open()
    got = gather(driver, lambda got: rows(got) >= 5)
    driver.close()
    assert (info.name, info.units) == ("cpu", ("degC",))
    assert joined(got, "data").tolist() == [[43.5]] * 5
    assert joined(got, "seq").tolist() == list(range(5))
    assert dataclasses.is_dataclass(thermometer.Config)


def test_the_example_is_as_short_as_it_is_said_to_be():
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert sum(bool(line.strip()) for line in code.splitlines()) <= 30
