"""One-Euro filter: smooth while slow, prompt while fast, for a single camera's keypoints.

Source: Casiez, Roussel and Vogel, 1 Euro Filter, CHI 2012.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import pi

import numpy as np
from jaxtyping import Float, Float64

__all__ = ["OneEuro", "one_euro_step"]


@dataclass(frozen=True, slots=True)
class OneEuro:
    """The filter's memory: position and velocity (units and units per second) at a time in nanoseconds."""

    x: Float64[np.ndarray, ...]
    dx: Float64[np.ndarray, ...]
    time_ns: int


def one_euro_step(
    state: OneEuro | None,
    x: Float[np.ndarray, ...],
    time_ns: int,
    min_cutoff_hz: float = 1.0,
    beta: float = 0.007,
    derivative_cutoff_hz: float = 1.0,
) -> OneEuro:
    """The next state, whose `x` is the smoothed value; `beta` opens the filter by speed (1 / unit).

    A missing (NaN) value stays missing, and the filter starts anew where it returns. A time that does not advance
    starts the filter anew.
    """
    x = np.asarray(x, np.float64)
    if state is None or time_ns <= state.time_ns:
        return OneEuro(x, np.zeros_like(x), time_ns)
    dt = (time_ns - state.time_ns) / 1e9
    known = np.isfinite(state.x)
    raw = np.where(known & np.isfinite(x), (x - np.where(known, state.x, 0.0)) / dt, 0.0)
    a = _alpha(derivative_cutoff_hz, dt)
    dx = a * raw + (1 - a) * state.dx
    alpha = _alpha(min_cutoff_hz + beta * np.abs(dx), dt)
    smooth = alpha * x + (1 - alpha) * np.where(known, state.x, 0.0)
    return OneEuro(np.where(known, smooth, x), np.where(known, dx, 0.0), time_ns)


def _alpha(cutoff_hz: float | Float64[np.ndarray, ...], dt: float) -> Float64[np.ndarray, ...]:
    return np.asarray(1 / (1 + 1 / (2 * pi * np.asarray(cutoff_hz) * dt)))
