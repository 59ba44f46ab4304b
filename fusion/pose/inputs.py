"""What is looked at: pictures, films and cameras, each as shots in the order of time.

What a file is its first bytes tell, not its name. All that is named is tried before anything is written.
"""

from __future__ import annotations

import abc
import contextlib
import dataclasses
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drivers.camera.listing import natural
from drivers.errors import ChorusError, ConfigError, DataError
from fusion.tracking.footage import PICTURES, VIDEOS, film_of, length_of, read_picture
from fusion.tracking.sniff import HEAD, KINDS, suffix_of
from fusion.tracking.soundtrack import sound_of
from fusion.vision.film import Sound

Stop = Callable[[], bool]

FILMS = (*VIDEOS, ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".ogv")
"""Endings of files that are tried as videos, whatever they begin with."""


@dataclasses.dataclass(frozen=True, slots=True)
class Shot:
    """One picture as it is looked at.

    Attributes:
        name: names it among all of its source; no ending.
        file: where it comes from, to show.
        time: from the first, ns; None of a picture that stands alone.
        image: (H, W, 3) uint8 BGR.
    """

    name: str
    file: str
    time: int | None
    image: NDArray[np.uint8]


class Source(abc.ABC):
    """Pictures that belong together.

    Attributes:
        name: to show, and of its folder where there are several.
        live: it waits for nobody, and can be looked at once only.
        still: each picture stands alone.
        seconds: how long it is; 0 where that is not known.
        count: of pictures; 0 where that is not known.
        trouble: what was wrong with parts of it that were left out.
    """

    name: str
    live = False
    still = False
    seconds = 0.0
    count = 0
    trouble: ChorusError | None = None

    @abc.abstractmethod
    def shots(self, stop: Stop) -> Iterator[Shot]:
        """Yield the pictures until they end, or ``stop`` says so.

        Raises:
            ChorusError: they broke off.
        """

    def sound(self) -> Sound | None:
        """Return what is heard beside them, from its beginning."""
        return None

    def close(self) -> None:
        """Let go of what is held."""
        return


class Pictures(Source):
    """Picture files; each stands alone unless ``fps`` says that they are a film.

    Args:
        name: of all of them.
        files: in their order.
        fps: pictures a second; 0: they stand alone.
    """

    def __init__(self, name: str, files: Sequence[Path], fps: float = 0.0) -> None:
        self.name, self._files, self._fps = name, list(files), fps
        self.still = not fps
        self.count = len(self._files)
        self.seconds = self.count / fps if fps else 0.0

    def shots(self, stop: Stop) -> Iterator[Shot]:
        broken: list[DataError] = []
        names: set[str] = set()
        for number, path in enumerate(self._files):
            if stop():
                break
            try:
                image = read_picture(path)
            except DataError as error:
                broken.append(error)
                continue
            name = _unused(path.stem, names)
            yield Shot(name, path.name, round(number * 1e9 / self._fps) if self._fps else None, image)
        if broken:
            others = f", nor are {len(broken) - 1} more" if len(broken) > 1 else ""
            self.trouble = DataError(f"{broken[0].what}{others}; left out", mend=broken[0].mend)


class Film(Source):
    """A video file: every frame. One that is cut off is looked at as far as it goes.

    Args:
        path: of the file.
        name: by default the file's.
    """

    def __init__(self, path: Path, name: str = "") -> None:
        self._path = path
        self.name = name or path.stem
        length = length_of(path)
        film_of(path)  # it is one that can be read
        self.seconds = length.seconds
        self._file = path.name
        if length.promised:
            self.trouble = length.cut_off(path)

    def shots(self, stop: Stop) -> Iterator[Shot]:
        _, frames = film_of(self._path)
        with contextlib.closing(frames):  # type: ignore[type-var]
            for number, (time, image) in enumerate(frames):
                if stop():
                    return
                yield Shot(f"{self.name}_{number:012d}", self._file, time, image)

    def sound(self) -> Sound | None:
        return sound_of(self._path)


class Unreadable(Source):
    """A film of a folder that cannot be opened: its turn tells why, and the others are looked at.

    Args:
        path: of the file.
        error: that opening it raised.
    """

    def __init__(self, path: Path, error: ChorusError) -> None:
        self.name, self.error = path.stem, error

    def shots(self, stop: Stop) -> Iterator[Shot]:
        raise self.error
        yield


def sources_of(
    inputs: Sequence[str], *, fps: float = 0.0, fetch: bool = True, stop: Stop = lambda: False
) -> list[Source]:
    """Return what the words of a command line name: all picture files together, each film and camera alone.

    Args:
        inputs: files, folders, numbers of webcams, paths below /dev, addresses.
        fps: pictures of a folder are a film of so many a second; 0: they stand alone.
        fetch: whether a file at an address may be fetched to the disk.
        stop: whether to end early: while a file is fetched, KeyboardInterrupt is raised then.

    Raises:
        ChorusError: one of them is not there, or is nothing that can be looked at, or nothing of a folder is;
            none is kept open.
    """
    from fusion.pose.live import camera_of

    sources: list[Source] = []
    pictures: list[Path] = []
    try:
        for word in inputs:
            camera = camera_of(word, fetch, stop)
            if camera is not None:
                sources.append(camera)
                continue
            path = Path(word).expanduser()
            found, films = _files(path)
            if fps and found:
                sources.append(Pictures(path.resolve().name if path.is_dir() else path.stem, found, fps))
            else:
                pictures += found
            opened = [_film(film, named=film == path) for film in films]
            sources += opened
            unreadable = [one for one in opened if isinstance(one, Unreadable)]
            if unreadable and not found and len(unreadable) == len(opened):
                raise unreadable[0].error
        if fps and not any(isinstance(source, Pictures) for source in sources):
            raise ConfigError(
                "--fps makes a film of pictures, and none are named",
                mend="Leave it away: films and cameras have times of their own",
            )
    except BaseException:
        for source in sources:
            source.close()
        raise
    if pictures:
        first = Path(inputs[0]).expanduser()
        name = first.resolve().name if len(inputs) == 1 and first.is_dir() else "pictures"
        sources.insert(0, Pictures(name, pictures))
    _distinct(sources)
    return sources


def _film(path: Path, *, named: bool) -> Source:
    """Return a film; of a folder, in which it is one of many, one that cannot be opened, too."""
    try:
        return Film(path)
    except ChorusError as error:
        if named:
            raise
        return Unreadable(path, error)


def _files(path: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures and the films that a path names."""
    if path.is_dir():
        inside = sorted((p for p in path.iterdir() if p.is_file()), key=lambda p: natural(p.name))
        known = [p for p in inside if p.suffix.lower() in (*PICTURES, *FILMS)]
        if not known:
            raise DataError(f"{path} holds no pictures and no videos", mend=f"Put files into it: {KINDS}")
        pictures = [p for p in known if (_kind(p) or p.suffix.lower()) in PICTURES]
        others = set(known) - set(pictures)
        return pictures, [p for p in known if p in others]
    if not path.exists():
        raise DataError(
            f"there is no {path}",
            mend="Give files, folders, a webcam's number, or an address such as rtsp://HOST/PATH",
        )
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}", mend="Give another file") from None
    if not head:
        raise DataError(f"{path.name} is empty", mend=f"Give an {KINDS}")
    if head.startswith(b"\x89HDF"):
        raise DataError(
            f"{path.name} is a recorded session, which holds more than pictures",
            mend=f"chorus live --source {path}",
        )
    suffix = suffix_of(head)
    if suffix in PICTURES:
        return [path], []
    if suffix is None and path.suffix.lower() not in FILMS:
        raise DataError(f"{path.name} is no video or picture", mend=f"Give an {KINDS}")
    return [], [path]


def _kind(path: Path) -> str | None:
    """Return the ending that a file's first bytes ask for, or None where they tell nothing."""
    try:
        with path.open("rb") as file:
            return suffix_of(file.read(HEAD))
    except OSError:
        return None


def _distinct(sources: Sequence[Source]) -> None:
    """Give sources of the same name different ones."""
    names: set[str] = set()
    for source in sources:
        source.name = _unused(source.name, names)


def _unused(name: str, taken: set[str]) -> str:
    """Return a name, or name_2 and so on where it is taken, and take it."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    taken.add(free)
    return free
