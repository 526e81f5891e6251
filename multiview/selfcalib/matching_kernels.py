"""Whom each camera sees, found by shape: also where a camera has turned so far that nobody is where they should be."""

from __future__ import annotations

import math

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.sym3_kernels import project

NEAREST_M = 0.05  # nearer to a camera, or behind it, nobody is seen
FAR = 0.18  # about ten degrees: further away it is somebody else
SHAPE = 0.06  # of a person's size in the picture: joints of one person are off alike, within so much
FEWEST = 6  # joints that make a person


@inner
def middle(values: Array, count: int) -> float:
    """The median of the first `count` values, which are sorted in place."""
    for i in range(1, count):
        value, k = values[i], i - 1
        while k >= 0 and values[k] > value:
            values[k + 1] = values[k]
            k -= 1
        values[k + 1] = value
    return 0.5 * (values[(count - 1) // 2] + values[count // 2])


@inner
def common_offset(xyz: Array, known: Array, d: int, c: int, rays: Rays, rig: PackedRig) -> tuple[float, float, float]:
    """The median offset of a detection from a person, and the median deviation from it; inf if they are not alike."""
    joints = known.shape[0]
    du, dv, off = np.empty(joints), np.empty(joints), np.empty(joints)
    least_u, least_v, most_u, most_v = np.inf, np.inf, -np.inf, -np.inf
    count = 0
    for j in range(joints):
        if not (known[j] and rays.info[d, j, 0] > 0.0):
            continue
        u, v, depth = project(rig.R[c], rig.t[c], xyz[j, 0], xyz[j, 1], xyz[j, 2])
        if not depth > NEAREST_M:
            continue
        du[count], dv[count] = rays.xy[d, j, 0] - u, rays.xy[d, j, 1] - v
        least_u, most_u = min(least_u, u), max(most_u, u)
        least_v, most_v = min(least_v, v), max(most_v, v)
        count += 1
    if count < FEWEST:
        return np.inf, np.inf, np.inf
    copy_u, copy_v = du.copy(), dv.copy()
    mean_u, mean_v = middle(copy_u, count), middle(copy_v, count)
    for i in range(count):
        off[i] = math.hypot(du[i] - mean_u, dv[i] - mean_v)
    spread = middle(off, count)
    if spread > SHAPE * math.hypot(most_u - least_u, most_v - least_v):
        return np.inf, np.inf, np.inf
    return mean_u, mean_v, spread


@kernel
def match(xyz: Array, known: Array, rays: Rays, rig: PackedRig, matched: Array, offset: Array) -> None:
    """matched[n, c]: the detection of camera c that has the shape of person n and is the nearest to them, both ways.

    offset[n, c]: its median offset from the person and the spread around that, in normalised coordinates.
    """
    people, cameras = matched.shape
    for c in range(cameras):
        first, last = rays.first[c], rays.first[c + 1]
        best = np.full(last - first, np.inf)  # of each detection: how far its nearest person is
        for n in range(people):
            matched[n, c], nearest = -1, FAR
            for d in range(first, last):
                u, v, spread = common_offset(xyz[n], known[n], d, c, rays, rig)
                away = math.hypot(u, v)
                best[d - first] = min(best[d - first], away)
                if away < nearest:
                    nearest, matched[n, c] = away, d
                    offset[n, c, 0], offset[n, c, 1], offset[n, c, 2] = u, v, spread
        for n in range(people):
            d = matched[n, c]
            if d >= 0 and math.hypot(offset[n, c, 0], offset[n, c, 1]) > best[d - first]:
                matched[n, c] = -1
