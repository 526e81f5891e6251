"""Compiled: the normal equations of cameras and joints in continuous time, summed over all observations."""

from __future__ import annotations

import numpy as np

from multiview.geometry.jit import Array, kernel


@kernel
def accumulate(
    layout: Array, camera: Array, first: Array, basis: Array, missed: Array, by_camera: Array, by_point: Array,
    shared: Array, cross: Array, band: Array, gradient_shared: Array, gradient_chain: Array,
) -> None:  # fmt: skip
    """Add every observation's share.

    layout (C, u): places of a camera's unknowns, -1 where fixed. Per observation: camera, `first` of its four spline
    coefficients, their `basis` (4,), `missed` (2,) = measured minus projected and the derivatives of the projection by
    the camera (2, u) and by the point (2, 3), all three in deviations.
    """
    unknowns = layout.shape[1]
    for n in range(camera.shape[0]):
        place = layout[camera[n]]
        J, P, r = by_camera[n], by_point[n], missed[n]
        for a in range(unknowns):
            if place[a] < 0:
                continue
            gradient_shared[place[a]] -= J[0, a] * r[0] + J[1, a] * r[1]
            for b in range(unknowns):
                if place[b] >= 0:
                    shared[place[a], place[b]] += J[0, a] * J[0, b] + J[1, a] * J[1, b]
            for x in range(3):
                value = J[0, a] * P[0, x] + J[1, a] * P[1, x]
                for i in range(4):
                    cross[first[n] + i, x, place[a]] += basis[n, i] * value
        for x in range(3):
            for y in range(3):
                value = P[0, x] * P[0, y] + P[1, x] * P[1, y]
                for i in range(4):
                    for j in range(i + 1):
                        band[i - j, first[n] + j, x, y] += basis[n, i] * basis[n, j] * value
            value = P[0, x] * r[0] + P[1, x] * r[1]
            for i in range(4):
                gradient_chain[first[n] + i, x] -= basis[n, i] * value


@kernel
def spline(
    time: Array, curve: Array, step: float, start: Array, count: Array, base: Array, coefficients: Array,
    xyz: Array, velocity: Array, first: Array, basis: Array,
) -> None:  # fmt: skip
    """Points and velocities of curves at times: uniform cubic B-splines, held at their ends' polynomials.

    Curve q has the coefficients base[q] to base[q] + count[q] and begins at start[q] * step seconds.
    """
    for n in range(time.shape[0]):
        q = curve[n]
        u = time[n] / step - start[q]
        i = min(max(int(np.floor(u)), 0), count[q] - 4)
        s = u - i
        first[n] = base[q] + i
        basis[n, 0] = (1 - s) ** 3 / 6
        basis[n, 1] = (3 * s**3 - 6 * s**2 + 4) / 6
        basis[n, 2] = (-3 * s**3 + 3 * s**2 + 3 * s + 1) / 6
        basis[n, 3] = s**3 / 6
        d0, d1, d2, d3 = -((1 - s) ** 2) / 2, (3 * s**2 - 4 * s) / 2, (-3 * s**2 + 2 * s + 1) / 2, s**2 / 2
        for x in range(3):
            c0, c1, c2, c3 = (
                coefficients[first[n], x], coefficients[first[n] + 1, x], coefficients[first[n] + 2, x],
                coefficients[first[n] + 3, x],
            )  # fmt: skip
            xyz[n, x] = basis[n, 0] * c0 + basis[n, 1] * c1 + basis[n, 2] * c2 + basis[n, 3] * c3
            velocity[n, x] = (d0 * c0 + d1 * c1 + d2 * c2 + d3 * c3) / step
