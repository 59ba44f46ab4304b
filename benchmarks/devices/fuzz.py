"""Random and damaged bytes for the parsers of serial IMUs: what they let through, how soon they find back.

    python -m benchmarks.devices.fuzz [--kilobytes 2000] [--seed 0]

Prints for each parser: exceptions (goal 0), largest buffer, false rows among random bytes (goal 0) and in
damaged streams (goal: those that an 8-bit sum must let through, 1 in 256 of the places damaged; the x-IMU3
and plain lines have no sum, and a damaged digit is another digit), rows until it finds back after
garbage (goal: 2), and rows that the ledger counts otherwise than once (goal 0). Exits 0 if all goals hold.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Iterator

import numpy as np

from benchmarks.devices.wires import Wire, wires
from drivers.imu.parser import Parser, Rows

CHECKED = ("witmotion", "bno08x", "xsens")
"""Wires whose packets carry a sum."""
BUFFER_LIMIT = 8192
"""Bytes that a parser may keep; the longest message of any protocol has less."""
GARBAGE_LIMIT = 300


@dataclasses.dataclass
class Found:
    """What one parser did.

    Attributes:
        seen: bytes given to it.
        exceptions: how often it raised.
        buffer: most bytes it kept.
        false_random: rows it made of random bytes.
        damages: places at which streams were damaged.
        false_damaged: rows of damaged streams that were never sent.
        uncounted: rows counted lost twice or not at all.
        latest: rows after garbage until the first one that it found, the worst case.
    """

    seen: int = 0
    exceptions: int = 0
    buffer: int = 0
    false_random: int = 0
    damages: int = 0
    false_damaged: int = 0
    uncounted: int = 0
    latest: int = 0

    def good(self, checked: bool) -> bool:
        """Whether the goals hold."""
        allowed = self.damages / 256 + 3 if checked else self.damages
        return (
            self.exceptions == self.false_random == self.uncounted == 0
            and self.buffer <= BUFFER_LIMIT
            and self.false_damaged <= allowed
            and self.latest <= 2
        )


def chunks(data: bytes, rng: np.random.Generator) -> Iterator[bytes]:
    """Cut bytes anywhere: single ones, many small pieces, few large ones."""
    at = 0
    while at < len(data):
        size = int(rng.integers(1, (3, 60, 2000)[int(rng.integers(3))]))
        yield data[at : at + size]
        at += size


def mutated(data: bytes, rng: np.random.Generator, every: int) -> tuple[bytes, int]:
    """Damage a stream: flips, deletions, insertions, copies, about one each ``every`` bytes.

    Returns:
        the damaged bytes and the number of places.
    """
    out, at, places = bytearray(), 0, 0
    while at < len(data):
        step = int(rng.exponential(every)) + 1
        out += data[at : at + step]
        at += step
        if at >= len(data):
            break
        places += 1
        kind, size = int(rng.integers(5)), int(rng.integers(1, 40))
        if kind == 0:  # one bit
            out[-1] ^= 1 << int(rng.integers(8))
        elif kind == 1:  # other bytes in their place
            out += rng.integers(0, 256, size, np.uint8).tobytes()
            at += size
        elif kind == 2:
            at += size
        elif kind == 3:
            out += rng.integers(0, 256, size, np.uint8).tobytes()
        else:  # a piece comes again
            out += out[-size:]
    return bytes(out), places


def give(parser: Parser, data: bytes, rng: np.random.Generator, found: Found) -> list[Rows]:
    """Feed bytes in pieces; return the rows, and note exceptions and buffers."""
    taken = []
    for piece in chunks(data, rng):
        try:
            parser.feed(piece, 0)
            rows = parser.take() if rng.random() < 0.3 else None
        except Exception:
            found.exceptions += 1
            continue
        if rows is not None:
            taken.append(rows)
        found.buffer = max(found.buffer, len(getattr(parser, "_buffer", b"")))
    found.seen += len(data)
    rows = parser.take()
    return taken if rows is None else [*taken, rows]


def settled(wire: Wire) -> tuple[Parser, Rows]:
    """Return a parser that knows its device, and the first 100 rows, which it heard."""
    parser = wire.parser()
    parser.feed(b"".join(wire.send(k) for k in range(100)), 0)
    rows = parser.take()
    assert rows is not None
    return parser, rows


def uncounted(taken: list[Rows]) -> int:
    """Return by how much the rows lost differ from the gaps between the numbers of the rows that came."""
    seq = np.concatenate([rows.seq for rows in taken]).astype(np.int64)
    lost = sum(sum(rows.lost.values()) for rows in taken)
    backwards = int((np.diff(seq) <= 0).sum())
    return abs(int(seq[-1] - seq[0]) + 1 - len(seq) - lost) + backwards


def random_bytes(wire: Wire, count: int, rng: np.random.Generator, found: Found) -> None:
    """Feed noise: to a fresh parser, and to one that knows its device."""
    for parser in (wire.parser(), settled(wire)[0]):
        taken = give(parser, rng.integers(0, 256, count // 2, np.uint8).tobytes(), rng, found)
        found.false_random += sum(map(len, taken))


def damaged_streams(wire: Wire, count: int, rng: np.random.Generator, found: Found) -> None:
    """Feed streams with damage that is rare, and with damage in every packet."""
    for every in (40, 400, 4000):
        parser, first = settled(wire)
        size, k, taken = 0, 100, [first]
        while size < count // 3:
            data, places = mutated(b"".join(wire.send(k + n) for n in range(200)), rng, every)
            taken += give(parser, data, rng, found)
            size, k, found.damages = size + len(data), k + 200, found.damages + places
        # Losses after the last row are known before their numbers are: let it end whole.
        taken += give(parser, b"".join(wire.send(k + n) for n in range(50)), rng, found)
        values = np.concatenate([rows.values for rows in taken])
        found.false_damaged += wire.false(values)
        found.uncounted += uncounted(taken)


def after_garbage(wire: Wire, trials: int, rng: np.random.Generator, found: Found) -> None:
    """Put garbage between packets; count how many good ones pass until one is found."""
    parser, k, rows = settled(wire)[0], 100, wire.rows
    for _ in range(trials):
        garbage = rng.integers(0, 256, int(rng.integers(1, GARBAGE_LIMIT)), np.uint8).tobytes()
        follow = 6
        taken = give(parser, garbage + b"".join(wire.send(k + n) for n in range(follow)), rng, found)
        first = follow
        if taken:
            value = np.concatenate([part.values for part in taken])
            for n in range(follow):
                expected = rows[(k + n) % len(rows)]
                if (np.abs(value - expected)[:, :3] < 1e-4).all(axis=1).any():
                    first = n
                    break
        found.latest = max(found.latest, first + 1)
        k += follow


def fuzz(wire: Wire, size: int, seed: int) -> Found:
    """Give a parser ``size`` bytes of noise and as many of damaged streams."""
    rng, found = np.random.default_rng(seed), Found()
    random_bytes(wire, size, rng, found)
    damaged_streams(wire, size, rng, found)
    after_garbage(wire, max(20, size // 5000), rng, found)
    return found


def main() -> int:
    """Run it; return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kilobytes", type=int, default=2000, help="of noise, and of damaged streams, each")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    good = True
    for wire in wires(options.seed):
        found = fuzz(wire, 1000 * options.kilobytes, options.seed)
        fine = found.good(wire.name in CHECKED)
        good &= fine
        share = 100 * found.false_damaged / max(1, found.damages)
        print(
            f"{'ok  ' if fine else 'FAIL'} {wire.name:13} {found.seen / 1e6:.1f} MB: "
            f"{found.exceptions} exceptions, buffer <= {found.buffer} bytes, "
            f"{found.false_random} false rows of noise, {found.false_damaged} of {found.damages} damages "
            f"({share:.2f} %), found back with row {found.latest}, {found.uncounted} rows miscounted"
        )
    return int(not good)


if __name__ == "__main__":
    sys.exit(main())
