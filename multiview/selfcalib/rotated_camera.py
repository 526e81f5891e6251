"""The camera of a recording that stands otherwise than its rig says: it would have to rotate to agree with the others.

Unlike `extrinsic_drift`, which waits for a change, this compares with the rig itself. Rigs and detectors are never
right altogether, so all cameras would have to rotate a little; the one that is named explains the others' rotations.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float64

from multiview.selfcalib.rotation_equations import RotationNormalEquations

__all__ = ["rotated_camera"]

LEAST_RAD = np.radians(0.5)  # nine pixels at a focal length of 1000: more than detectors are wrong, all alike
LEFT = 0.5  # of its rotation, at most, that another camera still needs when it is put right
FEWEST = 4  # cameras: of fewer nothing says which one is wrong
LEAST_JOINTS = 400


def rotated_camera(found: RotationNormalEquations) -> tuple[int, float] | None:
    """Which camera is rotated against the others, if one is.

    Args:
        found: The sum of the equations of many ticks.

    Returns:
        Its place in the rig and its rotation (rad); None where none is, or more than one may be.
    """
    judged = [c for c, joints in enumerate(found.joints.tolist()) if joints >= LEAST_JOINTS]
    if len(judged) < FEWEST:
        return None
    angles = {c: _angle(found, c, found.g[c]) for c in judged}
    worst = max(judged, key=lambda c: angles[c])
    rotation = np.linalg.solve(found.H[worst, worst], found.g[worst])
    others = [_angle(found, c, found.g[c] - found.H[c, worst] @ rotation) for c in judged if c != worst]
    if angles[worst] < LEAST_RAD or max(others) > LEFT * angles[worst]:
        return None
    return worst, angles[worst]


def _angle(found: RotationNormalEquations, c: int, g: Float64[np.ndarray, " 3"]) -> float:
    """By how much the picture of a camera moves (rad) when it is rotated so that `g` vanishes."""
    rotation = np.linalg.solve(found.H[c, c], g)
    return float(np.sqrt(max(rotation @ found.shift[c] @ rotation, 0.0) / found.weight[c]))
