"""Compiled: keypoints between frames, agreement of two cameras' stretches, correlation of their motion."""

from __future__ import annotations

import numpy as np

from multiview.geometry.jit import Array, kernel


@kernel
def local_quadratic(time: Array, xy: Array, at: Array, half: float, value: Array, slope: Array) -> None:
    """value, slope [k, j]: a parabola through the frames within `half` seconds of at[k]; NaN with fewer than three.

    Frames count less the farther they are, down to nothing at `half`.
    """
    frames, joints = xy.shape[0], xy.shape[1]
    first = 0
    for k in range(at.shape[0]):
        while first < frames and time[first] < at[k] - half:
            first += 1
        last = first
        while last < frames and time[last] <= at[k] + half:
            last += 1
        for j in range(joints):
            m0 = m1 = m2 = m3 = m4 = 0.0
            bx0 = bx1 = bx2 = by0 = by1 = by2 = 0.0
            count, before, after = 0, False, False
            for f in range(first, last):
                x, y = xy[f, j, 0], xy[f, j, 1]
                if not np.isfinite(x):
                    continue
                d = (time[f] - at[k]) / half
                w = 1.0 - d * d
                if w <= 1e-3:
                    continue
                before |= d <= 1e-6
                after |= d >= -1e-6
                count += 1
                m0 += w
                m1 += w * d
                m2 += w * d * d
                m3 += w * d * d * d
                m4 += w * d * d * d * d
                bx0 += w * x
                bx1 += w * d * x
                bx2 += w * d * d * x
                by0 += w * y
                by1 += w * d * y
                by2 += w * d * d * y
            value[k, j, 0] = value[k, j, 1] = slope[k, j, 0] = slope[k, j, 1] = np.nan
            if count < 3 or not (before and after):
                continue
            c00, c01, c02 = m2 * m4 - m3 * m3, m2 * m3 - m1 * m4, m1 * m3 - m2 * m2
            det = m0 * c00 + m1 * c01 + m2 * c02
            if not det > 1e-9 * m0 * m0 * m0:
                continue
            c11, c12 = m0 * m4 - m2 * m2, m1 * m2 - m0 * m3
            value[k, j, 0] = (c00 * bx0 + c01 * bx1 + c02 * bx2) / det
            value[k, j, 1] = (c00 * by0 + c01 * by1 + c02 * by2) / det
            slope[k, j, 0] = (c01 * bx0 + c11 * bx1 + c12 * bx2) / det / half
            slope[k, j, 1] = (c01 * by0 + c11 * by1 + c12 * by2) / det / half


@kernel
def support(
    E: Array, lag: int, stride: int, mirrored: Array, a_xy: Array, a_gate: Array, a_first: Array, a_row: Array,
    b_xy: Array, b_gate: Array, b_first: Array, b_row: Array, total: Array, count: Array,
) -> None:  # fmt: skip
    """total[i, k]: sum over all joints and instants that stretch i of camera a and k of b share, `lag` steps later in
    b, of 1/2 - min(d^2 / gate^2, 1), with Sampson's distance d; count: of how many."""
    joints = a_xy.shape[1]
    for i in range(a_first.shape[0]):
        for k in range(b_first.shape[0]):
            total[i, k], count[i, k] = 0.0, 0
            begin = max(a_first[i], b_first[k] - lag)
            end = min(a_first[i] + a_row[i + 1] - a_row[i], b_first[k] + b_row[k + 1] - b_row[k] - lag)
            for g in range(begin, end, stride):
                ra, rb = a_row[i] + g - a_first[i], b_row[k] + g + lag - b_first[k]
                gate = 0.5 * (a_gate[ra] * a_gate[ra] + b_gate[rb] * b_gate[rb])
                for j in range(joints):
                    x, y = a_xy[ra, j, 0], a_xy[ra, j, 1]
                    u, v = b_xy[rb, mirrored[j], 0], b_xy[rb, mirrored[j], 1]
                    if not (np.isfinite(x) and np.isfinite(u)):
                        continue
                    l0 = E[0, 0] * x + E[0, 1] * y + E[0, 2]
                    l1 = E[1, 0] * x + E[1, 1] * y + E[1, 2]
                    l2 = E[2, 0] * x + E[2, 1] * y + E[2, 2]
                    m0 = E[0, 0] * u + E[1, 0] * v + E[2, 0]
                    m1 = E[0, 1] * u + E[1, 1] * v + E[2, 1]
                    miss = u * l0 + v * l1 + l2
                    d2 = miss * miss / max(l0 * l0 + l1 * l1 + m0 * m0 + m1 * m1, 1e-30)
                    total[i, k] += 0.5 - min(d2 / gate, 1.0)
                    count[i, k] += 1


@kernel
def correlation(
    a_speed: Array, a_first: int, b_speed: Array, b_first: int, lags: Array, result: Array, shared: Array
) -> None:
    """result[n]: correlation of two stretches' speeds (steps x joints) with b `lags[n]` steps later; shared: steps."""
    for n in range(lags.shape[0]):
        begin = max(a_first, b_first - lags[n])
        end = min(a_first + a_speed.shape[0], b_first + b_speed.shape[0] - lags[n])
        product, square_a, square_b, used = 0.0, 0.0, 0.0, 0
        for g in range(begin, end):
            some = False
            for j in range(a_speed.shape[1]):
                p, q = a_speed[g - a_first, j], b_speed[g + lags[n] - b_first, j]
                if np.isfinite(p) and np.isfinite(q):
                    product += p * q
                    square_a += p * p
                    square_b += q * q
                    some = True
            used += some
        shared[n] = used
        result[n] = product / np.sqrt(square_a * square_b) if square_a > 0 and square_b > 0 else 0.0
