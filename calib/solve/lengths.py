"""An independent check of scale: a length measured with a tape, between two cameras or two corners of the board."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calib.board.target import Target, bodies_of
from calib.board.wand import Wand
from multiview.cameras.camera import Rig
from multiview.errors import ConfigError

__all__ = ["Length", "check_length", "parse_length"]

_TOLERANCE = 0.02


@dataclass(frozen=True, slots=True)
class Length:
    """A measured distance (m) between two cameras' lenses, or two corners of the board by their number."""

    a: str
    b: str
    metres: float


def parse_length(text: str) -> Length:
    """`A,B=METRES`; raises ConfigError."""
    try:
        ends, metres = text.rsplit("=", 1)
        a, b = (end.strip() for end in ends.split(","))
        length = Length(a, b, float(metres))
    except ValueError:
        raise ConfigError(f"--length {text!r}: expected A,B=METRES, as in cam01,cam02=2.35 or 0,5=0.5") from None
    if not 0 < length.metres < np.inf:
        raise ConfigError(f"--length {text!r}: a length must be positive")
    return length


def check_length(length: Length, rig: Rig, board: Target) -> tuple[bool, str]:
    """Whether the rig agrees within 2 %, and a sentence. Raises ConfigError for an unknown end."""
    corners = len(board.points)
    if length.a in rig.names and length.b in rig.names:
        a, b = (rig.cameras[rig.index(name)].centre for name in (length.a, length.b))
        what = f"{length.a} to {length.b}"
    elif length.a.isdigit() and length.b.isdigit() and max(int(length.a), int(length.b)) < corners:
        i, j = int(length.a), int(length.b)
        if (body := bodies_of(board))[i] != body[j]:
            raise ConfigError(f"--length: corners {i} and {j} are of two boards, whose distance changes")
        a, b = board.points[i], board.points[j]
        what = f"board corner {length.a} to {length.b}"
    else:
        raise ConfigError(
            f"--length: {length.a},{length.b} are neither two cameras ({', '.join(rig.names)}) "
            f"nor two corners of the board (0 to {corners - 1})"
        )
    found = float(np.linalg.norm(a - b))
    ratio = length.metres / found if found else np.inf
    text = (
        f"{what}: measured {length.metres:.4g} m, calibrated {found:.4g} m ({100 * (found / length.metres - 1):+.1f} %)"
    )
    if abs(ratio - 1) <= _TOLERANCE:
        return True, text
    if not board.LENGTHS:
        return False, f"{text}: measure the boards; their lengths would have to be {ratio:.4g} times as long"
    if isinstance(board, Wand):
        return False, f"{text}: measure the wand; its balls would have to be {ratio:.4g} times as far apart"
    name = board.LENGTHS[0]
    right = 1000 * float(getattr(board, name)) * ratio
    what = "a square" if name == "square_length" else f"the {name}"
    return (False, f"{text}: measure {what} of the board; {name} = {right / 1000:.5g} ({right:.4g} mm) would fit")
