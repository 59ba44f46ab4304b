import numpy as np
import pytest

from fusion.tracking.likeness import MOST, Likeness, Verdict

RATE_HZ = 30


def told(felt, seen):
    """Return the verdict of channels (T, C), sample by sample."""
    likeness, verdict, out = Likeness(felt.shape[1]), Verdict(), []
    for a, b in zip(felt, seen, strict=True):
        verdict.add(likeness.add(a, b, 1 / RATE_HZ), 1 / RATE_HZ)
        out.append((verdict.fits, verdict.alien))
    return np.array(out)


def moving(seconds, seed, size=0.4):
    """Return (T, 6) of movements that change within half a second."""
    rng = np.random.default_rng(seed)
    raw = rng.normal(size=(round(seconds * RATE_HZ) + 15, 6))
    kernel = np.hanning(15)
    return size * np.stack(
        [np.convolve(each, kernel / np.linalg.norm(kernel), "valid") for each in raw.T], axis=1
    )


@pytest.mark.parametrize("error", [0.1, 0.3])
def test_what_moves_alike_fits_however_much_the_eyes_err_and_what_does_not_is_alien(error):
    felt, noise = moving(10.0, 0), np.random.default_rng(1).normal(0, error, (301, 6))
    alike = told(felt, felt + noise[: len(felt)])
    other = told(felt, moving(10.0, 2) + noise[: len(felt)])
    assert alike[90:, 0].min() > 5.0
    assert alike[90:, 1].max() < 3.0
    assert other[90:, 1].min() > 5.0
    assert other[90:, 0].max() < 3.0


def test_a_picture_on_the_wall_is_alien_once_something_is_felt():
    felt = moving(6.0, 3)
    assert told(felt, np.zeros_like(felt))[60:, 1].min() == pytest.approx(MOST, abs=3.0)


def test_stillness_tells_nothing():
    felt = np.zeros((300, 6))
    seen = np.random.default_rng(0).normal(0, 0.05, felt.shape)
    assert told(felt, seen)[-1] == pytest.approx([0.0, 0.0])


def test_a_change_is_noticed_soon_however_long_it_was_otherwise():
    before, after = moving(60.0, 4), moving(5.0, 5)
    noise = np.random.default_rng(6).normal(0, 0.1, (len(before) + len(after), 6))
    felt = np.concatenate([moving(60.0, 7), after])
    verdicts = told(felt, np.concatenate([before, after]) + noise)
    assert verdicts[len(before) - 1, 1] > 5.0
    assert verdicts[len(before) + 2 * RATE_HZ :, 0].min() > 5.0


def test_channels_that_are_not_known_tell_nothing():
    felt = moving(5.0, 8)
    felt[:, 3:] = np.nan
    seen = np.nan_to_num(felt, nan=7.0)
    assert np.isfinite(told(felt, seen)).all()
    assert told(felt, seen)[-1, 0] > 5.0
    assert told(np.full((60, 6), np.nan), np.zeros((60, 6)))[-1] == pytest.approx([0.0, 0.0])
