"""A video or a picture in a file, as a session that holds one camera: every frame, as fast as it is read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.base import NO_TIME, STAMP, Batch, DriverContext, StreamInfo
from drivers.camera.file import VideoFileConfig, VideoFileDriver
from drivers.camera.pictures import MAX_PIXELS, camera_info
from drivers.errors import DataError, DeviceError
from fusion.tracking.soundtrack import sound_of

VIDEOS: tuple[str, ...] = (".mp4", ".mov", ".mkv", ".avi", ".webm", ".m4v")
PICTURES: tuple[str, ...] = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
STREAM = "camera"
CUT_OFF = 0.95
"""A file that ends before this share of what its header promises, and by more than a second, was cut off."""
STILL_S = 0.5
"""A picture is looked at for so long: the network comes to rest."""
STILL_HZ = 30.0


@dataclasses.dataclass(frozen=True)
class Length:
    """How long a video is.

    Attributes:
        seconds: its pictures last, by the times of its packets.
        there: what there is lasts, by which it is judged: the pictures, or the sound where that lasts longer
            and the header tells the length of the whole file only.
        promised: how long its header says that is, where it was cut off; else 0.
    """

    seconds: float
    there: float
    promised: float

    def cut_off(self, path: Path) -> DataError:
        """Return the error that a video ends before its header says."""
        pictures = f", its pictures after {self.seconds:.1f} s" if self.there > self.seconds else ""
        return DataError(
            f"{path.name} ends after {self.there:.1f} s of {self.promised:.1f} s{pictures}: it is cut off",
            mend="Give the whole file",
        )


@dataclasses.dataclass(frozen=True)
class Footage:
    """A video or a picture.

    Attributes:
        info: of its camera.
        still: it is one picture.
        seconds: how long it says it is, 0 where it does not say.
        frames: (time from the first frame in ns, BGR pixels), rising.
        sound: its stream and its blocks, rising; None: there is none.
    """

    info: StreamInfo
    still: bool
    seconds: float
    frames: Iterator[tuple[int, NDArray[np.uint8]]]
    sound: tuple[StreamInfo, Iterator[Batch]] | None = None

    @property
    def infos(self) -> list[StreamInfo]:
        """The streams: the camera, and the sound where there is some."""
        return [self.info, *([] if self.sound is None else [self.sound[0]])]

    def batches(self) -> Iterator[tuple[Batch, bool]]:
        """Yield each frame, and the sound until then, as batches, and whether each is the last of its stream.

        Sound ends with the pictures.
        """
        blocks = iter(()) if self.sound is None else self.sound[1]
        block, over = next(blocks, None), self.sound is None
        for frame, last in self._pictures():
            while block is not None and int(block.stamps["time"][0]) <= int(frame.stamps["time"][0]):
                coming = next(blocks, None)
                over = coming is None or last
                yield block, over
                block = None if over else coming
            if last and not over:  # none of it came in time
                yield Batch(self.infos[1].name, np.zeros(0, STAMP), np.zeros((0, 1), np.int16)), True
            yield frame, last

    def _pictures(self) -> Iterator[tuple[Batch, bool]]:
        held: Batch | None = None
        for number, (time, image) in enumerate(self.frames):
            if held is not None:
                yield held, False
            stamps = np.zeros(1, STAMP)
            stamps["time"], stamps["time_device"], stamps["seq"] = time, NO_TIME, number
            held = Batch(self.info.name, stamps, image[None])
        if held is not None:
            yield held, True


def is_footage(path: Path) -> bool:
    """Return whether a file is a video or a picture by its name."""
    return path.suffix.lower() in (*VIDEOS, *PICTURES)


def open_footage(path: Path) -> Footage:
    """Open a video or a picture; what it holds is read as its frames are taken.

    Raises:
        DataError: it is neither, it is damaged or cut off, or its pictures are too large. While frames are
            taken, too.
    """
    if path.suffix.lower() in PICTURES:
        return _picture(path)
    length = length_of(path)
    if length.promised:
        raise length.cut_off(path)
    info, frames = film_of(path)
    return Footage(info, False, length.seconds, frames, sound_of(path))


def _context() -> DriverContext:
    return DriverContext(STREAM, store="raw")


def read_picture(path: Path) -> NDArray[np.uint8]:
    """Return a picture (H, W, 3) BGR, upright as its camera says.

    Raises:
        DataError: it cannot be read, or it is too large.
    """
    import PIL.Image
    import PIL.ImageOps

    try:
        with PIL.Image.open(path, formats=("JPEG", "PNG", "WEBP", "BMP")) as opened:
            if opened.width * opened.height > MAX_PIXELS:
                raise _too_large(path, opened.width, opened.height)
            upright = PIL.ImageOps.exif_transpose(opened).convert("RGB")
            return np.ascontiguousarray(np.asarray(upright)[:, :, ::-1])
    except (
        OSError,
        ValueError,
        SyntaxError,
        PIL.Image.DecompressionBombError,
        PIL.Image.UnidentifiedImageError,
    ):
        raise DataError(
            f"{path.name} is not a picture that can be read, or it is damaged",
            mend="Give a whole JPEG, PNG, WebP or BMP file",
        ) from None


def _picture(path: Path) -> Footage:
    image = read_picture(path)
    info = camera_info(_context(), (image.shape[0], image.shape[1]), rate_hz=STILL_HZ, device=path.name)
    frames = ((round(n * 1e9 / STILL_HZ), image) for n in range(round(STILL_S * STILL_HZ)))
    return Footage(info, True, STILL_S, frames)


def film_of(path: Path) -> tuple[StreamInfo, Iterator[tuple[int, NDArray[np.uint8]]]]:
    """Return a video's stream and its frames, (time from the first in ns, BGR pixels), however it ends.

    Its length is not measured: see :func:`length_of`, which tells, too, whether its pictures are too large.

    Raises:
        DataError: it is none; while frames are taken, that it is damaged.
    """
    driver = VideoFileDriver(VideoFileConfig(str(path.resolve())), _context())
    try:
        info, frames = driver.film()
    except DeviceError as error:
        raise _in_words(path, error) from None
    return info, _whole(path, frames)


def length_of(path: Path) -> Length:
    """Return how long a video is. All of it is read, nothing is decoded.

    Raises:
        DataError: it is none, or its pictures are too large.
    """
    import av
    import av.error

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path.name} holds no video", mend="Give a file with moving pictures")
            stream = container.streams.video[0]
            width, height = stream.codec_context.width, stream.codec_context.height
            if width * height > MAX_PIXELS:
                raise _too_large(path, width, height)
            first = end = None
            count, latest = 0, 0.0
            base = float(stream.time_base or 0)
            for packet in container.demux():
                if packet.pts is None or packet.time_base is None:
                    continue
                after = packet.pts + (packet.duration or 0)
                latest = max(latest, float(after * packet.time_base))
                if packet.stream.index == stream.index:
                    count += 1
                    first = packet.pts if first is None else min(first, packet.pts)
                    end = max(end or 0, after)
            seconds = 0.0 if first is None or end is None else (end - first) * base
            # An edit list shows less than the stream holds, so the shorter of the two is what is promised.
            told = [stream.duration * base] if stream.duration else []
            told += [container.duration / av.time_base] if container.duration else []
            promised = min(told, default=0.0)
            # Where only the whole file's length is told, its sound may last longer than its pictures.
            there = seconds if stream.duration else max(seconds, latest)
            if "avi" in container.format.name and stream.frames and count:  # told by its frames alone
                there, promised = seconds, seconds * stream.frames / count
    except (av.error.FFmpegError, ValueError):
        raise DataError(
            f"{path.name} is not a video that can be read, or it is cut off",
            mend="Give a file that a player shows to its end",
        ) from None
    short = there < CUT_OFF * promised and there < promised - 1.0
    return Length(seconds, there, promised if short else 0.0)


def _whole(
    path: Path, frames: Iterator[tuple[int, NDArray[np.uint8]]]
) -> Iterator[tuple[int, NDArray[np.uint8]]]:
    """Yield the frames; where the file is damaged, say so of the file."""
    try:
        yield from frames
    except DeviceError as error:
        raise _in_words(path, error) from None


def _in_words(path: Path, error: DeviceError) -> DataError:
    what = error.what.removeprefix(f"{error.stream}: ").replace(str(path.resolve()), path.name)
    return DataError(what, mend="Give a file that a player shows to its end")


def _too_large(path: Path, width: int, height: int) -> DataError:
    return DataError(
        f"the pictures of {path.name} have {width} x {height} px", mend=f"Give at most {MAX_PIXELS} px"
    )
