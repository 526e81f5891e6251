"""One camera's keypoints at an instant between two of its frames."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64, Int64

from multiview.data import Keypoints2D

__all__ = ["interpolate", "match_people"]

# A person who moves further between two frames than this part of their own size in the image is another person.
_GATE = 0.3
_MIN_SHARED_JOINTS = 3
_APART = 1e6


def interpolate(before: Keypoints2D, after: Keypoints2D, weight: float) -> Keypoints2D:
    """The keypoints at `weight` in [0, 1] of the way from `before` to `after`, linear in the image.

    A joint that one frame lacks moves with the rest of its person, if the frame that has it is the nearer one; a person
    whom one frame lacks is taken from the nearer frame as they are. Covariances are blended, which is cautious: the
    noise of two frames averages, the curve of a motion between them does not show.
    """
    near = before if weight < 0.5 else after
    rows_before, rows_after = match_people(before, after)
    if not len(rows_before):
        return near
    rows_near = rows_before if near is before else rows_after
    alone = np.setdiff1d(np.arange(near.people), rows_near)

    xy_a, xy_b = before.xy[rows_before], after.xy[rows_after]
    step = xy_b - xy_a
    drift = np.nanmean(step, axis=1, keepdims=True)
    both = np.isfinite(step)
    moved = (xy_a + weight * drift) if near is before else (xy_b - (1.0 - weight) * drift)
    xy = np.where(both, xy_a + weight * np.where(both, step, 0.0), moved)

    def blend(a: Float64[np.ndarray, ...], b: Float64[np.ndarray, ...]) -> Float64[np.ndarray, ...]:
        a, b = a[rows_before], b[rows_after]
        seen = both[..., 0].reshape(both.shape[:2] + (1,) * (a.ndim - 2))
        mixed: Float64[np.ndarray, ...] = np.where(seen, (1.0 - weight) * a + weight * b, a if near is before else b)
        return mixed

    cov = visibility = None
    if before.cov is not None and after.cov is not None and near.cov is not None:
        cov = np.concatenate([blend(before.cov, after.cov), near.cov[alone]])
    if before.visibility is not None and after.visibility is not None and near.visibility is not None:
        visibility = np.concatenate([blend(before.visibility, after.visibility), near.visibility[alone]])
    score = np.concatenate([blend(before.score, after.score), near.score[alone]])
    return Keypoints2D(np.concatenate([xy, near.xy[alone]]), score, cov, visibility)


def match_people(before: Keypoints2D, after: Keypoints2D) -> tuple[Int64[np.ndarray, " P"], Int64[np.ndarray, " P"]]:
    """Who is who in two frames of one camera: rows of `before` and of `after`, paired.

    The nearest pairs first, by the mean distance of the joints that both have as a part of the person's size in the
    image: between two frames people move so little that nothing is gained by weighing all pairings against each other.
    """
    nobody = np.empty(0, np.int64)
    if not before.people or not after.people:
        return nobody, nobody
    step = np.linalg.norm(after.xy[None] - before.xy[:, None], axis=-1)
    shared = np.isfinite(step)
    count = shared.sum(-1)
    mean = np.where(shared, step, 0.0).sum(-1) / np.maximum(count, 1)
    size = np.maximum(_size(before)[:, None], _size(after)[None, :])
    cost = np.where(count >= _MIN_SHARED_JOINTS, mean / size, _APART)
    pairs: dict[int, int] = {}
    for flat in np.argsort(cost, axis=None, kind="stable"):
        row, column = divmod(int(flat), after.people)
        if cost[row, column] >= _GATE:
            break
        if row not in pairs and column not in pairs.values():
            pairs[row] = column
    rows = sorted(pairs)
    return np.array(rows, np.int64), np.array([pairs[row] for row in rows], np.int64)


def _size(keypoints: Keypoints2D) -> Float64[np.ndarray, " P"]:
    """The diagonal of each person's bounding box, px, at least one."""
    seen = np.isfinite(keypoints.xy)
    low = np.where(seen, keypoints.xy, np.inf).min(axis=1)
    high = np.where(seen, keypoints.xy, -np.inf).max(axis=1)
    size: Float64[np.ndarray, " P"] = np.maximum(np.linalg.norm(np.maximum(high - low, 0.0), axis=-1), 1.0)
    return size
