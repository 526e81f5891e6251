"""Pixels to rays: the lens undone by Newton's method, whose last Jacobian carries the pixel noise over.

Lens models as in OpenCV: Brown's radial, tangential and thin-prism terms (k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4), and the
equidistant fisheye (Kannala and Brandt 2006). Up to 32 joints of a detection are worked on side by side, as in
`point_batch_kernels`: quantity Q of joint j lies at `a[Q + j]`.
"""

from __future__ import annotations

import math

import numpy as np

from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.point_batch_kernels import L, rounded_up
from multiview.geometry.sym3_kernels import copy_row

TX, TY, X, Y, OFF = 0, L, 2 * L, 3 * L, 4 * L  # distorted coordinates, ideal ones, how far these are off, squared
XX, XY, YX, YY = 5 * L, 6 * L, 7 * L, 8 * L  # derivatives of distorted by ideal coordinates, then of pixels
RX, RY, RZ, VARIANCE, SCORE = 9 * L, 10 * L, 11 * L, 12 * L, 13 * L  # ray, px^2 of the noise
IXX, IXY, IYY, NXX, NXY, NYY = 14 * L, 15 * L, 16 * L, 17 * L, 18 * L, 19 * L  # information and covariance of (x, y)
ROWS = 20
MOST_STEPS, LAST, GOOD_ENOUGH = 20, 1e-16, 1e-12  # squares; a step more than squares what was off


@kernel
def index_detections(counts: Array, first: Array, alive: Array, camera: Array) -> None:
    """Which detections are whose, where counts[c] are of camera c (-1: it gave nothing): `first`, `alive`, `camera`."""
    first[0] = 0
    for c in range(counts.shape[0]):
        alive[c] = counts[c] >= 0
        first[c + 1] = first[c] + max(0, counts[c])
        for d in range(first[c], first[c + 1]):
            camera[d] = c


@kernel
def undistort_to_rays(
    pixels: Array,
    said: Array,
    given: Array,
    K: Array,
    dist: Array,
    is_fisheye: Array,
    reach: Array,
    R: Array,
    variance: Array,
    nodes: Array,
    camera: Array,
    score: Array,
    xy: Array,
    ray: Array,
    info: Array,
    noise: Array,
) -> None:
    """From pixels and scores of D detections of J joints, `said` by a detector, and the `camera` (D) of each:
    normalised coordinates (D, J, 2), unit directions in the world (D, J, 3), inverse covariance and covariance (xx, xy,
    yy) of the coordinates.

    `variance[j, node]` px^2 is the noise of a joint whose score is `nodes[node]`, linear between them, except where the
    detector has `given` its covariance (D, J, 3; without rows if it gave none, NaN where it does not know). NaN pixels
    stay NaN, and a pixel becomes NaN that no ray reaches within the lens model's `reach`; its `score` is 0 then, as is
    the information of every joint without a score.
    """
    joints = pixels.shape[1]
    a = np.zeros(ROWS * L)
    for begin in range(0, joints, L):
        count = min(L, joints - begin)
        whole = rounded_up(count)
        slopes = _slopes(variance[begin : begin + count], nodes)
        for d in range(pixels.shape[0]):
            c, row = camera[d], slice(begin, begin + count)
            _put(a, pixels[d, row], said[d, row])
            _to_sensor(a, whole, K[c, 0, 0], K[c, 1, 1], K[c, 0, 1], K[c, 0, 2], K[c, 1, 2])
            _undo_lens(a, count, dist[c], is_fisheye[c], reach[c])
            _point(a, whole, K[c, 0, 0], K[c, 1, 1], K[c, 0, 1], R[c])
            _weigh(a, whole, slopes, nodes)
            _spread(a, whole)
            if given.shape[0]:
                _spread_given(a, given[d, row])
            copy_row(a[SCORE : SCORE + count], score[d, row])
            _deal2(a[X:], xy[d, row])
            _deal3(a[RX:], ray[d, row])
            _deal3(a[IXX:], info[d, row])
            _deal3(a[NXX:], noise[d, row])


@inner
def _put(a: Array, pixels: Array, score: Array) -> None:
    for j in range(score.shape[0]):
        a[TX + j], a[TY + j] = pixels[j, 0], pixels[j, 1]
    copy_row(score, a[SCORE : SCORE + score.shape[0]])


# Each output in a loop of its own: those the compiler interleaves eight joints at a time.


@inner
def _deal2(a: Array, rows: Array) -> None:
    for j in range(rows.shape[0]):
        rows[j, 0], rows[j, 1] = a[j], a[L + j]


@inner
def _deal3(a: Array, rows: Array) -> None:
    for j in range(rows.shape[0]):
        rows[j, 0], rows[j, 1], rows[j, 2] = a[j], a[L + j], a[2 * L + j]


@inner
def _slopes(variance: Array, nodes: Array) -> Array:
    """The variance at the first node, then its slope to each other; a row each (B, L)."""
    slopes = np.zeros((nodes.shape[0], L))
    slopes[0] = 1.0
    for j in range(variance.shape[0]):
        slopes[0, j] = variance[j, 0]
    for b in range(1, nodes.shape[0]):
        for j in range(variance.shape[0]):
            slopes[b, j] = (variance[j, b] - variance[j, b - 1]) / (nodes[b] - nodes[b - 1])
    return slopes


@inner
def _to_sensor(a: Array, count: int, fx: float, fy: float, skew: float, cx: float, cy: float) -> None:
    for j in range(count):
        y = (a[TY + j] - cy) / fy
        x = (a[TX + j] - cx - skew * y) / fx
        a[TX + j] = a[X + j] = x
        a[TY + j] = a[Y + j] = y
        a[XX + j] = a[YY + j] = 1.0
        a[XY + j] = a[YX + j] = 0.0


@inner
def _undo_lens(a: Array, count: int, k: Array, is_fisheye: bool, reach: float) -> None:
    if not is_fisheye and not k.any():
        return
    if is_fisheye:
        _start_fisheye(a, count)
    whole = rounded_up(count)
    for _ in range(MOST_STEPS):
        if is_fisheye:
            _step_fisheye(a, count, k)
        else:
            _step_brown(a, whole, k[0], k[1], k[2], k[3], k[4], k[5], k[6], k[7], k[8], k[9], k[10], k[11])
        worst = 0.0
        for j in range(count):
            worst = max(worst, a[OFF + j]) if a[OFF + j] == a[OFF + j] else worst
        if worst < LAST:
            break
    for j in range(count):
        x, y = a[X + j], a[Y + j]
        if not (a[OFF + j] < GOOD_ENOUGH and x * x + y * y <= reach * reach):
            a[X + j] = a[Y + j] = np.nan


@inner
def _step_brown(
    a: Array, count: int,
    k1: float, k2: float, p1: float, p2: float, k3: float, k4: float, k5: float, k6: float,
    s1: float, s2: float, s3: float, s4: float,
) -> None:  # fmt: skip
    """One Newton step; the derivatives are those before it."""
    for j in range(count):
        x, y = a[X + j], a[Y + j]
        r2 = x * x + y * y
        top = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
        bottom = 1.0 / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
        g = top * bottom
        dg = 2 * (k1 + r2 * (2 * k2 + r2 * 3 * k3) - g * (k4 + r2 * (2 * k5 + r2 * 3 * k6))) * bottom
        ex = a[TX + j] - (x * g + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + s2 * r2))
        ey = a[TY + j] - (y * g + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + s4 * r2))
        ds, dt = 2 * (s1 + 2 * s2 * r2), 2 * (s3 + 2 * s4 * r2)
        cross = x * y * dg + 2 * p1 * x + 2 * p2 * y
        xx, xy = g + x * x * dg + 2 * p1 * y + 6 * p2 * x + ds * x, cross + ds * y
        yx, yy = cross + dt * x, g + y * y * dg + 6 * p1 * y + 2 * p2 * x + dt * y
        s = 1.0 / (xx * yy - xy * yx)
        a[X + j], a[Y + j] = x + s * (yy * ex - xy * ey), y + s * (xx * ey - yx * ex)
        a[XX + j], a[XY + j], a[YX + j], a[YY + j] = xx, xy, yx, yy
        a[OFF + j] = ex * ex + ey * ey


@inner
def _start_fisheye(a: Array, count: int) -> None:
    for j in range(count):
        angle = math.hypot(a[TX + j], a[TY + j])
        grow = math.tan(min(angle, 1.4)) / angle if angle > 1e-9 else 1.0
        a[X + j], a[Y + j] = a[TX + j] * grow, a[TY + j] * grow


@inner
def _step_fisheye(a: Array, count: int, k: Array) -> None:
    """One Newton step; the derivatives are those before it."""
    for j in range(count):
        x, y = a[X + j], a[Y + j]
        r2 = x * x + y * y
        scale, h = 1.0, 0.0
        if r2 > 1e-18:
            r = math.sqrt(r2)
            angle = math.atan(r)
            q = angle * angle
            d = angle * (1 + q * (k[0] + q * (k[1] + q * (k[2] + q * k[3]))))
            dd = (1 + q * (3 * k[0] + q * (5 * k[1] + q * (7 * k[2] + q * 9 * k[3])))) / (1 + r2)
            scale = d / r
            h = (dd - scale) / r2
        ex, ey = a[TX + j] - x * scale, a[TY + j] - y * scale
        xx, xy, yy = scale + x * x * h, x * y * h, scale + y * y * h
        s = 1.0 / (xx * yy - xy * xy)
        a[X + j], a[Y + j] = x + s * (yy * ex - xy * ey), y + s * (xx * ey - xy * ex)
        a[XX + j], a[XY + j], a[YX + j], a[YY + j] = xx, xy, xy, yy
        a[OFF + j] = ex * ex + ey * ey


@inner
def _point(a: Array, count: int, fx: float, fy: float, skew: float, R: Array) -> None:
    """Rays, and the lens's derivatives turned into those of pixels."""
    r00, r01, r02 = R[0, 0], R[0, 1], R[0, 2]
    r10, r11, r12 = R[1, 0], R[1, 1], R[1, 2]
    r20, r21, r22 = R[2, 0], R[2, 1], R[2, 2]
    for j in range(count):
        x, y = a[X + j], a[Y + j]
        n = 1.0 / math.sqrt(x * x + y * y + 1.0)
        a[RX + j] = (r00 * x + r10 * y + r20) * n
        a[RY + j] = (r01 * x + r11 * y + r21) * n
        a[RZ + j] = (r02 * x + r12 * y + r22) * n
        xx, xy, yx, yy = a[XX + j], a[XY + j], a[YX + j], a[YY + j]
        a[XX + j], a[XY + j] = fx * xx + skew * yx, fx * xy + skew * yy
        a[YX + j], a[YY + j] = fy * yx, fy * yy


@inner
def _weigh(a: Array, count: int, slopes: Array, nodes: Array) -> None:
    """Variances at the scores, from the variance at the first node and the slopes between nodes."""
    for j in range(count):
        a[VARIANCE + j] = slopes[0, j]
    for b in range(1, nodes.shape[0]):
        low, wide = nodes[b - 1], nodes[b] - nodes[b - 1]
        for j in range(count):
            a[VARIANCE + j] += slopes[b, j] * min(wide, max(0.0, a[SCORE + j] - low))


@inner
def _spread(a: Array, count: int) -> None:
    """Information and covariance of normalised coordinates; no information where there is no joint."""
    for j in range(count):
        there = a[SCORE + j] > 0.0 and a[X + j] == a[X + j]
        w = 1.0 / a[VARIANCE + j]
        a0, a1, b0, b1 = a[XX + j], a[XY + j], a[YX + j], a[YY + j]
        xx, xy, yy = w * (a0 * a0 + b0 * b0), w * (a0 * a1 + b0 * b1), w * (a1 * a1 + b1 * b1)
        s = 1.0 / (xx * yy - xy * xy)
        a[SCORE + j] = a[SCORE + j] if there else 0.0
        a[IXX + j], a[IXY + j], a[IYY + j] = (
            xx if there else 0.0,
            xy if there else 0.0,
            yy if there else 0.0,
        )
        a[NXX + j] = s * yy if there else np.inf
        a[NXY + j] = -s * xy if there else np.inf
        a[NYY + j] = s * xx if there else np.inf


@inner
def _spread_given(a: Array, cov: Array) -> None:
    """The same of joints whose covariance (J, 3) px^2 is known."""
    for j in range(cov.shape[0]):
        p, q, r = cov[j, 0], cov[j, 1], cov[j, 2]
        det = p * r - q * q
        if not (det > 0.0 and a[IXX + j] > 0.0):
            continue
        ip, iq, ir = r / det, -q / det, p / det
        a0, a1, b0, b1 = a[XX + j], a[XY + j], a[YX + j], a[YY + j]
        xx = ip * a0 * a0 + 2 * iq * a0 * b0 + ir * b0 * b0
        xy = ip * a0 * a1 + iq * (a0 * b1 + a1 * b0) + ir * b0 * b1
        yy = ip * a1 * a1 + 2 * iq * a1 * b1 + ir * b1 * b1
        s = 1.0 / (xx * yy - xy * xy)
        a[IXX + j], a[IXY + j], a[IYY + j] = xx, xy, yy
        a[NXX + j], a[NXY + j], a[NYY + j] = s * yy, -s * xy, s * xx
