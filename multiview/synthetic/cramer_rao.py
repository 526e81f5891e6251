"""How well a joint can be known from one frame: the Cramer-Rao bound of a synthetic studio."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from jaxtyping import Float64

from multiview.recordings.ground_truth import Truth
from multiview.synthetic.studio import Studio

__all__ = ["cramer_rao_covariance", "truth_with_bound"]


def cramer_rao_covariance(studio: Studio) -> Float64[np.ndarray, "N J 3 3"]:
    """For each row and joint of the studio's truth the covariance that no unbiased estimator without memory can beat.

    The inverse of the sum over views of J^T J / sigma^2, with the derivative J of the pixels by the point and the true
    deviation sigma of each coordinate. Views in which the joint is an outlier, exchanged left for right, or taken for
    another's tell nothing. NaN where fewer than two views remain. Kay, Fundamentals of Statistical Signal Processing:
    Estimation Theory (1993), section 3.8.
    """
    truth = studio.truth
    information = np.zeros((*truth.xyz.shape, 3))
    views = np.zeros(truth.xyz.shape[:2], dtype=np.int64)
    for index, camera in enumerate(studio.rig.cameras):
        seen = studio.observations(index)
        row = (truth.frame, truth.actor)
        sigma = np.where(seen.sigma[row] > 0, seen.sigma[row], np.nan)  # without noise there is no bound
        usable = np.isfinite(sigma) & (seen.joint_actor[row] == truth.actor[:, None]) & ~seen.outlier[row]
        usable &= (seen.found[row] & ~seen.swapped[row] & ~studio.lost_frames(index)[truth.frame])[:, None]
        jacobian = camera.project_with_jacobian(truth.xyz)[1] / sigma[..., None, None]
        information[usable] += (jacobian.swapaxes(-1, -2) @ jacobian)[usable]
        views += usable
    bound = np.full_like(information, np.nan)
    enough = views >= 2
    bound[enough] = np.linalg.inv(information[enough])
    return bound


def truth_with_bound(studio: Studio) -> Truth:
    """The studio's truth with the root of the trace of that covariance, m. Simulates every camera."""
    covariance = cramer_rao_covariance(studio)
    bound: np.ndarray = np.sqrt(np.trace(covariance, axis1=-2, axis2=-1))
    return replace(studio.truth, bound=bound)
