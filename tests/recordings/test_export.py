"""A session written for other programs is whole or not there."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from recording_samples import CAMERA, IMU, imu_rows, stamps

from drivers.base import Batch
from drivers.errors import ConfigError, RecordingError, RecordingExists, RecordingUnreadable
from fusion.cli import main
from recordings.exporters.export import export
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

Make = Callable[..., Path]


def table(path: Path) -> tuple[list[str], list[list[str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        head, *lines = csv.reader(file)
    return head, lines


def test_csv_reads_back_as_the_same_numbers_and_nanoseconds(make_session: Make, tmp_path: Path) -> None:
    session = make_session()
    export(session, "csv", tmp_path / "out")
    with open_recording(session) as recording:
        for name in ("wrist", "room"):
            stream = recording.streams[name]
            _, lines = table(tmp_path / "out" / f"{name}.csv")
            assert [int(line[0]) for line in lines] == stream.times.tolist()
            assert [int(line[5]) for line in lines] == stream.row_seq.tolist()
            values = np.array([line[6:] for line in lines]).astype(stream.info.dtype)
            assert np.array_equal(values, stream.data[:])
        _, lines = table(tmp_path / "out" / "camera.csv")
        assert [int(line[0]) for line in lines] == recording.streams["camera"].times.tolist()
    head, lines = table(tmp_path / "out" / "wrist.csv")
    assert head[6] == "specific_force_x [m/s^2]"
    assert head[9] == "angular_rate_x [rad/s]"
    assert [line[1] for line in lines[:2]] == ["0.000000000", "0.010000000"]
    assert lines[0][4] == ""  # the device has no clock
    assert table(tmp_path / "out" / "labels.csv")[1][0][:2] == ["200000000", "700000000"]
    facts = json.loads((tmp_path / "out" / "wrist.json").read_text("utf-8"))
    assert "sensor" in facts["frame_of_reference"]
    assert facts["worn_on"] == "right_forearm"


def test_every_float_survives_its_text(tmp_path: Path) -> None:
    rows = np.random.default_rng(1).integers(0, 2**32, (500, 6), np.uint32).view("<f4")
    rows[np.isnan(rows)] = np.nan
    times = np.sort(np.random.default_rng(2).integers(-(2**62), 2**62, 500))
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="floats"), sync_s=0) as writer:
        writer.add_stream(IMU)
        writer.append(Batch("wrist", stamps(times - 7_000_000, np.arange(500)), rows))
    export(tmp_path / "a.h5", "csv", tmp_path / "out", raw_times=True)
    _, lines = table(tmp_path / "out" / "wrist.csv")
    back = np.array([line[6:] for line in lines]).astype("<f4")
    assert np.array_equal(back, rows, equal_nan=True)
    assert [int(line[0]) for line in lines] == times.tolist()


def test_gaps_keep_their_numbers_and_times(tmp_path: Path) -> None:
    numbers = np.array([0, 1, 2, 50, 51])
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="gap"), sync_s=0) as writer:
        writer.add_stream(IMU)
        rows = Batch("wrist", stamps(numbers * 10_000_000, numbers), imu_rows(0, 5), {"device_gap": 47})
        writer.append(rows)
    export(tmp_path / "a.h5", "csv", tmp_path / "out")
    _, lines = table(tmp_path / "out" / "wrist.csv")
    assert [int(line[5]) for line in lines] == numbers.tolist()
    facts = json.loads((tmp_path / "out" / "wrist.json").read_text("utf-8"))
    assert facts["ledger"] == {"produced": 52, "stored": 5, "lost": {"device_gap": 47}}


def test_an_interrupted_session_is_exported_up_to_its_last_whole_row(
    make_session: Make, tmp_path: Path
) -> None:
    session = make_session()
    with h5py.File(session, "r+") as file:
        file.attrs["closed"] = False
    export(session, "csv", tmp_path / "out")
    with open_recording(session) as recording:
        assert len(table(tmp_path / "out" / "wrist.csv")[1]) == len(recording.streams["wrist"]) > 0


def test_a_session_without_pictures_still_gives_their_times(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="private"), sync_s=0) as writer:
        writer.add_stream(CAMERA, withheld=True)
        writer.append(Batch("camera", stamps([3, 5], [0, 1]), (b"", b"")))
    report = export(tmp_path / "a.h5", "csv", tmp_path / "out")
    assert [line[0] for line in table(tmp_path / "out" / "camera.csv")[1]] == ["3", "5"]
    assert report.notes == ("camera: times only, its data is no table",)


def test_what_is_there_is_replaced_only_when_asked_and_only_an_export(
    make_session: Make, tmp_path: Path
) -> None:
    session = make_session()
    out = tmp_path / "out"
    export(session, "csv", out)
    (out / "room.csv").write_text("old", "utf-8")
    with pytest.raises(RecordingExists, match="--force"):
        export(session, "csv", out)
    assert (out / "room.csv").read_text("utf-8") == "old"
    export(session, "csv", out, force=True, streams=["wrist"])
    assert not (out / "room.csv").exists()
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work", "utf-8")
    with pytest.raises(RecordingExists, match="not made by"):
        export(session, "csv", mine, force=True)
    assert (mine / "thesis.txt").exists()
    with pytest.raises(RecordingExists):
        export(session, "csv", session, force=True)


def test_what_cannot_be_exported_is_told(make_session: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no format 'xls'"):
        export(make_session(), "xls", tmp_path / "out")
    with pytest.raises(RecordingError, match="no stream feet"):
        export(tmp_path / "session.h5", "csv", tmp_path / "out", streams=["feet"])
    with SessionWriter(tmp_path / "empty.h5", SessionAttributes(id="empty"), sync_s=0):
        pass
    with pytest.raises(RecordingError, match="no stream that csv can take"):
        export(tmp_path / "empty.h5", "csv", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_session_leaves_nothing_behind(make_session: Make, tmp_path: Path) -> None:
    session = make_session()
    with h5py.File(session, "r+") as file:
        file["streams/wrist/data"][150, 2] = 1e9
    with pytest.raises(RecordingUnreadable, match="damaged"):
        export(session, "csv", tmp_path / "folder" / "out")
    assert list((tmp_path / "folder").iterdir()) == []


def test_a_full_disk_leaves_no_half_export(make_session: Make, tmp_path: Path) -> None:
    code = (
        "import sys, signal, resource; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        "from fusion.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    out = tmp_path / "folder" / "out"
    words = ["export", str(make_session()), "--to", "csv", "--output", str(out)]
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 1
    assert "could not be written" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(out.parent.iterdir()) == []


def test_the_verb_tells_what_it_wrote(
    make_session: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [
        str(make_session()),
        "--to=csv",
        "--streams=wrist,room",
        f"--output={tmp_path / 'out'}",
        "--json",
    ]
    assert main(["export", *words]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert sorted(facts["streams"]) == ["room", "wrist"]
    assert main(["export", *words]) == 1
    assert "exists already" in capsys.readouterr().err
