"""Marks: a person's word for a moment, over the bus to all who listen."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from drivers.bus import Hub, Publisher, Subscriber
from drivers.bus.keys import new_keys
from drivers.bus.marker import mark
from drivers.bus.messages import Event
from drivers.bus.nearby import noted, only, running
from drivers.errors import BusError


def test_a_mark_reaches_all_who_listen_with_the_moment_it_was_made() -> None:
    with Hub() as hub, Subscriber(hub.address) as one, Subscriber(hub, streams=["wrist"]) as other:
        pressed = time.monotonic_ns()
        marked = mark(hub.address, "  start   squat ", source="test", now_ns=pressed)
        assert marked.listeners == 2
        assert marked.time == pressed - hub.session.epoch_ns
        for subscriber in (one, other):
            assert subscriber.receive(5.0) == Event(marked.time, "mark", "start squat", "test")


def test_nobody_may_be_listening_and_the_mark_says_so() -> None:
    with Hub() as hub:
        assert mark(hub.address, "alone").listeners == 0


@pytest.mark.parametrize("words", ["", "   ", "x" * 201])
def test_a_mark_without_words_or_with_too_many_is_refused(words: str) -> None:
    with pytest.raises(BusError, match="characters"):
        mark("tcp://127.0.0.1:1", words)


def test_a_marker_takes_no_stream_of_a_publisher() -> None:
    with Hub() as hub, Publisher(hub.address, "wrist"):
        mark(hub.address, "now")
        assert hub.publishers == ("wrist",)


def test_with_keys_this_user_may_mark(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHORUS_KEYS", str(tmp_path))
    new_keys()
    with Hub(keys=True) as hub, Subscriber(hub) as subscriber:
        assert mark(hub.address, "now", source="me").listeners == 1
        message = subscriber.receive(5.0)
        assert isinstance(message, Event)
        assert message.label == "now"


def test_the_one_session_of_this_machine_is_found_without_an_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with pytest.raises(BusError, match="nothing is being recorded"):
        only()
    with noted("tcp://127.0.0.1:7001", "records a.h5"):
        assert only() == "tcp://127.0.0.1:7001"
        with noted("tcp://127.0.0.1:7002", "records b.h5"), pytest.raises(BusError, match=r"a\.h5.*b\.h5"):
            only()
    assert running() == {}


def test_notes_of_programs_that_were_killed_and_broken_notes_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    with noted("tcp://127.0.0.1:7001", "records a.h5"):
        (tmp_path / "chorus" / "dead.json").write_text('{"pid": 99999999, "address": "x", "what": "y"}')
        (tmp_path / "chorus" / "broken.json").write_text("{")
        assert list(running()) == ["tcp://127.0.0.1:7001"]
        assert not (tmp_path / "chorus" / "dead.json").exists()
