"""A hub, streams and batches to send over it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.messages import Ended, Message


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as made:
        yield made


@pytest.fixture
def imu_info() -> StreamInfo:
    return StreamInfo(
        name="wrist", kind="imu", shape=(3,), channels=("x", "y", "z"), units=("m/s^2",) * 3, rate_hz=200
    )


@pytest.fixture
def rows() -> Callable[..., Batch]:
    """Batches whose content can be told from their number."""

    def make(start: int, count: int = 4, stream: str = "wrist", lost: dict[str, int] | None = None) -> Batch:
        stamps = np.zeros(count, STAMP)
        stamps["seq"] = np.arange(start, start + count)
        stamps["time"] = stamps["seq"].astype(np.int64) * 5_000_000
        data = np.arange(start * 3, (start + count) * 3, dtype="<f4").reshape(count, 3)
        return Batch(stream, stamps, data, lost or {})

    return make


@pytest.fixture
def until_ended() -> Callable[..., list[Message]]:
    """All messages up to the end of one stream; fails where it does not come."""

    def receive(subscriber: Subscriber, stream: str = "wrist", timeout_s: float = 20.0) -> list[Message]:
        got: list[Message] = []
        while True:
            message = subscriber.receive(timeout_s)
            assert message is not None, f"nothing more after {got[-3:]}"
            got.append(message)
            if isinstance(message, Ended) and message.stream == stream:
                return got

    return receive


@pytest.fixture
def closing() -> Iterator[Callable[[Publisher], threading.Thread]]:
    """Close publishers in the background, as they wait for subscribers that the test still reads."""
    threads: list[threading.Thread] = []

    def close(publisher: Publisher) -> threading.Thread:
        thread = threading.Thread(target=publisher.close)
        thread.start()
        threads.append(thread)
        return thread

    yield close
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
