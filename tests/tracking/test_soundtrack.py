"""The sound of a video is heard at its own time, beside the pictures."""

import itertools
import re

import av
import numpy as np
import pytest

from drivers.errors import DataError
from fusion.tracking.footage import open_footage
from fusion.tracking.soundtrack import sound_of

RATE = 48_000


def write(path, *, sound_s=(0.0, 2.0), seconds=2.0, codec="pcm_s16le"):
    """Write a video of 30 pictures a second with a click each half second, heard from ... to ..., s."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("mpeg4", rate=30)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        audio = None
        if sound_s is not None:
            audio = container.add_stream(codec, rate=RATE)
            audio.layout = "stereo"
        for n in range(round(seconds * 30)):
            picture = av.VideoFrame.from_ndarray(np.full((48, 64, 3), n, np.uint8), format="bgr24")
            picture.pts = n
            container.mux(video.encode(picture))
        container.mux(video.encode(None))
        if audio is not None:
            first, last = (round(s * RATE) for s in sound_s)
            wave = np.zeros(last - first, np.int16)
            clicks = np.arange(0, round(seconds * RATE), RATE // 2) - first
            wave[clicks[(clicks >= 0) & (clicks < len(wave))]] = 20_000
            for at in range(0, len(wave), 1024):
                part = np.repeat(wave[at : at + 1024], 2)[None]
                frame = av.AudioFrame.from_ndarray(part, format="s16", layout="stereo")
                frame.sample_rate, frame.pts = RATE, first + at
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return path


def heard(path):
    found = sound_of(path)
    assert found is not None
    info, blocks = found
    blocks = list(blocks)
    assert (info.rate_hz, info.stamping, info.shape) == (RATE, "block", (1,))
    for one, two in itertools.pairwise(blocks):
        assert two.stamps["seq"][0] == one.stamps["seq"][0] + len(one.data)
    assert blocks[0].stamps["time"][0] == 0
    return np.concatenate([block.data[:, 0] for block in blocks])


@pytest.mark.parametrize("begin", [0.0, 0.3])
def test_clicks_are_at_their_times_from_the_first_picture(tmp_path, begin):
    wave = heard(write(tmp_path / "film.mkv", sound_s=(begin, 2.0)))
    at = np.flatnonzero(wave > 5_000) / RATE
    expected = [s for s in (0.0, 0.5, 1.0, 1.5) if s >= begin]
    np.testing.assert_allclose(at, expected, atol=0.002)  # a container counts in ms


def test_a_video_without_sound_has_none(tmp_path):
    assert sound_of(write(tmp_path / "film.mkv", sound_s=None)) is None
    footage = open_footage(tmp_path / "film.mkv")
    assert [info.kind for info in footage.infos] == ["camera"]
    assert {batch.stream for batch, _ in footage.batches()} == {"camera"}


@pytest.mark.parametrize("until", [1.0, 2.0, 2.5])
def test_pictures_and_sound_come_in_the_order_of_time_and_end_together(tmp_path, until):
    footage = open_footage(write(tmp_path / "film.mkv", sound_s=(0.0, until)))
    batches = list(footage.batches())
    times = [int(batch.stamps["time"][0]) for batch, _ in batches]
    assert times == sorted(times)
    for stream in ("camera", "sound"):
        assert [last for batch, last in batches if batch.stream == stream][-1]
        assert sum(last for batch, last in batches if batch.stream == stream) == 1
    assert batches[-1][0].stream == "camera"
    assert sum(batch.stream == "camera" for batch, _ in batches) == 60


@pytest.mark.parametrize("name", ["film.mkv", "film.mp4", "film.avi", "film.mov"])
def test_sound_may_last_much_longer_than_the_pictures_and_a_cut_is_told_all_the_same(tmp_path, name):
    codec = "aac" if name.endswith("mp4") else "pcm_s16le"
    path = write(tmp_path / name, sound_s=(0.0, 9.0), codec=codec)
    assert open_footage(path).seconds == pytest.approx(2.0, abs=0.1)
    if name == "film.avi":
        return  # all its pictures stand before its sound
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 8])
    with pytest.raises(DataError, match="cut off"):
        open_footage(path)


def test_a_film_that_is_cut_off_in_its_sound_alone_says_where_each_ends(tmp_path):
    path = write(tmp_path / "film.mkv", sound_s=(0.0, 9.0))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError) as refused:
        open_footage(path)
    told = re.match(r"film.mkv ends after ([\d.]+) s of 9.0 s, its pictures after 2.0 s:", refused.value.what)
    assert told is not None, refused.value
    assert 4.0 < float(told[1]) < 5.0
