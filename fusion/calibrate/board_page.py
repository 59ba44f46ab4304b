"""A ChArUco board on paper, in true size, as lines of a PDF and not as pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drivers.errors import ConfigError
from fusion.calibrate.board import BORDER_BITS, Board

PAPERS: dict[str, tuple[float, float]] = {
    "A4": (297.0, 210.0),
    "A3": (420.0, 297.0),
    "A2": (594.0, 420.0),
    "A1": (841.0, 594.0),
    "A0": (1189.0, 841.0),
    "letter": (279.4, 215.9),
    "tabloid": (431.8, 279.4),
}
"""Width and height in mm, the long side across (ISO 216; ANSI Y14.1)."""
MARGIN_MM = 10.0
"""No common printer reaches nearer to the edge."""
TEXT_MM = 12.0
"""Height of the lines of text below the board."""
RULER_MM = 100.0
_MM_PER_INCH = 25.4


def board_for(paper: str, squares: tuple[int, int] | None = None, dictionary: str = "5x5_100") -> Board:
    """Return the largest board of whole millimetres that a paper holds.

    Args:
        paper: one of :data:`PAPERS`.
        squares: across and down; None: about as many as stay easy to see.
        dictionary: of the markers.
    """
    width, height = room(paper)
    columns, rows = squares or (7, 5)
    return Board(columns, rows, float(int(min(width / columns, height / rows))), 0.0, dictionary)


def room(paper: str) -> tuple[float, float]:
    """Return width and height that a paper has for a board, mm.

    Raises:
        ConfigError: no such paper.
    """
    if paper not in PAPERS:
        raise ConfigError(f"there is no paper '{paper}'", mend=f"Choose of {', '.join(PAPERS)}")
    width, height = PAPERS[paper]
    return width - 2 * MARGIN_MM, height - 2 * MARGIN_MM - TEXT_MM


def figure(board: Board, paper: str) -> Any:
    """Return a matplotlib figure of the page, in true size.

    Raises:
        ConfigError: the paper is unknown or too small.
    """
    from matplotlib.figure import Figure
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path as Outline

    wide, high = room(paper)
    width, height = board.size_mm
    if width > wide or height > high:
        largest = board_for(paper, (board.columns, board.rows), board.dictionary)
        raise ConfigError(
            f"a board of {board} is {width:g} x {height:g} mm, more than {paper} holds",
            mend=f"Give --square_mm={largest.square_mm:g} or less, or a larger --paper",
        )
    page = PAPERS[paper]
    drawing = Figure(figsize=(page[0] / _MM_PER_INCH, page[1] / _MM_PER_INCH))
    axes = drawing.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, page[0])
    axes.set_ylim(page[1], 0)  # mm from the upper left corner
    axes.axis("off")
    left, top = (page[0] - width) / 2, MARGIN_MM + (high - height) / 2
    boxes = rectangles(board) + np.array([left, top, left, top])
    # One outline for all: single rectangles would leave hair lines where they touch.
    vertices = np.concatenate([_corners(box) for box in boxes])
    codes = np.tile(
        [Outline.MOVETO, Outline.LINETO, Outline.LINETO, Outline.LINETO, Outline.CLOSEPOLY], len(boxes)
    )
    axes.add_patch(PathPatch(Outline(vertices, codes), facecolor="black", linewidth=0))
    _ruler(axes, board, page)
    return drawing


def write_board(board: Board, paper: str, path: Path | str) -> None:
    """Write the page: .pdf or .svg for printing, .png to look at.

    Raises:
        ConfigError: it does not fit on the paper, or the file can't be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".pdf", ".svg", ".png"):
        raise ConfigError(f"{path} is no kind of page", mend="Name a file that ends with .pdf, .svg or .png")
    drawing = figure(board, paper)
    try:
        drawing.savefig(path, dpi=200)
    except OSError as error:
        raise ConfigError(f"{path} can't be written: {error.strerror}", mend="Name another file") from error


def rectangles(board: Board) -> NDArray[np.float64]:
    """Return the black rectangles (N, 4) of a board: left, top, right, bottom, mm from its upper left corner.

    Where squares and markers lie is asked of OpenCV, which finds them again.
    """
    side, boxes = board.square_mm, []
    markers = np.array(board.opencv.getObjPoints())[:, :, :2] * 1000  # (M, 4, 2)
    occupied = {tuple(np.floor(marker.mean(0) / side).astype(int)) for marker in markers}
    for column in range(board.columns):
        for row in range(board.rows):
            if (column, row) not in occupied:
                boxes.append((column * side, row * side, (column + 1) * side, (row + 1) * side))
    dictionary = board.opencv.getDictionary()
    cells = dictionary.markerSize + 2 * BORDER_BITS
    for number, marker in zip(np.ravel(board.opencv.getIds()), markers, strict=True):
        bits = dictionary.generateImageMarker(int(number), cells, borderBits=BORDER_BITS)
        step = np.ptp(marker[:, 0]) / cells
        for row, line in enumerate(bits == 0):
            edges = np.flatnonzero(np.diff(np.concatenate(([0], line.astype(int), [0]))))
            for start, stop in edges.reshape(-1, 2):
                at = marker.min(0) + step * np.array([start, row])
                boxes.append((*at, at[0] + step * (stop - start), at[1] + step))
    return np.array(boxes, float)


def _corners(box: NDArray[np.float64]) -> NDArray[np.float64]:
    left, top, right, bottom = box
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom), (left, top)])


def _ruler(axes: Any, board: Board, page: tuple[float, float]) -> None:
    base = page[1] - MARGIN_MM
    left = MARGIN_MM
    axes.plot([left, left + RULER_MM], [base - 2] * 2, color="black", linewidth=0.7, solid_capstyle="butt")
    for end in (left, left + RULER_MM):
        axes.plot([end, end], [base - 4, base], color="black", linewidth=0.7)
    axes.text(left + RULER_MM / 2, base - 3, f"{RULER_MM:g} mm", ha="center", va="bottom", fontsize=7)
    axes.text(
        page[0] - MARGIN_MM,
        base,
        "Print at 100 % (no 'fit to page') and measure this line: 100 mm. Glue it onto a flat panel.\n"
        f"Chorus ChArUco board: {board}\n"
        f"chorus calibrate camera SOURCE {board.options}",
        ha="right",
        va="bottom",
        fontsize=6.5,
        linespacing=1.35,
    )
