"""The ChArUco board: a chessboard whose white squares carry markers, so that any part tells where it is.

The board's own frame, in m: the origin in the lower left corner of the chessboard as it is printed upright,
x to the right, y up, z out of the paper. Laid on the floor, z points up.
"""

from __future__ import annotations

import dataclasses
import functools
import re
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.calibrate.corners import refined

FEWEST = 6
"""Corners of a view that is used: four give a homography, and nothing that would check it."""
MARKER_OF_SQUARE = 0.75
"""Side of a marker of that of its square; the white rim is what it is found by."""
BORDER_BITS = 1

DICTIONARIES: tuple[str, ...] = tuple(
    f"{n}x{n}_{count}" for n in (4, 5, 6, 7) for count in (50, 100, 250, 1000)
)
"""Names, bits of a marker and how many there are."""


@dataclasses.dataclass(frozen=True)
class Board:
    """What is printed.

    Attributes:
        columns, rows: squares across and down.
        square_mm: side of a square, as measured on the paper.
        marker_mm: side of a marker; 0: three quarters of the square.
        dictionary: one of :data:`DICTIONARIES`.
        legacy: as OpenCV drew boards before 4.6: with an even number of rows the first square holds a marker.
    """

    columns: int = 7
    rows: int = 5
    square_mm: float = 35.0
    marker_mm: float = 0.0
    dictionary: str = "5x5_100"
    legacy: bool = False

    def __post_init__(self) -> None:
        if not self.marker_mm:
            object.__setattr__(self, "marker_mm", round(self.square_mm * MARKER_OF_SQUARE, 3))
        if not (3 <= self.columns <= 60 and 3 <= self.rows <= 60):
            raise ConfigError(
                f"a board of {self.columns}x{self.rows} squares is none", mend="Give 3 to 60 squares each way"
            )
        if not 0 < self.marker_mm < self.square_mm <= 2000:
            raise ConfigError(
                f"squares of {self.square_mm:g} mm with markers of {self.marker_mm:g} mm make no board",
                mend="Measure both; a marker is smaller than its square",
            )
        if self.dictionary not in DICTIONARIES:
            raise ConfigError(
                f"there is no dictionary of markers '{self.dictionary}'",
                mend=f"Choose of {', '.join(DICTIONARIES)}",
            )
        if self.columns * self.rows // 2 > int(self.dictionary.partition("_")[2]):
            raise ConfigError(
                f"a board of {self.columns}x{self.rows} squares takes more markers than {self.dictionary}",
                mend=f"Choose a larger dictionary, such as {self.dictionary.partition('_')[0]}_1000",
            )

    @functools.cached_property
    def opencv(self) -> Any:
        """The board as OpenCV has it; m."""
        number = getattr(cv2.aruco, f"DICT_{self.dictionary.upper()}")
        markers = cv2.aruco.getPredefinedDictionary(number)
        size = (self.columns, self.rows)
        board = cv2.aruco.CharucoBoard(size, self.square_mm / 1000, self.marker_mm / 1000, markers)
        board.setLegacyPattern(self.legacy)
        return board

    @functools.cached_property
    def corners(self) -> NDArray[np.float64]:
        """(K, 3) m, inner corners in the board's own frame, by their number."""
        found = np.array(self.opencv.getChessboardCorners(), np.float64)
        found[:, 1] = self.rows * self.square_mm / 1000 - found[:, 1]  # OpenCV's y points down
        return found

    @property
    def size_mm(self) -> tuple[float, float]:
        """Width and height of the chessboard."""
        return self.columns * self.square_mm, self.rows * self.square_mm

    def __str__(self) -> str:
        return (
            f"{self.columns}x{self.rows} squares of {self.square_mm:g} mm, "
            f"markers of {self.marker_mm:g} mm from {self.dictionary}"
        )

    @property
    def options(self) -> str:
        """The options of ``chorus calibrate`` that mean this board."""
        text = f"--board={self.columns}x{self.rows} --square_mm={self.square_mm:g}"
        if abs(self.marker_mm - self.square_mm * MARKER_OF_SQUARE) > 1e-3:
            text += f" --marker_mm={self.marker_mm:g}"
        text += f" --dictionary={self.dictionary}" if self.dictionary != Board.dictionary else ""
        return text + (" --legacy" if self.legacy else "")


def board_of(board: str, square_mm: float, marker_mm: float, dictionary: str, legacy: bool) -> Board:
    """Return the board that options of the command line mean.

    Raises:
        ConfigError: they mean none, or the size of the squares is missing.
    """
    found = re.fullmatch(r"(\d{1,3})x(\d{1,3})", board)
    if not found:
        raise ConfigError(
            f"'{board}' is no board", mend="Give its squares across and down, such as --board=7x5"
        )
    if not square_mm:
        raise ConfigError(
            "the size of the board's squares is missing",
            mend="Measure one on the paper and give it, such as --square_mm=35",
        )
    if not (np.isfinite(square_mm) and np.isfinite(marker_mm)):
        raise ConfigError("a size of the board is no number", mend="Give --square_mm in mm")
    return Board(int(found[1]), int(found[2]), square_mm, marker_mm, dictionary.lower(), legacy)


@dataclasses.dataclass(frozen=True)
class View:
    """The board in one picture.

    Attributes:
        ids: (n,) numbers of the corners, rising.
        pixels: (n, 2) px, where they are seen.
        name: of the picture: its file or number.
        time: session time, ns; 0 where there is none.
    """

    ids: NDArray[np.int64]
    pixels: NDArray[np.float64]
    name: str = ""
    time: int = 0

    def __len__(self) -> int:
        return len(self.ids)

    def only(self, keep: NDArray[np.bool_]) -> View:
        """Return the view with some of its corners."""
        return dataclasses.replace(self, ids=self.ids[keep], pixels=self.pixels[keep])


class Finder:
    """Finds one board in pictures.

    Attributes:
        markers: pictures in which markers were seen, the board or not.
        looked: pictures that were looked at.
    """

    def __init__(self, board: Board) -> None:
        self.board = board
        self.markers = self.looked = 0
        # Tuned on rendered pictures, dim, blurred and noisy: a third more corners than by default.
        options = cv2.aruco.DetectorParameters()
        options.adaptiveThreshWinSizeMin, options.adaptiveThreshWinSizeMax = 3, 53
        options.adaptiveThreshWinSizeStep = 4
        options.minMarkerPerimeterRate = 0.01
        options.perspectiveRemovePixelPerCell = 8
        options.perspectiveRemoveIgnoredMarginPerCell = 0.2
        options.errorCorrectionRate = 0.8
        self._detector = cv2.aruco.CharucoDetector(board.opencv, cv2.aruco.CharucoParameters(), options)

    def __call__(self, picture: NDArray[np.uint8], name: str = "", time: int = 0) -> View | None:
        """Return what is seen of the board, or None where that is too little to be used.

        Args:
            picture: (H, W, 3) BGR or (H, W) grey.
            name: kept with the view.
            time: kept with the view, ns.
        """
        grey = picture if picture.ndim == 2 else cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        grey = np.asarray(grey, np.uint8)
        corners, ids, _, marker_ids = self._detector.detectBoard(grey)
        self.looked += 1
        self.markers += marker_ids is not None and len(marker_ids) > 0
        if ids is None or corners is None or len(ids) < FEWEST:
            return None
        order = np.argsort(ids.ravel())
        numbers = ids.ravel()[order].astype(np.int64)
        places = self.board.corners[numbers, :2]
        side, marker = self.board.square_mm / 1000, self.board.marker_mm / 1000
        found = corners.reshape(-1, 2)[order].astype(np.float64)
        view = View(numbers, refined(grey, found, places, side, (side - marker) / 2), name, time)
        # Corners in one row fix neither tilt nor lens.
        flat = np.linalg.svd(places - places.mean(0), compute_uv=False)
        return view if flat[1] > 0.5 * self.board.square_mm / 1000 else None

    def why_none(self) -> str:
        """Say why no board was found, as a mend."""
        if self.markers:
            return (
                f"Markers are seen, but not this board: is it really {self.board}? For one that an older "
                "OpenCV drew, give --legacy"
            )
        return (
            "Hold the board flat, sharp and well lit into the picture; give its own --board and --dictionary"
        )
