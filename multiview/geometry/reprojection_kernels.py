"""One ray and one point: projection, chi-square, and the ray's part of the point's normal equations.

A ray is seen at (su, sv) in normalised image coordinates with the information W = [[p q] [q r]]. The residual of a
point that projects to (u, v) is d = (u - su, v - sv), its chi-square d' W d. These are functions of numbers alone: a
loop over points in which they are inlined is vectorised by the compiler.
"""

from __future__ import annotations

import math

import numpy as np

from multiview.geometry.jit import Array, inlined, inner

NEAREST_M = 0.05  # nothing is measured nearer to the camera than this, or behind it
HUBER_CHI2 = 9.0  # beyond three standard deviations a residual pulls with constant force

Camera = tuple[float, float, float, float, float, float, float, float, float, float, float, float]  # R by rows, then t
Gradient = tuple[float, float, float]
Hessian = tuple[float, float, float, float, float, float]  # xx, xy, xz, yy, yz, zz


@inner
def camera_of(R: Array, t: Array) -> Camera:
    """The numbers of a camera, read once."""
    return (
        R[0, 0], R[0, 1], R[0, 2], R[1, 0], R[1, 1], R[1, 2], R[2, 0], R[2, 1], R[2, 2], t[0], t[1], t[2],
    )  # fmt: skip


@inner
def project_ahead(camera: Camera, x: float, y: float, z: float) -> tuple[float, float, float]:
    """Normalised image coordinates (u, v) and 1 / depth of a point; zeros where it is not ahead of the camera."""
    r00, r01, r02, r10, r11, r12, r20, r21, r22, t0, t1, t2 = camera
    depth = r20 * x + r21 * y + r22 * z + t2
    near = 1.0 / depth if depth > NEAREST_M else 0.0
    return (r00 * x + r01 * y + r02 * z + t0) * near, (r10 * x + r11 * y + r12 * z + t1) * near, near


@inner
def ray_chi2(camera: Camera, x: float, y: float, z: float, su: float, sv: float, p: float, q: float, r: float) -> float:
    """Chi-square of a ray at a point; inf where that is not ahead of the camera."""
    u, v, near = project_ahead(camera, x, y, z)
    du, dv = u - su, v - sv
    chi2 = (p * du + q * dv) * du + (q * du + r * dv) * dv
    return chi2 if near > 0.0 else np.inf


@inlined  # so that loops over points are vectorised
def linearise_ray(
    camera: Camera, x: float, y: float, z: float, su: float, sv: float, p: float, q: float, r: float, use: float
) -> tuple[float, Gradient, Hessian]:
    """A ray's chi-square as `ray_chi2`, and its J' W d and J' W J with Huber's weight times `use`.

    J = [a b]' / depth with a = R0 - u R2, b = R1 - v R2, where R0, R1, R2 are the rows of R.
    """
    r00, r01, r02, r10, r11, r12, r20, r21, r22, _, _, _ = camera
    u, v, near = project_ahead(camera, x, y, z)
    du, dv = u - su, v - sv
    e, f = p * du + q * dv, q * du + r * dv
    chi2 = e * du + f * dv
    chi2 = chi2 if near > 0.0 else np.inf
    g = near * math.sqrt(HUBER_CHI2 / max(HUBER_CHI2, chi2)) * use
    h = g * near
    a0, a1, a2 = r00 - u * r20, r01 - u * r21, r02 - u * r22
    b0, b1, b2 = r10 - v * r20, r11 - v * r21, r12 - v * r22
    p0, p1, p2 = p * a0 + q * b0, p * a1 + q * b1, p * a2 + q * b2
    q0, q1, q2 = q * a0 + r * b0, q * a1 + r * b1, q * a2 + r * b2
    gradient = g * (a0 * e + b0 * f), g * (a1 * e + b1 * f), g * (a2 * e + b2 * f)
    hessian = (
        h * (a0 * p0 + b0 * q0), h * (a0 * p1 + b0 * q1), h * (a0 * p2 + b0 * q2),
        h * (a1 * p1 + b1 * q1), h * (a1 * p2 + b1 * q2), h * (a2 * p2 + b2 * q2),
    )  # fmt: skip
    return chi2, gradient, hessian
