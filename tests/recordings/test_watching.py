"""What is told while recording: who is silent, how loud, how old, and how long the disk lasts."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from drivers.base import STAMP, Batch, StreamInfo
from fusion.commands.view import RecordView, meter
from recordings.growth import Growth
from recordings.pulse import Pulse
from recordings.status import RecordStatus, StreamStatus

IMU = StreamInfo(
    name="wrist",
    kind="imu",
    encoding="array",
    dtype="<f4",
    shape=(6,),
    channels=tuple(f"{what}_{axis}" for what in ("specific_force", "angular_rate") for axis in "xyz"),
    units=("m/s^2",) * 3 + ("rad/s",) * 3,
    rate_hz=100.0,
    regular=True,
)
SOUND = StreamInfo(
    name="room",
    kind="audio",
    encoding="array",
    dtype="<i2",
    shape=(1,),
    channels=("mono",),
    units=("1",),
    rate_hz=48000.0,
    regular=True,
    stamping="block",
)


def batch(name: str, data: np.ndarray, stamps: int, time: int = 5, bound: int = 7) -> Batch:
    filled = np.zeros(stamps, STAMP)
    filled["time"], filled["time_bound"] = time, bound
    return Batch(name, filled, data)


def test_a_stream_that_should_send_and_does_not_is_silent_and_then_no_longer():
    pulse = Pulse(IMU, 100.0)
    assert pulse.silent_s(101.9) == 0
    assert pulse.silent_s(102.5) == pytest.approx(2.5)
    pulse.take(batch("wrist", np.zeros((2, 6), "<f4"), 2), 103.0)
    assert pulse.silent_s(104.0) == 0
    assert (pulse.time_ns, pulse.bound_ns) == (5, 7)
    pulse.take(Batch("wrist", np.zeros(0, STAMP), np.zeros((0, 6), "<f4"), {"device": 3}), 106.0)
    assert pulse.silent_s(106.5) == pytest.approx(3.5)  # losses alone are no sign of life


def test_slow_streams_may_pause_longer_and_irregular_ones_forever():
    slow = StreamInfo(name="slow", kind="imu", rate_hz=0.5)
    assert Pulse(slow, 0.0).silent_s(19.0) == 0
    assert Pulse(slow, 0.0).silent_s(21.0) == 21.0
    assert Pulse(StreamInfo(name="taps", kind="imu"), 0.0).silent_s(1e6) == 0


def test_levels_are_the_peak_of_sound_and_the_force_on_a_sensor():
    sound = Pulse(SOUND, 0.0)
    assert sound.level() is None
    for peak in (100, -16384, 7):
        sound.take(batch("room", np.array([[0], [peak]], "<i2"), 1), 1.0)
    level, unit = sound.level() or (0.0, "")
    assert (round(level, 2), unit) == (-6.02, "dBFS")
    assert (sound.level() or (0.0,))[0] == -100.0  # nothing came since
    wrist = Pulse(IMU, 0.0)
    wrist.take(batch("wrist", np.array([[3, 0, 4, 9, 9, 9]], "<f4"), 1), 1.0)
    assert wrist.level() == (5.0, "m/s^2")


def test_the_disk_lasts_as_long_as_its_room_at_the_present_rate(tmp_path: Path):
    path, growth = tmp_path / "a.h5", Growth()
    assert growth.told(path, 0.0)[0] == 0
    path.write_bytes(b"\0" * 1000)
    assert growth.told(path, 1.0)[2] is None
    path.write_bytes(b"\0" * 3000)
    size, free, room = growth.told(path, 3.0)
    assert size == 3000
    assert room == pytest.approx(free * 3 / 3000)
    assert growth.told(path, 60.0)[2] is None  # it grows no more


def drawn(*streams: StreamStatus, terminal: bool = True) -> str:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=160, color_system="standard")
    view = RecordView(console=console)
    status = RecordStatus(
        "recording", "tcp://a", Path("a.h5"), 5.0, 60.0, streams, (), 12_000_000, 9_000_000_000, 300.0
    )
    console.print(view._draw(status))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_view_shows_what_matters_and_a_silent_required_stream_in_red():
    well = {"nominal_rate_hz": 100.0, "rate_hz": 99.9, "bound_ms": 1.25, "age_s": 0.5, "required": True}
    text = drawn(StreamStatus("left", "running", 10, **well), StreamStatus("right", "running", 10, **well))
    for shown in ("99.9 of 100", "1.25", "0.50", "12 MB", "9.0 GB", "5 min"):
        assert shown in text
    assert "silent" not in text
    red = "\x1b[1;31m"
    assert red not in text.split("left")[1].split("right")[0]
    text = drawn(StreamStatus("left", "running", 10, silent_s=4.0, **well))
    assert "silent 4 s" in text
    assert red in text
    text = drawn(StreamStatus("left", "away", 10, error="left: the port was unplugged", **well))
    assert "the port was unplugged" in text
    assert red in text.split("left")[1]


def test_a_meter_has_as_many_bars_as_the_sound_is_loud():
    assert meter(None, "") == ""
    assert meter(-60.0, "dBFS").count("█") == 0
    assert meter(-30.0, "dBFS").count("█") == 5
    assert "[red]" in meter(0.0, "dBFS")
    assert meter(9.81, "m/s^2") == "9.8 m/s^2"
