"""What the files in this folder hold: numbers that follow from frame, animal, joint and camera alone.

`make_files.py` writes them with the formats' own libraries; the tests compute the same numbers again.
"""

from __future__ import annotations

import numpy as np

JOINTS = ("Snout", "EarL", "EarR", "Spine Mid", "TailBase")
BONES = ((0, 3), (3, 4), (0, 1), (0, 2))
PAIRS = ((1, 2),)
FRAMES = 4
MISSING = (2, 1, 4)  # frame, animal, joint


def xy(camera: int, frame: int, animal: int, joint: int) -> tuple[float, float]:
    """px."""
    return 100.25 + 10 * joint + 200 * animal + 0.5 * frame, 50.75 + 7 * joint + 100 * camera + 2 * frame


def score(frame: int, animal: int, joint: int) -> float:
    """In (0, 1]."""
    return 0.5 + 0.0625 * joint + 0.03125 * animal + 0.015625 * frame


def arrays(camera: int, animals: int) -> tuple[np.ndarray, np.ndarray]:
    """(T, P, J, 2) px, NaN where missing, and (T, P, J) scores, 0 where missing."""
    shape = (FRAMES, animals, len(JOINTS))
    places, scores = np.empty((*shape, 2)), np.empty(shape)
    for place in np.ndindex(shape):
        missing = place == MISSING
        places[place] = (np.nan, np.nan) if missing else xy(camera, *place)
        scores[place] = 0.0 if missing else score(*place)
    return places, scores
