"""Network cameras whose connection is cut and restored, on the loopback."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from device_wires import gather, joined, losses, rows
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.devices import streams
from benchmarks.devices.network_cameras import Cut, HttpCamera, NetworkCamera, RtspCamera, read
from drivers.base import NO_TIME, DriverContext, Samples
from drivers.bus.messages import FAULTY, MENDED
from drivers.camera.feed import usual_rate
from drivers.camera.numbering import Numbering
from drivers.camera.picture import Picture
from drivers.camera.pictures import decoded
from drivers.camera.url import UrlCameraConfig, UrlCameraDriver
from drivers.errors import DeviceError, Fault
from drivers.rig import load_rig
from recordings.check import check
from recordings.reader import open_recording
from recordings.recorder import record
from recordings.status import RecordStatus


@pytest.fixture
def cameras() -> Iterator[list[NetworkCamera]]:
    switched_on: list[NetworkCamera] = []
    yield switched_on
    for camera in switched_on:
        camera.close()


def driver_of(camera: NetworkCamera, **options) -> UrlCameraDriver:
    return UrlCameraDriver(UrlCameraConfig(url=camera.url, **options), DriverContext("door"))


def numbers(got: list[Samples]) -> list[int]:
    pictures = [decoded(row) for item in got for row in item.data]
    return [read(picture) for picture in pictures if picture is not None]


def reopened(driver: UrlCameraDriver) -> None:
    """Open it as the loop does: until it is there."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        driver.close()
        with contextlib.suppress(DeviceError):
            driver.open()
            return
    pytest.fail("the camera did not come back")


def to_the_end(driver: UrlCameraDriver) -> tuple[list[Samples], DeviceError]:
    """Read what is left before it fails."""
    got: list[Samples] = []
    try:
        while True:
            got += gather(driver, lambda got: rows(got) >= 1)
    except DeviceError as error:
        return got, error


def through_cuts(camera: NetworkCamera, driver: UrlCameraDriver, cuts: tuple[Cut, ...]) -> list[Samples]:
    driver.open()
    got = gather(driver, lambda got: rows(got) >= 40)
    for how in cuts:
        camera.cut(how)
        rest, error = to_the_end(driver)
        got += rest
        assert error.fault is (Fault.SILENT if how == "silent" else Fault.UNPLUGGED)
        with pytest.raises(DeviceError):
            driver.open()
        camera.wait_for_more(10)
        camera.restore()
        reopened(driver)
        got += gather(driver, lambda got: rows(got) >= 30)
    driver.close()
    return got


def test_a_camera_that_numbers_its_pictures_is_counted_exactly_over_every_cut(cameras):
    cameras.append(HttpCamera(100.0, "number"))
    got = through_cuts(cameras[0], driver_of(cameras[0], rate_hz=100.0), ("reset", "silent", "close"))
    shown = np.array(numbers(got))
    assert (joined(got, "seq") - int(got[0].seq[0]) == shown - shown[0]).all()
    assert losses(got) == shown[-1] - shown[0] + 1 - len(shown)
    assert losses(got) > 0


def test_a_camera_that_stamps_its_pictures_is_counted_by_its_clock(cameras):
    cameras.append(HttpCamera(100.0, "time"))
    got = through_cuts(cameras[0], driver_of(cameras[0], rate_hz=100.0), ("reset", "close"))
    shown = np.array(numbers(got))
    assert losses(got) == shown[-1] - shown[0] + 1 - len(shown)


@pytest.mark.parametrize("kind", [RtspCamera, HttpCamera])
def test_a_camera_that_tells_nothing_begins_its_numbers_anew_and_says_so(cameras, kind):
    cameras.append(kind(50.0) if kind is RtspCamera else kind(50.0, ""))
    driver = driver_of(cameras[0], rate_hz=50.0)
    driver.open()
    gather(driver, lambda got: rows(got) >= 5)
    assert driver.counted()
    cameras[0].cut("reset")
    with pytest.raises(DeviceError):
        gather(driver, lambda got: False)
    cameras[0].restore()
    reopened(driver)
    first = gather(driver, lambda got: rows(got) >= 1)
    assert int(first[0].seq[0]) == 0
    assert not driver.counted()
    driver.close()


def test_the_rate_is_measured_where_it_is_not_given(cameras):
    cameras.append(HttpCamera(50.0))
    driver = driver_of(cameras[0])
    info = driver.open()
    got = gather(driver, lambda got: rows(got) >= 10)
    driver.close()
    assert info.rate_hz == pytest.approx(50.0, rel=0.1)
    assert info.properties["rate"] == "measured"
    assert joined(got, "seq").tolist() == list(range(rows(got)))  # nothing that came meanwhile is lost


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(0, 3), st.booleans()), max_size=40)
)
def test_with_numbers_what_is_stored_and_lost_is_what_was_made(steps):
    numbering, number, made = Numbering(), 7, []
    for now, more in enumerate((0, 0)):  # two in a row: they do count pictures
        made.append(numbering.take(Picture(b"", now, number=number + more + now)))
    number += 1
    for now, (gap, damaged, refused, cut) in enumerate(steps):
        if cut:
            numbering.cut()
        number += 1 + gap + damaged + refused
        made.append(numbering.take(Picture(b"", 10 + now, NO_TIME, damaged, number), refused))
        assert numbering.counted
    assert made[-1][0] == number - 7
    assert len(made) + sum(sum(lost.values()) for _, lost in made) == number - 7 + 1


@given(st.lists(st.one_of(st.none(), st.integers(0, 10**18)), max_size=50), st.booleans())
def test_numbers_that_count_no_pictures_never_invent_more_than_a_leap(numbers, cut):
    numbering, before = Numbering(), -1
    for now, number in enumerate(numbers):
        seq, lost = numbering.take(Picture(b"", now, number=number))
        assert seq == before + 1 + sum(lost.values())
        assert sum(lost.values()) < 100_000
        before = seq


def test_milliseconds_in_place_of_numbers_are_no_losses():
    numbering = Numbering()
    taken = [numbering.take(Picture(b"", 33 * n, number=33 * n)) for n in range(100)]
    assert [seq for seq, _ in taken] == list(range(100))


@pytest.mark.parametrize("rate", [7.5, 15.0, 25.0, 29.97, 30.0, 60.0, 33.9])
def test_a_measured_rate_is_the_usual_one_nearby(rate):
    noise = np.random.default_rng(3).normal(0, 2e6, 40)
    arrivals = (np.arange(40) * 1e9 / rate + noise).astype(np.int64).tolist()
    assert usual_rate(arrivals) == pytest.approx(30.0 if rate == 29.97 else rate, rel=0.01)
    assert usual_rate(arrivals[:2]) == 0.0


@pytest.mark.slow
def test_a_recording_goes_on_by_itself_and_every_picture_missed_is_on_the_ledger(tmp_path):
    summary, found = streams.run(tmp_path, cuts=2, up_s=2.5, down_s=0.6)
    assert summary.problems == ()
    for name, one in found.items():
        assert one.unexplained == 0
        assert one.counted > 0
        assert len([back for back in one.back_s if back < float("inf")]) == 2
        if name in streams.EXACT:
            assert one.made == one.stored + one.counted, name
            assert one.off == (0, 0), name
        for off, late in zip(one.off, one.late, strict=True):
            assert abs(off) <= streams.RECKONED + late, name


def test_a_camera_that_hangs_goes_red_while_recording_and_green_again(cameras, tmp_path):
    cameras.append(camera := HttpCamera(50.0))
    rig = tmp_path / "door.yaml"
    rig.write_text(f"streams: {{door: {{driver: camera.url, url: '{camera.url}', rate_hz: 50}}}}")
    stop, seen = threading.Event(), []

    def watch(status: RecordStatus) -> None:
        (door,) = status.streams
        seen.append((door.state, door.error))
        faulty = "faulty" in [state for state, _ in seen]
        camera.hangs = door.rows > 20 and not faulty
        if faulty and door.state == "running":
            stop.set()

    summary = record(load_rig(rig), tmp_path / "door.h5", 60.0, stop=stop, on_status=watch)
    assert "door: sends the same picture" in next(error for state, error in seen if state == "faulty")
    assert summary.problems == ()
    assert summary.streams["door"].faults == 1
    with open_recording(tmp_path / "door.h5") as session:
        kinds = [event.kind for event in session.events if event.source == "door"]
        ledger = session.streams["door"].ledger
    assert kinds == [FAULTY, MENDED]
    assert sum(ledger.lost.values()) == 0  # they did come, and are stored
    assert any("sends the same picture" in problem for problem in check(tmp_path / "door.h5").problems)
