"""How far a detector's joints lie from where they are: by joint, score and size in the picture, from the residuals."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

__all__ = ["correlation_factor", "noise_of"]

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


def correlation_factor(
    deviation: Float64[np.ndarray, "N 2"],
    camera: Int64[np.ndarray, " N"],
    curve: Int64[np.ndarray, " N"],
    time: Float64[np.ndarray, " N"],
    frame_s: float,
) -> float:
    """By how much the noise's correlation in time inflates a variance: 1 + 2 sum of the autocorrelation, at least 1.

    Args:
        deviation: (N, 2) residuals over their deviations.
        camera: (N,).
        curve: (N,) which joint of whom.
        time: (N,) s, rising for each camera and curve.
        frame_s: s, from one frame to the next.

    Returns:
        The factor of the covariance of white noise.
    """
    order = np.lexsort((time, curve, camera))
    value, time = np.clip(deviation[order], -3, 3), time[order]
    key = camera[order] * (int(curve.max(initial=0)) + 1) + curve[order]
    power = float((value**2).mean()) if len(value) else 1.0
    total, quiet = 1.0, 0
    for lag in range(1, min(len(value) - 1, round(1.5 / frame_s))):
        same = (key[lag:] == key[:-lag]) & (np.abs(time[lag:] - time[:-lag] - lag * frame_s) < 0.3 * frame_s)
        if same.sum() < 200:
            break
        rho = float((value[lag:][same] * value[:-lag][same]).mean()) / power
        quiet = quiet + 1 if rho < 0.03 else 0
        if quiet >= 3:
            break
        total += 2 * max(rho, 0.0)
    return total
