"""The printable board: a vector PDF at true size with a ruler, a PNG, and the board file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from calib.board.board import Board, board_from_table
from multiview.common.atomic_file import replacing
from multiview.errors import ConfigError

__all__ = ["PAPERS", "plan", "write_sheet"]

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
) -> tuple[Board, tuple[float, float]]:
    """The board and its page (width, height in mm); raises ConfigError where it does not fit."""
    columns, rows = _pair(squares, "--squares", int)
    width, height = _pair(plate, "--plate", float) if plate else PAPERS[paper]
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
    table = {
        "squares": [columns, rows],
        "square_length": round(square / 1000, 6),
        "marker_length": round(marker / 1000, 6),
        "dictionary": dictionary,
        "legacy": legacy,
        "inverted": inverted,
    }
    return board_from_table(table), (width, height)


def write_sheet(board: Board, page: tuple[float, float], out: Path) -> tuple[Path, Path, Path]:
    """Write board.pdf, board.png and board.toml into a folder."""
    import cv2

    paths = out / "board.pdf", out / "board.png", out / "board.toml"
    with replacing(paths[0]) as file:
        _write_pdf(board, page, file)
    picture = board.picture(max(20, round(1000 * board.square_length / _MM_PER_INCH * _DPI)))
    margin = round(0.5 * picture.shape[0] / board.squares[1])
    picture = np.pad(picture, margin, constant_values=0 if board.inverted else 255)
    with replacing(paths[1]) as file:
        file.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    with replacing(paths[2]) as file:
        file.write_text(_toml(board), encoding="utf-8")
    return paths


def _toml(board: Board) -> str:
    return (
        f"squares = [{board.squares[0]}, {board.squares[1]}]  # columns, rows\n"
        f"square_length = {board.square_length!r}  # m; measure the print, and correct it here\n"
        f"marker_length = {board.marker_length!r}  # m\n"
        f'dictionary = "{board.dictionary}"\n'
        f"legacy = {str(bool(board.legacy)).lower()}\n"
        f"inverted = {str(bool(board.inverted)).lower()}\n"
    )


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
    """One page at true size: the board, a ruler, and two lines of text. All lengths are mm from the top left."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    width, height = page
    figure = Figure(figsize=(width / _MM_PER_INCH, height / _MM_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    def fill(x: float, y: float, w: float, h: float, colour: str = "black") -> None:
        axes.add_patch(Rectangle((x, y), w, h, facecolor=colour, linewidth=0))

    columns, rows = board.squares
    side = 1000 * board.square_length
    left, top = (width - columns * side) / 2, (height - _FOOT_MM - rows * side) / 2
    if board.inverted:
        edge = 0.25 * side
        fill(left - edge, top - edge, columns * side + 2 * edge, rows * side + 2 * edge)
    for x, y, w, h in _black_mm(board):
        # Rows of a marker overlap by a hundredth of a millimetre, or viewers draw a seam between them.
        fill(left + x, top + y, w, h + 0.01, "white" if board.inverted else "black")
    ruler_y = height - _MARGIN_MM - 5
    length = min(100, 10 * int((width - 2 * _MARGIN_MM) / 10))
    fill(_MARGIN_MM, ruler_y, length, 0.2)
    for mm in range(length + 1):
        tall = 4 if mm % 10 == 0 else 2.5 if mm % 5 == 0 else 1.5
        fill(_MARGIN_MM + mm - 0.05, ruler_y - tall, 0.1, tall)
    axes.text(_MARGIN_MM + length + 3, ruler_y, f"{length} mm. Print at 100 %, then measure this ruler.", fontsize=8)
    words = f"ChArUco, {board.words()}, markers of {1000 * board.marker_length:g} mm"
    axes.text(_MARGIN_MM, height - _MARGIN_MM + 0.5, words, fontsize=8)
    figure.savefig(file, format="pdf", metadata={"CreationDate": None})


def _pair(text: str, option: str, kind: type) -> tuple[float, float]:
    try:
        a, b = (kind(part) for part in text.lower().split("x"))
    except ValueError:
        raise ConfigError(f"{option} {text!r}: expected two numbers, as in 7x5") from None
    return a, b
