"""Quaternions of one sign over time, so that programs that interpolate between frames take the short way."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = ["SteadySign"]


class SteadySign:
    """The rotations of one person's bones, frame after frame."""

    def __init__(self) -> None:
        self._last: Float64[np.ndarray, "B 4"] | None = None

    def __call__(self, quaternions: Float64[np.ndarray, "B 4"]) -> Float64[np.ndarray, "B 4"]:
        """Of each rotation's two quaternions the one that is nearer to the frame before.

        Args:
            quaternions: (B, 4) of the next frame.

        Returns:
            (B, 4) the same rotations.
        """
        if self._last is not None and self._last.shape == quaternions.shape:
            same = np.sum(self._last * quaternions, axis=1, keepdims=True) >= 0
            quaternions = np.where(same, quaternions, -quaternions)
        self._last = quaternions
        return quaternions
