"""A rigid motion in continuous time: poses at knots, cubic in between.

Position follows the cubic through the four nearest knots (Lagrange); orientation follows the same cubic in the
rotation vectors relative to the nearest knot. Knots come in segments; nothing is interpolated across two segments.
Its velocity jumps at every knot, where a fit whose instants are unknown gets stuck; `Knots.smooth` has a cubic that is
less accurate and moves without jumps (Catmull and Rom 1974).

Letters in shapes: K knots, V instants asked for, n knots that an instant rests on (up to 4).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from multiview.geometry.rigid import left_jacobian, left_jacobian_inverse, rotation_from_vector, vector_from_rotation

__all__ = ["Knots", "Motion", "at", "bending", "on_knots"]

_ORDER = 4


@dataclass(frozen=True, slots=True, eq=False)
class Knots:
    """When the poses are: `time` (K,) s, rising inside a segment; `segment` (K,) numbers, each one run of knots.

    `smooth`: the velocity does not jump at a knot, but is that of the parabola through it and its neighbours.
    """

    time: Float64[np.ndarray, " K"]
    segment: Int64[np.ndarray, " K"]
    smooth: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Motion:
    """Poses at instants, with what moves them.

    `by_knot[v, i]` maps a small (turn, shift) of knot `support[v, i]` to that of the pose; `velocity` is the turn
    (rad/s, about world axes) and the shift (m/s).
    """

    R: Float64[np.ndarray, "V 3 3"]
    t: Float64[np.ndarray, "V 3"]
    support: Int64[np.ndarray, "V n"]
    by_knot: Float64[np.ndarray, "V n 6 6"]
    velocity: Float64[np.ndarray, "V 6"]


def on_knots(R: Float64[np.ndarray, "K 3 3"], t: Float64[np.ndarray, "K 3"], knot: Int64[np.ndarray, " V"]) -> Motion:
    """The poses of the knots themselves, for targets that were photographed at rest or exactly together."""
    same = np.broadcast_to(np.eye(6), (len(knot), 1, 6, 6))
    return Motion(R[knot], t[knot], knot[:, None], same, np.zeros((len(knot), 6)))


def at(
    knots: Knots,
    R: Float64[np.ndarray, "K 3 3"],
    t: Float64[np.ndarray, "K 3"],
    knot: Int64[np.ndarray, " V"],
    time: Float64[np.ndarray, " V"],
) -> Motion:
    """The poses at these times, each in the segment of the knot named for it."""
    support, weight, slope = _lagrange(knots, knot, time)
    nearest = np.abs(knots.time[support] - time[:, None]).argmin(axis=1)
    reference = np.take_along_axis(support, nearest[:, None], axis=1)[:, 0]

    R_reference = R[reference]
    turn = vector_from_rotation(R[support] @ np.swapaxes(R_reference, -1, -2)[:, None])  # V n 3, zero at the reference
    total, total_slope = np.einsum("vn,vni->vi", weight, turn), np.einsum("vn,vni->vi", slope, turn)
    onward = rotation_from_vector(total)
    J = left_jacobian(total)

    ahead = J[:, None] @ (weight[..., None, None] * left_jacobian_inverse(turn))
    behind = J[:, None] @ (weight[..., None, None] * left_jacobian_inverse(-turn))
    rows = np.arange(len(time))
    by_knot = np.zeros((*support.shape, 6, 6))
    by_knot[..., :3, :3] = ahead
    by_knot[rows, nearest, :3, :3] = onward - behind.sum(axis=1) + behind[rows, nearest]
    by_knot[..., 3:, 3:] = weight[..., None, None] * np.eye(3)
    velocity = np.concatenate(
        [(J @ total_slope[..., None])[..., 0], np.einsum("vn,vni->vi", slope, t[support])], axis=1
    )
    return Motion(onward @ R_reference, np.einsum("vn,vni->vi", weight, t[support]), support, by_knot, velocity)


def bending(
    knots: Knots, R: Float64[np.ndarray, "K 3 3"], t: Float64[np.ndarray, "K 3"]
) -> tuple[Int64[np.ndarray, "M 3"], Float64[np.ndarray, "M 6"], Float64[np.ndarray, "M 3 6 6"]]:
    """Angular and linear acceleration (rad/s^2, m/s^2) at every inner knot, and the derivatives by the three knots."""
    inner = np.flatnonzero((knots.segment[1:-1] == knots.segment[:-2]) & (knots.segment[1:-1] == knots.segment[2:])) + 1
    support = np.stack([inner - 1, inner, inner + 1], axis=1)
    h = (knots.time[inner + 1] - knots.time[inner - 1])[:, None] / 2
    first = vector_from_rotation(R[inner] @ np.swapaxes(R[inner - 1], -1, -2))
    second = vector_from_rotation(R[inner + 1] @ np.swapaxes(R[inner], -1, -2))
    value = np.concatenate([second - first, t[inner + 1] - 2 * t[inner] + t[inner - 1]], axis=1) / h**2
    by_knot = np.zeros((len(inner), 3, 6, 6))
    by_knot[:, 0, :3, :3] = left_jacobian_inverse(-first)
    by_knot[:, 1, :3, :3] = -left_jacobian_inverse(first) - left_jacobian_inverse(-second)
    by_knot[:, 2, :3, :3] = left_jacobian_inverse(second)
    by_knot[:, :, 3:, 3:] = np.array([1.0, -2.0, 1.0])[:, None, None] * np.eye(3)
    return support, value, by_knot / h[:, None, None] ** 2


def _lagrange(
    knots: Knots, knot: Int64[np.ndarray, " V"], time: Float64[np.ndarray, " V"]
) -> tuple[Int64[np.ndarray, "V 4"], Float64[np.ndarray, "V 4"], Float64[np.ndarray, "V 4"]]:
    """The knots that each instant rests on, their weights, and the weights' derivatives by time."""
    first = np.searchsorted(knots.segment, knots.segment[knot], side="left")
    last = np.searchsorted(knots.segment, knots.segment[knot], side="right")
    if (last - first < _ORDER).any():
        raise ValueError(f"a segment needs {_ORDER} knots")
    # The last knot at or before each instant, found by stepping from the knot named for it.
    left = knot.copy()
    for _ in range(len(knots.time)):
        back = (knots.time[left] > time) & (left > first)
        on = (left + 1 < last) & (knots.time[np.minimum(left + 1, len(knots.time) - 1)] <= time)
        if not (back | on).any():
            break
        left = left - back + on
    support = np.clip(left - 1, first, last - _ORDER)[:, None] + np.arange(_ORDER)
    node = knots.time[support]
    gap = time[:, None] - node
    weight, slope = np.ones(node.shape), np.zeros(node.shape)
    for i in range(_ORDER):
        others = [j for j in range(_ORDER) if j != i]
        scale = np.prod([node[:, i] - node[:, j] for j in others], axis=0)
        weight[:, i] = np.prod([gap[:, j] for j in others], axis=0) / scale
        pairs = [
            gap[:, a] * gap[:, b] for a, b in ((others[0], others[1]), (others[0], others[2]), (others[1], others[2]))
        ]
        slope[:, i] = np.sum(pairs, axis=0) / scale
    if knots.smooth:
        inside = (gap[:, 1] >= 0) & (gap[:, 2] <= 0)  # else a run's first or last interval, which has one neighbour
        weight[inside], slope[inside] = _hermite(node[inside], time[inside])
    return support, weight, slope


def _hermite(
    node: Float64[np.ndarray, "V 4"], time: Float64[np.ndarray, " V"]
) -> tuple[Float64[np.ndarray, "V 4"], Float64[np.ndarray, "V 4"]]:
    """Weights of four knots between the middle two, and their derivatives by time."""
    before, between, after = np.diff(node, axis=1).T
    u = (time - node[:, 1]) / between
    at_left, at_right = np.zeros(node.shape), np.zeros(node.shape)  # velocities there, by knot
    for out, first, h, k in ((at_left, 0, before, between), (at_right, 1, between, after)):
        out[:, first] = -k / (h * (h + k))
        out[:, first + 1] = (k - h) / (h * k)
        out[:, first + 2] = h / (k * (h + k))
    weight = ((u**3 - 2 * u**2 + u) * between)[:, None] * at_left + ((u**3 - u**2) * between)[:, None] * at_right
    slope = (3 * u**2 - 4 * u + 1)[:, None] * at_left + (3 * u**2 - 2 * u)[:, None] * at_right
    rise = 3 * u**2 - 2 * u**3
    steep = 6 * (u - u**2) / between
    weight[:, 1] += 1 - rise
    weight[:, 2] += rise
    slope[:, 1] -= steep
    slope[:, 2] += steep
    return weight, slope
