"""Labels from a table of intervals: taken whole or refused whole, and given back as they were."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from recording_samples import fill, imu_rows

from drivers.errors import DataError
from fusion.cli import main
from recordings.check import examine
from recordings.editing.label import label
from recordings.exporters.export import export
from recordings.label_table import Bounds, labels_text, read_labels
from recordings.labels import Label
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

MakeSession = Callable[..., Path]
SECOND = 1_000_000_000
WAVE = Label(200_000_000, 700_000_000, "wave", "truth")
"""What each session of these tests has already; it lasts 2 s."""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("original") / "session.h5"
    with SessionWriter(path, SessionAttributes(id="test", expected=("wrist", "room")), sync_s=0) as writer:
        fill(writer, 2.0)
    return path


@pytest.fixture
def make_session(original: Path, tmp_path: Path) -> MakeSession:
    """Return a maker of copies of one session."""

    def make(name: str = "session.h5") -> Path:
        return Path(shutil.copy(original, tmp_path / name))

    return make


def table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    (folder / name).write_text(text, "utf-8")
    return folder / name


def test_intervals_become_labels_and_nothing_else_changes(make_session: MakeSession, tmp_path: Path) -> None:
    path = make_session()
    with open_recording(path) as recording:
        events = recording.events
    label(path, table(tmp_path, "start,stop,action,who\n1.25,1.75,squat,Ada\n0.7,1,turn  left,\n"))
    with open_recording(path) as recording:
        assert recording.labels == [
            WAVE,
            Label(700_000_000, SECOND, "turn left", "csv"),
            Label(1_250_000_000, 1_750_000_000, "squat", "Ada"),
        ]
        assert recording.events == events
        np.testing.assert_array_equal(recording.streams["wrist"].data[:], imu_rows(0, 200))
        edit = json.loads(recording.session.edits[-1])
        assert (edit["what"], edit["added"], edit["source"]) == ("label", 2, "labels.csv")
    assert examine(path).problems == ()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["labels.csv", "session.h5"]


def test_replace_puts_the_table_in_place_of_the_labels(make_session: MakeSession, tmp_path: Path) -> None:
    path = make_session()
    greet = Label(100_000_000, 900_000_000, "greet", "csv")
    assert label(path, table(tmp_path, "action;stop;start\ngreet;0.9;0.1\n"), replace=True) == [greet]
    with open_recording(path) as recording:
        assert recording.labels == [greet]
        assert [event.kind for event in recording.events] == ["label_start", "label_stop"]
    assert label(path, table(tmp_path, "start,stop,action\n"), replace=True) == []


REFUSED = {
    "start,stop,action\n0.1,0.3,squat\n": ("overlaps 'wave'", "--replace"),
    "start,stop,action\n1,1.5,a\n\n1.4,1.8,b\n": ("line 4 overlaps line 2", "one action"),
    "start,stop,actoin\n1,1.5,a\n": ("column 'actoin'", "Did you mean 'action'?"),
    "start,action\n1,a\n": ("no column 'stop'", "start,stop,action"),
    "start,stop,action\n1,nan,a\n": ("line 2", "'nan' as stop"),
    "start,stop,action\n1,inf,a\n": ("line 2", "'inf' as stop"),
    "start,stop,action\n1,9.5,a\n": ("line 2", "9.500000000 s", "0.00 to 2.00 s"),
    "start,stop,action\n-1,1,a\n": ("line 2", "its start at -1.000000000 s"),
    "start,stop,action\n1.5,1,a\n": ("line 2", "not after its start"),
    "start,stop,action\n1,1.5,\n": ("line 2", "names no action"),
    "start,stop,action\n,1.5,a\n": ("line 2", "has no start"),
    "start,stop,action\n1,1.5\n": ("line 2", "has 2 values", "3 columns"),
    "start;stop;action\n1,0;1,5;a\n": ("line 2", "with a point"),
    "start,stop,action\nsoon,1.5,a\n": ("line 2", "'soon'", "2026-05-04T09:30:17.25Z"),
    "start,stop,action\n2026-05-04T09:30:17,1.5,a\n": ("line 2", "no zone"),
    "start_ns,start_s,stop,action\n1000000000,1.1,1.5,a\n": ("line 2", "tells two times"),
    'start,stop,action\n1,1.5,"a\n': ("is not CSV",),
    "start,stop,action\n": ("no line below",),
    "": ("is empty",),
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: text[:60].encode("unicode_escape").decode())
def test_a_wrong_table_is_refused_whole_in_one_line(
    text: str, make_session: MakeSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_session()
    before = path.read_bytes()
    assert main(["label", str(path), str(table(tmp_path, text))]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    for word in REFUSED[text]:
        assert word in said
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["labels.csv", "session.h5"]


def test_what_is_no_text_is_refused(make_session: MakeSession, tmp_path: Path) -> None:
    (tmp_path / "table.xlsx").write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(DataError, match="no UTF-8 text"):
        label(make_session(), tmp_path / "table.xlsx")
    with pytest.raises(DataError, match="cannot be read"):
        label(tmp_path / "session.h5", tmp_path / "absent.csv")


words = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), min_size=1, max_size=20)


@given(st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**12), words, words), max_size=12))
def test_a_table_gives_the_labels_back_to_the_nanosecond(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[tuple[int, int, str, str]]
) -> None:
    labels, at = [], 0
    for length, gap, action, who in drawn:
        labels.append(Label(at + gap, at + gap + length, action, who))
        at += gap + length
    path = tmp_path_factory.getbasetemp() / "round_trip.csv"
    path.write_text(labels_text(labels), "utf-8")
    assert read_labels(path, Bounds(0, at)) == labels


def test_moments_in_utc_are_session_time(tmp_path: Path) -> None:
    utc_ns = 1_777_887_000 * SECOND  # 2026-05-04T09:30:00Z
    text = "start,stop,action\n2026-05-04T09:30:17.25Z,2026-05-04T11:30:19+02:00,squat\n"
    (one,) = read_labels(table(tmp_path, text), Bounds(0, 60 * SECOND, utc_ns))
    assert (one.start, one.stop) == (17_250_000_000, 19 * SECOND)


def test_exported_labels_go_into_another_session(make_session: MakeSession, tmp_path: Path) -> None:
    export(make_session("a.h5"), "csv", tmp_path / "tables")
    path = make_session("b.h5")
    assert label(path, tmp_path / "tables" / "labels.csv", replace=True) == [WAVE]


def test_the_command_gives_the_table_back(
    make_session: MakeSession, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make_session()
    assert main(["label", str(path), "--csv"]) == 0
    said = capsys.readouterr().out
    assert said == "start_s,stop_s,action,who\n0.200000000,0.700000000,wave,truth\n"
    assert main(["label", str(path), str(table(tmp_path, said)), "--replace"]) == 0
    assert capsys.readouterr().out == "wave: 1 times, 0.5 s\n"
    assert main(["label", str(path), "--replace"]) == 2
