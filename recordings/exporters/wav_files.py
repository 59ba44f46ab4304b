"""Sound as WAV: the recorded samples bit by bit, and in JSON beside them when each was.

::

    OUTPUT/<stream>.wav         sample i is the row with seq = first_seq + i; lost rows are silence
    OUTPUT/<stream>.json        start_ns, true rate, gaps, units, ledger ...
    OUTPUT/<stream>_times.csv   sample, time_ns: of the first sample of each recorded block

Nothing is resampled: a sound card's clock drifts against session time, and the header of a WAV file can
only tell a whole nominal rate. Sample i was heard at ``start_ns + i / rate_effective_hz``, and exactly,
to the nanosecond, by the table.
"""

from __future__ import annotations

import csv
import errno
import itertools
import json
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.errors import RecordingError
from recordings.exporters.facts import session_facts, stream_facts
from recordings.exporters.rows import rows_of
from recordings.rates import effective_rate
from recordings.reader import Recording
from recordings.stream_reader import StreamReader

FOLDER = True
TAKES = "sound that was stored"

SUBTYPES = {"<i2": "PCM_16", "<i4": "PCM_32", "<f4": "FLOAT", "<f8": "DOUBLE"}
"""Types of samples that WAV has, and their names in libsndfile."""

LONGEST_SILENCE_S = 600.0
"""A longer gap is not filled: a device that restarted its count must not fill the disk."""

_RF64_BYTES = 4_000_000_000
"""A plain WAV file ends at 4 GiB."""


def takes(stream: StreamReader) -> bool:
    """Whether the stream is sound of a type that WAV has."""
    info = stream.info
    return info.kind == "audio" and not stream.withheld and info.dtype in SUBTYPES and len(info.shape) <= 1


def write(recording: Recording, streams: list[StreamReader], target: Path, raw: bool) -> list[str]:
    """Write the folder; see :class:`recordings.exporters.export.Exporter`."""
    notes = []
    for stream in streams:
        name, stamps = stream.info.name, stream.stamps
        time = stamps["time_host" if raw else "time"].astype(np.int64)
        seq = stamps["seq"].astype(np.int64)
        gaps, samples = _samples(stream, target / f"{name}.wav")
        if not all(gap["filled"] for gap in gaps):
            notes.append(f"{name}: a gap is not filled with silence, {name}.json tells where")
        facts = {
            **stream_facts(stream),
            "session": session_facts(recording, raw),
            "samples": samples,
            "first_seq": int(seq[0]) if len(seq) else 0,
            "start_ns": int(time[0]) if len(time) else None,
            "rate_effective_hz": effective_rate(stamps["seq"], time) or stream.rate_effective_hz,
            "gaps": gaps,
        }
        text = json.dumps(facts, indent=2, ensure_ascii=False)
        (target / f"{name}.json").write_text(text + "\n", "utf-8")
        with (target / f"{name}_times.csv").open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(("sample", "time_ns", "time_bound_ns"))
            sample = stream.block_rows[:-1] + _filled_before(gaps, stream.block_rows[:-1])
            table.writerows(zip(sample.tolist(), time.tolist(), stamps["time_bound"].tolist(), strict=True))
    return notes


def _samples(stream: StreamReader, path: Path) -> tuple[list[dict[str, int | bool]], int]:
    """Write the samples; return the gaps, and the number of samples, silence included."""
    import soundfile

    info = stream.info
    channels = info.shape[0] if info.shape else 1
    rate = round(info.rate_hz or stream.rate_effective_hz)
    if rate < 1:
        raise RecordingError(f"{info.name}: its rate is not known", mend="leave it out of --streams")
    gaps = _gaps(stream, rate)
    silence = {int(gap["row"]): int(gap["samples"]) for gap in gaps if gap["filled"]}
    samples = len(stream) + sum(silence.values())
    size = samples * channels * np.dtype(info.dtype).itemsize
    silent = np.zeros((rate, channels), info.dtype)
    try:
        kind = "RF64" if size > _RF64_BYTES else "WAV"
        with soundfile.SoundFile(path, "w", rate, channels, SUBTYPES[info.dtype], format=kind) as file:
            for rows in rows_of(stream):
                data = np.asarray(rows.data).reshape(len(rows), channels)
                inside = [row - rows.start for row in silence if 0 <= row - rows.start < len(rows)]
                for a, b in itertools.pairwise(sorted({0, *inside, len(rows)})):
                    left = silence.get(rows.start + a, 0)
                    while left > 0:
                        file.write(silent[:left])
                        left -= rate
                    file.write(np.ascontiguousarray(data[a:b]))
    except soundfile.LibsndfileError as error:
        raise OSError(str(error)) from error
    if path.stat().st_size < size:  # libsndfile tells of a full disk in no other way
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return gaps, samples


def _gaps(stream: StreamReader, rate: int) -> list[dict[str, int | bool]]:
    """Return where ``seq`` jumps: row after the gap, samples missing, whether silence fills it."""
    rows, seq = stream.block_rows, stream.stamps["seq"].astype(np.int64)
    missing = np.diff(seq) - np.diff(rows)[:-1]
    return [
        {
            "row": int(rows[i + 1]),
            "samples": int(missing[i]),
            "filled": bool(0 < missing[i] <= LONGEST_SILENCE_S * rate),
        }
        for i in np.flatnonzero(missing)
    ]


def _filled_before(gaps: list[dict[str, int | bool]], rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many samples of silence stand before each of these rows (N,)."""
    filled = [gap for gap in gaps if gap["filled"]]
    total = np.concatenate(([0], np.cumsum([int(gap["samples"]) for gap in filled]))).astype(np.int64)
    return total[np.searchsorted([int(gap["row"]) for gap in filled], rows, side="right")]
