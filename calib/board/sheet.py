"""The printable board: a vector PDF at true size with a ruler, a PNG, and the board file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from calib.board.board import Board, board_from_table
from calib.board.board_file import write_board
from multiview.common.atomic_file import replacing
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PAPERS", "pair", "plan", "write_sheet"]

PAPERS = {"a4": (210.0, 297.0), "a3": (297.0, 420.0), "letter": (215.9, 279.4)}
_MARGIN_MM = 10.0  # what printers cannot reach, and white around the board
_FOOT_MM = 14.0  # ruler and text below the board
_MM_PER_INCH = 25.4
_DPI = 300


def plan(
    paper: str,
    plate: str | None,
    squares: str,
    square_mm: float | None,
    marker_mm: float | None,
    dictionary: str,
    legacy: bool,
    inverted: bool,
    back: str | None = None,
    thickness_mm: float = 0.0,
) -> tuple[Board, tuple[float, float]]:
    """The board and its page (width, height in mm); raises ConfigError where it does not fit."""
    columns, rows = pair(squares, "--squares")
    width, height = _plate(plate) if plate else PAPERS[paper]
    if not plate and (columns > rows) != (width > height) and columns != rows:
        width, height = height, width  # lay the page along the board
    edge = 0.5 if inverted else 0.0  # squares of black around a white-on-black board
    room = min((width - 2 * _MARGIN_MM) / (columns + edge), (height - 2 * _MARGIN_MM - _FOOT_MM) / (rows + edge))
    square = square_mm if square_mm is not None else float(np.floor(room))
    if not 0 < square <= room:
        raise ConfigError(
            f"{columns}x{rows} squares of {square:g} mm do not fit {width:g}x{height:g} mm: "
            f"use squares of at most {max(room, 0):.1f} mm"
        )
    marker = marker_mm if marker_mm is not None else round(0.75 * square, 1)
    table: dict[str, object] = {
        "squares": [columns, rows],
        "square_length": round(square / 1000, 6),
        "marker_length": round(marker / 1000, 6),
        "dictionary": dictionary,
        "legacy": legacy,
        "inverted": inverted,
    }
    if back is not None:
        table |= {"back": back, "thickness": round(thickness_mm / 1000, 6)}
    return board_from_table(table), (width, height)


def write_sheet(board: Board, page: tuple[float, float], out: Path) -> tuple[Path, ...]:
    """Write board.pdf, a picture of each side (board.png, board_back.png) and board.toml into a folder."""
    import cv2

    toml = write_board(board, out / "board.toml")  # first: it refuses to replace what somebody measured
    paths = [out / "board.pdf"]
    with replacing(paths[0]) as file:
        _write_pdf(board, page, file)
    for side, name in zip(_sides(board), ("board.png", "board_back.png"), strict=False):
        picture = side.board.picture(max(20, round(1000 * board.square_length / _MM_PER_INCH * _DPI)))
        margin = round(0.5 * picture.shape[0] / board.squares[1])
        picture = np.pad(picture, margin, constant_values=0 if board.inverted else 255)
        picture = np.ascontiguousarray(picture[:, ::-1]) if side.mirrored else picture
        paths.append(out / name)
        with replacing(paths[-1]) as file:
            file.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return (*paths, toml)


class _Side(NamedTuple):
    """What one side of the plate shows."""

    board: Board
    mirrored: bool
    words: str


def _sides(board: Board) -> list[_Side]:
    words = f"ChArUco, {board.one_side().words()}, markers of {1000 * board.marker_length:g} mm"
    if board.back is None:
        return [_Side(board, False, words)]
    behind = board.one_side(back=True)
    return [
        _Side(board.one_side(), False, f"{words}. Front of two sides"),
        _Side(behind, board.back == "mirrored", f"{words}. Back ({board.back}): its top behind the top of the front"),
    ]


def _black_mm(board: Board) -> list[tuple[float, float, float, float]]:
    """Rectangles (x, y, width, height in mm from the top left) that are dark on a board that is not inverted."""
    columns, rows = board.squares
    side = 1000 * board.square_length
    made = board.opencv()
    places = [(1000 * np.array(points, dtype=np.float64)[0, :2]).tolist() for points in made.getObjPoints()]
    bearing = {(int(x / side), int(y / side)) for x, y in places}
    rectangles = [
        (c * side, r * side, side, side) for r in range(rows) for c in range(columns) if (c, r) not in bearing
    ]
    dictionary = made.getDictionary()
    cells = dictionary.markerSize + 2  # with the marker's own border
    cell = 1000 * board.marker_length / cells
    for (x, y), number in zip(places, made.getIds().ravel().tolist(), strict=True):
        bits = dictionary.generateImageMarker(number, cells, borderBits=1)
        for row in range(cells):
            dark = np.flatnonzero(bits[row] == 0)
            for run in np.split(dark, np.flatnonzero(np.diff(dark) > 1) + 1):
                if len(run):  # one rectangle per run, so that no hairline shows between cells
                    rectangles.append((x + run[0] * cell, y + row * cell, len(run) * cell, cell))
    return rectangles


def _write_pdf(board: Board, page: tuple[float, float], file: Path) -> None:
    """One page for each side of the board."""
    from matplotlib.backends.backend_pdf import PdfPages

    with PdfPages(file, metadata={"CreationDate": None}) as pages:
        for side in _sides(board):
            pages.savefig(_page(side, page))


def _page(side: _Side, page: tuple[float, float]) -> Figure:
    """One page at true size: the board, a ruler, and two lines of text. All lengths are mm from the top left."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    board = side.board

    width, height = page
    figure = Figure(figsize=(width / _MM_PER_INCH, height / _MM_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    def fill(x: float, y: float, w: float, h: float, colour: str = "black") -> None:
        axes.add_patch(Rectangle((x, y), w, h, facecolor=colour, linewidth=0))

    columns, rows = board.squares
    side_mm = 1000 * board.square_length
    left, top = (width - columns * side_mm) / 2, (height - _FOOT_MM - rows * side_mm) / 2
    if board.inverted:
        edge = 0.25 * side_mm
        fill(left - edge, top - edge, columns * side_mm + 2 * edge, rows * side_mm + 2 * edge)
    for x, y, w, h in _black_mm(board):
        x = columns * side_mm - x - w if side.mirrored else x
        # Rows of a marker overlap by a hundredth of a millimetre, or viewers draw a seam between them.
        fill(left + x, top + y, w, h + 0.01, "white" if board.inverted else "black")
    ruler_y = height - _MARGIN_MM - 5
    length = min(100, 10 * int((width - 2 * _MARGIN_MM) / 10))
    fill(_MARGIN_MM, ruler_y, length, 0.2)
    for mm in range(length + 1):
        tall = 4 if mm % 10 == 0 else 2.5 if mm % 5 == 0 else 1.5
        fill(_MARGIN_MM + mm - 0.05, ruler_y - tall, 0.1, tall)
    axes.text(_MARGIN_MM + length + 3, ruler_y, f"{length} mm. Print at 100 %, then measure this ruler.", fontsize=8)
    axes.text(_MARGIN_MM, height - _MARGIN_MM + 0.5, side.words, fontsize=8)
    return figure


def pair(text: str, option: str) -> tuple[int, int]:
    """Two whole numbers, as in 7x5; raises ConfigError."""
    try:
        a, b = (int(part) for part in text.lower().split("x"))
    except ValueError:
        raise ConfigError(f"{option} {text!r}: expected two whole numbers, as in 7x5") from None
    return a, b


def _plate(text: str) -> tuple[float, float]:
    try:
        width, height = (float(part) for part in text.lower().split("x"))
    except ValueError:
        raise ConfigError(f"--plate {text!r}: expected two numbers of mm, as in 800x600") from None
    return width, height
