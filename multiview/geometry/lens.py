"""Lens distortion: from ideal to real normalised image coordinates (z = 1, before K) and back.

Two models, with OpenCV's coefficients in OpenCV's order:

- "pinhole": Brown's polynomial, k1 k2 p1 p2 [k3 [k4 k5 k6 [s1 s2 s3 s4 [tilt_x tilt_y]]]] (Brown 1971; the rational
  and thin-prism terms and the tilted sensor as in OpenCV's calib3d).
- "fisheye": Kannala and Brandt 2006, theta_d = theta (1 + k1 theta^2 + k2 theta^4 + k3 theta^6 + k4 theta^8).

Every real polynomial turns back on itself somewhere outside the picture; `largest_radius` says where. Beyond it a
point has no image, though the formula would put one inside the picture.
"""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
from jaxtyping import Float64

__all__ = ["COEFFICIENTS", "LensModel", "distort", "distort_with_jacobian", "largest_radius", "undistort"]

LensModel = Literal["pinhole", "fisheye"]
COEFFICIENTS: dict[str, tuple[int, ...]] = {"pinhole": (4, 5, 8, 12, 14), "fisheye": (4,)}
assert set(COEFFICIENTS) == set(get_args(LensModel))

_NEWTON_STEPS = 40
_CONVERGED = 2e-15  # normalised; at a focal length of 10,000 px this is 2e-11 px


def distort(
    ideal: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"], model: str = "pinhole"
) -> Float64[np.ndarray, "*batch 2"]:
    """Where the lens puts ideal normalised image coordinates.

    Args:
        ideal: (..., 2) x / z, y / z in the camera.
        dist: Coefficients in OpenCV's order.
        model: "pinhole" or "fisheye".

    Returns:
        (..., 2) distorted normalised coordinates; K takes them to pixels.

    References:
        Brown 1971; Kannala and Brandt 2006.
    """
    if not dist.any() and model == "pinhole":
        return np.array(ideal, dtype=np.float64)
    if model == "fisheye":
        return _fisheye(ideal, dist)
    return _tilt(_brown(ideal, dist), dist)


def distort_with_jacobian(
    ideal: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"], model: str = "pinhole"
) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch 2 2"], Float64[np.ndarray, "*batch 2 n"]]:
    """`distort`, its derivative by the point, and its derivative by the coefficients.

    Args:
        ideal: (..., 2) x / z, y / z in the camera.
        dist: (n,) coefficients in OpenCV's order.
        model: "pinhole" or "fisheye".

    Returns:
        (..., 2), (..., 2, 2) and (..., 2, n).
    """
    if model == "fisheye":
        return _fisheye_with_jacobian(ideal, dist)
    flat, by_point, by_dist = _brown_with_jacobian(ideal, dist)
    if len(dist) < 14:
        return flat, by_point, by_dist
    tilted, by_flat, by_tilt = _tilt_with_jacobian(flat, dist)
    by_dist = np.concatenate([by_flat @ by_dist[..., :12], by_tilt], axis=-1)
    return tilted, by_flat @ by_point, by_dist


def undistort(
    distorted: Float64[np.ndarray, "*batch 2"],
    dist: Float64[np.ndarray, " n"],
    model: str = "pinhole",
    radius: float | None = None,
) -> Float64[np.ndarray, "*batch 2"]:
    """The ideal normalised image coordinates that `distort` maps here, by Newton's method.

    Args:
        distorted: (..., 2) normalised coordinates of the real lens.
        dist: Coefficients in OpenCV's order.
        model: "pinhole" or "fisheye".
        radius: `largest_radius(dist, model)`, for callers who keep it.

    Returns:
        (..., 2), NaN where there are none.
    """
    distorted = np.asarray(distorted, dtype=np.float64)
    if model == "pinhole" and not dist.any():
        return distorted.copy()
    radius = largest_radius(dist, model) if radius is None else radius
    if model == "fisheye":
        return _undistort_fisheye(distorted, dist, radius)
    target = _untilt(distorted, dist)
    # For a curve that bends one way, as lenses do, Newton's method from the distorted point approaches from one side.
    ideal = target.copy()
    with np.errstate(all="ignore"):
        for _ in range(_NEWTON_STEPS):
            image, by_point, _ = _brown_with_jacobian(ideal, dist)
            miss = image - target
            a, b, c, d = by_point[..., 0, 0], by_point[..., 0, 1], by_point[..., 1, 0], by_point[..., 1, 1]
            step = np.stack([d * miss[..., 0] - b * miss[..., 1], a * miss[..., 1] - c * miss[..., 0]], axis=-1)
            ideal = ideal - step / (a * d - b * c)[..., None]
            if not (np.abs(miss) > _CONVERGED * (1 + np.abs(target))).any():
                break
        lost = (np.abs(miss) > 1e-9).any(axis=-1) | ~(np.hypot(ideal[..., 0], ideal[..., 1]) <= radius)
    ideal[lost] = np.nan
    return ideal


def largest_radius(dist: Float64[np.ndarray, " n"], model: str = "pinhole") -> float:
    """The distance from the axis, in ideal normalised coordinates, at which the lens stops being one-to-one.

    Tangential and prism terms, which are small, are left out.

    Args:
        dist: Coefficients in OpenCV's order.
        model: "pinhole" or "fisheye".

    Returns:
        Infinite for a polynomial that never turns back.
    """
    if model == "fisheye":
        k1, k2, k3, k4 = dist
        angle = np.sqrt(_first_positive_root([9 * k4, 7 * k3, 5 * k2, 3 * k1, 1.0]))
        return float(np.tan(angle)) if angle < np.pi / 2 else np.inf
    k = _padded(dist)
    up = np.array([k[4], k[1], k[0], 1.0])  # in powers of r^2, highest first
    down = np.array([k[7], k[6], k[5], 1.0])
    # d/dr of r up(r^2) / down(r^2) vanishes where up down + 2 s (up' down - up down') does, with s = r^2.
    slope: Float64[np.ndarray, " n"] = np.polysub(np.polymul(np.polyder(up), down), np.polymul(up, np.polyder(down)))
    turning = _first_positive_root(np.polyadd(np.polymul(up, down), np.polymul([2.0, 0.0], slope)))
    return float(np.sqrt(min(turning, _first_positive_root(down))))


def _first_positive_root(polynomial: list[float] | Float64[np.ndarray, " n"]) -> float:
    roots = np.roots(polynomial)
    real = roots.real[(np.abs(roots.imag) < 1e-9 * (1 + np.abs(roots.real))) & (roots.real > 0)]
    return float(real.min()) if real.size else np.inf


def _padded(dist: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, " 14"]:
    padded = np.zeros(14)
    padded[: len(dist)] = dist
    return padded


def _brown(ideal: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "*batch 2"]:
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, _, _ = _padded(dist)
    x, y = ideal[..., 0], ideal[..., 1]
    r2 = x * x + y * y
    radial = (1 + r2 * (k1 + r2 * (k2 + r2 * k3))) / (1 + r2 * (k4 + r2 * (k5 + r2 * k6)))
    xd = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + r2 * (s1 + r2 * s2)
    yd = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + r2 * (s3 + r2 * s4)
    return np.stack([xd, yd], axis=-1)


def _brown_with_jacobian(
    ideal: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch 2 2"], Float64[np.ndarray, "*batch 2 n"]]:
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, _, _ = _padded(dist)
    x, y = ideal[..., 0], ideal[..., 1]
    r2 = x * x + y * y
    r4, r6 = r2 * r2, r2 * r2 * r2
    inverse = 1 / (1 + k4 * r2 + k5 * r4 + k6 * r6)
    radial = (1 + k1 * r2 + k2 * r4 + k3 * r6) * inverse
    slope = (k1 + 2 * k2 * r2 + 3 * k3 * r4) * inverse - radial * (k4 + 2 * k5 * r2 + 3 * k6 * r4) * inverse  # by r2

    by_point = np.empty((*ideal.shape, 2))
    cross = 2 * x * y * slope + 2 * p1 * x + 2 * p2 * y
    by_point[..., 0, 0] = radial + 2 * x * x * slope + 2 * p1 * y + 6 * p2 * x + 2 * x * (s1 + 2 * s2 * r2)
    by_point[..., 0, 1] = cross + 2 * y * (s1 + 2 * s2 * r2)
    by_point[..., 1, 0] = cross + 2 * x * (s3 + 2 * s4 * r2)
    by_point[..., 1, 1] = radial + 2 * y * y * slope + 6 * p1 * y + 2 * p2 * x + 2 * y * (s3 + 2 * s4 * r2)

    zero = np.zeros_like(r2)
    up, down = inverse, -radial * inverse
    by_x = [x * r2 * up, x * r4 * up, 2 * x * y, r2 + 2 * x * x, x * r6 * up]
    by_y = [y * r2 * up, y * r4 * up, r2 + 2 * y * y, 2 * x * y, y * r6 * up]
    by_x += [x * r2 * down, x * r4 * down, x * r6 * down, r2, r4, zero, zero, zero, zero]
    by_y += [y * r2 * down, y * r4 * down, y * r6 * down, zero, zero, r2, r4, zero, zero]
    n = len(dist)
    by_dist = np.stack([np.stack(by_x[:n], axis=-1), np.stack(by_y[:n], axis=-1)], axis=-2)
    return _brown(ideal, dist), by_point, by_dist


def _tilt_matrix(
    dist: Float64[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, "2 3 3"]]:
    """The homography of a tilted sensor, and its derivatives by the two angles (Louhichi et al. 2007, as in OpenCV)."""
    (sx, cx), (sy, cy) = ((np.sin(angle), np.cos(angle)) for angle in dist[12:14])
    about_x, about_x_slope = np.array(
        [[[1, 0, 0], [0, cx, sx], [0, -sx, cx]], [[0, 0, 0], [0, -sx, cx], [0, -cx, -sx]]]
    )
    about_y, about_y_slope = np.array(
        [[[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]], [[-sy, 0, -cy], [0, 0, 0], [cy, 0, -sy]]]
    )
    turn = about_y @ about_x
    slopes = about_y @ about_x_slope, about_y_slope @ about_x

    def onto_plane(r: Float64[np.ndarray, "3 3"]) -> Float64[np.ndarray, "3 3"]:
        return np.array([[r[2, 2], 0, -r[0, 2]], [0, r[2, 2], -r[1, 2]], [0, 0, 0]])

    unit = np.diag([0.0, 0.0, 1.0])
    matrix = (onto_plane(turn) + unit) @ turn
    by_angle = np.stack([onto_plane(slope) @ turn + (onto_plane(turn) + unit) @ slope for slope in slopes])
    return matrix, by_angle


def _tilt(flat: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "*batch 2"]:
    return _homography(_tilt_matrix(dist)[0], flat) if len(dist) == 14 else flat


def _untilt(image: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "*batch 2"]:
    return _homography(np.linalg.inv(_tilt_matrix(dist)[0]), image) if len(dist) == 14 else image


def _homography(
    matrix: Float64[np.ndarray, "3 3"], points: Float64[np.ndarray, "*batch 2"]
) -> Float64[np.ndarray, "*batch 2"]:
    mapped = points @ matrix[:, :2].T + matrix[:, 2]
    return mapped[..., :2] / mapped[..., 2:]


def _tilt_with_jacobian(
    flat: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch 2 2"], Float64[np.ndarray, "*batch 2 2"]]:
    matrix, by_angle = _tilt_matrix(dist)
    tilted = _homography(matrix, flat)
    w = (flat @ matrix[2, :2] + matrix[2, 2])[..., None, None]
    by_point = (matrix[:2, :2] - tilted[..., :, None] * matrix[2, :2]) / w
    moved = np.stack([flat @ slope[:, :2].T + slope[:, 2] for slope in by_angle], axis=-1)  # ... 3 2
    by_tilt = (moved[..., :2, :] - tilted[..., :, None] * moved[..., 2:, :]) / w
    return tilted, by_point, by_tilt


def _fisheye_scale(
    ideal: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, "*batch"], Float64[np.ndarray, "*batch"], Float64[np.ndarray, "*batch"]]:
    """r, theta and theta_d / r, with the right limit on the axis."""
    k1, k2, k3, k4 = dist
    r = np.hypot(ideal[..., 0], ideal[..., 1])
    theta = np.arctan(r)
    t2 = theta * theta
    bend = 1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))
    scale = np.where(r > 1e-8, theta / np.where(r > 1e-8, r, 1.0), 1.0) * bend
    return r, theta, scale


def _fisheye(
    ideal: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"]
) -> Float64[np.ndarray, "*batch 2"]:
    return ideal * _fisheye_scale(ideal, dist)[2][..., None]


def _fisheye_with_jacobian(
    ideal: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"]
) -> tuple[Float64[np.ndarray, "*batch 2"], Float64[np.ndarray, "*batch 2 2"], Float64[np.ndarray, "*batch 2 n"]]:
    k1, k2, k3, k4 = dist
    r, theta, scale = _fisheye_scale(ideal, dist)
    t2 = theta * theta
    bend_slope = 1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4)))
    safe = np.where(r > 1e-8, r, 1.0)
    unit = np.where((r > 1e-8)[..., None], ideal / safe[..., None], 0.0)
    by_r = bend_slope / (1 + r * r)  # d theta_d / d r, along the radius; across it, the scale itself
    by_point = scale[..., None, None] * np.eye(2) + (by_r - scale)[..., None, None] * (
        unit[..., :, None] * unit[..., None, :]
    )
    powers = np.stack([theta**3, theta**5, theta**7, theta**9], axis=-1)
    return ideal * scale[..., None], by_point, unit[..., :, None] * powers[..., None, :]


def _undistort_fisheye(
    distorted: Float64[np.ndarray, "*batch 2"], dist: Float64[np.ndarray, " n"], radius: float
) -> Float64[np.ndarray, "*batch 2"]:
    k1, k2, k3, k4 = dist
    target = np.hypot(distorted[..., 0], distorted[..., 1])
    theta = target.copy()
    with np.errstate(all="ignore"):
        for _ in range(_NEWTON_STEPS):
            t2 = theta * theta
            miss = theta * (1 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4)))) - target
            theta = theta - miss / (1 + t2 * (3 * k1 + t2 * (5 * k2 + t2 * (7 * k3 + t2 * 9 * k4))))
            if not (np.abs(miss) > _CONVERGED * (1 + target)).any():
                break
        lost = (np.abs(miss) > 1e-9) | ~((theta >= 0) & (theta < np.pi / 2) & (np.tan(theta) <= radius))
        scale = np.where(target > 1e-8, np.tan(theta) / target, 1.0)
    scale[lost] = np.nan
    return distorted * scale[..., None]
