"""Depth maps that lie in files: a folder of 16-bit PNG, or an array in a .npy, .mat or .h5 file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.base import DriverContext, StreamInfo
from drivers.camera.listing import Listing, Times, listed
from drivers.camera.played import PlayedDriver
from drivers.errors import DeviceError, Fault
from drivers.files import find_file

ENDINGS = (".png", ".tif", ".tiff")
SCALE = "depth_scale_mm"
"""Property of a depth stream: mm of one count."""


@dataclasses.dataclass(frozen=True)
class DepthFileConfig:
    """Options of ``camera.depth_file``.

    Attributes:
        path: a folder of 16-bit pictures, or a file; relative to the current folder or the rig's.
        fps: maps a second; 0: at the times that ``times`` tells, for folders.
        times: as for ``camera.folder``.
        key: name of the array in a .mat or .h5 file; by default its only one with three axes.
        scale_mm: what one count is, mm. Counts are stored as they are.
        loop: begin again at the end.
        cache_mb: looped maps that fit into this are read once only.
    """

    path: str
    fps: float = 0.0
    times: str = ""
    key: str = ""
    scale_mm: float = 1.0
    loop: bool = False
    cache_mb: int = 256

    def __post_init__(self) -> None:
        if not 0 <= self.fps <= 1000:
            raise ValueError("fps must be 0 (by 'times') to 1000")
        if not self.fps and not self.times:
            raise ValueError("give 'fps', or 'times': name, exif or a CSV file")
        if not 0 < self.scale_mm <= 1000:
            raise ValueError("scale_mm must be above 0, to 1000")


def depth_info(
    context: DriverContext,
    shape: tuple[int, ...],
    *,
    rate_hz: float,
    device: str,
    regular: bool = False,
    scale_mm: float = 1.0,
    properties: dict[str, str] | None = None,
) -> StreamInfo:
    """Describe a stream of depth maps (height, width): uint16, from the camera's plane, 0 where unknown."""
    return StreamInfo(
        name=context.stream,
        kind="depth",
        dtype="<u2",
        shape=tuple(shape),
        channels=("depth",),
        units=("mm" if scale_mm == 1 else "1",),
        rate_hz=rate_hz,
        regular=regular,
        device=device,
        properties={SCALE: f"{scale_mm:.9g}", **(properties or {})},
    )


class DepthFileDriver(PlayedDriver[DepthFileConfig]):
    """Depth maps (H, W) uint16, stored as they are."""

    Config = DepthFileConfig

    def _look(self) -> tuple[Path, StreamInfo, float]:
        config = self.config
        self._array: NDArray[np.uint16] | None = None
        self._files: Listing | None = None
        if any((place / config.path).is_dir() for place in (Path(), Path(self.context.folder))):
            self._files = listed(self.context, config.path, ENDINGS, Times(config.times, config.fps))
            path, rate = self._files.folder, self._files.rate_hz
            self._shape = self._read(self._files.files[0]).shape
        else:
            path, rate = find_file(self.context, config.path), config.fps
            if not config.fps:
                raise self._error(f"{path.name} has no times", "Set 'fps'")
            array = self._load(path)
            self._array, self._shape = array, array.shape[1:]
        info = depth_info(
            self.context,
            self._shape,
            rate_hz=config.fps or rate,
            regular=bool(config.fps),
            device=f"depth of {path.name}",
            scale_mm=config.scale_mm,
        )
        return path, info, rate

    def _decode(self, path: Path) -> Iterator[tuple[int, Any]]:
        if self._array is not None:
            for number, depth in enumerate(self._array):
                yield round(number * 1e9 / self.config.fps), depth
        elif self._files is not None:
            for file, stamp in zip(self._files.files, self._files.times, strict=True):
                depth = self._read(file)
                if depth.shape != self._shape:
                    sizes = f"{depth.shape[1]}x{depth.shape[0]}", f"{self._shape[1]}x{self._shape[0]}"
                    what = f"{file} is {sizes[0]} px, and the first map {sizes[1]}"
                    raise self._error(what, "Put maps of one size into the folder")
                yield stamp, depth

    def _payload(self, picture: Any) -> Any:
        return np.ascontiguousarray(picture, "<u2")

    def _read(self, file: Path) -> Any:
        import cv2

        try:
            depth = cv2.imdecode(np.frombuffer(file.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        except (OSError, cv2.error):
            depth = None
        if depth is None:
            raise self._error(f"{file} is not a picture that can be read", "Restore it")
        if depth.dtype != np.uint16 or depth.ndim != 2:
            form = f"{depth.dtype} with {depth.ndim} axes"
            raise self._error(f"{file} is no depth map of 16 bits, but {form}", "Write 16-bit grey PNG")
        return depth

    def _load(self, path: Path) -> Any:
        """Return all maps (T, H, W)."""
        suffix, key = path.suffix.lower(), self.config.key
        try:
            if suffix == ".npy":
                arrays = {"": np.load(path, mmap_mode="r", allow_pickle=False)}
            elif suffix == ".mat":
                from scipy.io import loadmat

                arrays = {
                    name: np.asarray(value) for name, value in loadmat(path).items() if name[:2] != "__"
                }
                arrays = {name: np.moveaxis(a, -1, 0) if a.ndim == 3 else a for name, a in arrays.items()}
            elif suffix in (".h5", ".hdf5"):
                import h5py

                with h5py.File(path, "r") as file:
                    sets = {name: one for name, one in file.items() if isinstance(one, h5py.Dataset)}
                    chosen = [key] if key else [name for name, one in sets.items() if one.ndim == 3]
                    arrays = {name: sets[name][()] for name in chosen}
            else:
                what = f"{path} is no depth that can be read"
                raise self._error(what, "Give a folder of 16-bit PNG, or a .npy, .mat or .h5 file")
        except (OSError, KeyError, ValueError, NotImplementedError) as error:
            raise self._error(f"{path} cannot be read: {error}", "Check the file and 'key'") from error
        found = {name: a for name, a in arrays.items() if (name == key if key else a.ndim == 3)}
        if len(found) != 1:
            names = ", ".join(arrays) or "none"
            raise self._error(f"{path} holds {len(found)} such arrays of {names}", "Set 'key' to one of them")
        (array,) = found.values()
        if array.ndim != 3 or array.dtype.kind not in "ui" or not len(array):
            form = f"{array.dtype} of shape {array.shape}"
            raise self._error(f"{path} holds {form}, no depth", "Give uint16 of shape (T, H, W)")
        if array.dtype != np.uint16 and (array.min() < 0 or array.max() > 65535):
            raise self._error(f"{path} holds depth beyond 65535", "Scale it to 16 bits")
        return array

    def _error(self, what: str, mend: str) -> DeviceError:
        return DeviceError(self.context.stream, Fault.UNSUPPORTED, what, mend=mend)
