"""Whether two cameras saw one motion of the board at some difference of their clocks, by epipolar geometry.

How far away a small board is, and how it is tilted, one camera tells badly; in which direction its points lie it tells
to a fraction of a pixel. At the right difference of the clocks the directions of both cameras meet, all along the
recording, for one relative pose of the cameras. Pose and difference are fitted together, so that a difference which is
known to a few frames becomes known to a fraction of a frame.

Letters in shapes: V views, S of them that both saw, q points of the board.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64, Int64

from calib.solve.extrinsics import Pose
from calib.solve.track import LONGEST_GAP_S, Track
from multiview.data import Times
from multiview.geometry.rigid import alignment, compose, invert, rotation_from_vector, transform

__all__ = ["SURE_EVIDENCE", "SharedMotion", "shared_motion"]

_INDEPENDENT_S = 0.3  # a hand does something new so often
_INDEPENDENT_RAD = 0.05  # and has moved the board by so much until then
_FITTED = 3.0  # moments at which any two motions meet by their relative pose alone: it has five unknowns
_SAMPLES, _PICKS = 160, 16
_REACH_S = 0.3  # by which a difference is refined
_STEPS, _REFITS = 12, 5
_CAP_RAD = 0.045  # of the distance between directions, so that one bad view cannot outvote the others
_CHANCE_RAD, _FLOOR_RAD = 0.012, 2e-4  # what unrelated motions leave in the middle, and what noise leaves
SURE_EVIDENCE = 3.0  # of a hundred wrong differences that leave little, one has so much
_EXACT_RAD = (5e-4, 2e-3)  # lenses are not known better, and a track that is rougher tells nothing


@dataclass(frozen=True, slots=True)
class SharedMotion:
    """How well a difference of two clocks explains what both cameras saw.

    Attributes:
        offset: s, refined.
        error_rad: Median distance of one camera's points from where those of the other say that they lie.
        moments: How many independent places of the board tell.
        exact: Whether nothing is left but what a camera's own motion shows from view to view.
    """

    offset: float
    error_rad: float
    moments: float
    exact: bool

    @property
    def evidence(self) -> float:
        """Logarithm of how much better than chance it is, for all moments; 0 where too few tell."""
        better = max(_CHANCE_RAD / (self.error_rad + _FLOOR_RAD), 1.0)
        return max(self.moments - _FITTED, 0.0) * float(np.log(better))

    @property
    def sure(self) -> bool:
        """Whether they saw one motion: exact over more moments than could meet by chance."""
        return self.exact and self.evidence > SURE_EVIDENCE


def shared_motion(a: Track, b: Track, offset: float) -> SharedMotion:
    """Fit the relative pose of two cameras, and the difference of their clocks near one that is supposed.

    Args:
        a: One camera's boards.
        b: The other's.
        offset: s, added to the stamps of b.

    Returns:
        The fit.

    References:
        Hartley and Zisserman 2004, Multiple View Geometry, section 11.4 (Sampson's distance).
    """
    for _ in range(_REFITS):
        found = _fitted(a, b, offset)
        if abs(found.offset - offset) <= max(a.step_s, b.step_s):
            return found
        offset = found.offset  # other views are shared there
    return replace(found, exact=False)


def _fitted(a: Track, b: Track, offset: float) -> SharedMotion:
    R, t, known = a.at(Times(b.time + offset))
    own = np.flatnonzero(known)
    if len(own) < 2:
        return SharedMotion(offset, np.inf, 0.0, False)
    moments = _moments(b, own)
    own = own[np.unique(np.linspace(0, len(own) - 1, _SAMPLES).astype(int))]
    fit = _Fit(a, b, own, offset)
    b_from_a = fit.best_of(_proposals(a.points, (R[own], t[own]), (b.R[own], b.t[own])))
    refined, error = fit.refined(*b_from_a)
    exact = float(np.clip(max(a.roughness, b.roughness), *_EXACT_RAD))
    return SharedMotion(refined, error, moments, error < exact)


def _moments(track: Track, own: Int64[np.ndarray, " S"]) -> float:
    """How many independent places of the board these views are: a board at rest, or slowly moved, tells little."""
    duration = np.minimum(np.diff(track.time[own]), LONGEST_GAP_S)
    path = np.linalg.norm(np.diff(track.image[own, 0], axis=0), axis=1)
    return float(np.minimum(duration / _INDEPENDENT_S, path / _INDEPENDENT_RAD).sum())


def _proposals(points: Float64[np.ndarray, "q 3"], in_a: Pose, in_b: Pose) -> Pose:
    """`b_from_a` of some single moments, and of all moments together, as one view of a small board tells it badly."""
    picks = np.unique(np.linspace(0, len(in_a[0]) - 1, _PICKS).astype(int))
    R, t = compose((in_b[0][picks], in_b[1][picks]), invert((in_a[0][picks], in_a[1][picks])))
    x_a, x_b = (points @ np.swapaxes(R, -1, -2) + t[:, None] for R, t in (in_a, in_b))
    near = np.ones(len(x_a), dtype=bool)
    for _ in range(2):  # the second time without the worst third
        all_R, all_t = alignment(x_a[near].reshape(-1, 3), x_b[near].reshape(-1, 3))
        missed = np.linalg.norm(transform(all_R, all_t, x_a) - x_b, axis=-1).mean(axis=1)
        near = missed <= np.quantile(missed, 2 / 3)
    return np.concatenate([R, all_R[None]]), np.concatenate([t, all_t[None]])


@dataclass(frozen=True, slots=True, eq=False)
class _Fit:
    """Directions of the board's points from two cameras, at moments of camera b."""

    a: Track
    b: Track
    own: Int64[np.ndarray, " S"]
    offset: float

    def best_of(self, proposals: Pose) -> tuple[Float64[np.ndarray, "3 3"], Float64[np.ndarray, " 3"]]:
        """The relative pose with the least mean distance, and the direction of its shift."""
        x_a, _, x_b, _ = self._rays(self.offset)
        t = proposals[1] / np.maximum(np.linalg.norm(proposals[1], axis=1, keepdims=True), 1e-12)
        cost = [
            float(np.minimum(np.abs(_sampson(R, to, x_a, x_b)[0]), _CAP_RAD).mean())
            for R, to in zip(proposals[0], t, strict=True)
        ]
        best = int(np.argmin(cost))
        return proposals[0][best], t[best]

    def refined(self, R: Float64[np.ndarray, "3 3"], t: Float64[np.ndarray, " 3"]) -> tuple[float, float]:
        """The offset (s) and the median distance (rad) after Gauss-Newton's steps under a redescending loss."""
        reach = _REACH_S
        offset = best_offset = self.offset
        least = np.inf
        for _ in range(_STEPS):
            x_a, v_a, x_b, known = self._rays(offset)
            distance, size = _sampson(R, t, x_a, x_b)
            of_view = np.abs(distance).mean(axis=1)
            error = float(np.median(of_view[known])) if known.any() else np.inf
            if error < least:
                least, best_offset = error, offset
            scale = max(1.5 * error, _FLOOR_RAD)
            weight = known[:, None] / (1 + (distance / scale) ** 2) / size
            y = x_a @ R.T
            across = _basis(t)
            J = np.concatenate(
                [
                    np.cross(y, np.cross(x_b, t)),
                    np.cross(y, x_b) @ across,
                    (np.cross(v_a @ R.T, x_b) @ t)[..., None],
                ],
                axis=-1,
            )
            value = distance * size
            W = (weight / size)[..., None]
            H = np.einsum("sqi,sqj->ij", W * J, J)
            step = -np.linalg.solve(H + np.diag(1e-6 * np.diag(H) + 1e-12), np.einsum("sqi,sq->i", W * J, value))
            R = rotation_from_vector(step[:3]) @ R
            t = t + across @ step[3:5]
            t = t / np.linalg.norm(t)
            offset = float(np.clip(offset + step[5], self.offset - reach, self.offset + reach))
        return best_offset, least

    def _rays(self, offset: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        image, velocity, known = self.a.image_at(self.b.time[self.own] + offset)
        one, none = np.ones((*image.shape[:2], 1)), np.zeros((*image.shape[:2], 1))
        x_b = np.concatenate([self.b.image[self.own], one], axis=-1)
        return np.concatenate([image, one], axis=-1), np.concatenate([velocity, none], axis=-1), x_b, known


def _sampson(
    R: Float64[np.ndarray, "3 3"],
    t: Float64[np.ndarray, " 3"],
    x_a: Float64[np.ndarray, "S q 3"],
    x_b: Float64[np.ndarray, "S q 3"],
) -> tuple[Float64[np.ndarray, "S q"], Float64[np.ndarray, "S q"]]:
    """Distance of two images of a point from agreeing with a relative pose (rad), and what it was divided by."""
    line_b = np.cross(t, x_a @ R.T)
    line_a = np.cross(x_b, t) @ R
    size = np.sqrt((line_a[..., :2] ** 2).sum(axis=-1) + (line_b[..., :2] ** 2).sum(axis=-1)) + 1e-9
    return (x_b * line_b).sum(axis=-1) / size, size


def _basis(t: Float64[np.ndarray, " 3"]) -> Float64[np.ndarray, "3 2"]:
    """Two directions across a unit vector."""
    return np.linalg.svd(t[None])[2][1:].T
