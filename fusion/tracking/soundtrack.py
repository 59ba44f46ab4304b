"""The sound of a video file, as a microphone beside its camera."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drivers.base import NO_TIME, STAMP, Batch, StreamInfo

log = logging.getLogger(__name__)

STREAM = "sound"
_BLOCK_S = 0.05
_RATES = (8_000, 192_000)
_LATEST_S = 10.0
"""Sound that begins so long after the first picture is left out; until it begins there is silence."""


def sound_of(path: Path) -> tuple[StreamInfo, Iterator[Batch]] | None:
    """Return the first sound track of a video, mono int16, in blocks; None: it has none that can be heard.

    Times are from the first picture, ns; what was heard before it is left out. Sound that is damaged midway
    ends there: the pictures do not need it.
    """
    import av
    import av.error

    try:
        with av.open(str(path)) as container:
            if not container.streams.audio or not container.streams.video:
                return None
            rate = int(container.streams.audio[0].codec_context.sample_rate or 0)
            frame = next(iter(container.decode(video=0)), None)
    except (av.error.FFmpegError, ValueError):
        return None
    if not _RATES[0] <= rate <= _RATES[1] or frame is None or frame.pts is None or frame.time_base is None:
        return None
    info = StreamInfo(
        name=STREAM,
        kind="audio",
        dtype="<i2",
        shape=(1,),
        rate_hz=float(rate),
        regular=True,
        stamping="block",
        device=f"sound of {path.name}",
    )
    blocks = _blocks(path, rate, float(frame.pts * frame.time_base))
    first = next(blocks, None)
    return None if first is None else (info, itertools.chain([first], blocks))


def _blocks(path: Path, rate: int, zero_s: float) -> Iterator[Batch]:
    import av
    import av.error

    size, waiting, begun, count = round(_BLOCK_S * rate), np.zeros(0, np.int16), False, 0
    try:
        with av.open(str(path)) as container:
            to_mono = av.AudioResampler(format="s16", layout="mono", rate=rate)
            for frame in container.decode(audio=0):
                for part in to_mono.resample(frame):
                    heard = np.asarray(part.to_ndarray(), np.int16).reshape(-1)
                    if not begun and part.pts is not None:
                        early = round((zero_s - float(part.pts * (part.time_base or 0))) * rate)
                        if early >= len(heard):
                            continue
                        if -early > _LATEST_S * rate:
                            return
                        begun = True
                        heard = np.concatenate([np.zeros(max(-early, 0), np.int16), heard[max(early, 0) :]])
                    waiting = np.concatenate([waiting, heard])
                while begun and len(waiting) >= size:
                    yield _batch(waiting[:size], count, rate)
                    waiting, count = waiting[size:], count + size
    except (av.error.FFmpegError, ValueError) as error:
        log.info("the sound of %s ends after %.1f s: %s", path.name, count / rate, error)
    if begun and len(waiting):
        yield _batch(waiting, count, rate)


def _batch(heard: Any, first: int, rate: int) -> Batch:
    stamps = np.zeros(1, STAMP)
    stamps["time"], stamps["time_device"], stamps["seq"] = first * 1_000_000_000 // rate, NO_TIME, first
    return Batch(STREAM, stamps, heard[:, None])
