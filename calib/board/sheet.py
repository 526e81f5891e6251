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
_POINTS_PER_MM = 72 / 25.4
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
            f"{columns}x{rows} squares of {square:g} mm do not fit {width:g}x{height:g} mm: {max(room, 0):.1f} at most"
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
        file.write_bytes(_pdf(board, page))
    picture = board.picture(max(20, round(1000 * board.square_length / 25.4 * _DPI)))
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
    places = [1000 * np.asarray(points)[0, :2] for points in made.getObjPoints()]
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


def _pdf(board: Board, page: tuple[float, float]) -> bytes:
    """A PDF of one page, written out by hand: rectangles, a ruler and two lines of text."""
    width, height = page
    columns, rows = board.squares
    side = 1000 * board.square_length
    left, top = (width - columns * side) / 2, (height - _FOOT_MM - rows * side) / 2

    def rectangle(x: float, y: float, w: float, h: float) -> str:
        k = _POINTS_PER_MM
        return f"{x * k:.4f} {(height - y - h) * k:.4f} {w * k:.4f} {h * k:.4f} re f"

    # Rows of a marker overlap by a hundredth of a millimetre, or viewers draw a seam between them.
    black = [rectangle(left + x, top + y, w, h + 0.01) for x, y, w, h in _black_mm(board)]
    if board.inverted:
        edge = 0.25 * side
        ground = rectangle(left - edge, top - edge, columns * side + 2 * edge, rows * side + 2 * edge)
        black = ["0 g", ground, "1 g", *black, "0 g"]
    ruler_y = height - _MARGIN_MM - 5
    length = min(100, 10 * int((width - 2 * _MARGIN_MM) / 10))
    ruler = [rectangle(_MARGIN_MM, ruler_y, length, 0.2)]
    for mm in range(length + 1):
        tall = 4 if mm % 10 == 0 else 2.5 if mm % 5 == 0 else 1.5
        ruler.append(rectangle(_MARGIN_MM + mm - 0.05, ruler_y - tall, 0.1, tall))
    text = (
        f"{length} mm. Print at 100 %, then measure this ruler.",
        f"ChArUco {columns} x {rows}, square {side:g} mm, marker {1000 * board.marker_length:g} mm, {board.dictionary}"
        + (", legacy" if board.legacy else "") + (", inverted" if board.inverted else ""),
    )  # fmt: skip
    k = _POINTS_PER_MM
    places = ((_MARGIN_MM + length + 3) * k, (_FOOT_MM - 9) * k + 5 * k), (_MARGIN_MM * k, (_MARGIN_MM - 0.5) * k)
    words = [f"BT /F1 8 Tf {x:.2f} {y:.2f} Td ({line}) Tj ET" for (x, y), line in zip(places, text, strict=True)]
    content = "\n".join([*black, *ruler, *words]).encode("ascii")
    return _assembled_pdf(content, width * k, height * k)


def _assembled_pdf(content: bytes, width: float, height: float) -> bytes:
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width:.4f} {height:.4f}] /Contents 4 0 R "
        "/Resources << /Font << /F1 5 0 R >> >> >>".encode("ascii"),
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, places = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    return out + (
        b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n"
        % (len(objects) + 1, table, len(objects) + 1, len(out))
    )


def _pair(text: str, option: str, kind: type) -> tuple[float, float]:
    try:
        a, b = (kind(part) for part in text.lower().split("x"))
    except ValueError:
        raise ConfigError(f"{option} {text!r}: expected two numbers, as in 7x5") from None
    return a, b
