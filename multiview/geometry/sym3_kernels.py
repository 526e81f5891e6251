"""The small linear algebra and the rays that kernels share.

Vectors are 3 numbers; symmetric 3x3 matrices 6: xx, xy, xz, yy, yz, zz; general ones 9, row by row. The compiler keeps
such tuples in registers and drops what is not used of them: `upper(mul(a, b))` costs no more than the upper triangle.
"""

from __future__ import annotations

import math

from multiview.geometry.jit import Array, inner, kernel

Vec3 = tuple[float, float, float]
Sym3 = tuple[float, float, float, float, float, float]
Mat3 = tuple[float, float, float, float, float, float, float, float, float]


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
def vec3(row: Array) -> Vec3:
    """The three numbers of one row of an array."""
    return row[0], row[1], row[2]


@inner
def put_vec3(row: Array, v: Vec3) -> None:
    """Write a vector into one row of an array."""
    row[0], row[1], row[2] = v


@inner
def sym3(row: Array) -> Sym3:
    """The six numbers of one row of an array."""
    return row[0], row[1], row[2], row[3], row[4], row[5]


@inner
def put_sym3(row: Array, m: Sym3) -> None:
    """Write a symmetric matrix into one row of an array."""
    row[0], row[1], row[2], row[3], row[4], row[5] = m


@inner
def mat3(row: Array) -> Mat3:
    """The nine numbers of one row of an array."""
    return row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8]


@inner
def put_mat3(row: Array, m: Mat3) -> None:
    """Write a matrix into one row of an array."""
    row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7], row[8] = m


@inner
def full(m: Sym3) -> Mat3:
    """A symmetric matrix as a general one."""
    return m[0], m[1], m[2], m[1], m[3], m[4], m[2], m[4], m[5]


@inner
def upper(m: Mat3) -> Sym3:
    """The upper triangle of a matrix that is symmetric but for rounding."""
    return m[0], m[1], m[2], m[4], m[5], m[8]


@inner
def transpose(a: Mat3) -> Mat3:
    """A'."""
    return a[0], a[3], a[6], a[1], a[4], a[7], a[2], a[5], a[8]


@inner
def add(a: Mat3, b: Mat3) -> Mat3:
    """A + B."""
    return (
        a[0] + b[0], a[1] + b[1], a[2] + b[2],
        a[3] + b[3], a[4] + b[4], a[5] + b[5],
        a[6] + b[6], a[7] + b[7], a[8] + b[8],
    )  # fmt: skip


@inner
def sub(a: Mat3, b: Mat3) -> Mat3:
    """A - B."""
    return (
        a[0] - b[0], a[1] - b[1], a[2] - b[2],
        a[3] - b[3], a[4] - b[4], a[5] - b[5],
        a[6] - b[6], a[7] - b[7], a[8] - b[8],
    )  # fmt: skip


@inner
def scale(s: float, a: Mat3) -> Mat3:
    """The product s A."""
    return s * a[0], s * a[1], s * a[2], s * a[3], s * a[4], s * a[5], s * a[6], s * a[7], s * a[8]


@inner
def mul(a: Mat3, b: Mat3) -> Mat3:
    """A B."""
    return (
        a[0] * b[0] + a[1] * b[3] + a[2] * b[6],
        a[0] * b[1] + a[1] * b[4] + a[2] * b[7],
        a[0] * b[2] + a[1] * b[5] + a[2] * b[8],
        a[3] * b[0] + a[4] * b[3] + a[5] * b[6],
        a[3] * b[1] + a[4] * b[4] + a[5] * b[7],
        a[3] * b[2] + a[4] * b[5] + a[5] * b[8],
        a[6] * b[0] + a[7] * b[3] + a[8] * b[6],
        a[6] * b[1] + a[7] * b[4] + a[8] * b[7],
        a[6] * b[2] + a[7] * b[5] + a[8] * b[8],
    )


@inner
def mul_t(a: Mat3, b: Mat3) -> Mat3:
    """A B'."""
    return mul(a, transpose(b))


@inner
def t_mul(a: Mat3, b: Mat3) -> Mat3:
    """A' B."""
    return mul(transpose(a), b)


@inner
def mul_vec(a: Mat3, v: Vec3) -> Vec3:
    """A v."""
    return (
        a[0] * v[0] + a[1] * v[1] + a[2] * v[2],
        a[3] * v[0] + a[4] * v[1] + a[5] * v[2],
        a[6] * v[0] + a[7] * v[1] + a[8] * v[2],
    )


@inner
def add_vec(a: Vec3, b: Vec3) -> Vec3:
    """The sum of two vectors."""
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


@inner
def sub_vec(a: Vec3, b: Vec3) -> Vec3:
    """The difference of two vectors."""
    return a[0] - b[0], a[1] - b[1], a[2] - b[2]


@inner
def trace_of_product(a: Sym3, b: Sym3) -> float:
    """tr(A B)."""
    return (a[0] * b[0] + a[3] * b[3] + a[5] * b[5]) + 2 * (a[1] * b[1] + a[2] * b[2] + a[4] * b[4])


@inner
def norm(v: Vec3) -> float:
    """The length of a vector."""
    return math.sqrt(v[0] * v[0] + v[1] * v[1] + v[2] * v[2])


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
