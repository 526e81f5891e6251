"""Expressions of a face from its 68 landmarks (iBUG 300-W order): how far the eyes are closed and the mouth is open.

An eye's openness is the mean distance of its lids over the distance of its corners (Soukupova and Cech 2016, Real-time
eye blink detection using facial landmarks); a mouth's that of its inner lips likewise. People's eyes differ: a person's
own open eye is learned while they are seen. A ratio that is more uncertain than a third of its range tells nothing: the
value then returns to that of a face at rest, eyes open and mouth closed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

__all__ = ["EXPRESSIONS", "FaceReader"]

EXPRESSIONS = ("blinkLeft", "blinkRight", "aa")
"""VRM 1.0's names: each eye closed, and the mouth open."""


@dataclass(frozen=True, slots=True)
class _Opening:
    """Landmarks of something that opens: its corners, and pairs above each other; the ratio closed and wide open."""

    corners: tuple[int, int]
    pairs: tuple[tuple[int, int], ...]
    closed: float
    open: float


_EYE_CLOSED, _EYE_OPEN = 0.12, 0.30
_OPENINGS = {
    "blinkLeft": _Opening((42, 45), ((43, 47), (44, 46)), _EYE_CLOSED, _EYE_OPEN),
    "blinkRight": _Opening((36, 39), ((37, 41), (38, 40)), _EYE_CLOSED, _EYE_OPEN),
    "aa": _Opening((60, 64), ((61, 67), (62, 66), (63, 65)), 0.05, 0.75),
}
_SURE = 1 / 3  # of the range, at most, the standard deviation of a ratio that tells something
_OPEN_QUANTILE, _LEARNED_S = 0.8, 4.0  # of the ratios of an eye: those of an open one, in the long run
_REST_S = 0.2  # in which an unknown value returns to that at rest


class FaceReader:
    """One person's face, frame after frame.

    Args:
        joints: Names of the skeleton's joints.
        frame_s: Time between frames, s.
    """

    def __init__(self, joints: tuple[str, ...], frame_s: float) -> None:
        index = {name: i for i, name in enumerate(joints)}
        self._index = {
            name: np.array([index[f"face_{i}"] for i in (*opening.corners, *np.ravel(opening.pairs))])
            for name, opening in _OPENINGS.items()
            if all(f"face_{i}" in index for i in (*opening.corners, *np.ravel(opening.pairs)))
        }
        self._frame_s = frame_s
        self._open = {name: _OPENINGS[name].open for name in self._index}
        self._value = dict.fromkeys(self._index, 0.0)

    def read(self, xyz: Float64[np.ndarray, "J 3"], cov: Float64[np.ndarray, "J 3 3"]) -> dict[str, float]:
        """The expressions of the next frame.

        Args:
            xyz: (J, 3) m, NaN where unknown.
            cov: (J, 3, 3) m^2.

        Returns:
            By name of `EXPRESSIONS`, 0 to 1; none of a skeleton whose face lacks the landmarks.
        """
        for name, index in self._index.items():
            opening = _OPENINGS[name]
            ratio, sd = _ratio(xyz[index], cov[index])
            if not sd < _SURE * (self._open[name] - opening.closed):  # also where it is NaN
                self._value[name] *= float(np.exp(-self._frame_s / _REST_S))
                continue
            if name != "aa":
                self._learn(name, ratio)
            wide = (ratio - opening.closed) / (self._open[name] - opening.closed)
            self._value[name] = float(np.clip(wide if name == "aa" else 1.0 - wide, 0.0, 1.0))
        return dict(self._value)

    def _learn(self, name: str, ratio: float) -> None:
        """A person's open eye, by stochastic approximation of a quantile (Robbins and Monro 1951)."""
        opening = _OPENINGS[name]
        step = (_OPEN_QUANTILE - (ratio < self._open[name])) * (opening.open - opening.closed)
        learned = self._open[name] + step * self._frame_s / _LEARNED_S
        self._open[name] = float(np.clip(learned, 0.6 * opening.open, 1.6 * opening.open))


def _ratio(xyz: Float64[np.ndarray, "K 3"], cov: Float64[np.ndarray, "K 3 3"]) -> tuple[float, float]:
    """Mean distance of the pairs over that of the corners, and its standard deviation; NaN where unknown."""
    ways, variances = xyz[1::2] - xyz[::2], cov[1::2] + cov[::2]
    lengths = np.linalg.norm(ways, axis=1)
    along = ways / np.maximum(lengths, 1e-9)[:, None]
    variance = np.einsum("ki,kij,kj->k", along, variances, along)
    mean, mean_variance = lengths[1:].mean(), variance[1:].mean() / (len(lengths) - 1)
    ratio = mean / max(lengths[0], 1e-9) if np.isfinite(lengths[0]) else np.nan
    sd = np.sqrt(mean_variance + ratio**2 * variance[0]) / max(lengths[0], 1e-9)
    return float(ratio), float(sd)
