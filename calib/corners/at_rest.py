"""A recording of things at rest: all pictures of a camera show one place, whose middle is better than each."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from calib.corners.corners import Corners
from multiview.data import FrameNumbers, Times

__all__ = ["at_rest"]

_OUTLYING = 3.0  # deviations from the median


def at_rest(corners: Corners) -> Corners:
    """One row for each corner of each camera, at frame 0 and time 0, without the pictures.

    Args:
        corners: Of everything at rest.

    Returns:
        A smaller table.
    """
    keys, place = np.unique(np.stack([corners.camera, corners.corner]), axis=1, return_inverse=True)
    order = np.argsort(place, kind="stable")
    groups = np.split(corners.xy[order], np.flatnonzero(np.diff(place[order])) + 1)
    none = np.zeros(keys.shape[1])
    frame, time = FrameNumbers(none.astype(np.int64)), Times(none)
    xy = np.stack([_middle(group) for group in groups])
    return Corners(corners.names, corners.sizes, keys[0], frame, time, keys[1], xy, corners.board)


def _middle(xy: Float64[np.ndarray, "n 2"]) -> Float64[np.ndarray, " 2"]:
    """The mean of all but those that somebody walked in front of."""
    away = np.linalg.norm(xy - np.median(xy, axis=0), axis=1)
    return np.asarray(xy[away <= _OUTLYING * max(float(np.median(away)), 0.02)].mean(axis=0))
