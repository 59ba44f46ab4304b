"""A link that is down for a while: nothing is lost, memory stays bounded, the rest goes to the disk."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.messages import Ended, Failed, Missed
from drivers.bus.resend import ResendBuffer
from drivers.bus.spool import Spool

FAR = "127.0.0.2"
IMU = StreamInfo(name="wrist", kind="imu", shape=(6,), rate_hz=200.0)
CAMERA = StreamInfo(
    name="side", kind="camera", encoding="jpeg", dtype="|u1", shape=(480, 640, 3), rate_hz=30.0
)


class Line:
    """Carries bytes between ports of FAR and the same ports of this machine; can be cut without a word."""

    def __init__(self, ports: list[int]) -> None:
        self.up = threading.Event()
        self.up.set()
        self._selector = selectors.DefaultSelector()
        self._stop = False
        for port in ports:
            listener = socket.create_server((FAR, port))
            self._selector.register(listener, selectors.EVENT_READ, port)
        self._pairs: list[socket.socket] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stop:
            if not self.up.wait(0.05):
                continue
            for key, _ in self._selector.select(0.05):
                if not self.up.is_set():
                    break
                if isinstance(key.data, int):
                    self._accept(key.fileobj, key.data)
                else:
                    self._carry(key.fileobj, key.data)

    def _accept(self, listener, port: int) -> None:
        near, _ = listener.accept()
        far = socket.create_connection(("127.0.0.1", port))
        self._pairs += [near, far]
        self._selector.register(near, selectors.EVENT_READ, far)
        self._selector.register(far, selectors.EVENT_READ, near)

    def _carry(self, source, target) -> None:
        with contextlib.suppress(OSError):
            data = source.recv(65536)
            if data:
                target.sendall(data)
                return
        for end in (source, target):
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(end)
            end.close()

    def close(self) -> None:
        self._stop = True
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()
        for end in self._pairs:
            end.close()
        self._selector.close()


@pytest.fixture
def line() -> Iterator[tuple[Hub, Line, str]]:
    with Hub() as hub:
        port = int(hub.address.rsplit(":", 1)[1])
        line = Line([port, hub._publish_port])
        yield hub, line, f"tcp://{FAR}:{port}#insecure"
        line.close()


def publish(publisher: Publisher, info: StreamInfo, first: int, rows: int) -> None:
    stamps = np.zeros(rows, STAMP)
    stamps["seq"] = stamps["time"] = np.arange(first, first + rows)
    stamps["time_device"] = NO_TIME
    if info.encoding == "jpeg":
        data = tuple(number.to_bytes(8, "little") * 2500 for number in range(first, first + rows))
    else:
        data = np.repeat(np.arange(first, first + rows, dtype="<f4")[:, None], 6, 1)
    publisher.publish(Batch(info.name, stamps, data))


@pytest.mark.slow
def test_what_was_published_while_the_link_was_down_arrives_in_order(line, tmp_path: Path) -> None:
    hub, wire, address = line
    rows = {"wrist": 0, "side": 0}
    got: dict[str, list[int]] = {"wrist": [], "side": []}
    over: set[str] = set()
    with (
        Subscriber(hub) as subscriber,
        Publisher(address, IMU, spool=tmp_path, outage_s=30) as wrist,
        Publisher(address, CAMERA, spool=tmp_path, outage_s=30, resend_bytes=1 << 20) as side,
    ):

        def go_on(seconds: float) -> None:
            until = time.monotonic() + seconds
            while time.monotonic() < until:
                publish(wrist, IMU, rows["wrist"], 4)
                publish(side, CAMERA, rows["side"], 1)
                rows["wrist"], rows["side"] = rows["wrist"] + 4, rows["side"] + 1
                listen(0.02)

        def listen(seconds: float) -> None:
            until = time.monotonic() + seconds
            while (left := until - time.monotonic()) > 0:
                message = subscriber.receive(left)
                assert not isinstance(message, Missed | Failed)
                if isinstance(message, Ended):
                    over.add(message.stream)
                if isinstance(message, Batch):
                    got[message.stream] += message.stamps["seq"].tolist()

        go_on(1.0)
        wire.up.clear()
        go_on(8.0)
        assert len(got["side"]) < rows["side"] - 200
        wire.up.set()
        go_on(1.0)
        wrist.end(Ended("wrist", rows["wrist"], {}))
        side.end(Ended("side", rows["side"], {}))
        begin = time.monotonic()
        while len(over) < 2 and time.monotonic() < begin + 30:
            listen(0.2)
    assert got == {name: list(range(count)) for name, count in rows.items()}
    assert list(tmp_path.iterdir()) == []  # what was on the disk has no name


def test_the_oldest_go_to_the_disk_while_nobody_can_be_reached_and_come_back(tmp_path: Path) -> None:
    kept = ResendBuffer(1000, Spool(tmp_path, 60.0))
    kept.reached_s = 10.0
    for number in range(50):
        kept.append(number, [b"topic", bytes([number]) * 95], now_s=float(number))
    assert kept.get(3) is None  # was on its way when the hub was last heard
    for number in range(10, 50):
        assert kept.get(number) == [b"topic", bytes([number]) * 95]
    kept.close()


def test_the_disk_gives_back_what_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("drivers.bus.spool.SEGMENT_BYTES", 300)
    spool = Spool(tmp_path, keep_s=5.0)
    for second in range(20):
        spool.append(second, [bytes(100)], float(second), float(second))
    assert spool.get(2) is None
    assert spool.get(19) == [bytes(100)]
    assert len(spool) < 12
    spool.close()


def test_a_disk_that_is_full_is_told_once_and_the_driver_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("drivers.bus.spool.RESERVE_BYTES", 1 << 62)
    monkeypatch.setattr(
        "drivers.bus.spool.shutil.disk_usage", lambda _: type("D", (), {"free": 0, "total": 10})()
    )
    spool = Spool(tmp_path, keep_s=5.0)
    for number in range(5):
        spool.append(number, [b"x"], 0.0, 0.0)
    assert spool.get(0) is None
    assert len(caplog.records) == 1
    assert "nearly full" in caplog.text
