"""Pictures as MP4 (H.264), each shown at its own session time, with exact times beside them.

::

    OUTPUT/<stream>.mp4         frame i is presented at ``zero_ns`` + pts; pts in whole microseconds
    OUTPUT/<stream>_times.csv   frame, pts_us, time_ns, time_bound_ns, seq
    OUTPUT/<stream>.json        zero_ns, device, ledger ...

H.264 is lossy here (CRF 18, hardly visible); use the session itself where pixels count. Heights and
widths that are odd are cut by one pixel, as 4:2:0 colour asks for.
"""

from __future__ import annotations

import csv
import json
from fractions import Fraction
from pathlib import Path

from drivers.errors import RecordingError
from recordings.exporters.facts import session_facts, stream_facts
from recordings.exporters.rows import rows_of
from recordings.reader import Recording
from recordings.stream_reader import StreamReader

FOLDER = True
TAKES = "cameras whose pictures were stored"

TICKS_PER_S = 1_000_000
"""Of presentation times. MP4 counts from frame to frame in 32 bits: 71 min is the longest gap."""

_LONGEST_TICKS = 2**32 - 1
_CRF = "18"


def takes(stream: StreamReader) -> bool:
    """Whether the stream has pictures."""
    return stream.info.kind == "camera" and not stream.withheld and len(stream) > 0


def write(recording: Recording, streams: list[StreamReader], target: Path, raw: bool) -> list[str]:
    """Write the folder; see :class:`recordings.exporters.export.Exporter`."""
    notes = []
    for stream in streams:
        name = stream.info.name
        first = int(stream.stamps["time_host" if raw else "time"][0])
        zero = 0 if not raw and first >= 0 else first
        moved = _video(stream, target, zero, raw)
        if moved:
            notes.append(f"{name}: {moved} pictures are shown later than their times, which do not rise")
        facts = {**stream_facts(stream), "session": session_facts(recording, raw), "zero_ns": zero}
        text = json.dumps(facts, indent=2, ensure_ascii=False)
        (target / f"{name}.json").write_text(text + "\n", "utf-8")
    return notes


def _video(stream: StreamReader, target: Path, zero_ns: int, raw: bool) -> int:
    """Write one stream; return how many pictures had to be moved to come after the one before."""
    import av
    from av.video.stream import VideoStream

    name = stream.info.name
    height, width = (side - side % 2 for side in stream.info.shape[:2])
    # The time of the first picture is told in ticks of the film, not of its track.
    ticks = {"video_track_timescale": str(TICKS_PER_S), "movie_timescale": str(TICKS_PER_S)}
    options = {"movflags": "+faststart", **ticks}
    moved, last = 0, -1
    with (
        av.open(str(target / f"{name}.mp4"), "w", format="mp4", options=options) as container,
        (target / f"{name}_times.csv").open("w", encoding="utf-8", newline="") as file,
    ):
        video = container.add_stream("libx264", options={"crf": _CRF, "preset": "veryfast", "bf": "0"})
        assert isinstance(video, VideoStream)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.time_base = video.codec_context.time_base = Fraction(1, TICKS_PER_S)
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("frame", "pts_us", "time_ns", "time_bound_ns", "seq"))
        for rows in rows_of(stream):
            for i, time in enumerate(rows.times(raw).tolist()):
                number = rows.start + i
                pts = round(Fraction(time - zero_ns, 1000))
                if pts <= last:
                    moved, pts = moved + 1, last + 1
                if last >= 0 and pts - last > _LONGEST_TICKS:
                    raise RecordingError(
                        f"{name}: more than 71 min lie between pictures {number - 1} and {number}",
                        mend="export it as csv",
                    )
                image = stream.image(number)
                if image.shape[0] < height or image.shape[1] < width:
                    raise RecordingError(
                        f"{name}: picture {number} is smaller than {width}x{height}",
                        mend="chorus check FILE tells what is wrong with the session",
                    )
                frame = av.VideoFrame.from_ndarray(image[:height, :width].copy(), format="bgr24")
                frame.pts, frame.time_base = pts, Fraction(1, TICKS_PER_S)
                container.mux(video.encode(frame))
                bound, seq = int(rows.time_bound[i]), int(rows.seq[i])
                table.writerow((number, pts, time, bound, seq))
                last = pts
        container.mux(video.encode(None))
    return moved
