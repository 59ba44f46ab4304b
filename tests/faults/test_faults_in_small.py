"""The faults that ``make faults`` tries by the hundred, a few of each."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.recorder import flips, kills, overload


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 6))
def test_a_killed_recorder_leaves_all_that_it_acknowledged(tmp_path: Path, seed: int) -> None:
    outcome = kills.one_run(tmp_path, seed)
    assert outcome.problem == ""
    assert outcome.acknowledged_lost == 0


def test_a_changed_byte_is_told_and_all_other_chunks_still_read(tmp_path: Path) -> None:
    path = tmp_path / "whole.h5"
    flips.write(path, seconds=1)
    whole, chunks, truth = path.read_bytes(), flips.places(path), flips.read(str(path))
    assert "damaged" not in truth.values()
    chance = random.Random(3)
    in_data = [chance.randrange(start, start + size) for start, size in chunks.values()]
    reader = flips.Reader()
    for place in [*chance.sample(in_data, 25), *flips.outside(chunks, len(whole), 25, chance)]:
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        judged = flips.judge(place, chunks, truth, reader.read(path))
        assert judged == "data: told, others read" or judged.startswith("structure: "), (place, judged)
        assert "SILENT" not in judged, place
    reader.close()


@pytest.mark.slow
@pytest.mark.parametrize("fault", overload.FAULTS)
def test_what_cannot_be_kept_under_overload_is_on_the_ledger(tmp_path: Path, fault: str) -> None:
    assert overload.one_run(tmp_path, 1, fault).problem == ""
