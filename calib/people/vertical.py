"""Which way is up, from people: their feet on the floor, their hips as they walk, and how they hold themselves.

Each way tells two angles with their covariance, and up is their average, weighted by these. Feet and hips give planes:
the lower ankle is that of a foot on the floor, and hips bob by some centimetres twice in a stride, but do not rise on
the way. A trunk leans, and its lean turns with the person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from calib.people.bodies import Body
from multiview.geometry.robust import cauchy_weight

__all__ = ["Vertical", "lower_ankles", "vertical_of"]

_MIN_POINTS = 20
_WALKING_M_S = 0.5  # horizontally: who sits down or bends is not so fast
_INDEPENDENT_S = 0.5  # postures that long apart tell separately
_STEP_S = 0.1  # of the bodies
_FEET_DEG, _HIPS_DEG, _TRUNK_DEG = 0.15, 0.1, 0.5  # deviations that remain however long people walk
_WITHIN = 0.85  # cosine: the plane is no wall
_ROUNDS, _REWEIGHTED = 5, 8
_CAUCHY = 2.0
_LEAST_M = 0.001  # of the scatter of heights


@dataclass(frozen=True, slots=True, eq=False)
class Vertical:
    """A direction and how sure it is.

    Attributes:
        up: (3,) unit vector.
        covariance: (3, 3) rad^2, of errors across it.
        how: From what, in words.
    """

    up: Float64[np.ndarray, " 3"]
    covariance: Float64[np.ndarray, "3 3"]
    how: str

    @property
    def sigma_deg(self) -> float:
        """Deviation of the direction where it is least sure."""
        return float(np.degrees(np.sqrt(np.linalg.eigvalsh(self.covariance)[-1])))


def vertical_of(bodies: list[Body], joints: tuple[str, ...], upright: Float64[np.ndarray, " 3"]) -> Vertical | None:
    """Up by all that tells it; None where nothing does.

    Args:
        bodies: In metres.
        joints: Names of the joints.
        upright: A first guess: up in the pictures.

    Returns:
        The direction.
    """
    index = {name: j for j, name in enumerate(joints)}
    trunks = _by_trunks(bodies, index)
    first = trunks.up if trunks is not None and trunks.up @ upright > 0.5 else upright / np.linalg.norm(upright)
    found = [way for way in (_by_feet(bodies, index, first), _by_hips(bodies, index, first), trunks) if way is not None]
    return _together(found) if found else None


def lower_ankles(bodies: list[Body], index: dict[str, int], up: Float64[np.ndarray, " 3"]) -> list[np.ndarray]:
    """Of each body the (T, 3) ankle that is lower, wherever both are known."""
    if not {"left_ankle", "right_ankle"} <= index.keys():
        return []
    found = []
    for body in bodies:
        left, right = body.xyz[:, index["left_ankle"]], body.xyz[:, index["right_ankle"]]
        lower = np.where(((left - right) @ up < 0)[:, None], left, right)
        found.append(lower[np.isfinite(left - right).all(axis=1)])
    return found


def _by_feet(bodies: list[Body], index: dict[str, int], first: Float64[np.ndarray, " 3"]) -> Vertical | None:
    """The plane of the lower ankles, the same for all people."""
    up, found = first, None
    for _ in range(2):  # which ankle is lower depends on up
        points = np.concatenate([np.empty((0, 3)), *lower_ankles(bodies, index, up)])
        found = _level(points, np.zeros(len(points), dtype=np.int64), up, _FEET_DEG, "the plane of the feet")
        if found is None:
            return None
        up = found.up
    return found


def _by_hips(bodies: list[Body], index: dict[str, int], first: Float64[np.ndarray, " 3"]) -> Vertical | None:
    """The slope of the planes in which the hips of everybody who walks go along."""
    if not {"left_hip", "right_hip"} <= index.keys():
        return None
    points, whose = [np.empty((0, 3))], [np.empty(0, dtype=np.int64)]
    for body in bodies:
        hips = [index["left_hip"], index["right_hip"]]
        middle, velocity = body.xyz[:, hips].mean(axis=1), body.velocity[:, hips].mean(axis=1)
        with np.errstate(invalid="ignore"):
            walks = np.linalg.norm(velocity - (velocity @ first)[:, None] * first, axis=1) > _WALKING_M_S
        if walks.sum() >= _MIN_POINTS:
            whose.append(np.full(int(walks.sum()), len(whose) - 1))
            points.append(middle[walks])
    return _level(np.concatenate(points), np.concatenate(whose), first, _HIPS_DEG, "the level of walkers' hips")


def _level(
    points: Float64[np.ndarray, "N 3"],
    plane: Int64[np.ndarray, " N"],
    first: Float64[np.ndarray, " 3"],
    remains_deg: float,
    how: str,
) -> Vertical | None:
    """The normal of parallel planes through points; None where they are few, or make a wall."""
    if len(points) < _MIN_POINTS:
        return None
    up = first
    for _ in range(_ROUNDS):
        axes = _across(up)
        J = np.concatenate([(points - points.mean(axis=0)) @ axes.T, plane[:, None] == np.unique(plane)], axis=1)
        height, weight = points @ up, np.ones(len(points))
        for _ in range(_REWEIGHTED):
            normal = J.T @ (J * weight[:, None]) + 1e-9 * np.eye(J.shape[1])
            fitted = np.linalg.solve(normal, J.T @ (height * weight))
            off = height - J @ fitted
            scatter = 1.4826 * float(np.median(np.abs(off))) + _LEAST_M
            weight = cauchy_weight((off / scatter) ** 2, _CAUCHY) ** 2
        up = up - fitted[:2] @ axes
        up = up / np.linalg.norm(up)
        if up @ first < _WITHIN:
            return None
    covariance = np.linalg.inv(normal)[:2, :2] * scatter**2 * _INDEPENDENT_S / _STEP_S
    return Vertical(up, axes.T @ (covariance + np.radians(remains_deg) ** 2 * np.eye(2)) @ axes, how)


def _by_trunks(bodies: list[Body], index: dict[str, int]) -> Vertical | None:
    """Up as the part of the trunks' directions that does not turn with the people: a person's own lean, forward or
    sideways, turns with them."""
    names = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    if any(name not in index for name in names):
        return None
    J, y = [], []
    for p, body in enumerate(bodies):
        ls, rs, lh, rh = (body.xyz[:, index[name]] for name in names)
        trunk, left = (ls + rs) / 2 - (lh + rh) / 2, (ls - rs) + (lh - rh)
        known = np.isfinite(trunk).all(axis=1) & np.isfinite(left).all(axis=1)
        trunk, left = trunk[known], left[known]
        if len(trunk) < _MIN_POINTS:
            continue
        trunk = trunk / np.linalg.norm(trunk, axis=1, keepdims=True)
        left = left - (left * trunk).sum(axis=1, keepdims=True) * trunk
        left = left / np.linalg.norm(left, axis=1, keepdims=True)
        own = np.zeros((len(trunk), 3, 3 + 2 * len(bodies)))
        own[:, :, :3] = np.eye(3)
        own[:, :, 3 + 2 * p] = np.cross(left, trunk)
        own[:, :, 4 + 2 * p] = left
        J.append(own)
        y.append(trunk)
    if not J:
        return None
    A, b = np.concatenate(J).reshape(-1, 3 + 2 * len(bodies)), np.concatenate(y).ravel()
    weight = np.ones(len(b) // 3)
    for _ in range(_REWEIGHTED):
        w = np.repeat(weight, 3)
        normal = A.T @ (A * w[:, None]) + 1e-6 * np.eye(A.shape[1])
        solution = np.linalg.solve(normal, A.T @ (b * w))
        off = np.linalg.norm((b - A @ solution).reshape(-1, 3), axis=1)
        scatter = 1.5 * np.median(off) + 1e-4
        weight = 1 / (1 + (off / scatter) ** 2)
    length = float(np.linalg.norm(solution[:3]))
    if length < 0.3:
        return None
    up = solution[:3] / length
    variance = np.linalg.inv(normal)[:3, :3] * (scatter / length) ** 2 * _INDEPENDENT_S / _STEP_S
    axes = _across(up)
    across = axes @ variance @ axes.T + np.radians(_TRUNK_DEG) ** 2 * np.eye(2)
    return Vertical(up, axes.T @ across @ axes, "how people hold themselves")


def _together(found: list[Vertical]) -> Vertical:
    """The average by the covariances; where ways contradict each other by more than these say, all are less sure.

    References:
        Birge 1932, The calculation of errors by the method of least squares.
    """
    first = max(found, key=lambda way: -way.sigma_deg)
    axes = _across(first.up)
    known = [np.linalg.inv(axes @ way.covariance @ axes.T) for way in found]
    offs = [axes @ way.up / float(way.up @ first.up) for way in found]
    covariance = np.linalg.inv(sum(known))
    mean = covariance @ sum(weight @ off for weight, off in zip(known, offs, strict=True))
    apart = sum(float((off - mean) @ weight @ (off - mean)) for weight, off in zip(known, offs, strict=True))
    up = first.up + mean @ axes
    doubt = max(1.0, apart / max(2 * (len(found) - 1), 1))
    how = [way.how for way in found]
    said = how[0] if len(how) == 1 else f"{', '.join(how[:-1])} and {how[-1]}"
    return Vertical(up / np.linalg.norm(up), doubt * axes.T @ covariance @ axes, f"by {said}")


def _across(up: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "2 3"]:
    """Two axes perpendicular to a direction."""
    return np.asarray(np.linalg.svd(up[None])[2][1:])
