"""How well two detections of different views meet in space."""

from __future__ import annotations

import math

import numpy as np

from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.reprojection_kernels import NEAREST_M
from multiview.geometry.sym3_kernels import closest_points
from multiview.geometry.triangulate_kernels import PARALLEL_SIN2


@inner
def deviation(ray: Array, R: Array, noise: Array, distance: float, x: float, y: float, z: float) -> float:
    """Standard deviation, in metres along the unit vector (x, y, z), of a ray at a distance from its camera.

    A change (du, dv) of normalised coordinates turns the unit ray by (R0 du + R1 dv) / |(u, v, 1)|, but for a part
    along the ray, to which (x, y, z) is perpendicular.
    """
    shrink = R[2, 0] * ray[0] + R[2, 1] * ray[1] + R[2, 2] * ray[2]
    a = (R[0, 0] * x + R[0, 1] * y + R[0, 2] * z) * shrink * distance
    b = (R[1, 0] * x + R[1, 1] * y + R[1, 2] * z) * shrink * distance
    return math.sqrt(noise[0] * a * a + 2 * noise[1] * a * b + noise[2] * b * b)


@inner
def ray_gap(
    ca: Array, Ra: Array, da: Array, na: Array, cb: Array, Rb: Array, db: Array, nb: Array, middle: Array
) -> tuple[float, float]:
    """Distance between two rays in expected deviations, and in metres; the point half way goes to `middle`.

    (inf, inf) for rays that meet behind a camera; NaN, which says nothing, for nearly parallel ones.
    """
    r, s, gap, sin2 = closest_points(ca[0], ca[1], ca[2], da, cb[0], cb[1], cb[2], db)
    if not sin2 > PARALLEL_SIN2:
        return np.nan, np.nan
    if not (r > NEAREST_M and s > NEAREST_M):
        return np.inf, np.inf
    k = 1.0 / math.sqrt(sin2)
    x = (da[1] * db[2] - da[2] * db[1]) * k
    y = (da[2] * db[0] - da[0] * db[2]) * k
    z = (da[0] * db[1] - da[1] * db[0]) * k
    p, q = deviation(da, Ra, na, r, x, y, z), deviation(db, Rb, nb, s, x, y, z)
    for i in range(3):
        middle[i] = 0.5 * (ca[i] + r * da[i] + cb[i] + s * db[i])
    return gap / math.sqrt(p * p + q * q), gap


@kernel
def ray_gaps(
    ca: Array,
    Ra: Array,
    da: Array,
    na: Array,
    cb: Array,
    Rb: Array,
    db: Array,
    nb: Array,
    z: Array,
    gap: Array,
    xyz: Array,
) -> None:
    """`ray_gap` for N pairs of rays of two cameras."""
    for n in range(da.shape[0]):
        z[n], gap[n] = ray_gap(ca, Ra, da[n], na[n], cb, Rb, db[n], nb[n], xyz[n])
