"""Rotations and rigid motions as plain arrays, any number at once.

A rotation is a 3x3 matrix or a rotation vector (axis times angle, rad); a rigid motion is a pair (R, t) that maps
`x -> R @ x + t`. Small turns are applied from the left: `R_new = rotation_from_vector(w) @ R`.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

__all__ = [
    "alignment",
    "compose",
    "cross_matrix",
    "invert",
    "left_jacobian",
    "left_jacobian_inverse",
    "nearest_rotation",
    "rotation_angle",
    "rotation_from_vector",
    "transform",
    "vector_from_rotation",
]

_SMALL_ANGLE = 1e-4  # rad; below it, three terms of a Taylor series are exact to the last bit


def cross_matrix(v: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3 3"]:
    """The matrix [v]x with `[v]x @ u = v x u`."""
    v = np.asarray(v, dtype=np.float64)
    matrix = np.zeros((*v.shape, 3))
    matrix[..., 0, 1], matrix[..., 0, 2] = -v[..., 2], v[..., 1]
    matrix[..., 1, 0], matrix[..., 1, 2] = v[..., 2], -v[..., 0]
    matrix[..., 2, 0], matrix[..., 2, 1] = -v[..., 1], v[..., 0]
    return matrix


def rotation_from_vector(vector: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3 3"]:
    """The rotation by |vector| rad about the vector, I + [v]x J with its left Jacobian J.

    Args:
        vector: (..., 3) rad.

    Returns:
        (..., 3, 3).
    """
    return np.eye(3) + cross_matrix(vector) @ left_jacobian(vector)


def vector_from_rotation(rotation: Float64[np.ndarray, "*batch 3 3"]) -> Float64[np.ndarray, "*batch 3"]:
    """The rotation vector of a rotation.

    Args:
        rotation: (..., 3, 3).

    Returns:
        (..., 3) rad, of length in [0, pi].
    """
    from scipy.spatial.transform import Rotation  # takes half a second to import: live fusion does without

    return Rotation.from_matrix(rotation, assume_valid=True).as_rotvec()


def left_jacobian(vector: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3 3"]:
    """J with `rotation(vector + d) = rotation(J d) @ rotation(vector)` to first order in d.

    Args:
        vector: (..., 3) rad.

    Returns:
        (..., 3, 3).

    References:
        Barfoot 2017, State Estimation for Robotics, section 7.1.3.
    """
    vector = np.asarray(vector, dtype=np.float64)
    square = (vector**2).sum(axis=-1)[..., None, None]
    small = square < _SMALL_ANGLE**2
    x = np.sqrt(np.where(small, 1.0, square))
    b = np.where(small, 0.5 - square / 24 + square**2 / 720, 2 * np.sin(x / 2) ** 2 / x**2)  # (1 - cos x) / x^2
    c = np.where(small, 1 / 6 - square / 120 + square**2 / 5040, (x - np.sin(x)) / x**3)
    k = cross_matrix(vector)
    return np.eye(3) + b * k + c * (k @ k)


def left_jacobian_inverse(vector: Float64[np.ndarray, "*batch 3"]) -> Float64[np.ndarray, "*batch 3 3"]:
    """The inverse of `left_jacobian`; defined for angles below 2 pi."""
    return np.linalg.inv(left_jacobian(vector))


def rotation_angle(rotation: Float64[np.ndarray, "*batch 3 3"]) -> Float64[np.ndarray, "*batch"] | np.float64:
    """The angle of a rotation.

    Args:
        rotation: (..., 3, 3).

    Returns:
        (...,) rad in [0, pi].
    """
    return np.linalg.norm(vector_from_rotation(rotation), axis=-1)


def nearest_rotation(matrix: Float64[np.ndarray, "*batch 3 3"]) -> Float64[np.ndarray, "*batch 3 3"]:
    """The rotation nearest to a matrix in the Frobenius norm, right-handed always.

    Of `sum(target_i @ source_i.T)` it is the one that turns source nearest to target in least squares (Kabsch 1976).

    Args:
        matrix: (..., 3, 3).

    Returns:
        (..., 3, 3).

    References:
        Higham 1989, Matrix nearness problems and applications; Kabsch 1976.
    """
    u, _, vt = np.linalg.svd(matrix)
    u[..., :, 2] *= np.sign(np.linalg.det(u) * np.linalg.det(vt))[..., None]
    return u @ vt


def transform(
    rotation: Float64[np.ndarray, "... 3 3"],
    translation: Float64[np.ndarray, "... 3"],
    points: Float64[np.ndarray, "... 3"],
) -> Float64[np.ndarray, "... 3"]:
    """`R @ x + t` for points with the coordinates last; leading dimensions are broadcast.

    Args:
        rotation: (..., 3, 3) a_from_b.
        translation: (..., 3) a_from_b, m.
        points: (..., 3) in frame b, m.

    Returns:
        (..., 3) in frame a, m.
    """
    return np.einsum("...ij,...j->...i", rotation, points) + translation


def compose(
    a_from_b: tuple[Float64[np.ndarray, "... 3 3"], Float64[np.ndarray, "... 3"]],
    b_from_c: tuple[Float64[np.ndarray, "... 3 3"], Float64[np.ndarray, "... 3"]],
) -> tuple[Float64[np.ndarray, "... 3 3"], Float64[np.ndarray, "... 3"]]:
    """`a_from_c = a_from_b @ b_from_c`.

    Args:
        a_from_b: Rotation (..., 3, 3) and translation (..., 3), m.
        b_from_c: Likewise.

    Returns:
        a_from_c, likewise.
    """
    return a_from_b[0] @ b_from_c[0], transform(*a_from_b, b_from_c[1])


def invert(
    a_from_b: tuple[Float64[np.ndarray, "*batch 3 3"], Float64[np.ndarray, "*batch 3"]],
) -> tuple[Float64[np.ndarray, "*batch 3 3"], Float64[np.ndarray, "*batch 3"]]:
    """`b_from_a` of `a_from_b`.

    Args:
        a_from_b: Rotation (..., 3, 3) and translation (..., 3), m.

    Returns:
        b_from_a, likewise.
    """
    transposed = np.swapaxes(a_from_b[0], -1, -2)
    return transposed, -np.einsum("...ij,...j->...i", transposed, a_from_b[1])


def alignment(
    source: Float64[np.ndarray, "N 3"],
    target: Float64[np.ndarray, "N 3"],
    weights: Float64[np.ndarray, " N"] | None = None,
) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
    """The rigid (R, t) that brings source nearest to target in least squares.

    Args:
        source: (N, 3) m.
        target: (N, 3) m, the same points in another frame.
        weights: (N,) of the points; all alike if None.

    Returns:
        target_from_source: rotation (3, 3) and translation (3,), m.

    Raises:
        ValueError: There are fewer than three points, or they lie on one line, which leaves a rotation undetermined.

    References:
        Kabsch 1976.
    """
    w = np.ones(len(source)) if weights is None else np.asarray(weights, dtype=np.float64)
    w = w / w.sum()
    centre_source, centre_target = w @ source, w @ target
    covariance = (w[:, None] * (target - centre_target)).T @ (source - centre_source)
    singular = np.linalg.svd(covariance, compute_uv=False)
    if len(source) < 3 or not singular[1] > 1e-12 * max(singular[0], 1e-300):
        raise ValueError("an alignment needs three points that are not on one line")
    rotation = nearest_rotation(covariance)
    return rotation, centre_target - rotation @ centre_source
