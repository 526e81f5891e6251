"""The filter of one slot with one joint."""

import numpy as np

from multiview.body.skeleton import load_skeleton
from multiview.fusion.estimation.fit_scratch import FitScratch
from multiview.fusion.estimation.kalman_kernels import update_joints
from multiview.fusion.state.elimination import Elimination
from multiview.fusion.state.limb_prior import LimbPrior
from multiview.fusion.state.track_state import State

LIMBS = LimbPrior.of(load_skeleton("coco17"))
JOINT = Elimination.of(1, np.array([[0, -1]]))


def measure_one(
    people: State, dt: float, autocorrelation: float, share: float, views: int, point: np.ndarray, C: np.ndarray
) -> tuple[float, float]:
    """Measure a joint at `point` with covariance C (6); its squared innovation and what that should be."""
    fit = FitScratch.empty(JOINT, LIMBS)
    fit.xyz[0], fit.cov[0] = point, C
    update_joints(0, dt, autocorrelation, share, np.array([views]), people, fit)
    return float(fit.innovation_sq[0]), float(fit.expected_innovation_sq[0])
