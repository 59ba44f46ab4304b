"""What a recorder finds of a stream in a file that it goes on with.

The ledger is written last at each flush, whole or not at all: what lies behind its count in the columns was
not finished, and what follows it can be asked for again where the driver still runs.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import h5py
import numpy as np

from drivers.base import StreamInfo
from drivers.bus.order import Position
from recordings import layout
from recordings.ledger import Ledger


@dataclasses.dataclass
class Kept:
    """A stream's group as it was left.

    Attributes:
        group: the group.
        info: the stream.
        withheld: its data is not stored.
        ledger: its account.
        position: how far the driver's run was taken, or None where the file does not tell.
        rows: of each column, those that count.
        end_ns: session time behind the last row, or None where there is none.
    """

    group: h5py.Group
    info: StreamInfo
    withheld: bool
    ledger: Ledger
    position: Position | None
    rows: dict[str, int]
    end_ns: int | None


def account_of(ledger: Ledger, position: Position | None) -> np.ndarray[Any, Any]:
    """Return the ledger of a stream, () of ``layout.LEDGER``."""
    entry = np.zeros((), layout.LEDGER)
    entry["produced"], entry["stored"] = ledger.produced, ledger.stored
    for reason, rows in ledger.lost.items():
        entry[reason] += rows
    if position is not None:
        entry["run"], entry["run_message"], entry["run_row"] = position.run, position.number, position.row
        for reason, rows in position.lost.items():
            entry[f"run_{reason if reason in layout.REASONS else 'other'}"] += rows
    return entry


def find(group: h5py.Group) -> Kept:
    """Read what a stream's group holds.

    Raises:
        KeyError, ValueError: it is damaged, or of a program that could not go on with it.
    """
    info = layout.read_info(group)
    withheld = bool(layout.plain(group.attrs["withheld"]))
    entry = layout.dataset(group, "ledger")[()]
    if entry.dtype != layout.LEDGER:
        raise ValueError("its ledger does not tell where to go on: an older program made the file")
    stored = int(entry["stored"])
    lost = {reason: int(entry[reason]) for reason in layout.REASONS if entry[reason]}
    told = {reason: int(entry[f"run_{reason}"]) for reason in layout.REASONS if entry[f"run_{reason}"]}
    position = None
    if entry["run"]:
        run, number, row = (int(entry[name]) for name in ("run", "run_message", "run_row"))
        position = Position(info.name, run, number, row, told)
    stamps = stored
    if info.stamping == "block":
        first = layout.dataset(group, "row")[:]
        stamps = int(np.searchsorted(first, stored))
    names = layout.column_names(info, withheld=withheld)
    rows = {name: stored if name in ("data", "index") else stamps for name in names}
    if "packets" in rows:
        last = layout.dataset(group, "index")[stored - 1] if stored else None
        rows["packets"] = 0 if last is None else int(last["offset"] + last["size"])
    end_ns = None
    if stamps:
        of_last = 1 if info.stamping == "row" else stored - int(layout.dataset(group, "row")[stamps - 1])
        period_ns = 1e9 / info.rate_hz if info.rate_hz > 0 else 0.0
        end_ns = int(layout.dataset(group, "time")[stamps - 1]) + round(of_last * period_ns)
    return Kept(group, info, withheld, Ledger(int(entry["produced"]), stored, lost), position, rows, end_ns)
