"""Vectors and 3x3 matrices of four things side by side: rows of lanes that follow one another, as in `four`."""

from __future__ import annotations

from multiview.geometry.four import Four, load, store
from multiview.geometry.jit import Array, inner

Three = tuple[Four, Four, Four]
Six = tuple[Four, Four, Four, Four, Four, Four]
Nine = tuple[Four, Four, Four, Four, Four, Four, Four, Four, Four]


@inner
def three(lanes: Array, row: int) -> Three:
    """Three rows."""
    return load(lanes, row), load(lanes, row + 1), load(lanes, row + 2)


@inner
def six(lanes: Array, row: int) -> Six:
    """Six rows."""
    return (
        load(lanes, row), load(lanes, row + 1), load(lanes, row + 2),
        load(lanes, row + 3), load(lanes, row + 4), load(lanes, row + 5),
    )  # fmt: skip


@inner
def nine(lanes: Array, row: int) -> Nine:
    """Nine rows."""
    return (
        load(lanes, row), load(lanes, row + 1), load(lanes, row + 2),
        load(lanes, row + 3), load(lanes, row + 4), load(lanes, row + 5),
        load(lanes, row + 6), load(lanes, row + 7), load(lanes, row + 8),
    )  # fmt: skip


@inner
def store_three(lanes: Array, row: int, a: Four, b: Four, c: Four) -> None:
    """Set three rows."""
    store(lanes, row, a)
    store(lanes, row + 1, b)
    store(lanes, row + 2, c)


@inner
def store_six(lanes: Array, row: int, a: Four, b: Four, c: Four, d: Four, e: Four, f: Four) -> None:
    """Set six rows."""
    store_three(lanes, row, a, b, c)
    store_three(lanes, row + 3, d, e, f)
