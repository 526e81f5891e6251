"""Which detections have each hand at the other one's wrist, and their exchange."""

from __future__ import annotations

import math

from multiview.geometry.jit import Array, inner, kernel

CLEARLY = 0.5  # hands are exchanged where that makes the way to their wrists so much shorter


@kernel
def exchange_hands(wrists: Array, hands: Array, xy: Array, score: Array, cov: Array) -> None:
    """Exchange the hands (2, 21) of the detections in which each lies clearly nearer to the other's wrist; in place.

    `wrists` (2,) and `hands` are left and right; `cov` may have no rows.
    """
    for d in range(xy.shape[0]):
        own = _apart(xy[d], wrists[0], hands[0, 0]) + _apart(xy[d], wrists[1], hands[1, 0])
        other = _apart(xy[d], wrists[1], hands[0, 0]) + _apart(xy[d], wrists[0], hands[1, 0])
        if not other < CLEARLY * own:  # never where one of the four is missing
            continue
        for k in range(hands.shape[1]):
            left, right = hands[0, k], hands[1, k]
            score[d, left], score[d, right] = score[d, right], score[d, left]
            for i in range(2):
                xy[d, left, i], xy[d, right, i] = xy[d, right, i], xy[d, left, i]
            if cov.shape[0]:
                for i in range(3):
                    cov[d, left, i], cov[d, right, i] = cov[d, right, i], cov[d, left, i]


@inner
def _apart(xy: Array, a: int, b: int) -> float:
    return math.hypot(xy[a, 0] - xy[b, 0], xy[a, 1] - xy[b, 1])
