"""The table of a keypoints message, read in one pass: it runs for every message of every camera."""

from __future__ import annotations

import math

from multiview.geometry.jit import Array, kernel


@kernel
def read(table: Array, xy: Array, score: Array, visibility: Array, cov: Array) -> None:
    """x, y, score of float32 `table`, then visibility and cxx, cxy, cyy where the arrays for them are not empty.

    A joint with a number that makes no sense is missing: NaN with score 0. Sums of float32 stay finite in float64.
    """
    people, joints, channels = table.shape
    for n in range(people):
        for j in range(joints):
            x, y, s = float(table[n, j, 0]), float(table[n, j, 1]), float(table[n, j, 2])
            good = math.isfinite(x + y + s) and s > 0.0
            if len(visibility):
                v = float(table[n, j, 3])
                visibility[n, j] = min(max(v, 0.0), 1.0) if v == v else 0.0
            if len(cov):
                cxx, cxy = float(table[n, j, channels - 3]), float(table[n, j, channels - 2])
                cyy = float(table[n, j, channels - 1])
                good = good and cxx > 0.0 and cyy > 0.0 and math.isfinite(cxx + cyy) and cxx * cyy > cxy * cxy
                cov[n, j, 0, 0] = cxx if good else math.nan
                cov[n, j, 0, 1] = cov[n, j, 1, 0] = cxy if good else math.nan
                cov[n, j, 1, 1] = cyy if good else math.nan
            xy[n, j, 0] = x if good else math.nan
            xy[n, j, 1] = y if good else math.nan
            score[n, j] = min(s, 1.0) if good else 0.0
