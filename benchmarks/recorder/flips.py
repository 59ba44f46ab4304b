"""Single bytes of a session file changed: what the reader notices, and what it still reads.

    python -m benchmarks.recorder.flips [--flips 1000] [--structure 300] [--jobs 2]

A session with an IMU, sound, a raw and a JPEG camera is written and closed. Each run changes one byte,
at a place drawn evenly over the file (and ``--structure`` further ones outside of the data), and reads
all there is with the reader's defaults, chunk by chunk, in a process that may crash without harm. In
data (rows, stamps, pictures): is the damage told, and does every other chunk read as before? Elsewhere
(HDF5's own structures): is it told, without effect, or silent; does the reader crash or hang?
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import hashlib
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from benchmarks.recorder.kills import STREAMS, batch
from drivers.bus.messages import Event
from drivers.errors import RecordingError
from recordings.layout import SessionAttributes
from recordings.reader import open_recording
from recordings.writer import SessionWriter

SECONDS = 4
HANGS_S = 20.0


def write(path: Path, seconds: int = SECONDS) -> None:
    """Write the session: each stream at its rate, in turns of 20 ms."""
    with SessionWriter(
        path, SessionAttributes(id="flips", expected=tuple(one.name for one in STREAMS))
    ) as writer:
        for info in STREAMS:
            writer.add_stream(info)
        done = dict.fromkeys((info.name for info in STREAMS), 0)
        for turn in range(seconds * 50):
            for info in STREAMS:
                rows = int((turn + 1) / 50 * info.rate_hz) - done[info.name]
                if rows:
                    writer.append(batch(info, done[info.name], rows))
                    done[info.name] += rows
            writer.event(Event(turn * 20_000_000, "mark", f"turn {turn}", "benchmark"))


def places(path: Path) -> dict[str, tuple[int, int]]:
    """Return (offset, bytes) of each chunk of data, by its name."""
    found: dict[str, tuple[int, int]] = {}
    with h5py.File(path) as file:

        def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset) and item.chunks and name.startswith("streams/"):
                _, _, stream, *rest = f"/{name}".split("/")
                if len(rest) == 1:
                    rows, row_bytes = len(item), item.dtype.itemsize * int(item[:1].size or 1)
                    for number in range(item.id.get_num_chunks()):
                        chunk = item.id.get_chunk_info(number)
                        at = int(chunk.chunk_offset[0]) // item.chunks[0]
                        used = min(rows - int(chunk.chunk_offset[0]), item.chunks[0]) * row_bytes
                        found[f"{stream}/{rest[0]}/{at}"] = (int(chunk.byte_offset), used)

        file.visititems(visit)
    return found


def read(path: str) -> dict[str, str]:
    """Return a digest of each chunk, of the events, and "damaged" for what the reader refuses."""
    found: dict[str, str] = {}
    try:
        recording = open_recording(path)
    except RecordingError as error:
        return {"": str(error)}
    with recording:
        found["events"] = hashlib.sha256(repr(recording.events).encode()).hexdigest()
        found["session"] = hashlib.sha256(repr(recording.session).encode()).hexdigest()
        for name, problem in recording.damaged.items():
            found[f"{name}/"] = problem
        for name, stream in recording.all_streams.items():
            about = (stream.info, stream.ledger, stream.ended, len(stream))
            found[f"{name}//about"] = hashlib.sha256(repr(about).encode()).hexdigest()
            for part, column in stream.columns.items():
                for number in range(column.chunks):
                    try:
                        digest = hashlib.sha256(column.chunk(number).tobytes()).hexdigest()
                    except RecordingError:
                        digest = "damaged"
                    found[f"{name}/{part}/{number}"] = digest
    return found


def serve() -> None:
    """Read each file whose path comes on a line; answer with a line of JSON."""
    for line in sys.stdin:
        print(json.dumps(read(line.strip())), flush=True)


class Reader:
    """A process that reads files and may crash."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> dict[str, str] | str:
        """Return what :func:`read` does, or ``"crashed"`` or ``"hung"``."""
        if self._process is None:
            command = [sys.executable, "-m", "benchmarks.recorder.flips", "--serve"]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True
            )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        with concurrent.futures.ThreadPoolExecutor(1) as waiting:
            answer = waiting.submit(self._process.stdout.readline)
            try:
                line = answer.result(HANGS_S)
            except TimeoutError:
                self.close()
                return "hung"
        if not line:
            self.close()
            return "crashed"
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def outside(chunks: dict[str, tuple[int, int]], size: int, count: int, chance: random.Random) -> list[int]:
    """Return places that are in no chunk of data."""
    is_data = np.zeros(size, bool)
    for start, length in chunks.values():
        is_data[start : start + length] = True
    return [int(chance.choice(np.flatnonzero(~is_data))) for _ in range(count)]


def judge(
    flipped: int, chunks: dict[str, tuple[int, int]], truth: dict[str, str], got: dict[str, str] | str
) -> str:
    """Return what became of one changed byte, in words that are counted."""
    hit = next((name for name, (start, size) in chunks.items() if start <= flipped < start + size), None)
    where = "data" if hit is not None else "structure"
    if isinstance(got, str):
        return f"{where}: the reader {got}"
    if hit is not None:
        others = all(got.get(name) == digest for name, digest in truth.items() if name != hit)
        told = got.get(hit) == "damaged"
        return f"data: {'told' if told else 'NOT TOLD'}, others {'read' if others else 'NOT READ'}"
    if got == truth:
        return "structure: without effect"
    told = any(digest == "damaged" or " " in digest for digest in got.values())
    lost = sum(got.get(name) != digest for name, digest in truth.items())
    share = "all of" if lost > 0.9 * len(truth) else "a part of"
    return f"structure: told, {share} the file lost" if told else "structure: SILENT"


def main() -> int:
    """Print the counts; return 0 where all damage to data is told and no reader crashed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--flips", type=int, default=1000)
    parser.add_argument("--structure", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "whole.h5")
        write(path)
        whole, chunks, truth = path.read_bytes(), places(path), read(str(path))
        chance = random.Random(options.seed)
        spots = [chance.randrange(len(whole)) for _ in range(options.flips)]
        spots += outside(chunks, len(whole), options.structure, chance)
        flips = [(spot, chance.randrange(1, 256)) for spot in spots]

        def some(job: int) -> list[tuple[int, str]]:
            reader, judged = Reader(), []
            for at, change in flips[job :: options.jobs]:
                damaged = Path(folder, f"damaged{job}.h5")
                damaged.write_bytes(whole[:at] + bytes([whole[at] ^ change]) + whole[at + 1 :])
                judged.append((at, judge(at, chunks, truth, reader.read(damaged))))
            reader.close()
            return judged

        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            judged: list[tuple[int, str]] = [
                one for several in pool.map(some, range(options.jobs)) for one in several
            ]
    share = sum(size for _, size in chunks.values()) / len(whole)
    print(
        f"{len(whole) / 1e6:.1f} MB, {100 * share:.1f} % of it data; {len(judged)} bytes changed, one a time"
    )
    counts: collections.Counter[str] = collections.Counter(words for _, words in judged)
    examples: dict[str, Any] = {words: at for at, words in judged}
    for words, count in sorted(counts.items()):
        print(f"  {count:5d}  {words}" + (f" (byte {examples[words]})" if "SILENT" in words else ""))
    bad = [words for words in counts if "NOT" in words or "the reader" in words]
    print(f"goals (all in data told, all other chunks read, no crash): {'missed' if bad else 'reached'}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
