"""Up and the floor from people: the plane that their feet stand on, or how they hold themselves, whichever is surer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from calib.people.bodies import Body

__all__ = ["Ground", "ground_of", "levelled"]

# An ankle is 0.039 of the stature over the ground, a knee 0.285: so much of the way from ankle to knee is below it.
# Barefoot; a shoe's sole comes on top.
_ANKLE_OF_SHANK = 0.039 / (0.285 - 0.039)
_ANKLE_M = 0.066  # where no knee tells: of an adult of 1.7 m
_STANDING_M_S = 0.3
_MIN_POINTS = 20
_INDEPENDENT_S = 0.5  # postures that long apart tell separately
_STEP_S = 0.1  # of the bodies
_FLOOR_DEG, _TRUNK_DEG = 0.15, 0.5  # deviations that remain however long people walk
_MAX_DEG = 4.0  # surer than this, or up is unknown
_WITHIN = 0.85  # cosine: the feet's plane is no wall


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """The room's vertical.

    Attributes:
        up: (3,) unit vector in the bundle's axes.
        sigma_deg: Deviation of its direction.
        how: In words.
        floor: (3,) m, a point on the floor, below where people walked.
    """

    up: Float64[np.ndarray, " 3"]
    sigma_deg: float
    how: str
    floor: Float64[np.ndarray, " 3"]


def ground_of(bodies: list[Body], joints: tuple[str, ...], upright: Float64[np.ndarray, " 3"]) -> Ground | None:
    """Up and the floor; None where nothing tells within 4 degrees.

    Args:
        bodies: In metres.
        joints: Names of the joints.
        upright: A first guess: up in the pictures.

    Returns:
        The ground.

    References:
        Drillis and Contini 1966, Body segment parameters; Winter 2009, Biomechanics and motor control of human
        movement, figure 4.1 (heights of ankle and knee).
    """
    index = {name: j for j, name in enumerate(joints)}
    ankles = [index[name] for name in ("left_ankle", "right_ankle") if name in index]
    if len(ankles) < 2 or not bodies:
        return None
    trunk = _by_trunk(bodies, index)
    first = trunk[0] if trunk is not None and trunk[0] @ upright > 0.5 else upright / np.linalg.norm(upright)
    knees = [index[name] for name in ("left_knee", "right_knee") if {"left_knee", "right_knee"} <= index.keys()]
    standing, over = _standing(bodies, ankles, knees)
    feet = _by_feet(standing, first)
    found = [(way, how) for way, how in ((feet, "by the plane of the feet"), (trunk, "by how people hold themselves"))
             if way is not None]  # fmt: skip
    if not found:
        return None
    (up, sigma), how = min(found, key=lambda entry: entry[0][1])
    if sigma > _MAX_DEG or not len(standing):
        return None
    lowest = standing @ up - over
    level = float(np.median(lowest[lowest <= np.percentile(lowest, 60)]))
    middle = standing.mean(axis=0)
    floor = middle + (level - float(middle @ up)) * up
    return Ground(up, sigma, how, floor)


def levelled(
    ground: Ground, look: Float64[np.ndarray, " 3"]
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
    """World (R, t) with z up, the origin on the floor and y where a camera looks.

    Args:
        ground: In metres.
        look: (3,) direction in which the first camera looks.

    Returns:
        world_from_bundle.
    """
    forward = look - (look @ ground.up) * ground.up
    if np.linalg.norm(forward) < 1e-3:
        forward = np.linalg.svd(ground.up[None])[2][1]
    forward = forward / np.linalg.norm(forward)
    R = np.stack([np.cross(forward, ground.up), forward, ground.up])
    return R, -R @ ground.floor


def _standing(
    bodies: list[Body], ankles: list[int], knees: list[int]
) -> tuple[Float64[np.ndarray, "N 3"], Float64[np.ndarray, " N"]]:
    """Ankles that hardly move, so that their foot is on the floor, and how far over it they are by the length of their
    shanks."""
    points, over = [np.empty((0, 3))], [np.empty(0)]
    for body in bodies:
        speed = np.linalg.norm(body.velocity[:, ankles], axis=-1)
        with np.errstate(invalid="ignore"):
            points.append(body.xyz[:, ankles][speed < _STANDING_M_S])
        shank = np.linalg.norm(body.xyz[:, knees] - body.xyz[:, ankles], axis=-1) if knees else np.empty(0)
        known = shank[np.isfinite(shank)]
        height = _ANKLE_OF_SHANK * float(np.median(known)) if len(known) else _ANKLE_M
        over.append(np.full(len(points[-1]), height))
    return np.concatenate(points), np.concatenate(over)


def _by_feet(
    points: Float64[np.ndarray, "N 3"], upright: Float64[np.ndarray, " 3"]
) -> tuple[Float64[np.ndarray, " 3"], float] | None:
    """The plane through the lowest of the standing feet, and the deviation of its normal in degrees."""
    if len(points) < _MIN_POINTS:
        return None
    up, kept = upright, points
    for _ in range(8):
        height = points @ up
        low = np.percentile(height, 25)
        spread = 1.4826 * np.median(np.abs(height[height <= np.percentile(height, 50)] - low)) + 0.005
        kept = points[np.abs(height - low) < 3 * spread]
        if len(kept) < _MIN_POINTS:
            return None
        middle = kept - kept.mean(axis=0)
        _, singular, axes = np.linalg.svd(middle, full_matrices=False)
        normal = axes[2] if axes[2] @ upright > 0 else -axes[2]
        if normal @ upright < _WITHIN:
            return None
        up = normal
    independent = max(len(kept) * _STEP_S / _INDEPENDENT_S, 1.0)
    noise = max(float(singular[2]) / np.sqrt(len(kept)), 0.004)
    extent = float(singular[1]) / np.sqrt(len(kept))
    sigma = np.degrees(noise / (max(extent, 1e-3) * np.sqrt(independent)))
    return up, float(np.hypot(sigma, _FLOOR_DEG))


def _by_trunk(bodies: list[Body], index: dict[str, int]) -> tuple[Float64[np.ndarray, " 3"], float] | None:
    """Up as the part of the trunks' directions that does not turn with the people, and its deviation in degrees: a
    person's own lean, forward or sideways, turns with them."""
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
    normal = np.empty((0, 0))
    for _ in range(8):
        w = np.repeat(weight, 3)
        normal = A.T @ (A * w[:, None]) + 1e-6 * np.eye(A.shape[1])
        solution = np.linalg.solve(normal, A.T @ (b * w))
        off = np.linalg.norm((b - A @ solution).reshape(-1, 3), axis=1)
        scale = 1.5 * np.median(off) + 1e-4
        weight = 1 / (1 + (off / scale) ** 2)
    length = float(np.linalg.norm(solution[:3]))
    if length < 0.3:
        return None
    variance = np.linalg.inv(normal)[:3, :3] * scale**2 * _INDEPENDENT_S / _STEP_S
    sigma = np.degrees(np.sqrt(np.linalg.eigvalsh(variance)[-1]) / length)
    return solution[:3] / length, float(np.hypot(sigma, _TRUNK_DEG))
