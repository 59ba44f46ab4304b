"""``chorus board [--paper A4] [--output board.pdf]``: a ChArUco board to print, for calibrating cameras."""

from __future__ import annotations

from fusion.commands.arguments import call, check_positive


def main(argv: list[str], program: str) -> int:
    return call(board, argv, program)


def board(
    paper: str = "A4",
    squares: str = "7x5",
    square_mm: float | None = None,
    marker_mm: float = 0.0,
    dictionary: str = "5x5_100",
    output: str = "board.pdf",
) -> int:
    """Write a ChArUco board in true size, for `chorus calibrate camera` and `extrinsics`.

    Print it at 100 %, measure its line of 100 mm, and glue it onto something flat.

    Args:
        paper: A4, A3, A2, A1, A0, letter or tabloid.
        squares: across and down.
        square_mm: side of a square, mm; by default as large as the paper holds.
        marker_mm: side of a marker, mm; by default three quarters of the square.
        dictionary: of the markers, such as 4x4_50 or 5x5_100.
        output: the page: .pdf, .svg or .png.
    """
    from fusion.calibrate.board import board_of
    from fusion.calibrate.board_page import board_for, write_board

    check_positive("--square_mm", square_mm, "mm")
    given = board_of(squares, square_mm or 1000.0, marker_mm if square_mm else 0.0, dictionary, False)
    if square_mm is None:
        given = board_for(paper, (given.columns, given.rows), given.dictionary)
    write_board(given, paper, output)
    print(f"{given} on {paper}: print at 100 %, its line must measure 100 mm")
    print(f"then: chorus calibrate camera SOURCE {given.options}")
    print(output)
    return 0
