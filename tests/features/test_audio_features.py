import librosa
import msgspec
import numpy as np
import pytest
from helpers_features import SECOND, SOUND, sound_blocks, stamps

from drivers.base import Batch
from drivers.errors import ConfigError
from fusion.audio.logmel import BANDS, features_at, log_mel, onset_strength, to_mono, window_size
from fusion.audio.stream import AudioReader
from recordings.timeline import Grid


def tone(hz, rate, n):
    return np.sin(2 * np.pi * hz * np.arange(n) / rate)


def test_a_band_means_the_same_frequency_at_any_rate():
    for hz in (300.0, 1000.0, 3000.0):
        bands = [log_mel(tone(hz, rate, window_size(rate)), rate) for rate in (8000, 16000, 44100, 48000)]
        assert len({int(np.argmax(b)) for b in bands}) == 1
        assert np.ptp([b.max() for b in bands]) < 0.15  # 3 dB


def test_the_scale_runs_from_silence_to_full_scale():
    n = window_size(16000)
    assert log_mel(np.zeros(n), 16000).tolist() == [-2.0] * BANDS
    assert log_mel(tone(1000, 16000, n), 16000).max() == pytest.approx(3.0, abs=0.25)
    assert log_mel(0.1 * tone(1000, 16000, n), 16000).max() == pytest.approx(2.0, abs=0.25)


def test_onset_strength_is_librosas():
    rng = np.random.default_rng(0)
    bands = rng.normal(0, 1, (50, BANDS))
    ours = onset_strength(bands[1:], bands[:-1])
    theirs = librosa.onset.onset_strength(S=bands.T, sr=16000, center=False, lag=1)
    np.testing.assert_allclose(ours, theirs[1:], atol=1e-6)


def test_sound_of_any_format_becomes_mono_of_full_scale_one():
    assert to_mono(np.array([[-32768, -32768], [0, 16384]], np.int16)).tolist() == [-1.0, 0.25]
    assert to_mono(np.array([0.5, -0.5], np.float32)).tolist() == [0.5, -0.5]


def run(batches, ticks):
    reader = AudioReader(SOUND)
    for batch in batches:
        reader.append(batch.stamps, batch.data)
    return [reader.at(int(t)) for t in ticks]


def test_arriving_bit_by_bit_gives_exactly_what_all_at_once_gives():
    batches = sound_blocks(2.0)
    ticks = Grid(60).times(0, 19 * SECOND // 10)
    whole = run(batches, ticks)
    reader, waiting, got = AudioReader(SOUND), list(batches), []
    for tick in ticks.tolist():
        while reader.last_time < tick:
            batch = waiting.pop(0)
            reader.append(batch.stamps, batch.data)
        got.append(reader.at(tick))
    assert [g is None for g in got] == [w is None for w in whole]
    for a, b in zip(got, whole, strict=True):
        if a is not None and b is not None:
            assert a[1] == b[1]
            np.testing.assert_array_equal(a[0], b[0])


def test_the_stream_hears_what_the_whole_sound_shows():
    batches = sound_blocks(1.0)
    sound = to_mono(np.concatenate([np.asarray(b.data) for b in batches]))
    ticks = Grid(60).times(3_000_000, SECOND - 20_000_000)
    ends = ((ticks - 2_000_000) * 16000 // SECOND) + 1
    expected = features_at(sound, 16000, ends)
    got = run(batches, ticks)
    for k in range(1, len(ticks)):  # the first has nothing before it, in either
        heard = got[k]
        assert heard is not None
        assert heard[1] <= ticks[k] < heard[1] + 2 * SECOND // 16000
        np.testing.assert_allclose(heard[0], expected[k], atol=1e-5)


def test_a_tick_does_not_hear_the_future():
    batches = sound_blocks(1.0)
    tick = SECOND // 2
    loud = [
        Batch(b.stream, b.stamps, b.data if b.stamps["time"][0] < tick else np.full_like(b.data, 32767))
        for b in batches
    ]
    a, b = run(batches, [tick])[0], run(loud, [tick])[0]
    assert a is not None
    assert b is not None
    np.testing.assert_array_equal(a[0], b[0])


def test_lost_sound_is_silence():
    batches = sound_blocks(1.0)
    loud = [Batch(b.stream, b.stamps, np.full_like(b.data, 20000)) for b in batches]
    holed = [b for i, b in enumerate(loud) if not 20 <= i < 40]
    tick = int(loud[41].stamps["time"][0])
    heard = run(holed, [tick])[0]
    full = run(loud, [tick])[0]
    assert heard is not None
    assert full is not None
    assert heard[0][0] > -2.0
    assert np.abs(heard[0] - full[0]).max() > 0.1
    middle = run(holed, [int(loud[40].stamps["time"][0]) - 1])[0]
    assert middle is not None
    assert middle[0][:BANDS].tolist() == [-2.0] * BANDS


def test_a_stream_that_stops_keeps_its_age():
    reader = AudioReader(SOUND)
    reader.append(stamps(np.array([0])), np.zeros((160, 1), np.int16))
    heard = reader.at(SECOND)
    assert heard is not None
    assert heard[1] == 159 * SECOND // 16000


def test_sound_without_a_rate_is_refused():
    with pytest.raises(ConfigError, match="rate"):
        AudioReader(msgspec.structs.replace(SOUND, rate_hz=0.0))
