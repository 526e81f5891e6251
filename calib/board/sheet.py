"""The printable board of any flat kind: a vector PDF at true size with a ruler, a PNG, and the board file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np

from calib.board.board import Board, board_from_table
from calib.board.board_file import write_board
from calib.board.chessboard import Chessboard
from calib.board.circles import Circles
from calib.board.target import target_from_table
from multiview.common.atomic_file import replacing
from multiview.common.picture_file import MAX_PIXELS
from multiview.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PAPERS", "Printable", "pair", "plan", "plan_plain", "write_sheet"]

Printable: TypeAlias = Board | Chessboard | Circles

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
    first_marker: int = 0,
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
    if first_marker:
        table["first_marker"] = first_marker
    if back is not None:
        table |= {"back": back, "thickness": round(thickness_mm / 1000, 6)}
    return board_from_table(table), (width, height)


def plan_plain(
    kind: str, paper: str, plate: str | None, counts: str, length_mm: float | None, staggered: bool = True
) -> tuple[Chessboard | Circles, tuple[float, float]]:
    """A board without markers, and its page.

    Args:
        kind: "chessboard" or "circles".
        paper: Of `PAPERS`.
        plate: Width x height of a plate in its place, mm.
        counts: Columns x rows, of squares or circles.
        length_mm: Side of a square, or distance of two rows of circles, mm; None: as large as fits.
        staggered: Of circles.

    Returns:
        The board, and the width and height of its page in mm.

    Raises:
        ConfigError: It does not fit, or cannot be such a board.
    """
    option, length = ("--squares", "square_length") if kind == "chessboard" else ("--circles", "spacing")
    name = option.removeprefix("--")
    columns, rows = pair(counts, option)
    keys = {"kind": kind, name: [columns, rows], length: 0.001} | (
        {} if kind == "chessboard" else {"staggered": staggered}
    )
    wide, high = (1000 * side for side in _plain(keys).size)  # in lengths of the board
    width, height = _plate(plate) if plate else PAPERS[paper]
    if not plate and (wide > high) != (width > height) and wide != high:
        width, height = height, width  # lay the page along the board
    room = min((width - 2 * _MARGIN_MM) / wide, (height - 2 * _MARGIN_MM - _FOOT_MM) / high)
    side = length_mm if length_mm is not None else float(np.floor(2 * room) / 2)
    if not 0 < side <= room:
        what = "squares of" if kind == "chessboard" else "circles in rows"
        raise ConfigError(
            f"{columns}x{rows} {what} {side:g} mm do not fit {width:g}x{height:g} mm: use at most {max(room, 0):.1f} mm"
        )
    return _plain(keys | {length: round(side / 1000, 6)}), (width, height)


def _plain(keys: dict[str, object]) -> Chessboard | Circles:
    board = target_from_table(keys)
    assert isinstance(board, Chessboard | Circles)
    return board


def write_sheet(board: Printable, page: tuple[float, float], out: Path) -> tuple[Path, ...]:
    """Write board.pdf, a picture of each side (board.png, board_back.png) and board.toml into a folder."""
    import cv2

    toml = write_board(board, out / "board.toml")  # first: it refuses to replace what somebody measured
    paths = [out / "board.pdf"]
    with replacing(paths[0]) as file:
        _write_pdf(board, page, file)
    for side, name in zip(_sides(board), ("board.png", "board_back.png"), strict=False):
        length = float(getattr(board, board.LENGTHS[0]))
        picture = side.board.picture(length_px(board))
        margin = round(0.5 * picture.shape[0] / (board.size[1] / length))
        picture = np.pad(picture, margin, constant_values=0 if _inverted(board) else 255)
        picture = np.ascontiguousarray(picture[:, ::-1]) if side.mirrored else picture
        paths.append(out / name)
        with replacing(paths[-1]) as file:
            file.write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return (*paths, toml)


def length_px(board: Printable) -> int:
    """Pixels of the board's square, or circles' distance, in its picture: as printers have them, of large boards fewer.

    A picture with its margins stays one that is read again (`multiview.common.picture_file`).
    """
    length = float(getattr(board, board.LENGTHS[0]))
    wide, high = (side / length + 1 for side in board.size)
    most = int((MAX_PIXELS / (wide * high)) ** 0.5) - 1
    return max(20, min(round(1000 * length / _MM_PER_INCH * _DPI), most))


class _Side(NamedTuple):
    """What one side of the plate shows."""

    board: Printable
    mirrored: bool
    words: str


def _inverted(board: Printable) -> bool:
    return not isinstance(board, Chessboard) and bool(board.inverted)


def _sides(board: Printable) -> list[_Side]:
    if not isinstance(board, Board):
        return [_Side(board, False, board.words()[0].upper() + board.words()[1:])]
    words = f"ChArUco, {board.one_side().words()}, markers of {1000 * board.marker_length:g} mm"
    if board.back is None:
        return [_Side(board, False, words)]
    behind = board.one_side(back=True)
    return [
        _Side(board.one_side(), False, f"{words}. Front of two sides"),
        _Side(behind, board.back == "mirrored", f"{words}. Back ({board.back}): its top behind the top of the front"),
    ]


def _black_mm(board: Board | Chessboard) -> list[tuple[float, float, float, float]]:
    """Rectangles (x, y, width, height in mm from the top left) that are dark on a board that is not inverted."""
    columns, rows = board.squares
    if isinstance(board, Chessboard):
        side = 1000 * board.square_length
        return [(c * side, r * side, side, side) for r in range(rows) for c in range(columns) if (c + r) % 2 == 0]
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


def _write_pdf(board: Printable, page: tuple[float, float], file: Path) -> None:
    """One page for each side of the board."""
    from matplotlib.backends.backend_pdf import PdfPages

    with PdfPages(file, metadata={"CreationDate": None}) as pages:
        for side in _sides(board):
            pages.savefig(_page(side, page))


def _page(side: _Side, page: tuple[float, float]) -> Figure:
    """One page at true size: the board, a ruler, and two lines of text. All lengths are mm from the top left."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Circle, Rectangle

    board = side.board

    width, height = page
    figure = Figure(figsize=(width / _MM_PER_INCH, height / _MM_PER_INCH))
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
    axes.set_axis_off()

    def fill(x: float, y: float, w: float, h: float, colour: str = "black") -> None:
        axes.add_patch(Rectangle((x, y), w, h, facecolor=colour, linewidth=0))

    wide, high = (1000 * side for side in board.size)
    left, top = (width - wide) / 2, (height - _FOOT_MM - high) / 2
    if isinstance(board, Circles):
        for x, y in (1000 * (board.points[:, :2] + board.spacing)).tolist():
            axes.add_patch(Circle((left + x, top + y), 500 * board.diameter, facecolor="black", linewidth=0))
    if isinstance(board, Board) and board.inverted:
        edge = 0.25 * 1000 * board.square_length
        fill(left - edge, top - edge, wide + 2 * edge, high + 2 * edge)
    for x, y, w, h in [] if isinstance(board, Circles) else _black_mm(board):
        x = wide - x - w if side.mirrored else x
        # Rows of a marker overlap by a hundredth of a millimetre, or viewers draw a seam between them.
        fill(left + x, top + y, w, h + 0.01, "white" if _inverted(board) else "black")
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
