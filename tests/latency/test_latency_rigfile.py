"""Latencies go into a rig's own lines; all else of the file stays, or nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import ConfigError
from drivers.rig import load_rig
from fusion.calibrate.rigfile import with_latencies, write_latencies

RIG = """\
# A rig with remarks.
name: walk   # the name
streams:
  camera:
    driver: simulator.camera
    latency_ms: 20          # measured last week
    fps: 30

  # on the left
  wrist:
    driver: simulator.imu   # no latency yet
    worn_on: left_forearm
  microphone: {driver: simulator.microphone, rate_hz: 48000}
"""


def test_a_value_is_replaced_and_one_is_added_and_remarks_stay() -> None:
    text = with_latencies(RIG, {"camera": 83.25, "wrist": -4.5, "nobody": 1.0}, "walk.yaml")
    assert "latency_ms: 83.25          # measured last week" in text
    assert "    latency_ms: -4.5\n    driver: simulator.imu   # no latency yet" in text
    assert [line for line in RIG.splitlines() if "latency_ms" not in line] == [
        line for line in text.splitlines() if "latency_ms" not in line
    ]


def test_the_file_is_read_as_it_was_written_and_kept_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "walk.yaml"
    path.write_text(RIG, "utf-8")
    assert write_latencies(path, {"camera": 83.25, "wrist": -4.5}) == ("camera", "wrist")
    rig = load_rig(path)
    assert rig.streams["camera"].latency_ms == 83.25
    assert rig.streams["wrist"].latency_ms == -4.5
    assert (tmp_path / "walk.yaml.bak").read_text("utf-8") == RIG
    assert sorted(one.name for one in tmp_path.iterdir()) == ["walk.yaml", "walk.yaml.bak"]


SHARED = """\
streams:
  wrist:
    driver: simulator.imu
    latency_ms: &late 3
  ankle:
    driver: simulator.imu
    latency_ms: *late
"""


@pytest.mark.parametrize(
    "text",
    [
        "one: &one\n  driver: simulator.imu\nstreams:\n  wrist: *one\n  ankle: *one\n",
        SHARED,
        "streams: {wrist: {driver: simulator.imu}}\n",
    ],
)
def test_what_is_not_edited_surely_is_left_alone(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rig.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=r"Set streams\.wrist\.latency_ms to 5 by hand"):
        write_latencies(path, {"wrist": 5.0})
    assert path.read_text("utf-8") == text


@pytest.mark.parametrize("text", ["[1, 2]", "name: x", "streams: 3", "streams: [", "", "streams:\n  - a\n"])
def test_what_is_no_rig_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        with_latencies(text, {"camera": 1.0}, "rig.yaml")
    assert "\n" not in str(caught.value)
    assert "rig.yaml" in str(caught.value)


@given(
    st.floats(-9999, 9999, allow_nan=False).map(lambda v: round(v, 2)),
    st.sampled_from(["camera", "wrist"]),
)
def test_any_latency_is_read_back(value: float, name: str) -> None:
    tree = yaml.safe_load(with_latencies(RIG, {name: value}, "walk.yaml"))
    assert tree["streams"][name]["latency_ms"] == pytest.approx(value, rel=1e-5, abs=1e-9)
