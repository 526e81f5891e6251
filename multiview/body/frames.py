"""Rotations from directions: an axis that is known exactly, and one that it must come near."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = ["YUP_FROM_WORLD", "axis_frames", "unit_vectors"]

YUP_FROM_WORLD = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
"""The axes of most programs of animation, y up instead of z up."""


def axis_frames(
    exact: str, exactly: Float64[np.ndarray, "T 3"], near: str, nearly: Float64[np.ndarray, "T 3"]
) -> Float64[np.ndarray, "T 3 3"]:
    """Rotations whose column `exact` points along `exactly`, and column `near` as near `nearly` as that allows."""
    first = unit_vectors(exactly)
    second = unit_vectors(nearly - np.sum(nearly * first, axis=1, keepdims=True) * first)
    i, j = "xyz".index(exact), "xyz".index(near)
    columns = [first] * 3
    columns[j] = second
    columns[3 - i - j] = np.cross(first, second) * (1.0 if (j - i) % 3 == 1 else -1.0)
    return np.stack(columns, axis=2)


def unit_vectors(vectors: Float64[np.ndarray, "T 3"]) -> Float64[np.ndarray, "T 3"]:
    """NaN where there is no length."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: np.ndarray = vectors / np.where(length > 1e-9, length, np.nan)
    return unit
