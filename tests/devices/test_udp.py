"""Phones over UDP: values, time, loss and order; any bytes at all; each way it can fail."""

from __future__ import annotations

import json
import math
import random
import socket
import threading
from collections.abc import Callable

import numpy as np
import pytest
from device_wires import gather, joined, losses, rows
from hypothesis import given
from hypothesis import strategies as st
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import OscMessageBuilder

from drivers.base import NO_TIME, DriverContext
from drivers.errors import ConfigError, DeviceError, Fault
from drivers.imu.wireless.datagram import DatagramParser
from drivers.imu.wireless.udp import APPS, UdpImuConfig, UdpImuDriver

G = 9.80665
JSON = [
    {"name": "seq", "at": "n"},
    {"name": "t", "at": "time.us", "unit": "us"},
    {"name": ["ax", "ay", "az"], "at": ["accel.x", "accel.y", "accel.z"], "unit": "g"},
    {"name": ["gx", "gy", "gz"], "at": "gyro", "unit": "deg/s"},
]


def line(n: int) -> bytes:
    accel = {"x": n % 100 / 100, "y": 0, "z": 1}
    return json.dumps({"n": n, "time": {"us": 10_000 * n}, "accel": accel, "gyro": [90, 0, -n % 7]}).encode()


def message(address: str, *values: float) -> OscMessageBuilder:
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(float(value))
    return builder


def parsed(parser: DatagramParser, datagrams: list[bytes]) -> DatagramParser:
    for n, data in enumerate(datagrams):
        parser.feed(data, n * 10_000_000)
    return parser


def test_json_with_a_counter_and_stamps() -> None:
    got = parsed(DatagramParser("json", JSON), [line(n) for n in range(50) if n not in (20, 21)]).take()
    assert got is not None
    assert got.seq.tolist() == [n for n in range(50) if n not in (20, 21)]
    assert got.lost == {"network": 2}
    assert got.time_device.tolist() == [10_000_000 * n for n in got.seq]
    np.testing.assert_allclose(got.values[:, 0], got.seq % 100 / 100 * G, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(got.values[:, 3], math.radians(90), rtol=1e-6)


def test_datagrams_that_come_late_or_twice_are_left_out_and_stay_counted() -> None:
    order = [0, 1, 2, 4, 3, 5, 5, 6, *range(7, 12), 500, *range(501, 505), 3, 4]
    parser = parsed(DatagramParser("json", JSON), [line(n) for n in order])
    got = parser.take()
    assert got is not None
    assert got.seq.tolist() == [0, 1, 2, 4, 5, *range(6, 12), *range(500, 507)]
    assert got.lost == {"network": 1 + 488}
    assert (parser.late, parser.restarts) == (2, 1)  # 3 and 4 after 504: the app was started again


def test_without_a_counter_the_stamps_tell_late_ones() -> None:
    order = [0, 1, 3, 2, 4, 4, 5]
    got = parsed(DatagramParser("json", JSON[1:]), [line(n) for n in order]).take()
    assert got is not None
    assert (got.time_device // 10_000_000).tolist() == [0, 1, 3, 4, 5]
    assert got.seq.tolist() == [0, 1, 2, 4, 5]
    assert got.lost == {"network": 1}


def test_messages_of_several_kinds_make_a_row_when_each_came() -> None:
    kind = "android.sensor.{}"
    fields = [
        {"name": "t", "at": "timestamp", "unit": "ns", "when": {"type": kind.format("gyroscope")}},
        {
            "name": ["ax", "ay", "az"],
            "at": "values",
            "unit": "m/s^2",
            "when": {"type": kind.format("accelerometer")},
        },
        {
            "name": ["gx", "gy", "gz"],
            "at": "values",
            "unit": "rad/s",
            "when": {"type": kind.format("gyroscope")},
        },
    ]
    sent = []
    for n in range(10):
        for name, values in (("light", [3]), ("accelerometer", [n, 0, G]), ("gyroscope", [0, n, 0])):
            sent.append(
                json.dumps({"type": kind.format(name), "timestamp": n * 10**7, "values": values}).encode()
            )
    parser = parsed(DatagramParser("json", fields), sent)
    got = parser.take()
    assert got is not None
    assert (len(got), parser.others) == (10, 10)
    np.testing.assert_array_equal(got.values[:, [0, 4]], np.repeat(np.arange(10.0)[:, None], 2, axis=1))


def test_zig_sim_gives_specific_force_out_of_acceleration_and_gravity() -> None:
    """A phone on the desk, screen up: Core Motion's gravity is -1 there, an accelerometer's reading +1."""
    parser = DatagramParser(*APPS["zigsim"])
    for n in range(5):
        bundle = OscBundleBuilder(IMMEDIATELY)
        for kind, values in (("accel", (0, 0, -0.1 * n)), ("gravity", (0, 0, -1)), ("gyro", (0.5, 0, 0))):
            bundle.add_content(message(f"/6A0E-77/{kind}", *values).build())
        bundle.add_content(message("/6A0E-77/touch", 1, 2).build())
        parser.feed(bundle.build().dgram, n)
    got = parser.take()
    assert got is not None
    np.testing.assert_allclose(got.values[:, 2], G * (1 + 0.1 * np.arange(5)), rtol=1e-6)
    np.testing.assert_allclose(got.values[:, 3], 0.5)
    assert (got.time_device == NO_TIME).all()


@pytest.mark.parametrize(
    ("app", "text"),
    [
        ("hyperimu", "1518819953{n:03d}, 0.1, 0.2, 9.81, 0.01, 0.02, 0.03, 10, 20, 30"),
        (
            "sensorstream",
            "16836.{n:03d}, 1, 37.7,-122.4,15.2, 3,   0.1, 0.2, 9.81, 4, 0.01, 0.02,0.03, 85, 1013.2",
        ),
    ],
)
def test_apps_whose_format_is_documented(app: str, text: str) -> None:
    got = parsed(DatagramParser(*APPS[app]), [text.format(n=10 * n).encode() for n in range(20)]).take()
    assert got is not None
    np.testing.assert_allclose(got.values[7], [0.1, 0.2, 9.81, 0.01, 0.02, 0.03], rtol=1e-6)
    assert (np.diff(got.time_device) == 10_000_000).all()


FORMATS: list[tuple[str, list, bytes]] = [
    ("json", JSON, line(3)),
    ("csv", APPS["sensorstream"][1], b"5.2, 3, 0.1, 0.2, 9.81, 4, 0.01, 0.02, 0.03"),
    ("csv", APPS["hyperimu"][1], b"1518819953000, 0.1, 0.2, 9.81, 0.01, 0.02, 0.03"),
    ("osc", APPS["zigsim"][1], message("/x/accel", 1, 2, 3).build().dgram),
]


def bundled() -> bytes:
    bundle = OscBundleBuilder(IMMEDIATELY)
    for kind in ("accel", "gravity", "gyro"):
        bundle.add_content(message(f"/x/{kind}", 1, 2, 3).build())
    return bundle.build().dgram


@pytest.mark.parametrize(("format", "fields", "good"), FORMATS, ids=[form[0] for form in FORMATS])
def test_a_million_random_and_mutated_bytes_raise_nothing_and_the_next_datagram_is_read(
    format, fields, good
) -> None:
    chance = random.Random(7)
    parser, total, n = DatagramParser(format, fields), 0, 0
    good = bundled() if format == "osc" else good
    while total < 300_000:
        n += 1
        data = bytearray(chance.randbytes(chance.randrange(200)) if n % 4 == 0 else good)
        for _ in range(chance.randrange(1, 4)):
            if data:
                data[chance.randrange(len(data))] = chance.randrange(256)
        if n % 7 == 0:
            data = data[: chance.randrange(len(data) + 1)]
        parser.feed(bytes(data), n)
        total += len(data)
        if n % 1000 == 0:
            parser.take()
    parser = parser if format == "osc" else DatagramParser(format, fields)
    parser.take()
    for _ in range(2):
        parser.feed(good, n + 1)
    assert parser.waiting


@pytest.mark.parametrize(("format", "fields", "good"), FORMATS, ids=[form[0] for form in FORMATS])
@given(data=st.data())
def test_whatever_comes_rows_are_numbers_and_counted(format, fields, good, data) -> None:
    parser = DatagramParser(format, fields)
    text = st.text().map(lambda text: text.encode("utf-8", "replace"))
    tree = st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["n", "time", "accel"]), inner)
        ),
    ).map(lambda tree: json.dumps(tree).encode())
    for n, one in enumerate(
        data.draw(st.lists(st.binary(max_size=100) | text | tree | st.just(good), max_size=20))
    ):
        parser.feed(one, n)
    got = parser.take()
    if got is not None:
        assert np.isfinite(got.values).all()
        assert (np.diff(got.seq.astype(np.int64)) > 0).all()


@pytest.mark.parametrize(
    "nasty",
    [
        b"[" * 16_000,
        b'{"n":' * 3000,
        b"9" * 16_000,
        b'{"n": 1e999, "time": {"us": 1}, "accel": {"x": 1, "y": 1, "z": 1}, "gyro": [1, 1, 1]}',
        b'{"n": 1, "time": {"us": 1e30}, "accel": {"x": 1, "y": 1, "z": 1}, "gyro": [1, 1, 1]}',
        b'{"n": 1, "time": {"us": 1}, "accel": {"x": NaN, "y": 1, "z": 1}, "gyro": [1, 1, 1]}',
        b'{"n": true, "time": {"us": 1}, "accel": {"x": 1, "y": 1, "z": 1}, "gyro": [1, 1]}',
        b"#bundle\0" + bytes(8) + (b"\0\0\x10\0#bundle\0" + bytes(8)) * 900,
        b"x" * 40_000,
    ],
    ids=range(9),
)
@pytest.mark.parametrize("format", ["json", "csv", "osc"])
def test_datagrams_made_to_hurt_are_refused(format: str, nasty: bytes) -> None:
    fields = {"json": JSON, "csv": APPS["hyperimu"][1], "osc": APPS["zigsim"][1]}[format]
    parser = DatagramParser(format, fields)
    parser.feed(nasty, 0)
    assert not parser.waiting
    assert parser.damaged + parser.others == 1


def test_osc_arguments_of_every_type_are_read_past_and_numbers_found() -> None:
    """python-osc writes the messages: not our own idea of the format."""
    from drivers.imu.wireless.osc import messages

    builder = OscMessageBuilder("/a")
    for value, kind in (
        ("text", "s"),
        (b"blob!", "b"),
        (7, "i"),
        (True, "T"),
        (2**40, "h"),
        (0.1, "d"),
        (None, "N"),
        (1.5, "f"),
    ):
        builder.add_arg(value, kind)
    (found,) = messages(builder.build().dgram)
    assert found.address == "/a"
    assert found.params == ["text", None, 7, True, 2**40, 0.1, None, 1.5]


class Phone:
    """Sends to a driver once it listens."""

    def __init__(
        self, driver: UdpImuDriver, datagrams: Callable[[int], bytes], source: str = "127.0.0.1"
    ) -> None:
        self._driver, self._datagrams, self._source = driver, datagrams, source
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.bind((self._source, 0))
            n = 0
            while not self._stop.wait(0.01):
                if self._driver.port:
                    sender.sendto(self._datagrams(n), ("127.0.0.1", self._driver.port))
                    n += 1

    def __enter__(self) -> Phone:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


def driver_with(**options) -> UdpImuDriver:
    config = {"listen": "127.0.0.1:0", "format": "json", "fields": JSON, "patience_s": 0.6}
    return UdpImuDriver(UdpImuConfig(**{**config, **options}), DriverContext("phone", worn_on="chest"))


def failure(driver: UdpImuDriver) -> DeviceError:
    with pytest.raises(DeviceError) as caught:
        driver.open()
    assert "\n" not in str(caught.value)
    return caught.value


def test_every_datagram_arrives_exactly_and_the_rate_is_found_by_its_stamps() -> None:
    driver = driver_with()
    with Phone(driver, line):
        info = driver.open()
        got = gather(driver, lambda got: rows(got) >= 300)
        driver.close()
    assert (info.kind, info.rate_hz, info.regular, info.worn_on) == ("imu", 100, False, "chest")
    seq = joined(got, "seq").astype(int)
    assert seq.tolist() == list(range(len(seq)))
    assert losses(got) == 0
    assert joined(got, "time_device").tolist() == [10_000_000 * n for n in seq]
    np.testing.assert_allclose(joined(got, "data")[:, 0], seq % 100 / 100 * G, rtol=1e-6, atol=1e-6)


def test_datagrams_of_others_are_left_out_where_the_sender_is_named() -> None:
    driver = driver_with(sender="127.0.0.1", rate_hz=100)
    with Phone(driver, lambda n: line(n + 10**6), "127.0.0.2"), Phone(driver, line):
        driver.open()
        got = gather(driver, lambda got: rows(got) >= 50)
        driver.close()
    assert joined(got, "seq").max() < 1000
    driver = driver_with(sender="127.0.0.9", rate_hz=100)
    with Phone(driver, line):
        error = failure(driver)
    assert error.fault is Fault.SILENT
    assert "came from 127.0.0.1" in error.what


def test_silence_and_datagrams_of_another_format_are_told_apart() -> None:
    assert failure(driver_with()).fault is Fault.SILENT
    driver = driver_with()
    with Phone(driver, lambda n: b'{"n": 1, "time": {"us": 5}, "gyro": [1, 2, 3]}'):
        error = failure(driver)
    assert error.fault is Fault.GARBAGE
    assert "nothing for specific_force_x" in error.what


def test_a_port_that_is_taken_and_an_address_of_another_machine_are_told() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        assert failure(driver_with(listen=f"127.0.0.1:{other.getsockname()[1]}")).fault is Fault.BUSY
    assert failure(driver_with(listen="192.0.2.1:5555")).fault is Fault.NOT_FOUND


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"listen": "5555"}, "write it as"),
        ({"listen": "localhost:5555"}, "write it as"),
        ({"sender": "phone"}, "no IP address"),
        ({"app": "zigsim"}, "give one of"),
        ({"fields": None}, "give one of"),
        ({"fields": []}, "give one of"),
        ({"fields": JSON[:2]}, "neither specific force"),
        ({"fields": [{"name": "ax", "at": "a", "unit": "g"}]}, "come together"),
        ({"fields": [{"name": "ax", "at": 3, "unit": "g"}]}, "'at' is a path"),
        ({"fields": [*JSON, JSON[0]]}, "named twice"),
        ({"fields": [{"name": ["ax", "ay"], "at": ["x"], "unit": "g"}]}, "2 names have 1 places"),
        ({"fields": [{"nmae": "ax"}]}, "Did you mean 'name'?"),
    ],
)
def test_options_that_are_wrong_are_refused_in_one_line(options, says) -> None:
    with pytest.raises((ValueError, ConfigError)) as caught:
        driver_with(**options)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)
