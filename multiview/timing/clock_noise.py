"""How unsteady a camera's clock is: the deviations of its wander and its jitter, found from the data.

The error of a stamp is a random walk, which grows with the root of time, and white jitter (ITU-T G.810 tells wander
from jitter so). Their deviations are those that maximise the marginal likelihood of what a recording says about the
error of every stamp; either is zero where the data say so. The mean error is the camera's constant time offset.

Letters in shapes: n stamps.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
from jaxtyping import Float64
from scipy.linalg import cholesky, solve_triangular

__all__ = ["STEADY", "ClockEvidence", "ClockNoise"]

_LEAST_S = 1e-5  # jitter that every clock has, so that a covariance has an inverse
_LEAST_GAIN, _LEAST_OF_ONE = 3.0, 0.5  # nats that unsteadiness must bring, and the second deviation
_GRID_S = (1e-4, 1e-3, 1e-2)  # walk in one interval, and jitter, that the search begins with
_LARGEST_S = 1.0
_STEPS, _LONGEST_STEP, _SHORTEST_STEP = 15, 1.5, 0.02  # of the logarithms of variances


@dataclass(frozen=True, slots=True)
class ClockNoise:
    """Deviations of a clock's errors.

    Attributes:
        walk: Of the random walk, s per root second.
        jitter: White, s.
    """

    walk: float
    jitter: float

    def covariance(self, time: Float64[np.ndarray, " n"]) -> Float64[np.ndarray, "n n"]:
        """Covariance of the errors of stamps, less the walk's mean over them.

        Args:
            time: (n,) s.

        Returns:
            (n, n) s^2.
        """
        since = time - time.min()
        walked = np.minimum(since[:, None], since)
        mean = walked.mean(axis=0)
        walked = walked - mean - mean[:, None] + mean.mean()
        return self.walk**2 * walked + max(self.jitter, _LEAST_S) ** 2 * np.eye(len(time))


STEADY = ClockNoise(0.0, 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class ClockEvidence:
    """What a recording says about the errors of one camera's stamps, all other unknowns marginalised.

    Attributes:
        time: (n,) s.
        information: (n, n) 1/s^2, which may be singular.
        told: (n,) 1/s, information times the errors that fit best.

    References:
        Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, chapter 5.
    """

    time: Float64[np.ndarray, " n"]
    information: Float64[np.ndarray, "n n"]
    told: Float64[np.ndarray, " n"]

    def nats(self, noise: ClockNoise) -> float:
        """By how many nats a clock is likelier than a steady one (logarithm of the ratio of marginal likelihoods).

        Args:
            noise: Of the clock.

        Returns:
            nats.
        """
        root, inner = self._roots(noise)
        white = solve_triangular(inner, root.T @ self.told, lower=True, check_finite=False)
        return float(0.5 * white @ white - np.log(np.diag(inner)).sum())

    def price(self, noise: ClockNoise) -> float:
        """What the freedom of the errors costs of the likelihood (Occam's factor).

        Args:
            noise: Of the clock.

        Returns:
            nats.

        References:
            MacKay 2003, Information Theory, Inference, and Learning Algorithms, section 28.1.
        """
        return float(np.log(np.diag(self._roots(noise)[1])).sum())

    def _roots(self, noise: ClockNoise) -> tuple[Float64[np.ndarray, "n n"], Float64[np.ndarray, "n n"]]:
        """Cholesky's factors of the errors' covariance, and of one plus the information in units of it."""
        root = cholesky(noise.covariance(self.time), lower=True, check_finite=False)
        inner = np.eye(len(self.time)) + root.T @ self.information @ root
        return root, cholesky(inner, lower=True, check_finite=False)

    def z_score(self) -> float:
        """By how many deviations a steady clock fails the score test against jitter, or against a walk.

        Returns:
            The larger of both.

        References:
            Rao 1948, Large sample tests of statistical hypotheses concerning several parameters.
        """
        walked = ClockNoise(1.0, 0.0).covariance(self.time)
        by_walk = self.information @ walked
        tested = (
            (self.told @ self.told - np.trace(self.information), (self.information**2).sum()),
            (self.told @ walked @ self.told - np.trace(by_walk), (by_walk * by_walk.T).sum()),
        )
        return max(float(score / np.sqrt(2 * max(square, 1e-30))) for score, square in tested)

    def roughly(self) -> ClockNoise:
        """The likeliest clock of a few: which of them it is, within a factor of three."""
        interval = float(np.median(np.diff(np.sort(self.time)))) if len(self.time) > 1 else 1.0
        clocks = [ClockNoise(walk / max(interval, 1e-3) ** 0.5, jitter) for walk, jitter in product(_GRID_S, _GRID_S)]
        return max(clocks, key=self.nats)

    def likeliest(self, start: ClockNoise | None = None) -> ClockNoise:
        """The deviations of the largest marginal likelihood.

        Args:
            start: Where to search from; None: from the likeliest of a few.

        Returns:
            The deviations; one is 0 if the other explains the errors alone, both if nothing has to be explained.

        References:
            Harville 1977, Maximum likelihood approaches to variance component estimation (Fisher's scoring).
        """
        if start is None or not (start.walk and start.jitter):
            start = self.roughly()
        noise = self._scored(start, True, True)
        nats = self.nats(noise)
        if nats < _LEAST_GAIN:
            return STEADY
        for walks in (True, False):
            single = self._scored(noise, walks, not walks)
            if self.nats(single) > nats - _LEAST_OF_ONE:
                return single
        return noise

    def _scored(self, noise: ClockNoise, walks: bool, jitters: bool) -> ClockNoise:
        """Fisher's scoring of the logarithms of the variances; a deviation that is not wanted is 0."""
        n, unit = len(self.time), ClockNoise(1.0, 0.0).covariance(self.time)
        wanted = np.flatnonzero([walks, jitters])
        variance = np.array([noise.walk if walks else 0.0, noise.jitter if jitters else 0.0]) ** 2
        for _ in range(_STEPS):
            covariance = _noise(variance).covariance(self.time)
            right = np.column_stack([self.information, self.told])
            solved = np.linalg.solve(np.eye(n) + self.information @ covariance, right)
            P, white = solved[:, :n], solved[:, n]
            by_walk = P @ unit
            score = 0.5 * np.array([white @ unit @ white - np.trace(by_walk), white @ white - np.trace(P)])
            both = (by_walk * P.T).sum()
            fisher = 0.5 * np.array([[(by_walk * by_walk.T).sum(), both], [both, (P * P.T).sum()]])
            scale = variance[wanted]
            curvature = fisher[np.ix_(wanted, wanted)] * np.outer(scale, scale)
            step = np.linalg.solve(curvature + 1e-3 * np.eye(len(wanted)), scale * score[wanted])
            step = np.clip(step, -_LONGEST_STEP, _LONGEST_STEP)
            variance[wanted] = np.clip(scale * np.exp(step), _LEAST_S**2, _LARGEST_S**2)
            if np.abs(step).max() < _SHORTEST_STEP:
                break
        return _noise(variance)


def _noise(variance: Float64[np.ndarray, " 2"]) -> ClockNoise:
    walk, jitter = np.sqrt(variance).tolist()
    return ClockNoise(walk, jitter)
