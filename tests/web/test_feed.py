"""What the engine hands to the page, and what a browser that is slow gets of it."""

from __future__ import annotations

import asyncio
import io
import json
import struct

import numpy as np
import pytest

from drivers.base import STAMP, Batch, StreamInfo
from drivers.bus.messages import Announcement, Ended, Event, Failed, Missed
from fusion.tracking.sniff import shown_name, suffix_of
from fusion.vision.base import Heatmaps, Person
from fusion.web.frames import read_frame, write_frame
from fusion.web.gathered import IMU_CHANNELS, Gathered
from fusion.web.messages import heat_message
from fusion.web.state import LiveState, Ring
from fusion.web.viewer import IN_FLIGHT, Viewer

IMU = StreamInfo(name="wrist", kind="imu", shape=(6,), channels=IMU_CHANNELS, rate_hz=100.0)


def rows(count: int, first: int = 0, lost: dict | None = None) -> Batch:
    stamps = np.zeros(count, STAMP)
    stamps["seq"] = first + np.arange(count)
    stamps["time"] = stamps["seq"] * 10_000_000
    stamps["time_bound"] = 200_000
    return Batch("wrist", stamps, np.tile(np.arange(6, dtype=np.float32), (count, 1)), lost or {})


def view(number: int, size: tuple[int, int] = (4, 6)) -> dict:
    pixels = np.full((*size, 3), number, np.uint8)
    return {
        "time": number,
        "size": [size[1], size[0]],
        "shape": size,
        "pixels": pixels.tobytes(),
        "people": [],
    }


def pose(time: int) -> dict:
    return {
        "time": time,
        "frame_time": None,
        "sample_time": None,
        "fed": [],
        "action": [0, 0.5],
        "people": [],
    }


def test_messages_go_through_a_pipe_whole_and_a_broken_one_is_the_end():
    pipe = io.BytesIO()
    write_frame(pipe, {"a": [1, 2.5, b"x" * 100_000]})
    write_frame(pipe, {"b": None})
    whole = pipe.getvalue()
    pipe.seek(0)
    assert read_frame(pipe) == {"a": [1, 2.5, b"x" * 100_000]}
    assert read_frame(pipe) == {"b": None}
    assert read_frame(pipe) is None
    assert read_frame(io.BytesIO(whole[:50])) is None
    assert read_frame(io.BytesIO(b"\xff\xff\xff\xff")) is None


def test_rows_losses_and_ends_of_each_stream_are_counted():
    gathered = Gathered()
    gathered.take(Announcement(IMU))
    gathered.take(rows(10))
    gathered.take(rows(10, 12, {"checksum": 2}))
    gathered.take(Missed("wrist", 5, "network"))
    gathered.take(Event(7, "mark", "start", "page"))
    told = gathered.swap().message()
    assert told["streams"]["wrist"] | {"trace": None} == {
        "rows": 20, "missed": 5, "lost": {"checksum": 2}, "time": 210_000_000, "bound": 200_000, "error": "",
        "ended": False, "trace": None,
    }  # fmt: skip
    assert told["events"] == [[7, "mark", "start", "page"]]
    trace = np.array(told["streams"]["wrist"]["trace"])
    assert trace.shape == (10, 7)  # 50 Hz of 100
    assert trace[-1].tolist() == [0.21, 0, 1, 2, 3, 4, 5]
    assert gathered.swap().message() == {"streams": {}, "events": []}
    gathered.take(Failed("wrist", "failed", "wrist: it burns"))
    gathered.take(Ended("wrist", 20, {}))
    over = gathered.swap().message()["streams"]["wrist"]
    assert over["ended"]
    assert over["error"] == "wrist: it burns"


def test_health_tells_rate_age_and_loss_of_the_streams_own_time():
    state, gathered = LiveState(), Gathered({"wrist": IMU})
    for first in range(0, 400, 20):
        gathered.take(rows(20, first, {"network": 1}))
        now = (first + 20) * 10_000_000
        state.update({**gathered.swap().message(), "now": now})
    health = state.health()["wrist"]
    assert health["rate_hz"] == pytest.approx(100.0, abs=0.5)
    assert health["age_ms"] >= 10
    assert health["bound_ms"] == 0.2
    assert (health["rows"], health["lost"], health["state"]) == (400, 20, "running")
    state.update({"now": now + 10**10, "streams": {}})  # it fell silent
    assert state.health()["wrist"]["rate_hz"] < 35


def test_a_ring_gives_each_reader_what_is_new_to_it():
    ring = Ring(5)
    assert ring.since(0) == (0, [])
    ring.add("abc")
    number, got = ring.since(0)
    assert got == ["a", "b", "c"]
    assert ring.since(number) == (number, [])
    ring.add("defgh")
    assert ring.since(number)[1] == ["d", "e", "f", "g", "h"]
    ring.add("ijk")
    assert ring.since(number)[1] == ["g", "h", "i", "j", "k"]  # what is older is gone


def test_heatmaps_are_the_strongest_evidence_of_any_joint():
    values = np.zeros((3, 2, 2), np.float32)
    values[0, 0, 0], values[2, 1, 1] = 1.0, 0.5
    person = Person(
        np.zeros((3, 2), np.float32), np.ones(3, np.float32), np.zeros((3, 3), np.float32), (0, 0, 1, 1),
        heatmaps=Heatmaps(values, np.array([[2.0, 0, 5], [0, 2, 7]])),
    )  # fmt: skip
    (one,) = heat_message(3, [person])["maps"]
    assert np.frombuffer(one["cells"], np.uint8).tolist() == [255, 0, 0, 127]
    assert one["to_picture"] == [[2, 0, 5], [0, 2, 7]]


class Socket:
    """A browser's end of a WebSocket, as Starlette shows it."""

    application_state = None

    def __init__(self) -> None:
        self.got: asyncio.Queue[dict] = asyncio.Queue()
        self.say: asyncio.Queue[str] = asyncio.Queue()

    async def receive_text(self) -> str:
        return await self.say.get()

    async def send_bytes(self, data: bytes) -> None:
        (length,) = struct.unpack_from("<I", data)
        about = json.loads(data[4 : 4 + length])
        about["tail"] = data[4 + length :]
        await self.got.put(about)


def test_a_slow_browser_gets_the_newest_and_never_a_queue():
    """It answers one message in a hundred states: what it gets next is of now."""

    async def look() -> None:
        state, socket = LiveState(), Socket()
        viewer = Viewer(socket, state, dict, True, lambda: None)
        await socket.say.put(json.dumps({"show": {"picture": True}}))
        serving = asyncio.create_task(viewer.serve())
        number = 0
        drawn = 0
        for _ in range(5):
            for _ in range(100):
                number += 1
                state.update({"now": number, "pose": pose(number), "view": view(number % 250)})
            while viewer.sent - viewer.drawn < IN_FLIGHT:  # all that it may have under way is sent
                await asyncio.sleep(0)
                state.update({"now": number, "pose": pose(number), "view": view(number % 250)})
                await asyncio.sleep(0.01)
            waiting = [socket.got.get_nowait() for _ in range(socket.got.qsize())]
            assert len(waiting) <= IN_FLIGHT
            drawn = max(drawn, *(message["n"] for message in waiting))
            if "pose" in waiting[-1]:
                assert waiting[-1]["pose"]["time"] == number
            await socket.say.put(json.dumps({"ok": drawn}))
            while viewer.drawn < drawn:
                await asyncio.sleep(0)
        assert viewer.sent <= 5 * IN_FLIGHT + IN_FLIGHT
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(asyncio.wait_for(look(), 60))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"ok": "x"}', '{"path": "/etc"}', '{"show": {"picture": 3}}']
)
def test_a_browser_that_says_something_else_is_left(text):
    async def look() -> None:
        socket = Socket()
        await socket.say.put(text)
        await Viewer(socket, LiveState(), dict, True, lambda: None).serve()

    asyncio.run(asyncio.wait_for(look(), 60))


def test_in_privacy_mode_nobody_can_ask_for_pictures():
    async def look() -> None:
        state, socket = LiveState(), Socket()
        state.update({"now": 1, "pose": pose(1), "view": view(1)})
        viewer = Viewer(socket, state, dict, False, lambda: None)
        await socket.say.put(json.dumps({"show": {"picture": True, "heatmap": True}}))
        serving = asyncio.create_task(viewer.serve())
        for number in range(2, 12):
            message = await socket.got.get()
            assert "view" not in message
            assert not message["tail"]
            assert not viewer.wants_pictures
            await socket.say.put(json.dumps({"ok": message["n"]}))
            state.update({"now": number, "pose": pose(number), "view": view(number)})
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    asyncio.run(asyncio.wait_for(look(), 60))


@pytest.mark.parametrize(
    ("head", "suffix"),
    [
        (b"\0\0\0\x18ftypmp42", ".mp4"),
        (b"\0\0\0\x14ftypqt  ", ".mov"),
        (b"\0\0\0\x08wide\0\0\0\0mdat", ".mov"),
        (b"\x1a\x45\xdf\xa3\x01", ".mkv"),
        (b"RIFF\0\0\0\0AVI LIST", ".avi"),
        (b"RIFF\0\0\0\0WEBPVP8 ", ".webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", None),
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"\x89PNG\r\n\x1a\n", ".png"),
        (b"BM\0\0\0\0\0\0\0\0", ".bmp"),
        (b"GIF89a", None),
        (b"\0\0\0\x18ftypheic", None),
        (b"%PDF-1.7", None),
        (b"", None),
    ],
)
def test_what_a_file_is_its_bytes_tell(head, suffix):
    assert suffix_of(head) == suffix


@pytest.mark.parametrize(
    "name", ["", "/", "..", "a/../..", "\\\\host\\share\\", "\r\n\t", "x" * 300 + ".mp4"]
)
def test_a_name_to_show_is_never_empty_nor_a_path(name):
    shown = shown_name(name)
    assert 1 <= len(shown) <= 100
    assert not set(shown) & set("/\\\r\n\t")
