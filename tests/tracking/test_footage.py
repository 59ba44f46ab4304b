"""A video or a picture as the source of live tracking: every frame, or a clear refusal."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "web"))

from page_runs import VIDEOS, pictures, write_film

from drivers.errors import DataError
from fusion.tracking.footage import open_footage
from fusion.tracking.live import main


@pytest.fixture(scope="module")
def frames():
    return pictures(20)


def test_every_frame_of_a_film_is_tracked_and_each_time_alike(frames, weights, tmp_path):
    path = write_film(tmp_path / "walk.mp4", frames)
    tables = []
    for name in "ab":
        out = tmp_path / name
        assert (
            main(["--source", str(path), "--vision=markers", "--weights", weights, "--output", str(out)]) == 0
        )
        assert {p.name for p in out.iterdir()} >= {"overlay.mp4", "poses.csv", "summary.json"}
        assert json.loads((out / "summary.json").read_text())["frames"] == len(frames)
        tables.append((out / "poses.csv").read_bytes())
    assert tables[0] == tables[1]


def test_a_picture_is_tracked_into_a_picture(frames, weights, tmp_path):
    cv2.imwrite(str(tmp_path / "me.png"), frames[3])
    out = tmp_path / "out"
    words = [
        "--source",
        str(tmp_path / "me.png"),
        "--vision=markers",
        "--weights",
        weights,
        "--output",
        str(out),
    ]
    assert main(words) == 0
    made = {p.name for p in out.iterdir()}
    assert made >= {"poses.csv", "screenshots", "summary.json"}
    assert "overlay.mp4" not in made
    assert len(list((out / "screenshots").iterdir())) == 1
    with (out / "poses.csv").open() as file:
        assert any(row["x_px"] for row in csv.DictReader(file))


def test_times_and_pixels_are_those_of_the_file(frames, tmp_path):
    footage = open_footage(write_film(tmp_path / "walk.mkv", frames))
    got = list(footage.batches())
    assert [done for _, done in got] == [False] * (len(frames) - 1) + [True]
    times = np.array([int(batch.stamps["time"][0]) for batch, _ in got])
    assert np.allclose(np.diff(times), 1e9 / 15, atol=2e6)
    assert footage.info.shape == (240, 320, 3)
    assert np.abs(got[5][0].data[0].astype(int) - frames[5]).mean() < 12


def test_a_picture_stands_upright_as_its_camera_says(tmp_path):
    from PIL import Image

    image = Image.fromarray(np.tile(np.arange(40, dtype=np.uint8)[:, None, None], (1, 30, 3)))
    exif = image.getexif()
    exif[0x0112] = 6  # turned: EXIF, orientation
    image.save(tmp_path / "turned.jpg", exif=exif)
    assert open_footage(tmp_path / "turned.jpg").info.shape == (30, 40, 3)


@pytest.mark.parametrize("name", ["words.mp4", "words.png", "words.webm"])
def test_what_is_no_film_is_refused_in_one_line(name, tmp_path):
    (tmp_path / name).write_bytes(b"only words\n" * 100)
    with pytest.raises(DataError, match=name) as refused:
        open_footage(tmp_path / name)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("suffix", VIDEOS)
def test_a_film_that_is_cut_off_is_refused_before_it_is_tracked(frames, tmp_path, suffix):
    path = write_film(tmp_path / f"walk{suffix}", frames * 4)
    assert open_footage(path).seconds == pytest.approx(80 / 15, abs=0.1)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    with pytest.raises(DataError, match=f"walk\\{suffix}.*cut off"):
        open_footage(path)


def test_a_picture_that_promises_too_many_pixels_is_refused_before_it_is_decoded(tmp_path):
    import struct
    import zlib

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    body = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b"\0" * 1000))
        + chunk(b"IEND", b"")
    )
    (tmp_path / "bomb.png").write_bytes(body)
    with pytest.raises(DataError, match=r"bomb\.png"):
        open_footage(tmp_path / "bomb.png")
