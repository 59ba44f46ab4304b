"""The board on paper: what is printed is what is found, in true size."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from drivers.errors import ConfigError
from fusion.calibrate.board import Board, Finder, board_of
from fusion.calibrate.board_page import PAPERS, board_for, rectangles, write_board
from fusion.cli import main

DOTS_PER_MM = 200 / 25.4


@pytest.mark.parametrize("paper", PAPERS)
def test_a_board_fits_its_paper_and_is_found_on_it_where_it_was_drawn(tmp_path: Path, paper: str) -> None:
    board = board_for(paper)
    write_board(board, paper, tmp_path / "page.png")
    page = cv2.imread(str(tmp_path / "page.png"))
    assert page is not None
    width, height = PAPERS[paper]
    assert page.shape[1] == pytest.approx(width * DOTS_PER_MM, abs=1)
    assert page.shape[0] == pytest.approx(height * DOTS_PER_MM, abs=1)
    if max(page.shape) > 3000:  # as a camera would see it
        page = cv2.resize(page, None, fx=0.3, fy=0.3, interpolation=cv2.INTER_AREA)
    scale = page.shape[1] / width
    view = Finder(board)(page)
    assert view is not None
    assert len(view) == len(board.corners)
    # Distances between corners are those of the paper: true size.
    seen = (view.pixels - view.pixels[0]) / scale
    drawn = (board.corners[view.ids] - board.corners[view.ids[0]])[:, :2] * [1000, -1000]
    assert np.abs(seen - drawn).max() < 0.15  # mm


def test_the_pdf_has_the_size_of_the_paper_and_no_pixels(tmp_path: Path) -> None:
    write_board(board_for("A4"), "A4", tmp_path / "board.pdf")
    pdf = (tmp_path / "board.pdf").read_bytes()
    box = re.search(rb"/MediaBox \[ ?0 0 ([\d.]+) ([\d.]+)", pdf)
    assert box
    assert float(box[1]) == pytest.approx(297 / 25.4 * 72, abs=0.1)
    assert float(box[2]) == pytest.approx(210 / 25.4 * 72, abs=0.1)
    assert b"/Subtype /Image" not in pdf


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("squares", [(7, 5), (6, 8), (11, 8)])
@pytest.mark.parametrize("dictionary", ["4x4_50", "6x6_250"])
def test_what_is_drawn_is_what_opencv_draws(squares: tuple[int, int], dictionary: str, legacy: bool) -> None:
    board = Board(*squares, 40.0, 30.0, dictionary, legacy)
    drawn = np.full((squares[1] * 160, squares[0] * 160), 255, np.uint8)
    for box in rectangles(board) * 4:
        left, top, right, bottom = np.round(box).astype(int)
        drawn[top:bottom, left:right] = 0
    expected = board.opencv.generateImage((squares[0] * 160, squares[1] * 160), marginSize=0)
    assert (np.abs(drawn.astype(int) - expected) > 128).mean() < 0.001


def test_the_board_s_own_frame_is_right_handed_with_z_out_of_the_paper() -> None:
    board = Board(7, 5, 35.0)
    width, height = np.array(board.size_mm) / 1000
    assert (board.corners[:, :2] > 0).all()
    assert (board.corners[:, :2] < [width, height]).all()
    # The first corner is above left in print: high y.
    assert board.corners[0] == pytest.approx([0.035, height - 0.035, 0])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"square_mm": 0.0}, "--square_mm=35"),
        ({"board": "seven"}, "--board=7x5"),
        ({"board": "2x2"}, "3 to 60"),
        ({"board": "60x60"}, "5x5_1000"),
        ({"dictionary": "9x9_1"}, "4x4_50"),
        ({"marker_mm": 40.0}, "smaller than its square"),
        ({"square_mm": float("nan")}, "square_mm"),
        ({"square_mm": -3.0}, "no board"),
    ],
)
def test_a_board_that_is_none_is_refused_with_a_way_out(arguments: dict, words: str) -> None:
    usual = {"board": "7x5", "square_mm": 35.0, "marker_mm": 0.0, "dictionary": "5x5_100", "legacy": False}
    with pytest.raises(ConfigError) as refused:
        board_of(**(usual | arguments))
    assert words in str(refused.value)


def test_the_options_that_the_page_prints_mean_the_same_board() -> None:
    for board in (Board(), Board(9, 6, 22.5, 16.0, "4x4_100"), Board(8, 6, 30.0, legacy=True)):
        given = dict(re.findall(r"--(\w+)=(\S+)", board.options))
        again = board_of(
            given["board"],
            float(given["square_mm"]),
            float(given.get("marker_mm", 0)),
            given.get("dictionary", "5x5_100"),
            "--legacy" in board.options,
        )
        assert again == board


def test_the_command_writes_the_page_and_says_how_to_go_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "b.pdf"
    assert main(["board", "--paper=letter", f"--output={path}"]) == 0
    said = capsys.readouterr().out
    assert path.read_bytes().startswith(b"%PDF")
    assert "print at 100 %" in said
    assert "--board=7x5 --square_mm=36" in said
    assert main(["board", "--paper=A4", "--square_mm=50", f"--output={path}"]) == 1
    assert "--square_mm=35 or less" in capsys.readouterr().err


def test_a_page_that_can_not_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="A4, A3"):
        board_for("A9")
    with pytest.raises(ConfigError, match="larger --paper"):
        write_board(Board(7, 5, 60.0), "A4", tmp_path / "a.pdf")
    with pytest.raises(ConfigError, match=r"\.pdf"):
        write_board(Board(), "A4", tmp_path / "a.doc")
    with pytest.raises(ConfigError, match="written"):
        write_board(Board(), "A4", tmp_path / "none" / "a.pdf")


def test_another_board_is_told_from_none() -> None:
    page = Board(7, 5, 40.0, 30.0).opencv.generateImage((840, 600), marginSize=40)
    other = Finder(Board(8, 6, 40.0, 30.0, "5x5_100", legacy=True))
    other(page)
    nothing = Finder(Board())
    assert nothing(np.full((480, 640), 200, np.uint8)) is None
    assert "Hold the board flat" in nothing.why_none()
    assert other.markers
    assert "Markers are seen" in other.why_none()
