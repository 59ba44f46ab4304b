"""A subscriber in the hub's own process takes its rows through memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo
from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.keys import new_keys
from drivers.bus.messages import Ended

ROWS = 50


@pytest.mark.parametrize("keys", [False, True])
def test_rows_arrive_in_order_and_without_a_way_out(
    keys: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHORUS_KEYS", str(tmp_path))
    if keys:
        new_keys()
    info = StreamInfo(name="imu", kind="imu", dtype="<f4", shape=(6,), rate_hz=100.0)
    numbers: list[int] = []
    with Hub(keys=keys) as hub, Subscriber(hub) as subscriber, Publisher(hub.address, info) as publisher:
        for row in range(ROWS):
            stamps = np.array([(0, 0, row, NO_TIME, row)], STAMP)
            publisher.publish(Batch("imu", stamps, np.full((1, 6), row, np.float32)))
        publisher.end(Ended("imu", ROWS, {}))
        while not isinstance(message := subscriber.receive(10), Ended):
            assert message is not None
            if isinstance(message, Batch):
                numbers += message.data[:, 0].astype(int).tolist()
    assert numbers == list(range(ROWS))
