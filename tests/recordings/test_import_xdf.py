"""What others recorded as XDF becomes a session: exact values, raw stamps, clocks compared, all told."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xdf_bytes import boundary, chunk, clock_offset, file_header, footer, samples, stream_header, xdf

from drivers.errors import DataError, MissingDependency, RecordingExists
from fusion.cli import main
from recordings.check import examine
from recordings.importers.xdf import import_xdf
from recordings.importers.xdf_clock import number_stamps, offset_probes
from recordings.importers.xdf_guard import sound_parts
from recordings.reader import open_recording
from recordings.resync import resync

ACC = [(f"Acc_{axis}", "ACC", "g") for axis in "XYZ"]
GYRO = [(f"Gyro_{axis}", "GYRO", "deg/s") for axis in "XYZ"]


def imu(
    number: int = 1, count: int = 400, start: float = 1000.0, step: float = 0.01
) -> tuple[list[bytes], np.ndarray]:
    """Return header and chunks of 40 samples of an IMU at 100 Hz, the first of each stamped; and the rows."""
    rows = (np.arange(count)[:, None] / 64 + np.arange(6)).astype(np.float32)
    parts = [stream_header(number, "My IMU", "IMU", 6, 100, "float32", ACC + GYRO)]
    for at in range(0, count, 40):
        stamps = [start + at * step] + [None] * 39
        parts.append(samples(number, "float32", stamps, rows[at : at + 40].tolist()))
    return parts, rows


def write(path: Path, *chunks: bytes) -> Path:
    path.write_bytes(xdf(file_header(), *chunks))
    return path


@pytest.mark.parametrize(
    ("form", "dtype", "values"),
    [
        ("float32", "<f4", [0.1, -1e-38, 3.4e38]),
        ("double64", "<f8", [0.1, -1e-300, 1.7e308]),
        ("int8", "|i1", [-128, 0, 127]),
        ("int16", "<i2", [-32768, 1, 32767]),
        ("int32", "<i4", [-(2**31), 1, 2**31 - 1]),
        ("int64", "<i8", [-(2**63), 2**53 + 1, 2**63 - 1]),
    ],
)
def test_numbers_of_every_form_read_back_exactly(
    tmp_path: Path, form: str, dtype: str, values: list[float]
) -> None:
    rows = np.array([values[i:] + values[:i] for i in range(3)] * 20, dtype)
    stamps = [5000.125 + i / 64 if i % 7 == 0 or i > 30 else None for i in range(60)]
    for size in (1, 4, 8):
        path = write(
            tmp_path / f"a{size}.xdf",
            stream_header(7, "Numbers", "EEG", 3, 64, form),
            samples(7, form, stamps, rows.tolist(), size),
        )
        report = import_xdf(path, tmp_path)
        assert report.streams[0].became == "features"
        with open_recording(report.file) as recording:
            stream = recording.features["numbers"]
            assert stream.info.dtype == dtype
            assert np.array_equal(stream.data[:], rows)
            raw = stream.stamps["time_host"]
            assert raw.tolist() == [5000_125_000_000 + i * 15_625_000 for i in range(60)]


def test_an_imu_is_in_si_units_where_its_units_are_told(tmp_path: Path) -> None:
    parts, rows = imu()
    report = import_xdf(write(tmp_path / "walk.xdf", *parts, footer(1, 400)), tmp_path / "out")
    assert report.file == tmp_path / "out" / "walk.h5"
    with open_recording(report.file) as recording:
        stream = recording.streams["my_imu"]
        assert stream.info.kind == "imu"
        assert stream.info.channels[:4] == (
            "specific_force_x",
            "specific_force_y",
            "specific_force_z",
            "angular_rate_x",
        )
        assert stream.info.units == ("m/s^2",) * 3 + ("rad/s",) * 3
        factors = np.array([9.80665] * 3 + [np.pi / 180] * 3)
        assert np.array_equal(stream.data[:], (rows * factors).astype("<f4"))
        assert stream.info.properties["xdf_units"] == "g, g, g, deg/s, deg/s, deg/s"
        assert stream.stamps["time_host"].tolist() == [1_000_000_000_000 + i * 10_000_000 for i in range(400)]
        assert recording.session.utc_ns == 1_709_284_830 * 10**9
    assert examine(report.file).problems == ()


def test_units_that_are_not_told_are_not_invented(tmp_path: Path) -> None:
    labels = [(f"Acc_{axis}", "ACC", "") for axis in "XYZ"]
    linear = [(f"LinAcc_{axis}", "ACC", "m/s^2") for axis in "XYZ"]
    rows = [[1.0, 2.0, 3.0]] * 50
    stamps = [1.0 + i / 50 for i in range(50)]
    path = write(
        tmp_path / "a.xdf",
        stream_header(1, "Acc", "Accelerometer", 3, 50, "float32", labels),
        stream_header(2, "Linear", "Accelerometer", 3, 50, "float32", linear),
        samples(1, "float32", stamps, rows),
        samples(2, "float32", stamps, rows),
    )
    with open_recording(import_xdf(path, tmp_path).file) as recording:
        assert recording.features["acc"].info.channels == ("Acc_X", "Acc_Y", "Acc_Z")
        assert recording.features["acc"].info.units == ()
        assert recording.features["linear"].info.units == ("m/s^2",) * 3
        assert np.array_equal(recording.features["acc"].data[:], rows)


def test_sound_and_markers_are_what_they_are(tmp_path: Path) -> None:
    sound = np.arange(-8000, 8000, dtype=np.int16)[:, None]
    stamps: list[float | None] = [20.0] + [None] * 15999
    path = write(
        tmp_path / "a.xdf",
        stream_header(1, "Mic", "Audio", 1, 16000, "int16"),
        stream_header(2, "Paradigm", "Markers", 1, 0, "string"),
        stream_header(3, "Buttons", "Markers", 1, 0, "int32"),
        stream_header(4, "Silent", "EEG", 8, 100, "float32"),
        samples(1, "int16", stamps, sound.tolist()),
        samples(2, "string", [20.25, 20.5], [["start squat"], ["Ende: übung\n2"]]),
        samples(3, "int32", [20.75], [[42]]),
    )
    report = import_xdf(path, tmp_path)
    assert [one.became for one in report.streams] == ["audio", "mark", "mark", "nothing"]
    assert "no samples" in report.streams[3].note
    with open_recording(report.file) as recording:
        stream = recording.streams["mic"]
        assert stream.info.stamping == "block"
        assert np.array_equal(stream.data[:], sound)
        start = int(stream.stamps["time"][0])
        assert [(e.time - start, e.kind, e.label, e.source) for e in recording.events] == [
            (250_000_000, "mark", "start squat", "paradigm"),
            (500_000_000, "mark", "Ende: übung 2", "paradigm"),
            (750_000_000, "mark", "42", "buttons"),
        ]


def truth_of(host: np.ndarray, drift: float, offset: float) -> np.ndarray:
    return host + offset + drift * (host - 1000.0)


@pytest.mark.parametrize("seed", range(4))
def test_drifting_clocks_are_compared_and_the_bound_holds(tmp_path: Path, seed: int) -> None:
    generator = np.random.default_rng(seed)
    chunks, truth = [], {}
    for number, (drift, offset) in enumerate([(60e-6, 500.25), (-40e-6, -73.5)], 1):
        count = 6000
        made = imu(number, count, 1000.0)[0]
        made[0] = made[0].replace(b"My IMU", b"IMU %02d" % number)
        chunks += made
        truth[number] = (drift, offset)
        for at in np.arange(1000.0, 1060.0, 5.0):
            noise = generator.normal(0, 200e-6) + (0.3 if at == 1030.0 else 0.0)  # one is far off
            chunks.append(clock_offset(number, at, float(truth_of(at, drift, offset) - at + noise)))
    report = import_xdf(write(tmp_path / "a.xdf", *chunks), tmp_path)
    with open_recording(report.file) as recording:
        for number, (drift, offset) in truth.items():
            stream = recording.streams[f"imu_{number:02}"]
            host = stream.stamps["time_host"].astype(np.int64)
            right = truth_of(host * 1e-9, drift, offset) * 1e9 - recording.session.epoch_ns
            error = np.abs(stream.stamps["time"] - right)
            assert (error <= stream.stamps["time_bound"]).all()
            assert error.max() < 600_000
            assert np.median(stream.stamps["time_bound"]) < 3_000_000
            assert len(recording.probes[stream.info.host]) == 12
    assert examine(report.file).problems == ()
    again = resync(report.file)
    with open_recording(report.file) as old, open_recording(again.output) as new:
        for name, stream in old.streams.items():
            assert np.abs(stream.stamps["time"] - new.streams[name].stamps["time"]).max() <= 1000


def test_offsets_read_back_from_the_probes() -> None:
    times = np.arange(100.0, 400.0, 5.0)
    offsets = 7.0 + 1e-5 * times + np.random.default_rng(0).normal(0, 1e-4, len(times))
    probes, scatter = offset_probes(times, offsets, (100.0, 400.0))
    assert np.array_equal((probes["t0"] + probes["t3"]) // 2, np.rint(times * 1e9))
    assert np.abs((probes["t1"] - (probes["t0"] + probes["t3"]) // 2) * 1e-9 - offsets).max() < 1e-9
    assert 1e5 < scatter < 6e5


def test_a_clock_that_was_set_steps_in_the_session_too(tmp_path: Path) -> None:
    parts, _ = imu(1, 12_000)
    offsets = [(1000.0 + 5 * i, 3.0 if i < 12 else 5.0) for i in range(25)]
    chunks = [clock_offset(1, *pair) for pair in offsets]
    with open_recording(import_xdf(write(tmp_path / "a.xdf", *parts, *chunks), tmp_path).file) as recording:
        stamps = recording.streams["my_imu"].stamps
        moved = (stamps["time"] - stamps["time_host"].astype(np.int64) + recording.session.epoch_ns) * 1e-9
        assert abs(moved[100] - 3.0) < 1e-3
        assert abs(moved[-100] - 5.0) < 1e-3


@pytest.mark.parametrize(
    "bad", [(1045.0, 900.0), (4000.0, 3.0), (9e12, 3.0), (1045.0, -4e9), (1045.0, 1e300)]
)
def test_a_last_offset_that_is_wrong_moves_nothing(tmp_path: Path, bad: tuple[float, float]) -> None:
    parts, _ = imu(1, 4000)
    chunks = [clock_offset(1, 1000.0 + 5 * i, 3.0) for i in range(8)]
    path = write(tmp_path / "a.xdf", *parts, *chunks, clock_offset(1, *bad))
    with open_recording(import_xdf(path, tmp_path).file) as recording:
        stamps = recording.streams["my_imu"].stamps
        moved = (stamps["time"] - stamps["time_host"].astype(np.int64) + recording.session.epoch_ns) * 1e-9
        assert np.abs(moved - 3.0).max() < 1e-3


def test_gaps_are_counted_and_late_rows_are_none(tmp_path: Path) -> None:
    count = np.concatenate((np.arange(300), np.arange(325, 700)))
    stamps = 50.0 + count / 100
    stamps[100:105] += 0.04  # late, and caught up with
    rows = [[float(i)] for i in range(len(count))]
    path = write(
        tmp_path / "a.xdf",
        stream_header(1, "Grip", "Force", 1, 100, "float32"),
        samples(1, "float32", stamps.tolist(), rows),
        footer(1, 685),
    )
    report = import_xdf(path, tmp_path)
    with open_recording(report.file) as recording:
        stream = recording.features["grip"]
        assert stream.stamps["seq"].tolist() == count.tolist()
        assert stream.ledger.lost == {"device_gap": 15, "disk": 10}
        assert stream.ledger.unexplained == 0
    assert report.streams[0].lost == 25


@given(
    rate=st.floats(5, 500),
    pace=st.floats(-0.03, 0.03),
    gaps=st.lists(st.integers(1, 400), max_size=3),
    burst=st.integers(1, 6),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_rows_keep_their_numbers_under_jitter_and_bursts(
    rate: float, pace: float, gaps: list[int], burst: int, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    count = np.arange(2000)
    for number, rows in enumerate(gaps):
        at = (500 * (number + 1)) // burst * burst
        count[at:] += rows
    due = count * (1e9 / (rate * (1 + pace)))
    sent = np.repeat(due[burst - 1 :: burst], burst)[: len(due)]
    arrival = np.concatenate((sent, due[len(sent) :])) + generator.uniform(0, 0.2 / rate, len(due)) * 1e9
    seq, found = number_stamps(np.maximum.accumulate(arrival).astype(np.int64), rate)
    assert abs(found / (rate * (1 + pace)) - 1) < 0.02
    assert np.array_equal(seq, count)


def test_a_truncated_file_keeps_what_is_whole(tmp_path: Path) -> None:
    parts, _ = imu()
    whole = xdf(file_header(), *parts, footer(1, 400))
    for cut in range(600, len(whole), 611):
        path = tmp_path / f"cut{cut}.xdf"
        path.write_bytes(whole[:cut])
        if cut < len(xdf(file_header(), *parts[:2])):
            with pytest.raises(DataError, match="no samples"):
                import_xdf(path, tmp_path)
            continue
        report = import_xdf(path, tmp_path)
        kept = sum(cut >= len(xdf(file_header(), *parts[: n + 1])) for n in range(1, len(parts))) * 40
        assert report.streams[0].rows == kept
        exact = any(cut == len(xdf(file_header(), *parts[: n + 1])) for n in range(len(parts)))
        assert exact or "truncated or damaged" in report.notes[0]


def test_damage_costs_its_chunk_and_the_footer_tells_of_it(tmp_path: Path) -> None:
    parts, _ = imu()
    good = bytearray(xdf(file_header(), *parts[:4], boundary(), *parts[4:], footer(1, 400)))
    at = len(xdf(file_header(), *parts[:2]))
    good[at] = 77  # the length of the second chunk of samples: the boundary is the next place to go on
    path = tmp_path / "a.xdf"
    path.write_bytes(good)
    report = import_xdf(path, tmp_path)
    with open_recording(report.file) as recording:
        stream = recording.streams["my_imu"]
        assert stream.stamps["seq"].tolist() == [*range(40), *range(120, 400)]
        assert stream.ledger.lost == {"disk": 80}
    assert "truncated or damaged" in report.notes[0]


def test_changed_bytes_are_refused_in_one_line_or_read(tmp_path: Path) -> None:
    parts, _ = imu(1, 80)
    marks = [stream_header(2, "M", "Markers", 1, 0, "string"), samples(2, "string", [1000.2], [["go"]])]
    offset = clock_offset(1, 1000.0, 2.0)
    others = [clock_offset(1, 1000.0 + i, 2.0) for i in range(1, 6)]
    good = xdf(file_header(), *parts, *marks, offset, *others, boundary(), footer(1, 80))
    generator = np.random.default_rng(3)
    for number in range(75):
        data = bytearray(good)
        for at in generator.integers(4, len(data), 1 + number % 3):
            data[at] = generator.integers(256)
        if number % 3 == 0:  # the clock offset itself
            data[good.index(offset) + generator.integers(8, 24)] = generator.integers(256)
        path = tmp_path / f"{number}.xdf"
        path.write_bytes(data)
        said = ""
        try:
            report = import_xdf(path, tmp_path)
        except DataError as error:
            said = str(error)
        assert "\n" not in said
        assert said or examine(report.file).readable


@pytest.mark.parametrize(
    "bad",
    [
        chunk(3, b"\x01\x00\x00\x00" + b"\x08" + (2**62).to_bytes(8, "little")),  # samples without end
        chunk(3, b"\x09\x00\x00\x00" + b"\x01\x01\x00" + bytes(24)),  # of a stream that is not there
        chunk(2, b"\x05\x00\x00\x00" + b"<!DOCTYPE a [<!ENTITY b 'c'>]><info/>"),
        chunk(4, b"\x01\x00\x00\x00" + bytes(3)),
        b"\x08" + (2**63).to_bytes(8, "little") + b"\x03\x00",
        chunk(9, b"unknown"),
    ],
)
def test_what_no_chunk_can_be_is_left_out(bad: bytes) -> None:
    parts, _ = imu(1, 80)
    data = xdf(file_header(), *parts[:2], bad, boundary(), *parts[2:])
    found, left_out = sound_parts(data)
    assert len(bad) <= left_out <= len(bad) + len(boundary())
    kept = b"".join(data[start:stop] for start, stop in found)
    assert kept.replace(boundary(), b"") == xdf(file_header(), *parts)


def test_what_is_no_xdf_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    foreign = tmp_path / "a.xdf"
    for content in (b"", b"XD", b"\x89HDF\r\n", b"XDF:", b"XDF:" + bytes(100)):
        foreign.write_bytes(content)
        with pytest.raises(DataError):
            import_xdf(foreign, tmp_path)
    with pytest.raises(DataError, match="can't be read"):
        import_xdf(tmp_path / "none.xdf", tmp_path)
    assert main(["import", "xdf", str(foreign), f"--output={tmp_path}"]) == 1
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert not (tmp_path / "a.h5").exists()


def test_a_session_is_never_overwritten_and_the_verb_tells_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parts, _ = imu()
    path = write(tmp_path / "a.xdf", *parts)
    assert main(["import", "xdf", str(path), f"--output={tmp_path / 'b.h5'}", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["streams"][0]["became"] == "imu"
    with pytest.raises(RecordingExists):
        import_xdf(path, tmp_path / "b.h5")
    assert main(["import", "xdf", str(path), f"--output={tmp_path}"]) == 0
    shown = capsys.readouterr().out
    assert "My IMU" in shown
    assert "no clock offsets" in shown


def test_a_missing_library_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyxdf", None)
    with pytest.raises(MissingDependency, match=r"chorus-fusion\[xdf\]"):
        import_xdf(write(tmp_path / "a.xdf", *imu()[0]), tmp_path)
