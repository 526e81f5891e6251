"""Curves over the gait cycle: 0 % is a foot's heel strike, 100 % its next."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64

from multiview.biomechanics.gait import Cycle

__all__ = ["POINTS", "CycleCurve", "cycle_curve"]

POINTS = 101
_MOST_UNKNOWN = 0.1  # of a cycle; with more it is left out


class CycleCurve(NamedTuple):
    """The mean of n cycles and their standard deviation at each percent; NaN where n is 0 (deviation: below 2)."""

    mean: Float64[np.ndarray, " 101"]
    spread: Float64[np.ndarray, " 101"]
    n: int


def cycle_curve(
    time_s: Float64[np.ndarray, " T"], values: Float64[np.ndarray, " T"], cycles: tuple[Cycle, ...], side: str
) -> CycleCurve:
    """A curve over all cycles of one foot.

    Args:
        time_s: (T,).
        values: (T,), NaN where unknown.
        cycles: Of both feet.
        side: Whose cycles.

    Returns:
        Mean and deviation over the cycles in which the values are known nearly always.
    """
    rows = []
    known = np.isfinite(values)
    for cycle in cycles:
        inside = (time_s >= cycle.start_s) & (time_s <= cycle.end_s)
        if cycle.side != side or not inside.any() or known[inside].mean() < 1 - _MOST_UNKNOWN:
            continue
        rows.append(np.interp(np.linspace(cycle.start_s, cycle.end_s, POINTS), time_s[known], values[known]))
    if not rows:
        return CycleCurve(np.full(POINTS, np.nan), np.full(POINTS, np.nan), 0)
    spread = np.std(rows, axis=0, ddof=1) if len(rows) > 1 else np.full(POINTS, np.nan)
    return CycleCurve(np.mean(rows, axis=0), spread, len(rows))
