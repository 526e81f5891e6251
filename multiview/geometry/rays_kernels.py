"""Pixels to rays: the lens undone by Newton's method, whose last Jacobian carries the pixel noise over.

Lens models as in OpenCV: Brown's radial, tangential and thin-prism terms (k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4), and the
equidistant fisheye (Kannala and Brandt 2006).
"""

from __future__ import annotations

import math

import numpy as np

from multiview.geometry.jit import Array, inner, kernel

Lens = tuple[float, float, float, float, float, float]


@inner
def brown(k: Array, x: float, y: float) -> Lens:
    """Distorted coordinates of (x, y), then their derivatives (xx, xy, yx, yy)."""
    r2 = x * x + y * y
    top = 1 + r2 * (k[0] + r2 * (k[1] + r2 * k[4]))
    bottom = 1 + r2 * (k[5] + r2 * (k[6] + r2 * k[7]))
    dtop = k[0] + r2 * (2 * k[1] + r2 * 3 * k[4])
    dbottom = k[5] + r2 * (2 * k[6] + r2 * 3 * k[7])
    g = top / bottom
    dg = 2 * (dtop - g * dbottom) / bottom
    px = x * g + 2 * k[2] * x * y + k[3] * (r2 + 2 * x * x) + r2 * (k[8] + k[9] * r2)
    py = y * g + k[2] * (r2 + 2 * y * y) + 2 * k[3] * x * y + r2 * (k[10] + k[11] * r2)
    ds, dt = 2 * (k[8] + 2 * k[9] * r2), 2 * (k[10] + 2 * k[11] * r2)
    xx = g + x * x * dg + 2 * k[2] * y + 6 * k[3] * x + ds * x
    xy = x * y * dg + 2 * k[2] * x + 2 * k[3] * y + ds * y
    yx = x * y * dg + 2 * k[2] * x + 2 * k[3] * y + dt * x
    yy = g + y * y * dg + 6 * k[2] * y + 2 * k[3] * x + dt * y
    return px, py, xx, xy, yx, yy


@inner
def fisheye(k: Array, x: float, y: float) -> Lens:
    """Distorted coordinates of (x, y), then their derivatives (xx, xy, yx, yy)."""
    r2 = x * x + y * y
    r = math.sqrt(r2)
    if r < 1e-9:
        return x, y, 1.0, 0.0, 0.0, 1.0
    a = math.atan(r)
    a2 = a * a
    d = a * (1 + a2 * (k[0] + a2 * (k[1] + a2 * (k[2] + a2 * k[3]))))
    dd = (1 + a2 * (3 * k[0] + a2 * (5 * k[1] + a2 * (7 * k[2] + a2 * 9 * k[3])))) / (1 + r2)
    s = d / r
    h = (dd - s) / r2
    return x * s, y * s, s + x * x * h, x * y * h, x * y * h, s + y * y * h


@kernel
def undistort(
    pixels: Array,
    camera: Array,
    K: Array,
    dist: Array,
    is_fisheye: Array,
    reach: Array,
    R: Array,
    xy: Array,
    lens: Array,
    ray: Array,
) -> None:
    """Normalised coordinates (D, J, 2), d pixel / d normalised (D, J, 4) and unit directions in the world (D, J, 3).

    NaN pixels stay NaN, and a pixel becomes NaN that no ray reaches within the lens model's `reach`.
    """
    for d in range(pixels.shape[0]):
        c = camera[d]
        fx, fy, skew, k = K[c, 0, 0], K[c, 1, 1], K[c, 0, 1], dist[c]
        straight = not is_fisheye[c] and not k.any()
        for j in range(pixels.shape[1]):
            ty = (pixels[d, j, 1] - K[c, 1, 2]) / fy
            tx = (pixels[d, j, 0] - K[c, 0, 2] - skew * ty) / fx
            x, y = tx, ty
            xx, yy, xyd, yxd = 1.0, 1.0, 0.0, 0.0
            if not straight and not math.isnan(tx):
                if is_fisheye[c]:
                    a = math.hypot(tx, ty)
                    grow = math.tan(min(a, 1.4)) / a if a > 1e-9 else 1.0
                    x, y = tx * grow, ty * grow
                error = 0.0
                for _ in range(20):
                    px, py, xx, xyd, yxd, yy = fisheye(k, x, y) if is_fisheye[c] else brown(k, x, y)
                    ex, ey = tx - px, ty - py
                    error = ex * ex + ey * ey
                    if error < 1e-24:
                        break
                    det = xx * yy - xyd * yxd
                    x += (yy * ex - xyd * ey) / det
                    y += (xx * ey - yxd * ex) / det
                if not (error < 1e-12 and x * x + y * y <= reach[c] * reach[c]):
                    x = y = np.nan
            xy[d, j, 0], xy[d, j, 1] = x, y
            lens[d, j, 0], lens[d, j, 1] = fx * xx + skew * yxd, fx * xyd + skew * yy
            lens[d, j, 2], lens[d, j, 3] = fy * yxd, fy * yy
            n = 1.0 / math.sqrt(x * x + y * y + 1.0)
            for i in range(3):
                ray[d, j, i] = (R[c, 0, i] * x + R[c, 1, i] * y + R[c, 2, i]) * n


@inner
def score_place(score: float, nodes: Array) -> tuple[int, float]:
    """Between which two nodes a score lies, and how far from the first to the second, 0 to 1."""
    b = 0
    while b < nodes.shape[0] - 2 and score > nodes[b + 1]:
        b += 1
    return b, min(1.0, max(0.0, (score - nodes[b]) / (nodes[b + 1] - nodes[b])))


@kernel
def pixel_noise(lens: Array, score: Array, variance: Array, nodes: Array, info: Array, noise: Array) -> None:
    """Inverse covariance and covariance (xx, xy, yy) of normalised coordinates from `variance[joint, node]` px^2.

    Between the scores `nodes` the variance is linear.

    A missing joint has zero information.
    """
    for d in range(lens.shape[0]):
        for j in range(lens.shape[1]):
            if not score[d, j] > 0.0:
                info[d, j] = 0.0
                noise[d, j] = np.inf
                continue
            b, f = score_place(score[d, j], nodes)
            w = 1.0 / ((1 - f) * variance[j, b] + f * variance[j, b + 1])
            a0, a1, b0, b1 = lens[d, j, 0], lens[d, j, 1], lens[d, j, 2], lens[d, j, 3]
            xx, xy, yy = w * (a0 * a0 + b0 * b0), w * (a0 * a1 + b0 * b1), w * (a1 * a1 + b1 * b1)
            s = 1.0 / (xx * yy - xy * xy)
            info[d, j, 0], info[d, j, 1], info[d, j, 2] = xx, xy, yy
            noise[d, j, 0], noise[d, j, 1], noise[d, j, 2] = s * yy, -s * xy, s * xx


@kernel
def detector_noise(lens: Array, cov: Array, info: Array, noise: Array, scale: float) -> None:
    """The same where the detector gives its own covariance (D, J, 3) px^2; NaN there keeps what `pixel_noise` said."""
    for d in range(lens.shape[0]):
        for j in range(lens.shape[1]):
            p, q, r = scale * cov[d, j, 0], scale * cov[d, j, 1], scale * cov[d, j, 2]
            det = p * r - q * q
            if not (det > 0.0 and info[d, j, 0] > 0.0):
                continue
            ip, iq, ir = r / det, -q / det, p / det
            a0, a1, b0, b1 = lens[d, j, 0], lens[d, j, 1], lens[d, j, 2], lens[d, j, 3]
            xx = ip * a0 * a0 + 2 * iq * a0 * b0 + ir * b0 * b0
            xy = ip * a0 * a1 + iq * (a0 * b1 + a1 * b0) + ir * b0 * b1
            yy = ip * a1 * a1 + 2 * iq * a1 * b1 + ir * b1 * b1
            s = 1.0 / (xx * yy - xy * xy)
            info[d, j, 0], info[d, j, 1], info[d, j, 2] = xx, xy, yy
            noise[d, j, 0], noise[d, j, 1], noise[d, j, 2] = s * yy, -s * xy, s * xx
