"""Two cameras' relative pose and time shift from matched joints: Sampson's distance in least squares, robust."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from multiview.geometry.least_squares import ArrowSystem, levenberg_marquardt
from multiview.geometry.rigid import cross_matrix, rotation_from_vector
from multiview.geometry.robust import cauchy_loss, cauchy_weight

__all__ = ["EpipolarFit", "PairState", "essential", "fit_pair"]

_CAUCHY = 1.0  # in deviations of GATE size: matches are gated already
_STEP = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class PairState:
    """Pose `b_from_a` with a translation of length 1, and what is to be added to a's stamps to have b's (s)."""

    R: Float64[np.ndarray, "3 3"]
    t: Float64[np.ndarray, " 3"]
    shift: float


def essential(state: PairState) -> Float64[np.ndarray, "3 3"]:
    """E with b' E a = 0."""
    return cross_matrix(state.t) @ state.R


@dataclass(frozen=True, slots=True, eq=False)
class EpipolarFit:
    """Matches of joints; a `Problem` for `levenberg_marquardt` with 6 unknowns: turn, two of direction, shift.

    Attributes:
        a: (N, 2) normalised coordinates in camera a.
        b: (N, 2) in camera b, at `shift`.
        slope: (N, 2) b's change by the second.
        shift: s, at which b was taken.
        sigma: (N,) deviation of a distance.
    """

    a: Float64[np.ndarray, "N 2"]
    b: Float64[np.ndarray, "N 2"]
    slope: Float64[np.ndarray, "N 2"]
    shift: float
    sigma: Float64[np.ndarray, " N"]

    def residuals(self, state: PairState) -> Float64[np.ndarray, " N"]:
        """Sampson's distances in deviations, with sign."""
        E = essential(state)
        b = self.b + self.slope * (state.shift - self.shift)
        line = self.a @ E[:, :2].T + E[:, 2]
        other = b @ E[:2] + E[2]
        miss = (b * line[:, :2]).sum(axis=1) + line[:, 2]
        size = np.sqrt((line[:, :2] ** 2).sum(axis=1) + (other[:, :2] ** 2).sum(axis=1))
        return np.asarray(miss / np.maximum(size, 1e-12) / self.sigma)

    def cost(self, state: PairState) -> float:
        return 0.5 * float(cauchy_loss(self.residuals(state) ** 2, _CAUCHY).sum())

    def linearised(self, state: PairState) -> ArrowSystem:
        here = self.residuals(state)
        none = np.empty((0, 1))
        J = np.stack(
            [(self.residuals(self.moved(state, step, none)) - here) / _STEP for step in _STEP * np.eye(6)], axis=1
        )
        weight = cauchy_weight(here**2, _CAUCHY)
        J, here = J * weight[:, None], here * weight
        empty = np.empty((0, 1, 6)), np.empty((1, 0, 1, 1))
        # A whole second of shift is as far as the unit of the others: matches at rest say nothing of it.
        H = J.T @ J + 1e-9 * len(J) * np.eye(6)
        return ArrowSystem(H, empty[0], empty[1], J.T @ here, none)

    def moved(
        self, state: PairState, shared: Float64[np.ndarray, " 6"], chain: Float64[np.ndarray, "K p"]
    ) -> PairState:
        R = rotation_from_vector(shared[:3]) @ state.R
        across = np.linalg.svd(state.t[None])[2][1:]
        t = state.t + shared[3:5] @ across
        return PairState(R, t / np.linalg.norm(t), state.shift + float(shared[5]))


def fit_pair(fit: EpipolarFit, state: PairState) -> tuple[PairState, Float64[np.ndarray, "6 6"]]:
    """The best pose and shift near a first guess, and their covariance."""
    found = levenberg_marquardt(fit, state, max_steps=15, tolerance=1e-5).state
    return found, fit.linearised(found).shared_covariance()
