"""When a camera changed: the instant that splits its misfit to the other cameras best.

A camera should see the board where the others see it; how far it is from there follows one shift, zoom and roll of its
image before the change, and another one, or another scatter, after it. The split is the most likely one of two Gaussian
regressions against one (Quandt 1958); its gain must exceed what the best of so many splits reaches by chance.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from calib.solve.disagreement import Disagreement, Pairs
from calib.solve.solve import Calibration
from multiview.geometry.rigid import rotation_from_vector, transform

__all__ = ["change_time"]

_FALSE_ALARM = 0.01
_MIN_ROWS = 6  # on either side of a split
_UNKNOWNS = 4  # of a shift, a zoom and a roll
_CLIP = 6.0  # median distances; a pose seen wrongly tells nothing
_MIN_VARIANCE = 0.01  # px^2; differences of smaller scatters mean nothing


def change_time(calibration: Calibration, found: Disagreement, pairs: Pairs, c: int) -> float | None:
    """The time (s, common to all cameras) of the first view after a camera's change; None if it cannot be told."""
    first, second = found.camera[pairs.a] == c, found.camera[pairs.b] == c
    views = np.concatenate([pairs.a[first], pairs.b[second]])
    partners = np.concatenate([pairs.b[first], pairs.a[second]])
    order = np.argsort(found.time[views], kind="stable")
    views, partners = views[order], partners[order]
    if len(views) < 2 * _MIN_ROWS:
        return None
    middle, missed = _misfit(calibration, found, c, views, partners)
    A = np.zeros((len(views), 2, _UNKNOWNS))
    A[:, 0, 0] = A[:, 1, 1] = 1.0
    A[:, 0, 2], A[:, 0, 3], A[:, 1, 2], A[:, 1, 3] = middle[:, 0], -middle[:, 1], middle[:, 1], middle[:, 0]
    whole = _log_likelihood(A, missed)
    splits = np.flatnonzero(np.diff(found.time[views]) > 0) + 1
    splits = splits[(splits >= _MIN_ROWS) & (splits <= len(views) - _MIN_ROWS)]
    gains = [_log_likelihood(A[:k], missed[:k]) + _log_likelihood(A[k:], missed[k:]) - whole for k in splits]
    if not gains or max(gains) < np.log(len(gains) / _FALSE_ALARM) + _UNKNOWNS + 1:
        return None
    return float(found.time[views[splits[int(np.argmax(gains))]]])


def _misfit(
    calibration: Calibration,
    found: Disagreement,
    c: int,
    views: Int64[np.ndarray, " n"],
    partners: Int64[np.ndarray, " n"],
) -> tuple[Float64[np.ndarray, "n 2"], Float64[np.ndarray, "n 2"]]:
    """The middle of the board where the partners have it, from the centre of the image in focal lengths, and where it
    is seen less that, px."""
    bundle, lens = calibration.bundle, calibration.state.lenses[c]
    shift = found.shift[partners]
    R = rotation_from_vector(shift[:, :3]) @ found.board[0][views]
    in_world = transform(R[:, None], (found.board[1][views] + shift[:, 3:])[:, None], bundle.points)
    expected = lens.project(transform(calibration.state.R[c], calibration.state.t[c], in_world))
    seen = (calibration.row[views] >= 0)[..., None]
    count = seen.sum(axis=1)
    middle = (expected * seen).sum(axis=1) / count
    return (middle - lens.focal[2:]) / lens.focal[:2], (bundle.xy[views] * seen).sum(axis=1) / count - middle


def _log_likelihood(A: Float64[np.ndarray, "n 2 4"], missed: Float64[np.ndarray, "n 2"]) -> float:
    """Of the best shift, zoom and roll with the scatter that it leaves; rows far off are drawn in."""
    flat, target = A.reshape(-1, _UNKNOWNS), missed.reshape(-1)
    left = target - flat @ np.linalg.lstsq(flat, target, rcond=None)[0]
    scale = float(np.median(np.abs(left)))
    kept = np.abs(left) <= _CLIP * max(scale, np.sqrt(_MIN_VARIANCE))
    solution = np.linalg.lstsq(flat[kept], target[kept], rcond=None)[0]
    left = np.abs(target - flat @ solution)
    left = np.minimum(left, _CLIP * max(float(np.median(left)), np.sqrt(_MIN_VARIANCE)))
    # Both coordinates of a view share the errors of the partner's pose: they count as one.
    return -0.5 * len(missed) * float(np.log(np.mean(left**2) + _MIN_VARIANCE))
