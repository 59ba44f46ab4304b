"""A folder of pictures as a camera: JPEG as it lies there, other formats encoded; see :mod:`.played`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from drivers.base import StreamInfo
from drivers.camera.listing import Times, listed
from drivers.camera.pictures import JPEG_START, camera_info, decoded, to_payload
from drivers.camera.played import PlayedDriver
from drivers.errors import DeviceError, Fault

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


@dataclasses.dataclass(frozen=True)
class FolderConfig:
    """Options of ``camera.folder``.

    Attributes:
        path: the folder, relative to the current one or the rig's.
        fps: show that many pictures a second; 0: at the times that ``times`` tells.
        times: where the time of each picture stands: ``name`` (the last number in its name), ``exif``, or a
            CSV file in the folder with a line ``name,seconds`` for each.
        loop: begin again at the end.
        quality: of the JPEG where the pictures are of another format, 1..100.
        cache_mb: looped pictures that fit into this are read once only.
    """

    path: str
    fps: float = 0.0
    times: str = ""
    loop: bool = False
    quality: int = 90
    cache_mb: int = 256

    def __post_init__(self) -> None:
        if not 0 <= self.fps <= 1000:
            raise ValueError("fps must be 0 (by 'times') to 1000")
        if not self.fps and not self.times:
            raise ValueError("give 'fps', or 'times': name, exif or a CSV file")
        if not 1 <= self.quality <= 100:
            raise ValueError("quality must be 1 to 100")


class FolderDriver(PlayedDriver[FolderConfig]):
    """Pictures of a folder in the natural order of their names, or by their times."""

    Config = FolderConfig

    def _look(self) -> tuple[Path, StreamInfo, float]:
        config = self.config
        found = listed(self.context, config.path, ENDINGS, Times(config.times, config.fps))
        self._files = found
        self._shape = self._read(found.files[0])[0].shape[:2]
        info = camera_info(
            self.context,
            self._shape,
            rate_hz=config.fps or found.rate_hz,
            regular=bool(config.fps),
            device=f"folder {found.folder.name}",
            properties={"pictures": str(len(found.files))},
        )
        return found.folder, info, found.rate_hz

    def _decode(self, path: Path) -> Iterator[tuple[int, Any]]:
        for file, stamp in zip(self._files.files, self._files.times, strict=True):
            image, data = self._read(file)
            if image.shape[:2] != self._shape:
                (height, width), (high, wide) = self._shape, image.shape[:2]
                raise DeviceError(
                    self.context.stream,
                    Fault.UNSUPPORTED,
                    f"{file} is {wide}x{high} px, and the first picture {width}x{height}",
                    mend="Put pictures of one size into the folder",
                )
            yield stamp, data if data and self.context.store != "raw" else image

    def _payload(self, picture: Any) -> Any:
        if isinstance(picture, bytes):
            return picture
        return to_payload(picture, self.context.store, self.config.quality)

    def _read(self, file: Path) -> tuple[Any, bytes]:
        """Return the pixels, and the bytes where the file is a JPEG.

        Raises:
            DeviceError: it is no picture.
        """
        import cv2

        image = data = None
        try:
            data = file.read_bytes()
            jpeg = data.startswith(JPEG_START)
            image = decoded(data) if jpeg else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        except (OSError, cv2.error):
            pass
        if image is None or data is None:
            raise DeviceError(
                self.context.stream,
                Fault.GARBAGE,
                f"{file} is not a picture that can be read",
                mend="Take it out of the folder, or restore it",
            )
        return image, data if jpeg else b""
