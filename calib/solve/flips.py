"""A camera whose images are turned or mirrored from some time on, as those of a telephone are that is laid down.

Of two cameras' views at the same time the one's board, carried over by the two cameras' own relative pose, lies as the
other's. Where the images of one were turned it does not, whatever the rig has become of it. The camera that nearly all
such pairs of views have in common is the one that was turned.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from calib.solve.disagreement import Disagreement
from calib.solve.solve import Calibration
from multiview.geometry.rigid import rotation_angle

__all__ = ["Flip", "find_flip"]

_FLIPPED_RAD = 1.0
_MIN_PAIRS, _MIN_SHARE = 4, 0.15
_MIN_PX = 5.0  # by which such pairs are apart in any rig: tens, if images were turned; none, if single poses are wrong
_INVOLVED = 0.9  # share of the pairs that lie otherwise, in which one camera is


@dataclass(frozen=True, slots=True)
class Flip:
    """A camera, and when it was turned (s, common to all cameras): between two views; how far off its boards lie."""

    camera: int
    before: float
    after: float
    px: float


def find_flip(calibration: Calibration, found: Disagreement) -> Flip | None:
    """The camera whose images were turned, if it is one.

    Args:
        calibration: A solved rig.
        found: Its views' own poses.

    Returns:
        None, where no camera was, or where nearly all of its pairs of views would be on one side of the change.
    """
    pairs, camera = found.pairs, found.camera
    R = calibration.state.R[camera] @ found.own_board[0]  # of the board, in the camera's axes
    otherwise = np.zeros(len(pairs.a), dtype=bool)
    for a, b, pose in calibration.graph.edges(data="pose"):
        i, j = calibration.cameras.index(a), calibration.cameras.index(b)
        i, j = min(i, j), max(i, j)
        own = np.flatnonzero((camera[pairs.a] == i) & (camera[pairs.b] == j))
        relative = R[pairs.a[own]] @ np.swapaxes(R[pairs.b[own]], -1, -2)
        otherwise[own] = np.asarray(rotation_angle(relative @ pose.R.T)) > _FLIPPED_RAD
    if otherwise.sum() < _MIN_PAIRS:
        return None
    involved = [((camera[pairs.a] == c) | (camera[pairs.b] == c))[otherwise].mean() for c in range(len(found.sigma))]
    c = int(np.argmax(involved))
    second = float(np.sort(involved)[-2])
    if involved[c] < _INVOLVED or second == involved[c]:
        return None
    ours = (camera[pairs.a] == c) | (camera[pairs.b] == c)
    if otherwise[ours].mean() < _MIN_SHARE:  # single boards are seen wrongly now and then
        return None
    partner = np.where(camera[pairs.a] == c, camera[pairs.b], camera[pairs.a])
    px = float(
        np.median(
            [
                _apart_px(pairs.px[ours & (partner == p)], otherwise[ours & (partner == p)])
                for p in partner[otherwise & ours]
            ]
        )
    )
    if px < _MIN_PX:
        return None
    changed, time = np.zeros(len(pairs.a)), found.time[np.where(camera[pairs.a] == c, pairs.a, pairs.b)]
    for p in np.unique(partner[ours & otherwise]):
        own = np.flatnonzero(ours & (partner == p))
        own = own[np.argsort(time[own], kind="stable")]
        early = otherwise[own[: max(len(own) // 4, 1)]].mean() > 0.5  # the two cameras' pose is that after the change
        changed[own] = np.where(otherwise[own] != early, 1.0, -1.0)
    return Flip(c, *_split(time[ours], changed[ours]), px)


def _apart_px(px: Float64[np.ndarray, " d"], otherwise: Bool[np.ndarray, " d"]) -> float:
    """How far two cameras are apart before the change or after it, where it is more: one of them is the rig's state."""
    return max(float(np.median(px[side])) for side in (otherwise, ~otherwise) if side.any())


def _split(time: Float64[np.ndarray, " n"], changed: Float64[np.ndarray, " n"]) -> tuple[float, float]:
    """Two times: before the first most pairs are as they were, after the second most are not."""
    order = np.argsort(time, kind="stable")
    time, changed = time[order], changed[order]
    wrong = np.cumsum(changed)[:-1] - np.cumsum(changed[::-1])[::-1][1:]  # after k + 1 pairs
    k = int(np.argmin(np.where(np.diff(time) > 0, wrong, np.inf)))
    return float(time[k]), float(time[k + 1])
