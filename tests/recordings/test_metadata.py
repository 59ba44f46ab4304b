"""Metadata of subject and session: checked, stored, changed afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recording_samples import imu_rows

from drivers.errors import ConfigError
from recordings.check import examine
from recordings.editing.note import note
from recordings.metadata import check_metadata
from recordings.reader import open_recording


def test_metadata_becomes_text() -> None:
    assert check_metadata({"age": 31, "height": "1.78", "operator": " Ada  L. "}) == {
        "age": "31",
        "height": "1.78",
        "operator": "Ada L.",
    }


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("age", "old", "years"),
        ("age", -1, "years"),
        ("height", 178, "Give m, from 0.3"),
        ("sex", "f", "male, female"),
        ("handedness", "both", "ambidextrous"),
        ("Operator", "Ada", "small letters"),
        ("operator", "", "characters"),
        ("operator", ["Ada"], "characters"),
        ("operator", "x" * 1001, "characters"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_with_what_does(name: str, value: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        check_metadata({name: value})


def test_a_session_is_told_of_afterwards_and_remembers_that(make_session: Callable[..., Path]) -> None:
    path = make_session()
    note(path, subject="S01", metadata={"age": "31", "sex": "female"})
    note(path, task="squat", metadata={"sex": ""})
    with open_recording(path) as recording:
        session = recording.session
        assert (session.subject, session.task, session.metadata) == ("S01", "squat", {"age": "31"})
        assert len(session.edits) == 2
        assert recording.damaged == {}
        assert np.array_equal(recording.streams["wrist"].data[:], imu_rows(0, 200))
    assert b"female" not in path.read_bytes()
    assert examine(path).problems == ()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_refused_note_leaves_the_file_as_it_was(make_session: Callable[..., Path]) -> None:
    path = make_session()
    before = path.read_bytes()
    with pytest.raises(ConfigError):
        note(path, metadata={"age": "young"})
    assert path.read_bytes() == before
