"""Cauchy's robust loss: what lies a few deviations off counts as in least squares, a gross error hardly at all."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = ["cauchy_loss", "cauchy_weight"]


def cauchy_loss(square: Float64[np.ndarray, "*batch"], scale: float) -> Float64[np.ndarray, "*batch"]:
    """What stands in for the square of a residual.

    Args:
        square: (...) squares of residuals, in deviations.
        scale: At which residual the loss bends, in deviations; inf for least squares.

    Returns:
        (...) the loss; the square itself far below the scale.

    References:
        Triggs et al. 2000, Bundle adjustment: a modern synthesis, section 3.3.
    """
    if not np.isfinite(scale):
        return square
    return scale**2 * np.log1p(square / scale**2)


def cauchy_weight(square: Float64[np.ndarray, "*batch"], scale: float) -> Float64[np.ndarray, "*batch"]:
    """The factor of residual and Jacobian that makes least squares take the step of the robust loss.

    Args:
        square: (...) squares of residuals, in deviations.
        scale: As for the loss.

    Returns:
        (...) factors, 1 for small residuals.
    """
    return 1 / np.sqrt(1 + square / scale**2)
