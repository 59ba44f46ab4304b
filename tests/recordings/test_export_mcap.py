"""MCAP files hold the same numbers, pictures and nanoseconds, read by MCAP's own reader."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader
from recording_samples import IMU, SOUND, imu_rows, stamps

from drivers.base import Batch
from drivers.errors import RecordingError
from recordings.exporters.export import export
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter


def messages(path: Path) -> dict[str, list[tuple[int, int, str, dict[str, Any]]]]:
    found: dict[str, list[tuple[int, int, str, dict[str, Any]]]] = {}
    with path.open("rb") as file:
        for schema, channel, message in make_reader(file, validate_crcs=True).iter_messages():
            assert schema is not None
            assert set(json.loads(message.data)) <= set(json.loads(schema.data)["properties"])
            entry = (message.log_time, message.publish_time, schema.name, json.loads(message.data))
            found.setdefault(channel.topic, []).append(entry)
    return found


def test_mcap_holds_what_was_recorded(make_session: Callable[..., Path], tmp_path: Path) -> None:
    session = make_session()
    report = export(session, "mcap", tmp_path / "out.mcap")
    assert report.notes == ()
    found = messages(tmp_path / "out.mcap")
    with open_recording(session) as recording:
        utc = recording.session.utc_ns
        wrist, camera, room = (recording.streams[name] for name in ("wrist", "camera", "room"))
        assert [log - utc for log, *_ in found["/wrist"]] == wrist.times.tolist()
        assert all(log == published for log, published, *_ in found["/wrist"])
        rows = [[content[name] for name in IMU.channels] for *_, content in found["/wrist"]]
        assert np.array_equal(np.array(rows, "<f4"), wrist.data[:])
        assert [log - utc for log, *_ in found["/camera"]] == camera.times.tolist()
        assert {schema for _, _, schema, _ in found["/camera"]} == {"foxglove.CompressedImage"}
        for number, (*_, content) in enumerate(found["/camera"]):
            assert base64.b64decode(content["data"]) == camera.picture(number)
            assert content["format"] == "jpeg"
        sound = b"".join(base64.b64decode(content["data"]) for *_, content in found["/room"])
        assert np.array_equal(np.frombuffer(sound, "<i2")[:, None], room.data[:])
    labels = [(log - utc, content["message"]) for log, _, _, content in found["/events"]]
    assert labels == [(200_000_000, "label_start: wave"), (700_000_000, "label_stop: wave")]
    with (tmp_path / "out.mcap").open("rb") as file:
        facts = {entry.name: entry.metadata for entry in make_reader(file).iter_metadata()}
    assert facts["session"]["subject"] == "nobody"
    assert json.loads(facts["stream wrist"]["units"])[0] == "m/s^2"


def test_gaps_stay_gaps_and_no_number_is_null(tmp_path: Path) -> None:
    rows = imu_rows(0, 2)
    rows[1, 0] = np.nan
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="gap", utc_ns=10**18), sync_s=0) as writer:
        writer.add_stream(IMU)
        writer.add_stream(SOUND)
        writer.append(Batch("wrist", stamps([0, 10_000_000], [0, 1]), rows))
        for seq in (0, 640, 6400):
            writer.append(Batch("room", stamps([seq * 62_500], [seq]), np.full((640, 1), seq, "<i2")))
    export(tmp_path / "a.h5", "mcap", tmp_path / "out.mcap")
    found = messages(tmp_path / "out.mcap")
    assert found["/wrist"][1][3]["specific_force_x"] is None
    starts = [(log - 10**18, content["seq"]) for log, _, _, content in found["/room"]]
    assert starts == [(0, 0), (400_000_000, 6400)]
    export(tmp_path / "a.h5", "mcap", tmp_path / "raw.mcap", raw_times=True)
    assert [log for log, *_ in messages(tmp_path / "raw.mcap")["/wrist"]] == [7_000_000, 17_000_000]


def test_times_that_mcap_cannot_hold_are_refused(tmp_path: Path) -> None:
    with SessionWriter(tmp_path / "a.h5", SessionAttributes(id="old"), sync_s=0) as writer:
        writer.add_stream(IMU)
        writer.append(Batch("wrist", stamps([-5], [0]), imu_rows(0, 1)))
    with pytest.raises(RecordingError, match="before 1970"):
        export(tmp_path / "a.h5", "mcap", tmp_path / "out.mcap")
    assert [path.name for path in tmp_path.iterdir()] == ["a.h5"]
