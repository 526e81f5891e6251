"""What a file of keypoints says, as fusion wants it."""

from __future__ import annotations

import math

import numpy as np

from multiview.geometry.jit import Array, kernel


@kernel
def clean(triples: Array, xy: Array, score: Array) -> int:
    """From x, y and score (P, J, 3): coordinates `xy`, NaN where missing, and `score`, at most 1 and 0 where missing.

    A joint is missing without a positive score or a finite number; people without any joint are left out. How many
    people there are.
    """
    people = 0
    for p in range(triples.shape[0]):
        anything = False
        for j in range(triples.shape[1]):
            x, y, s = triples[p, j, 0], triples[p, j, 1], triples[p, j, 2]
            there = s > 0.0 and math.isfinite(x) and math.isfinite(y) and math.isfinite(s)
            xy[people, j, 0], xy[people, j, 1] = x if there else np.nan, y if there else np.nan
            score[people, j] = min(s, 1.0) if there else 0.0
            anything = anything or there
        people += anything
    return people
