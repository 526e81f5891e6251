"""The distance between the rays of two cameras, if one camera's frames are taken some ticks earlier or later."""

from __future__ import annotations

import numpy as np

from multiview.geometry.jit import Array, kernel
from multiview.geometry.sym3_kernels import closest_points
from multiview.geometry.triangulate_kernels import PARALLEL_SIN2

MIN_JOINTS = 4


@kernel
def pair_residuals(
    a_centre: Array,
    a_ray: Array,
    a_first: Array,
    b_centre: Array,
    b_ray: Array,
    b_first: Array,
    ticks: Array,
    reach: int,
    max_gap: float,
    out: Array,
) -> None:
    """out[n, reach + k]: mean over camera a's people at ticks[n] of the gap (m, at most `max_gap`) to the
    best-fitting one of camera b's people at ticks[n] + k; NaN where either observed nobody.

    `ray` (D, J, 3) unit directions in the world, NaN where missing; `first[t]` the first detection of tick t.
    """
    joints = a_ray.shape[1]
    for n in range(ticks.shape[0]):
        t = ticks[n]
        for k in range(-reach, reach + 1):
            out[n, reach + k] = np.nan
            s = t + k
            if s < 0 or s + 1 >= b_first.shape[0]:
                continue
            total, compared = 0.0, 0
            for p in range(a_first[t], a_first[t + 1]):
                best = np.inf
                for q in range(b_first[s], b_first[s + 1]):
                    gaps, shared = 0.0, 0
                    for j in range(joints):
                        if a_ray[p, j, 0] == a_ray[p, j, 0] and b_ray[q, j, 0] == b_ray[q, j, 0]:
                            r, along, gap, sin2 = closest_points(
                                a_centre[0], a_centre[1], a_centre[2], a_ray[p, j],
                                b_centre[0], b_centre[1], b_centre[2], b_ray[q, j],
                            )  # fmt: skip
                            if sin2 > PARALLEL_SIN2:
                                gaps += min(gap, max_gap) if r > 0.0 and along > 0.0 else max_gap
                                shared += 1
                    if shared >= MIN_JOINTS:
                        best = min(best, gaps / shared)
                if best < np.inf:
                    total += best
                    compared += 1
            if compared:
                out[n, reach + k] = total / compared
