"""The picture of a board can be read again, however large the board is."""

from __future__ import annotations

import pytest

from calib.board.sheet import length_px, plan
from multiview.common.picture_file import MAX_PIXELS


@pytest.mark.parametrize(
    ("plate", "squares"), [(None, "7x5"), ("900x650", "7x5"), ("1500x1050", "5x4"), ("3000x3000", "9x9")]
)
def test_print_has_at_most_the_pixels_that_are_read(plate: str | None, squares: str) -> None:
    board, _ = plan("a4", plate, squares, None, None, "DICT_4X4_50", False, False)
    columns, rows = map(int, squares.split("x"))
    px = length_px(board)
    assert (columns + 1) * (rows + 1) * px**2 <= MAX_PIXELS  # half a square of white around it
    if plate is None:
        assert px == round(1000 * board.square_length / 25.4 * 300)  # as printers have them
