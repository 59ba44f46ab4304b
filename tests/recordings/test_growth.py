"""A disk that will not last is warned of early."""

from __future__ import annotations

from pathlib import Path

import pytest

from recordings.growth import Growth, disk_warning

PATH = Path("walk.h5")


@pytest.mark.parametrize(
    ("room_s", "left_s", "warned"),
    [
        (None, None, False),  # nobody knows yet
        (599.0, None, True),
        (601.0, None, False),
        (100.0, 60.0, False),  # it lasts for what is still to be recorded
        (3000.0, 3600.0, True),
    ],
)
def test_a_disk_is_warned_of_when_it_will_not_last(
    room_s: float | None, left_s: float | None, warned: bool
) -> None:
    assert bool(disk_warning(PATH, room_s, left_s)) == warned


def test_the_warning_says_how_long_and_what_to_do() -> None:
    assert "about 5 minutes: free some space" in disk_warning(PATH, 300.0, None)
    assert "about 90 s" in disk_warning(PATH, 90.0, None)


def test_room_is_told_by_the_rate_at_which_the_file_grows(tmp_path: Path) -> None:
    path, growth = tmp_path / "a.h5", Growth()
    for second in range(5):
        path.write_bytes(bytes(1_000_000 * (second + 1)))
        size, free, room_s = growth.told(path, float(second))
    assert size == 5_000_000
    assert room_s == pytest.approx(free / 1_000_000, rel=0.01)
