"""The page that specifies the file names everything that is in one."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import h5py

PAGE = (Path(__file__).parents[2] / "docs" / "file-format.md").read_text("utf-8")


def test_all_names_in_a_file_are_on_the_page(make_session: Callable[..., Path]) -> None:
    words = set(re.findall(r"\w+", PAGE))
    with h5py.File(make_session()) as file:
        names = set(file.attrs)
        for stream in file["streams"].values():
            names |= set(stream.attrs) | set(stream)
            names |= set(stream["ledger"].dtype.names) | set(stream["integrity/time"].dtype.names)
        names |= set(file["streams/camera/index"].dtype.names)
        names |= {"events", "labels", *file["events"], *file["labels"]}
    assert names <= words


def test_the_example_on_the_page_runs(make_session: Callable[..., Path]) -> None:
    example = re.search(r"```python\n(.*?)```", PAGE, re.S)
    assert example is not None
    code = example[1].replace("sessions/walk.h5", str(make_session())).replace("right_wrist", "wrist")
    found: dict[str, object] = {}
    exec(code, found)
    assert len(found["time"]) == len(found["rows"]) == 200  # type: ignore[arg-type]
