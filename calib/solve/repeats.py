"""Pictures that are shown again: by a camera that hangs, by one that gives fewer than its file has, or by two cameras.

A board at rest looks alike in two pictures as well: what tells is that another camera sees it move in between.

Letters in shapes: v views of one camera, in the order of time.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Float64, Int64

from calib.solve.disagreement import Disagreement
from calib.solve.solve import Calibration

__all__ = ["Repeat", "find_repeat"]

_SAME_PX, _MOVED_PX = 0.15, 1.0  # of one picture coded twice no corner differs by more; of two, most do
_FEWEST_CORNERS = 4
_FEWEST, _SHARE = 3, 0.1  # pictures that are shown again, and of those between which the board moved
_FEWEST_ALIKE, _ALIKE_SHARE = 5, 0.5  # pictures of two cameras, and of those at the same time
_HANGS_SHARE = 0.5  # of the pictures shown again that follow each other, where a camera hangs


@dataclass(frozen=True, slots=True)
class Repeat:
    """A camera that shows pictures again.

    Attributes:
        camera: Of the calibration's.
        source: The camera whose pictures they are; None: its own.
        start_between: Two of the bundle's views between which it began to hang; None: it repeats now and then.
        end_between: The same of the end; None: not before the end.
        share: Of its pictures.
    """

    camera: int
    source: int | None = None
    start_between: tuple[int, int] | None = None
    end_between: tuple[int, int] | None = None
    share: float = 1.0


def find_repeat(calibration: Calibration, found: Disagreement) -> Repeat | None:
    """The camera that shows pictures again, if there is one.

    Args:
        calibration: A solved rig.
        found: Its views, and which of them are of one time.

    Returns:
        The one that does so most, or None.
    """
    seen, xy = calibration.row >= 0, calibration.bundle.xy
    a, b = found.pairs.a, found.pairs.b
    cameras = range(len(found.sigma))
    for one, other in combinations(cameras, 2):
        both = (found.camera[a] == one) & (found.camera[b] == other)
        alike = _apart_px(xy, seen, a[both], b[both], 1.0) < _SAME_PX
        if alike.sum() >= max(_FEWEST_ALIKE, _ALIKE_SHARE * both.sum()):
            return Repeat(other, one)
    repeats = [repeat for c in cameras if (repeat := _own_repeat(found, xy, seen, c)) is not None]
    return max(repeats, key=lambda repeat: repeat.share, default=None)


def _own_repeat(
    found: Disagreement, xy: Float64[np.ndarray, "V N 2"], seen: Bool[np.ndarray, "V N"], c: int
) -> Repeat | None:
    own = np.flatnonzero((found.camera == c) & seen.any(axis=1))
    own = own[np.argsort(found.time[own], kind="stable")]
    if len(own) < 2:
        return None
    before, after = own[:-1], own[1:]
    same = _apart_px(xy, seen, before, after, 1.0) < _SAME_PX
    moved = _moved_elsewhere(found, xy, seen, before, after)
    if (same & moved).sum() < max(_FEWEST, _SHARE * moved.sum()):
        return None
    edges = np.flatnonzero(np.diff(np.concatenate([[0], same, [0]]))).reshape(-1, 2)  # runs of steps [begin, end)
    begin, end = edges[np.argmax(edges[:, 1] - edges[:, 0])].tolist()
    share = float(same.mean())
    if end - begin < _HANGS_SHARE * same.sum():
        return Repeat(c, share=share)
    ended = (int(own[end]), int(own[end + 1])) if end + 1 < len(own) else None
    return Repeat(c, None, (int(own[begin]), int(own[begin + 1])), ended, share)


def _moved_elsewhere(
    found: Disagreement,
    xy: Float64[np.ndarray, "V N 2"],
    seen: Bool[np.ndarray, "V N"],
    before: Int64[np.ndarray, " s"],
    after: Int64[np.ndarray, " s"],
) -> Bool[np.ndarray, " s"]:
    """Whether another camera saw the board move from the time of one view to that of the other, by what shows here."""
    moved = np.zeros(len(before), dtype=bool)
    size = _sizes_px(xy, seen)
    for p in range(len(found.sigma)):
        partner = np.full(len(found.camera), -1)
        for ours, theirs in ((found.pairs.a, found.pairs.b), (found.pairs.b, found.pairs.a)):
            of_p = found.camera[theirs] == p
            partner[ours[of_p]] = theirs[of_p]
        first, second = partner[before], partner[after]
        known = np.flatnonzero((first >= 0) & (second >= 0) & (first != second))
        px = _apart_px(xy, seen, first[known], second[known], 0.5)
        here = px * size[before[known]] / np.maximum(size[first[known]], 1.0)  # the nearer camera sees more of it
        moved[known] |= np.isfinite(here) & (here > _MOVED_PX)
    return moved


def _sizes_px(xy: Float64[np.ndarray, "V N 2"], seen: Bool[np.ndarray, "V N"]) -> Float64[np.ndarray, " V"]:
    """Of the board in each picture: the deviation of its corners."""
    weight = seen / np.maximum(seen.sum(axis=1, keepdims=True), 1)
    middle = np.einsum("vn,vni->vi", weight, xy)
    return np.asarray(np.sqrt(np.einsum("vn,vni->v", weight, (xy - middle[:, None]) ** 2)))


def _apart_px(
    xy: Float64[np.ndarray, "V N 2"],
    seen: Bool[np.ndarray, "V N"],
    a: Int64[np.ndarray, " s"],
    b: Int64[np.ndarray, " s"],
    share: float,
) -> Float64[np.ndarray, " s"]:
    """How far at most a share of the corners of two pictures are apart, px; infinite where few are seen in both."""
    both = seen[a] & seen[b]
    px = np.linalg.norm(xy[a] - xy[b], axis=-1)
    enough = both.sum(axis=1) >= _FEWEST_CORNERS
    apart = np.full(len(a), np.inf)
    apart[enough] = np.nanquantile(np.where(both, px, np.nan)[enough], share, axis=1)
    return apart
