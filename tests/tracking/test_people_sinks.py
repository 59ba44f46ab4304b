"""What the outputs make of several people."""

import csv
import dataclasses
import socket

import cv2
import numpy as np
import pytest
from pythonosc.osc_packet import OscPacket
from test_motion_files import poses as one_persons
from test_sinks import pose

from drivers.base import Batch
from drivers.bus.hub import Hub
from drivers.bus.subscriber import Subscriber
from drivers.errors import ConfigError
from fusion.skeletons import BODY20
from fusion.tracking.film import FilmSink
from fusion.tracking.options import LiveOptions
from fusion.tracking.outputs import Outputs
from fusion.tracking.sinks import PEOPLE_COLUMNS, CsvSink, PeopleSink
from fusion.tracking.sinkthread import SinkThread
from fusion.tracking.vmc import VmcSink
from fusion.vision.overlay import draw_name, person_colour


def of(person, time, *, wears=False, like=None):
    return dataclasses.replace(like or pose(), person=person, time=round(time * 1e9), wears=wears)


def test_the_table_has_everybodys_lines_and_says_who_wears_the_sensors(tmp_path):
    sink = SinkThread(CsvSink(tmp_path / "poses.csv", ("stand", "wave")))
    sink.poses([of(2, 0.0, wears=True), of(1, 0.0)])
    sink.close()
    with (tmp_path / "poses.csv").open() as file:
        rows = list(csv.DictReader(file))
    told = [(row["person"], row["wears_sensors"]) for row in rows]
    assert told == [("2", "1")] * len(BODY20) + [("1", "0")] * len(BODY20)


def test_a_file_of_motion_a_person_has_the_time_of_the_run_and_a_row_for_each_tick(tmp_path):
    _, body = one_persons(seconds=3.0)
    options = LiveOptions(output=str(tmp_path / "out"), people=3, motion=["trc", "mot", "bvh"], film=False)
    sinks = Outputs(options).open((), pictures=False, threaded=False)
    for row, each in enumerate(body):
        there = [of(1, row / 60, wears=True, like=each)]
        if row >= 60 and not 90 <= row < 100:  # comes after a second, and is not seen for a moment
            there.append(of(2, row / 60, like=each))
        for sink in sinks:
            sink.poses(there)
    for sink in sinks:
        sink.close()
    names = {path.name for path in (tmp_path / "out").glob("motion*")}
    assert names == {f"motion_person0{n}.{kind}" for n in (1, 2) for kind in ("trc", "mot", "bvh")}
    lines = (tmp_path / "out" / "motion_person02.trc").read_text().splitlines()[6:]
    assert len(lines) == len(body) - 60
    cells = [line.split("\t") for line in lines]
    assert float(cells[0][1]) == pytest.approx(1.0, abs=1e-6)
    assert [row for row, line in enumerate(cells) if line[2] == ""] == list(range(30, 40))
    assert [int(line[0]) for line in cells] == list(range(1, len(cells) + 1))
    mot = np.loadtxt(tmp_path / "out" / "motion_person02.mot", skiprows=7)
    np.testing.assert_allclose(np.diff(mot[:, 0]), 1 / 60, atol=1e-5)
    assert (mot[30:40, 1:] == mot[29, 1:]).all()
    text = (tmp_path / "out" / "motion_person02.bvh").read_text()
    assert int(text.split("Frames: ")[1].split()[0]) == len(body) - 60
    frames = text.split("Frame Time: ")[1].splitlines()[1:]
    assert len(frames) == len(body) - 60
    assert len(set(frames[29:40])) == 1


def test_who_was_neither_seen_nor_felt_has_no_file(tmp_path):
    options = LiveOptions(output=str(tmp_path / "out"), people=2, motion=["trc"], film=False, events=False)
    sinks = Outputs(options).open((), pictures=False, threaded=False)
    for sink in sinks:
        sink.poses([dataclasses.replace(of(0, 1.0), fed=())])
        sink.close()
    assert not list((tmp_path / "out").glob("motion*"))


def test_the_wearer_goes_to_the_port_that_is_named_and_others_to_those_after_it():
    _, body = one_persons(seconds=0.1)
    ears = neighbours(2)
    try:
        sink = VmcSink(f"127.0.0.1:{ears[0].getsockname()[1]}", people=2)
        sink.poses([of(4, 1.0, wears=True, like=body[0]), of(3, 1.0, like=body[0])])
        sink.poses([of(3, 2.0, wears=True, like=body[1]), of(4, 2.0, like=body[1])])
        assert sink.sent == 4
        for ear in ears:
            times = [next(m.message.params[0] for m in heard(ear) if m.message.address == "/VMC/Ext/T")]
            times += [next(m.message.params[0] for m in heard(ear) if m.message.address == "/VMC/Ext/T")]
            assert times == [1.0, 2.0]
        sink.close()
    finally:
        for ear in ears:
            ear.close()


def neighbours(count):
    """Return sockets that listen on ports beside one another."""
    for _ in range(100):
        ears = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(count)]
        try:
            ears[0].bind(("127.0.0.1", 0))
            for number, ear in enumerate(ears[1:], 1):
                ear.bind(("127.0.0.1", ears[0].getsockname()[1] + number))
        except (OSError, OverflowError):
            for ear in ears:
                ear.close()
            continue
        for ear in ears:
            ear.settimeout(10.0)
        return ears
    raise AssertionError("no free ports beside one another")


def heard(ear):
    return OscPacket(ear.recv(65536)).messages


def test_ports_beyond_the_last_are_refused():
    with pytest.raises(ConfigError, match="65534 is no receiver"):
        VmcSink("127.0.0.1:65534", people=3)


def test_the_bus_carries_everybody_with_number_and_sensors():
    with Hub() as hub, Subscriber(hub, {PeopleSink.STREAM}) as subscriber:
        sink = PeopleSink(hub.address, 60.0, "camera", ("stand",), 3)
        sink.poses([of(2, 1.0, wears=True), of(1, 1.0)])
        while not isinstance(message := subscriber.receive(10.0), Batch):
            assert message is not None
        sink.close()
        info = subscriber.streams[PeopleSink.STREAM]
    assert (info.kind, info.shape, info.channels) == ("pose", (3, 20, 10), PEOPLE_COLUMNS)
    (row,) = np.asarray(message.data)
    assert (row[:, :, 8] == [[2.0], [1.0], [np.nan]])[:2].all()
    assert (row[:2, :, 9] == [[1.0], [0.0]]).all()
    assert np.isnan(row[2]).all()
    np.testing.assert_allclose(row[0, 0, :2], [100.0, 100.0])


def test_the_film_names_everybody(tmp_path):
    import av

    sink = FilmSink(tmp_path / "overlay.mp4", ("stand", "wave"))
    image = np.full((480, 640, 3), 90, np.uint8)
    here = [
        dataclasses.replace(of(n, 0.0), frame_time=0, keypoints=pose(at=at).keypoints)
        for n, at in ((1, 150.0), (2, 400.0))
    ]
    sink.picture(0, image)
    sink.poses(here)
    sink.close()
    with av.open(str(tmp_path / "overlay.mp4")) as film:
        (frame,) = film.decode(video=0)
    drawn = frame.to_ndarray(format="bgr24").astype(int)
    for person, at in ((1, 150), (2, 400)):
        patch = drawn[at - 26 : at - 8, at - 12 : at + 12]
        near = np.abs(patch - person_colour(person)).max(axis=-1) < 60
        assert near.mean() > 0.3


def test_a_name_stays_in_the_picture_and_is_framed_for_the_wearer():
    keypoints = np.array([[5.0, 2.0], [np.nan, 1.0]])
    plain = draw_name(np.zeros((200, 300, 3), np.uint8), keypoints, 3, wears=False)
    framed = draw_name(np.zeros((200, 300, 3), np.uint8), keypoints, 3, wears=True)
    assert cv2.countNonZero(plain[..., 0]) > 100
    assert (framed == 255).all(axis=-1).sum() > (plain == 255).all(axis=-1).sum() + 40
    nowhere = draw_name(np.zeros((200, 300, 3), np.uint8), np.full((2, 2), np.nan), 3, wears=True)
    assert not nowhere.any()
    assert len({person_colour(n) for n in range(12)}) == 12
