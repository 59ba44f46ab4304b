"""Pictures to calibrate with: of a session, a film, a folder of pictures, or a rig's camera itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.base import EndOfStream
from drivers.errors import ConfigError, DataError
from fusion.calibrate.board import Board, Finder, View

if TYPE_CHECKING:
    from recordings.reader import Recording
    from recordings.stream_reader import StreamReader

SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")
MOST_LOOKED = 300
"""Pictures of a film that are looked at, evenly: neighbours show nearly the same."""
LIVE_EVERY_S = 0.25
LIVE_VIEWS = 60
"""A live camera is calibrated once so many views were taken."""

Told = Callable[[str, int, int, int], None]
"""Told of progress: the camera, pictures looked at, of how many (0: unknown), and how many show the board."""


class Picture(NamedTuple):
    """A picture (H, W, 3) BGR with its name and, in a session, its time in ns."""

    name: str
    time: int
    image: NDArray[np.uint8]


class Views(NamedTuple):
    """What one camera saw of the board.

    Attributes:
        views: of the board.
        size: width and height of the pictures, px.
        finder: which counts what was looked at.
    """

    views: list[View]
    size: tuple[int, int]
    finder: Finder


def views_of(
    source: str, board: Board, camera: str = "", seconds: float = 30.0, told: Told | None = None
) -> dict[str, Views]:
    """Look for the board in all that a source holds.

    Args:
        source: a session (.h5), a film, a folder of pictures, or a rig (.yaml) whose camera is opened.
        board: what is looked for.
        camera: a stream of the session or rig; empty: all cameras of a session, the only one of a rig.
        seconds: how long to look through a rig's camera.
        told: told of progress.

    Returns:
        views by camera.

    Raises:
        ConfigError: the source is nothing to calibrate with, or has no such camera.
        DataError: pictures can't be read, or differ in size.
        DeviceError: the rig's camera failed.
        RecordingError: the session can't be read.
    """
    path = Path(source).expanduser()
    if path.is_dir():
        return {path.resolve().name: _look(path.name, *_folder(path), board, told)}
    if not path.exists():
        raise ConfigError(
            f"there is no {source} to calibrate with",
            mend="Give a session (.h5), a film, a folder of pictures, or a rig (.yaml)",
        )
    if path.suffix.lower() in (".yaml", ".yml"):
        name, pictures = _live(path, camera, seconds)
        return {name: _look(name, pictures, 0, board, told, LIVE_VIEWS)}
    if path.suffix.lower() in (".h5", ".hdf5"):
        from recordings.reader import open_recording

        with open_recording(path) as recording:
            return {
                name: _look(name, *_stream(stream), board, told)
                for name, stream in cameras_of(recording, camera).items()
            }
    return {path.stem: _look(path.stem, *_film(path), board, told)}


def cameras_of(recording: Recording, camera: str = "") -> dict[str, StreamReader]:
    """Return the cameras of a session that kept their pictures, or one of them.

    Raises:
        ConfigError: there is none, or not that one.
    """
    found = {
        name: stream
        for name, stream in recording.streams.items()
        if stream.info.kind == "camera" and not stream.withheld and len(stream)
    }
    if camera and camera not in found:
        raise ConfigError(
            f"{recording.path} has no pictures of a camera '{camera}'",
            mend=f"Choose of: {', '.join(found) or 'none'}",
        )
    if not found:
        raise ConfigError(
            f"{recording.path} holds no pictures",
            mend="Record a camera, with 'store' other than none",
        )
    return {camera: found[camera]} if camera else found


def _look(
    camera: str,
    pictures: Iterator[Picture],
    count: int,
    board: Board,
    told: Told | None,
    enough: int | None = None,
) -> Views:
    views: list[View] = []
    size: tuple[int, int] | None = None
    finder = Finder(board)
    for picture in pictures:
        own = (picture.image.shape[1], picture.image.shape[0])
        if size is not None and own != size:
            raise DataError(
                f"picture {picture.name} of {camera} has {own[0]}x{own[1]} px, others {size[0]}x{size[1]}",
                mend="Calibrate with pictures of one size, the one that is recorded",
            )
        size = own
        view = finder(picture.image, picture.name, picture.time)
        if view is not None:
            views.append(view)
        if told is not None:
            told(camera, finder.looked, count, len(views))
        if enough is not None and len(views) >= enough:
            break
    if size is None:
        raise DataError(f"{camera} holds no pictures", mend="Give pictures of the board")
    return Views(views, size, finder)


def _folder(path: Path) -> tuple[Iterator[Picture], int]:
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES)
    if not files:
        raise DataError(f"{path} holds no pictures", mend=f"Put some there: {', '.join(SUFFIXES)}")

    def pictures() -> Iterator[Picture]:
        for file in files:
            image = cv2.imread(str(file), cv2.IMREAD_COLOR)
            if image is None:
                raise DataError(f"{file} can't be read as a picture", mend="Take it out of the folder")
            yield Picture(file.name, 0, np.asarray(image, np.uint8))

    return pictures(), len(files)


def _stream(stream: StreamReader) -> tuple[Iterator[Picture], int]:
    times = stream.times
    chosen = _evenly(len(stream))
    return (Picture(f"{i}", int(times[i]), stream.image(i)) for i in chosen), len(chosen)


def _evenly(count: int) -> list[int]:
    return np.unique(np.linspace(0, count - 1, min(count, MOST_LOOKED)).round().astype(int)).tolist()


def _film(path: Path) -> tuple[Iterator[Picture], int]:
    import av
    import av.error

    mend = "Give a session (.h5), a film, a folder of pictures, or a rig (.yaml)"
    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise DataError(f"{path} holds no film", mend=mend)
            count = sum(packet.size > 0 for packet in container.demux(container.streams.video[0]))
    except (av.error.FFmpegError, ValueError) as error:
        raise DataError(f"{path} is no film that can be read", mend=mend) from error
    chosen = set(_evenly(count))

    def pictures() -> Iterator[Picture]:
        try:
            with av.open(str(path)) as container:
                for number, frame in enumerate(container.decode(video=0)):
                    if number in chosen:
                        image = frame.to_ndarray(format="bgr24")
                        turns = round(getattr(frame, "rotation", 0) / 90) % 4
                        yield Picture(f"{number}", 0, np.ascontiguousarray(np.rot90(image, turns), np.uint8))
        except av.error.FFmpegError as error:
            raise DataError(f"{path} is damaged", mend="Repair it: ffmpeg -i FILE repaired.mp4") from error

    return pictures(), len(chosen)


def _live(path: Path, camera: str, seconds: float) -> tuple[str, Iterator[Picture]]:
    from drivers.rig import create_driver, load_rig
    from fusion.features.offline import decode

    rig = load_rig(path)
    eyes = [name for name, stream in rig.streams.items() if "camera" in stream.driver]
    name = camera or (eyes[0] if len(eyes) == 1 else "")
    if name not in rig.streams:
        raise ConfigError(
            f"{path} has {f'no stream {camera!r}' if camera else f'{len(eyes)} cameras'}",
            mend=f"Choose one: --camera={eyes[0]}" if eyes else "Give a rig that has a camera",
        )

    def pictures() -> Iterator[Picture]:
        driver = create_driver(rig, name, time.monotonic_ns())
        try:
            info = driver.open()
            if info.kind != "camera":
                raise ConfigError(f"stream {name} of {path} is no camera", mend="Name one with --camera")
            end = time.monotonic() + seconds
            last, number = -np.inf, 0
            while time.monotonic() < end:
                samples = driver.read(0.1)
                if samples is None or not len(samples) or time.monotonic() < last + LIVE_EVERY_S:
                    continue
                last, number = time.monotonic(), number + 1
                yield Picture(f"{number}", 0, decode(samples.data[-1]))
        except EndOfStream:
            return
        finally:
            driver.close()

    return name, pictures()
