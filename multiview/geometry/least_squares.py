"""Non-linear least squares with few shared unknowns and many small blocks: one Schur solver for every fit.

Bundle adjustment has unknowns that every residual may touch (cameras, bones) and a chain of blocks (board poses,
frames) of which each touches only the shared ones and its nearest neighbours. Eliminating the chain leaves a small
dense system (Triggs et al. 2000, section 6). Its cost grows linearly with the length of the chain.

Letters in shapes: S shared unknowns, K blocks in the chain, p unknowns in a block, B neighbours that a block touches.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar, runtime_checkable

import numpy as np
from jaxtyping import Float64
from scipy.linalg import cho_factor, cho_solve, cho_solve_banded, cholesky_banded

__all__ = ["ArrowSystem", "Problem", "Solution", "levenberg_marquardt"]

State = TypeVar("State")


@dataclass(frozen=True, slots=True, eq=False)
class ArrowSystem:
    """Normal equations `H step = -gradient` of S shared unknowns and a chain of K blocks of p, block-banded.

    Attributes:
        shared: (S, S) block of H.
        cross: (K, p, S) blocks of H between chain and shared unknowns.
        band: (B, K, p, p), where band[d, k] is the block of H in row k + d, column k; the last d of band[d] are zero.
        gradient_shared: (S,).
        gradient_chain: (K, p).
    """

    shared: Float64[np.ndarray, "S S"]
    cross: Float64[np.ndarray, "K p S"]
    band: Float64[np.ndarray, "B K p p"]
    gradient_shared: Float64[np.ndarray, " S"]
    gradient_chain: Float64[np.ndarray, "K p"]

    def solve(self, damping: float = 0.0) -> tuple[Float64[np.ndarray, " S"], Float64[np.ndarray, "K p"]]:
        """The step, with H's diagonal scaled by 1 + damping.

        Args:
            damping: Marquardt's.

        Returns:
            The step of the shared unknowns (S,) and of the chain (K, p).

        Raises:
            numpy.linalg.LinAlgError: H is not positive definite, or not finite.

        References:
            Marquardt 1963; Triggs et al. 2000, Bundle adjustment: a modern synthesis, section 6.
        """
        reduced, eliminated = self.reduced(damping)
        if not np.isfinite(reduced).all():
            raise np.linalg.LinAlgError("the normal equations are not finite")
        free = np.einsum("kps,kp->s", eliminated, self.gradient_chain) - self.gradient_shared
        step = cho_solve(cho_factor(reduced, lower=True), free) if len(free) else free
        chain = self._solve_chain(-self.gradient_chain[..., None], damping)[..., 0] - eliminated @ step
        return step, chain

    def shared_covariance(self) -> Float64[np.ndarray, "S S"]:
        """The covariance of the shared unknowns for residuals of unit deviation, the chain marginalised.

        Directions that nothing determines come out with a huge variance, never as an error.
        """
        try:
            reduced, _ = self.reduced()
        except np.linalg.LinAlgError:  # a chain that rounding keeps from being positive definite
            reduced, _ = self.reduced(1e-9)
        size = np.sqrt(np.maximum(np.diag(reduced), 1e-300))
        values, vectors = np.linalg.eigh(reduced / np.outer(size, size))
        vectors = vectors / size[:, None]
        covariance: Float64[np.ndarray, "S S"] = (vectors / np.maximum(values, 1e-14)) @ vectors.T
        return covariance

    def reduced(self, damping: float = 0.0) -> tuple[Float64[np.ndarray, "S S"], Float64[np.ndarray, "K p S"]]:
        """The Schur complement of the chain (S, S), and by how much the chain follows the shared unknowns, negative.

        Args:
            damping: Marquardt's.

        Returns:
            The information on the shared unknowns with the chain marginalised, and chain^-1 cross (K, p, S).
        """
        eliminated = self._solve_chain(self.cross, damping)
        damped = self.shared + np.diag(damping * np.diag(self.shared))
        return damped - np.tensordot(self.cross, eliminated, axes=((0, 1), (0, 1))), eliminated

    def _solve_chain(self, right: Float64[np.ndarray, "K p n"], damping: float) -> Float64[np.ndarray, "K p n"]:
        blocks, length, p, _ = self.band.shape
        # A block that nothing observes gets a unit diagonal: it stays where it is.
        diagonal = np.einsum("kii->ki", self.band[0])
        extra = np.where(diagonal > 0, diagonal * damping, 1.0)
        if blocks == 1:
            return np.linalg.solve(self.band[0] + extra[..., None] * np.eye(p), right)
        banded = np.zeros((blocks * p, length * p))
        for d in range(blocks):
            for a in range(p):
                for b in range(p if d else a + 1):
                    banded[d * p + a - b, b::p] = self.band[d, :, a, b]
        banded[0] += extra.ravel()
        factor = cholesky_banded(banded, lower=True, check_finite=False)
        return cho_solve_banded((factor, True), right.reshape(length * p, right.shape[-1]), check_finite=False).reshape(
            right.shape
        )


@runtime_checkable
class Problem(Protocol[State]):
    """What `levenberg_marquardt` minimises; a state is any value that `moved` makes anew."""

    def cost(self, state: State) -> float:
        """Half the sum of squares, or of a robust loss.

        Args:
            state: Where.

        Returns:
            The cost, which the minimiser lowers.
        """
        ...

    def linearised(self, state: State) -> ArrowSystem:
        """Gauss-Newton's normal equations.

        Args:
            state: Where.

        Returns:
            The equations.
        """
        ...

    def moved(self, state: State, shared: Float64[np.ndarray, " S"], chain: Float64[np.ndarray, "K p"]) -> State:
        """The state after a step.

        Args:
            state: Before it.
            shared: (S,) step of the shared unknowns.
            chain: (K, p) step of the chain.

        Returns:
            A new state.
        """
        ...


@dataclass(frozen=True, slots=True)
class Solution(Generic[State]):
    """Where the minimiser stopped.

    Attributes:
        state: The best state.
        cost: There.
        steps: How many were taken.
        converged: False where it ran out of steps.
    """

    state: State
    cost: float
    steps: int
    converged: bool


def levenberg_marquardt(
    problem: Problem[State],
    state: State,
    max_steps: int = 50,
    tolerance: float = 1e-8,
    damping: float = 1e-4,
) -> Solution[State]:
    """Minimise by damped Gauss-Newton steps; a step that does not lower the cost is never taken.

    Args:
        problem: What is minimised.
        state: Where to begin.
        max_steps: How many steps at most.
        tolerance: Stop when the cost changes by less than this share of itself.
        damping: To begin with.

    Returns:
        Where it stopped.

    References:
        Levenberg 1944; Marquardt 1963; Nielsen 1999 for the damping.
    """
    cost, growth = problem.cost(state), 2.0
    for step in range(max_steps):
        system = problem.linearised(state)
        while True:
            try:
                shared, chain = system.solve(damping)
                candidate = problem.moved(state, shared, chain)
                new_cost = problem.cost(candidate)
            except np.linalg.LinAlgError:
                new_cost = np.inf
            if new_cost <= cost:
                break
            damping, growth = damping * growth, growth * 2
            if damping > 1e12:  # no downhill direction is left
                return Solution(state, cost, step, True)
        # How much of the promised descent came true decides how far to trust the next step.
        promised = -0.5 * (shared @ system.gradient_shared + (chain * system.gradient_chain).sum())
        came_true = (cost - new_cost) / max(promised, 1e-300)
        damping = max(damping * max(1 / 3, 1 - (2 * came_true - 1) ** 3), 1e-12)
        gained, state, cost, growth = cost - new_cost, candidate, new_cost, 2.0
        if gained <= tolerance * cost:
            return Solution(state, cost, step + 1, True)
    return Solution(state, cost, max_steps, False)
