"""Symmetric 3x3 matrices as six numbers (xx, xy, xz, yy, yz, zz), and rays: the arithmetic that kernels share."""

from __future__ import annotations

import math

from multiview.geometry.jit import Array, inner, kernel

Sym3 = tuple[float, float, float, float, float, float]


@inner
def copy_row(source: Array, target: Array) -> None:
    """target = source, for rows of numbers; numba's own assignment of arrays takes long to compile."""
    for i in range(target.shape[0]):
        target[i] = source[i]


@inner
def inverse_sym3(a: float, b: float, c: float, d: float, e: float, f: float) -> Sym3:
    """Inverse of [[a b c] [b d e] [c e f]] by cofactors; inf or NaN where it is singular."""
    m00 = d * f - e * e
    m01 = c * e - b * f
    m02 = b * e - c * d
    s = 1.0 / (a * m00 + b * m01 + c * m02)
    return s * m00, s * m01, s * m02, s * (a * f - c * c), s * (b * c - a * e), s * (a * d - b * b)


@inner
def quadratic_sym3(m: Sym3, x: float, y: float, z: float) -> float:
    """The form v' M v."""
    return (m[0] * x + 2 * m[1] * y + 2 * m[2] * z) * x + (m[3] * y + 2 * m[4] * z) * y + m[5] * z * z


@inner
def sym3(row: Array) -> Sym3:
    """The six numbers of one row of an array."""
    return row[0], row[1], row[2], row[3], row[4], row[5]


@kernel
def project(R: Array, t: Array, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Normalised image coordinates and depth of a world point in one camera."""
    depth = R[2, 0] * x + R[2, 1] * y + R[2, 2] * z + t[2]
    u = (R[0, 0] * x + R[0, 1] * y + R[0, 2] * z + t[0]) / depth
    v = (R[1, 0] * x + R[1, 1] * y + R[1, 2] * z + t[1]) / depth
    return u, v, depth


@inner
def closest_points(
    ax: float, ay: float, az: float, d: Array, bx: float, by: float, bz: float, e: Array
) -> tuple[float, float, float, float]:
    """Where two lines a + r d and b + s e (unit d, e) come closest: r, s, the distance, and sin^2 of their angle.

    The distance is NaN for parallel lines.
    """
    wx, wy, wz = bx - ax, by - ay, bz - az
    k = d[0] * e[0] + d[1] * e[1] + d[2] * e[2]
    p = wx * d[0] + wy * d[1] + wz * d[2]
    q = wx * e[0] + wy * e[1] + wz * e[2]
    sin2 = 1.0 - k * k
    r = (p - k * q) / sin2
    s = (k * p - q) / sin2
    gx = wx + s * e[0] - r * d[0]
    gy = wy + s * e[1] - r * d[1]
    gz = wz + s * e[2] - r * d[2]
    return r, s, math.sqrt(gx * gx + gy * gy + gz * gz), sin2
