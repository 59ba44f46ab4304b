"""Streams, times, bounds and ledger of a session: python examples/read_with_chorus.py walk.h5"""

import sys

from recordings.reader import open_recording

with open_recording(sys.argv[1]) as recording:
    for name, stream in recording.all_streams.items():
        bound_ms = stream.stamps["time_bound"].max() / 1e6
        lost = sum(stream.ledger.lost.values())
        print(f"{name}: {len(stream)} rows, in step within {bound_ms:.2f} ms, {lost} lost")
