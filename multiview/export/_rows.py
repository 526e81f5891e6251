"""Rows of numbers as text, many at a time; every number has a fixed count of decimals."""

from __future__ import annotations

from collections.abc import Sequence
from io import BufferedIOBase
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, UInt8

from multiview.export import Progress, silent

__all__ = ["Block", "write_rows"]

_ROWS = 1000  # at a time
_ZERO, _MINUS, _POINT, _NEWLINE = (ord(character) for character in "0-.\n")


class Block(NamedTuple):
    """Columns of one kind, and their decimals."""

    values: Float64[np.ndarray, "T N"]
    decimals: int


def write_rows(
    file: BufferedIOBase,
    blocks: Sequence[Block],
    delimiter: str,
    progress: Progress = silent,
    unknown: bytes = b"",
) -> None:
    """The blocks side by side, a line for each of their T rows; `unknown` stands where a number is NaN."""
    rows = len(blocks[0].values)
    for begin in range(0, rows, _ROWS):
        part = slice(begin, begin + _ROWS)
        cells = [_cells(np.asarray(block.values[part], dtype=np.float64), block.decimals, unknown) for block in blocks]
        letters, kept = (np.concatenate([pair[i] for pair in cells], axis=1) for i in (0, 1))
        letters[letters == 0] = ord(delimiter)
        letters[:, -1] = _NEWLINE
        file.write(letters[kept].tobytes())
        progress(min(1.0, (begin + _ROWS) / rows))


def _cells(
    values: Float64[np.ndarray, "R N"], decimals: int, unknown: bytes
) -> tuple[UInt8[np.ndarray, "R W"], Bool[np.ndarray, "R W"]]:
    """Letters, and which of them count: sign, digits, point, decimals, and a 0 where the delimiter goes."""
    known = np.isfinite(values)
    scaled = np.rint(np.where(known, values, 0.0) * 10.0**decimals).astype(np.int64)
    left = np.abs(scaled)
    digits = max(len(str(left.max(initial=0))), decimals + 1, len(unknown))
    width = 1 + digits + (decimals > 0) + 1
    letters = np.zeros((*values.shape, width), dtype=np.uint8)
    kept = np.repeat(known[..., None], width, axis=2)
    kept[..., -1] = True
    letters[..., 0] = _MINUS
    kept[..., 0] &= scaled < 0
    place = width - 2
    for digit in range(digits):
        if digit == decimals and decimals:
            letters[..., place] = _POINT
            place -= 1
        if digit > decimals:
            kept[..., place] &= left > 0  # no zeros in front
        left, last = np.divmod(left, 10)
        letters[..., place] = last + _ZERO
        place -= 1
    if unknown:
        letters[~known, 1 : 1 + len(unknown)] = np.frombuffer(unknown, dtype=np.uint8)
        kept[~known, 1 : 1 + len(unknown)] = True
    return letters.reshape(len(values), -1), kept.reshape(len(values), -1)
