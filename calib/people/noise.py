"""How far a detector's joints lie from where they are: by joint, score and size in the picture, from the residuals."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

__all__ = ["noise_of"]

_GROSS = 3.5  # usual deviations, beyond which a residual tells nothing of the noise
_MIN_SIGMA_PX = 0.2
_POWER = (-2.0, 0.5), (-0.5, 1.5)  # of the score, of the size
_PULL = 50.0  # observations of a joint that count as much as what all joints have in common


def noise_of(
    residual: Float64[np.ndarray, "N 2"],
    joint: Int64[np.ndarray, " N"],
    score: Float64[np.ndarray, " N"],
    size: Float64[np.ndarray, " N"],
    redundancy: float,
) -> Float64[np.ndarray, " N"]:
    """The deviation (px) of every coordinate, from a log-linear model that is fitted to all cameras together.

    One deviation per camera would collapse onto a single camera, which the others then follow.

    Args:
        residual: (N, 2) px.
        joint: (N,) of the skeleton.
        score: (N,) of the detector.
        size: (N,) px, of the person in the picture.
        redundancy: Share of the residuals' degrees of freedom that the fit has left, by which they are too small.

    Returns:
        (N,) px.
    """
    joints = int(joint.max(initial=0)) + 1
    square = (residual**2).mean(axis=1)
    scale = np.sqrt(np.median(square)) + 1e-9
    kept = square < (_GROSS * scale) ** 2
    regressors = np.stack([np.log(np.clip(score, 0.05, None)), np.log(np.maximum(size, 1.0))], axis=1)
    middle = regressors.mean(axis=0)
    regressors = regressors - middle
    # log of the mean of two squares: chi^2 with two degrees of freedom over two has the mean log -0.577.
    target = 0.5 * (np.log(np.maximum(square, 1e-8)) + np.euler_gamma)
    common = target[kept].mean()
    own = np.full(joints, common)
    slope = np.zeros(2)
    for _ in range(5):
        rest = target - regressors @ slope
        count = np.bincount(joint[kept], minlength=joints)
        own = (np.bincount(joint[kept], rest[kept], minlength=joints) + _PULL * common) / (count + _PULL)
        left = target - own[joint]
        H = regressors[kept].T @ regressors[kept] + _PULL * np.eye(2)
        slope = np.linalg.solve(H, regressors[kept].T @ left[kept])
        slope = np.array([np.clip(value, *bounds) for value, bounds in zip(slope, _POWER, strict=True)])
    sigma = np.exp(own[joint] + regressors @ slope) / np.sqrt(max(redundancy, 0.05))
    return np.asarray(np.maximum(sigma, _MIN_SIGMA_PX))
