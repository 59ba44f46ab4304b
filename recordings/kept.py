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
        codec: of its packets, or empty.
        shift: what was added to the numbers of the run's rows.
        last: number, session time (ns) and rows of the newest stamp, or None where there is none.
    """

    group: h5py.Group
    info: StreamInfo
    withheld: bool
    ledger: Ledger
    position: Position | None
    rows: dict[str, int]
    codec: str
    shift: int
    last: tuple[int, int, int] | None


def account_of(ledger: Ledger, position: Position | None, shift: int) -> np.ndarray[Any, Any]:
    """Return the ledger of a stream, () of ``layout.LEDGER``."""
    entry = np.zeros((), layout.LEDGER)
    entry["produced"], entry["stored"] = ledger.produced, ledger.stored
    for reason, rows in ledger.lost.items():
        entry[reason] += rows
    entry["run_shift"] = shift
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
    codec = layout.read_codec(group)
    names = layout.column_names(info, withheld=withheld, codec=codec)
    rows = {name: stored if name in ("data", "index") else stamps for name in names}
    if "packets" in rows:
        last = layout.dataset(group, "index")[stored - 1] if stored else None
        rows["packets"] = 0 if last is None else int(last["offset"] + last["size"])
    newest = None
    if stamps:
        of_last = 1 if info.stamping == "row" else stored - int(layout.dataset(group, "row")[stamps - 1])
        seq, time_ns = (int(layout.dataset(group, name)[stamps - 1]) for name in ("seq", "time"))
        newest = seq, time_ns, of_last
    return Kept(
        group=group,
        info=info,
        withheld=withheld,
        ledger=Ledger(int(entry["produced"]), stored, lost),
        position=position,
        rows=rows,
        codec=codec,
        shift=int(entry["run_shift"]),
        last=newest,
    )
