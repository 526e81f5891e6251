"""Matches detections to people by shape: also where a camera has rotated so far that no projection is near."""

from __future__ import annotations

import math

import numpy as np

from multiview.cameras.observations import PackedRig, Rays
from multiview.geometry.jit import Array, inner, kernel
from multiview.geometry.order_kernels import order_statistic
from multiview.geometry.sym3_kernels import project

MIN_DEPTH_M = 0.05  # nobody is observed nearer to a camera than this, or behind it
MAX_OFFSET = 0.18  # about ten degrees: further away it is another person
MAX_SPREAD = 0.06  # of a person's size in the image: the offsets of one person's joints agree to this
MIN_JOINTS = 6


@inner
def common_offset(xyz: Array, known: Array, d: int, c: int, rays: Rays, rig: PackedRig) -> tuple[float, float, float]:
    """The median offset of detection d from a person, and the median deviation from it; inf where these disagree."""
    joints = known.shape[0]
    du, dv, deviation = np.empty(joints), np.empty(joints), np.empty(joints)
    least_u, least_v, most_u, most_v = np.inf, np.inf, -np.inf, -np.inf
    count = 0
    for j in range(joints):
        if not (known[j] and rays.info[d, j, 0] > 0.0):
            continue
        u, v, depth = project(rig.R[c], rig.t[c], xyz[j, 0], xyz[j, 1], xyz[j, 2])
        if not depth > MIN_DEPTH_M:
            continue
        du[count], dv[count] = rays.xy[d, j, 0] - u, rays.xy[d, j, 1] - v
        least_u, most_u = min(least_u, u), max(most_u, u)
        least_v, most_v = min(least_v, v), max(most_v, v)
        count += 1
    if count < MIN_JOINTS:
        return np.inf, np.inf, np.inf
    offset_u, offset_v = median(du, count), median(dv, count)
    for i in range(count):
        deviation[i] = math.hypot(du[i] - offset_u, dv[i] - offset_v)
    spread = median(deviation, count)
    if spread > MAX_SPREAD * math.hypot(most_u - least_u, most_v - least_v):
        return np.inf, np.inf, np.inf
    return offset_u, offset_v, spread


@inner
def median(values: Array, count: int) -> float:
    """The mean of the two in the middle."""
    return 0.5 * (order_statistic(values, count, (count - 1) // 2) + order_statistic(values, count, count // 2))


@kernel
def match_by_shape(xyz: Array, known: Array, rays: Rays, rig: PackedRig, match: Array, offset: Array) -> None:
    """match[n, c]: the detection of camera c that has the shape of person n and is mutually nearest, -1 for none.

    offset[n, c]: its median offset from the person and the spread around that, in normalised coordinates.
    """
    people, cameras = match.shape
    for c in range(cameras):
        first, last = rays.first[c], rays.first[c + 1]
        best = np.full(last - first, np.inf)  # of each detection: the distance of its nearest person
        for n in range(people):
            match[n, c], nearest = -1, MAX_OFFSET
            for d in range(first, last):
                u, v, spread = common_offset(xyz[n], known[n], d, c, rays, rig)
                distance = math.hypot(u, v)
                best[d - first] = min(best[d - first], distance)
                if distance < nearest:
                    nearest, match[n, c] = distance, d
                    offset[n, c, 0], offset[n, c, 1], offset[n, c, 2] = u, v, spread
        for n in range(people):
            d = match[n, c]
            if d >= 0 and math.hypot(offset[n, c, 0], offset[n, c, 1]) > best[d - first]:
                match[n, c] = -1
