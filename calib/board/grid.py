"""Points in columns and rows, as a picture shows them: in which order, how far apart, which way up.

Letters in shapes: c columns and r rows.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = ["in_metres", "right_handed", "spacing_px", "upright"]

_MAX_LENGTH_M, _MAX_LENGTH_CM = 1.0, 15  # no board has larger squares, nor smaller ones in millimetres


def in_metres(key: str, length: float) -> None:
    """Raises ValueError for a length of a board that is plainly not in metres.

    Args:
        key: Its name in the file.
        length: As it stands there.
    """
    if length > _MAX_LENGTH_M:
        unit, per_m = ("cm", 100) if length <= _MAX_LENGTH_CM else ("mm", 1000)
        raise ValueError(f"{key} must be in metres: {length:g} m looks like {length:g} {unit} = {length / per_m:g} m")


def right_handed(grid: Float64[np.ndarray, "r c 2"]) -> Float64[np.ndarray, "r c 2"]:
    """The grid with x to the right of y, as one sees the front of a board, its rows reversed where needed.

    Args:
        grid: (r, c, 2) px.

    Returns:
        (r, c, 2) px.
    """
    across = (grid[:, -1] - grid[:, 0]).sum(axis=0)
    down = (grid[-1] - grid[0]).sum(axis=0)
    return grid if across[0] * down[1] - across[1] * down[0] > 0 else grid[:, ::-1]


def spacing_px(grid: Float64[np.ndarray, "r c 2"]) -> float:
    """Distance of neighbours in the picture, px: the median in the direction in which it is shorter.

    Args:
        grid: (r, c, 2) px.

    Returns:
        px.
    """
    return min(float(np.median(np.linalg.norm(np.diff(grid, axis=axis), axis=-1))) for axis in (0, 1))


def upright(grid: Float64[np.ndarray, "r c 2"]) -> bool:
    """Whether the first corner is above, or in a board on its side to the left of, the last.

    Args:
        grid: (r, c, 2) px.

    Returns:
        False for a grid that half a turn brings upright.
    """
    x, y = grid[-1, -1] - grid[0, 0]
    return bool(x + y > 0)
