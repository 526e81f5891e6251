"""How far two cameras' clocks differ, from the motion of the board that both saw.

In each camera's axes the board is a rigid body that moves. At the right difference of the clocks one rotation and one
translation carry its points from one camera's axes to the other's, all along the recording. The misfit of the best
rotation and translation is a function of sums over products of both motions, which are correlations: all differences
of a recording are tried at once by Fourier transforms.

Letters in shapes: V views, T steps of the grid, L differences in steps, q points of the board.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Complex128, Float64

from calib.solve.track import Track

__all__ = ["motion_offset"]

_FINEST_S = 1 / 30  # step of the correlation
_INDEPENDENT_S = 0.3  # a hand does something new so often
_NOISE_M = 0.02  # of a single camera's board
_MIN_SHARED_S = 0.5
_BY_CHANCE = 1.5  # logarithm of how much of the motion a rotation and a translation explain at any difference
_CANDIDATES = 8
_NEAR_S = 0.27  # differences so near to each other are one candidate, which is refined


def motion_offset(a: Track, b: Track) -> list[float]:
    """Differences of the clocks that the motions suggest, best first.

    Args:
        a: One camera's boards.
        b: Another's.

    Returns:
        s, to be added to the stamps of b; none where nothing stands out.
    """
    step = max(min(a.step_s, b.step_s), _FINEST_S)
    near = max(1, round(_NEAR_S / step))
    grid_a, grid_b = _Sampled.of(a, step, a.points[1:]), _Sampled.of(b, step, b.points[1:])
    shared, misfit, spread = _misfits(grid_a, grid_b)
    enough = shared * step >= _MIN_SHARED_S
    explained = np.log((spread + _NOISE_M**2) / (misfit + _NOISE_M**2)) - _BY_CHANCE
    evidence = np.where(enough, (shared * step / _INDEPENDENT_S - 1) * explained, 0.0)
    lag = np.arange(len(shared)) - (len(grid_b.known) - 1)
    found = []
    for _ in range(_CANDIDATES):
        best = int(evidence.argmax())
        if evidence[best] <= 0:
            break
        found.append(float(a.time[0] - b.time[0] + step * (lag[best] + _vertex(misfit, best))))
        evidence[max(best - near, 0) : best + near + 1] = 0.0
    return found


def _vertex(misfit: Float64[np.ndarray, " L"], best: int) -> float:
    """Where between three neighbours a parabola is lowest, in steps from the middle one."""
    if not 0 < best < len(misfit) - 1:
        return 0.0
    left, middle, right = misfit[best - 1 : best + 2]
    bend = left - 2 * middle + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if np.isfinite(bend) and bend > 0 else 0.0


@dataclass(frozen=True, slots=True, eq=False)
class _Sampled:
    """A board's points in a camera's axes at even steps, centred; 0 where it is not known."""

    x: Float64[np.ndarray, "T q 3"]
    known: Bool[np.ndarray, " T"]

    @staticmethod
    def of(track: Track, step: float, corners: Float64[np.ndarray, "q 3"]) -> _Sampled:
        time = track.time[0] + step * np.arange(int((track.time[-1] - track.time[0]) / step) + 1)
        R, t, known = track.at(time)
        x = corners @ np.swapaxes(R, -1, -2) + t[:, None]
        x = x - np.median(x[known], axis=(0, 1)) if known.any() else x
        return _Sampled(np.where(known[:, None, None], x, 0.0), known)


def _misfits(
    a: _Sampled, b: _Sampled
) -> tuple[Float64[np.ndarray, " L"], Float64[np.ndarray, " L"], Float64[np.ndarray, " L"]]:
    """For every lag (a's step minus b's): shared steps, m^2 that the best rigid motion leaves, m^2 without any motion.

    The best rotation is Kabsch's, from the singular values of the points' covariance.
    """
    length = len(a.known) + len(b.known) - 1
    size = 1 << (length - 1).bit_length()

    def transformed(values: Float64[np.ndarray, "T ..."]) -> Complex128[np.ndarray, "F ..."]:
        return np.fft.rfft(values, size, axis=0)

    def lags(product: Complex128[np.ndarray, "F ..."]) -> Float64[np.ndarray, "L ..."]:
        full = np.fft.irfft(product, size, axis=0)
        first = len(b.known) - 1  # negative lags are at the end
        return np.concatenate([full[size - first :], full[: len(a.known)]])

    mask_a, mask_b = transformed(a.known.astype(float)), np.conj(transformed(b.known.astype(float)))
    shared = np.maximum(np.round(lags(mask_a * mask_b)), 0.0)
    points = a.x.shape[1]
    count = np.maximum(shared, 1) * points
    Fa, Fb = transformed(a.x), np.conj(transformed(b.x))
    sum_a = lags(Fa.sum(axis=1) * mask_b[:, None])
    sum_b = lags(mask_a[:, None] * Fb.sum(axis=1))
    square_a = lags(transformed((a.x**2).sum(axis=(1, 2))) * mask_b)
    square_b = lags(mask_a * np.conj(transformed((b.x**2).sum(axis=(1, 2)))))
    product = lags(np.einsum("fqi,fqj->fij", Fa, Fb))
    covariance = product - sum_a[:, :, None] * sum_b[:, None] / count[:, None, None]
    spread = square_a - (sum_a**2).sum(axis=1) / count + square_b - (sum_b**2).sum(axis=1) / count
    values = np.linalg.svd(covariance, compute_uv=False)
    values[:, 2] *= np.sign(np.linalg.det(covariance))
    misfit = np.maximum(spread - 2 * values.sum(axis=1), 0.0)
    return shared, misfit / count, np.maximum(spread, 0.0) / count
