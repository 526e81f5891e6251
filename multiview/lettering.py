"""Text as flat triangles, so that a window that knows only triangles can show names."""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import Any

import numpy as np
from jaxtyping import Float64, Int32

__all__ = ["lettering"]

_SIZE = 16.0  # curves are flattened as for letters of this many pixels


def lettering(text: str) -> tuple[Float64[np.ndarray, "V 2"], Int32[np.ndarray, "T 3"]]:
    """Triangles of a line of text, with the baseline's left end at (0, 0) and a capital letter about 0.73 high."""
    vertices, triangles, x, count = [np.empty((0, 2))], [np.empty((0, 3), dtype=np.int32)], 0.0, 0
    for character in text:
        points, faces, advance = _glyph(character)
        vertices.append(points + np.array([x, 0.0]))
        triangles.append(faces + np.int32(count))
        count += len(points)
        x += advance
    return np.concatenate(vertices), np.concatenate(triangles)


@lru_cache(maxsize=512)
def _glyph(character: str) -> tuple[Float64[np.ndarray, "V 2"], Int32[np.ndarray, "T 3"], float]:
    """One letter cut into trapezoids at the height of every corner of its outline, and how far it moves the pen."""
    edges = _outline(character)
    heights = np.unique(np.round(edges[:, [1, 3]], 4)) if len(edges) else np.empty(0)
    quads = []
    for low, high in itertools.pairwise(heights):
        middle = (low + high) / 2
        crossing = edges[
            (np.minimum(edges[:, 1], edges[:, 3]) < middle) & (np.maximum(edges[:, 1], edges[:, 3]) > middle)
        ]
        slope = (crossing[:, 2] - crossing[:, 0]) / (crossing[:, 3] - crossing[:, 1])
        at = [crossing[:, 0] + slope * (y - crossing[:, 1]) for y in (low, middle, high)]
        order = np.argsort(at[1])
        for left, right in zip(order[::2], order[1::2], strict=False):
            quads.append([(at[0][left], low), (at[0][right], low), (at[2][right], high), (at[2][left], high)])
    corners = np.array(quads, dtype=np.float64).reshape(-1, 2)
    first = 4 * np.arange(len(quads))[:, None, None]
    triangles = (first + np.array([[0, 1, 2], [0, 2, 3]])).reshape(-1, 3).astype(np.int32)
    return corners, triangles, _advance(character)


def _outline(character: str) -> Float64[np.ndarray, "E 4"]:
    """The edges (x0, y0, x1, y1) of all contours but the level ones, in units of the font size."""
    from matplotlib.textpath import TextPath

    if character.isspace():
        return np.empty((0, 4))
    contours = TextPath((0, 0), character, size=_SIZE, prop=_font()).to_polygons()
    edges = [np.concatenate([contour[:-1], contour[1:]], axis=1) / _SIZE for contour in map(np.asarray, contours)]
    every = np.concatenate(edges) if edges else np.empty((0, 4))
    return every[np.abs(every[:, 1] - every[:, 3]) > 1e-6]


def _advance(character: str) -> float:
    from matplotlib.textpath import TextPath

    def right(text: str) -> float:
        return float(TextPath((0, 0), text, size=_SIZE, prop=_font()).get_extents().x1)

    return (right(character + "|") - right("|")) / _SIZE


@lru_cache(maxsize=1)
def _font() -> Any:
    from matplotlib.font_manager import FontProperties

    return FontProperties(family="DejaVu Sans")
