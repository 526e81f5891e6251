"""Which joints are hidden from a camera by other bodies, or by the person's own trunk and head.

A body is a set of capsules; a joint is hidden if the segment from the camera to it comes closer to a capsule's axis
than the capsule's radius. People whose directions from the camera do not overlap are not compared.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float64

__all__ = ["CAPSULE_JOINTS", "OWN_RADII", "RADII", "hidden_joints"]

_LIMBS = [
    *((f"{side}_{a}", f"{side}_{b}", radius) for side in ("left", "right") for a, b, radius in (
        ("shoulder", "elbow", 0.050),
        ("elbow", "wrist", 0.042),
        ("hip", "knee", 0.080),
        ("knee", "ankle", 0.055),
    )),
    ("mid_hip", "neck", 0.140),
    ("neck", "head_top", 0.095),
]  # fmt: skip
CAPSULE_JOINTS = tuple((a, b) for a, b, _ in _LIMBS)
RADII = np.array([radius for _, _, radius in _LIMBS])
"""m, of a body of 1.71 m."""
OWN_RADII = {"trunk": 0.10, "head": 0.055}
"""m; thinner than for others, because a person's own joints lie on or near their surface."""
_TRUNK, _HEAD = len(_LIMBS) - 2, len(_LIMBS) - 1


def hidden_joints(
    centre: Float64[np.ndarray, " 3"],
    forward: Float64[np.ndarray, " 3"],
    xyz: Float64[np.ndarray, "T P J 3"],
    axes: Float64[np.ndarray, "T P L 2 3"],
    own_surface: Bool[np.ndarray, " J"],
) -> Bool[np.ndarray, "T P J"]:
    """Where a body is between a camera at `centre` (looking `forward`) and the joints; NaN people hide nothing.

    `axes` are the ends of the capsules in the order of CAPSULE_JOINTS. `own_surface` marks the joints that the person's
    own trunk or head can hide; hips, shoulders and neck lie inside and are seen from all sides.
    """
    hidden = np.zeros(xyz.shape[:3], dtype=bool)
    for part, name in ((_TRUNK, "trunk"), (_HEAD, "head")):
        capsule = axes[:, :, part, None]
        near = _squared_distance(centre, xyz, capsule[..., 0, :], capsule[..., 1, :]) < OWN_RADII[name] ** 2
        hidden |= near & own_surface
    frame, behind, before = np.nonzero(_overlapping(centre, forward, axes))
    ends = axes[frame, before, None]
    near = _squared_distance(centre, xyz[frame, behind, :, None], ends[..., 0, :], ends[..., 1, :]) < RADII**2
    np.logical_or.at(hidden, (frame, behind), near.any(axis=-1))
    return hidden


def _overlapping(
    centre: Float64[np.ndarray, " 3"], forward: Float64[np.ndarray, " 3"], axes: Float64[np.ndarray, "T P L 2 3"]
) -> Bool[np.ndarray, "T P P"]:
    """Whether person q may stand before person p: their horizontal directions overlap and q is not well behind."""
    offset = axes - centre
    ahead = offset[..., 0] * forward[0] + offset[..., 1] * forward[1]
    aside = offset[..., 1] * forward[0] - offset[..., 0] * forward[1]
    with np.errstate(invalid="ignore"):
        direction = np.arctan2(aside, ahead)
        distance = np.hypot(ahead, aside)
        nearest = distance.min(axis=(2, 3))
        margin = 0.15 / np.maximum(nearest, 0.3)
        left, right = direction.max(axis=(2, 3)) + margin, direction.min(axis=(2, 3)) - margin
        overlap = (left[:, :, None] > right[:, None]) & (left[:, None] > right[:, :, None])
        overlap &= nearest[:, None] < distance.max(axis=(2, 3))[:, :, None]
    overlap[:, np.arange(axes.shape[1]), np.arange(axes.shape[1])] = False
    return overlap


def _squared_distance(p: np.ndarray, q: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Between segments pq and ab (Ericson, Real-Time Collision Detection, section 5.1.9)."""
    u, v, w = q - p, b - a, p - a
    uu, uv, vv, uw, vw = ((x * y).sum(axis=-1) for x, y in ((u, u), (u, v), (v, v), (u, w), (v, w)))
    with np.errstate(invalid="ignore", divide="ignore"):
        s = np.clip((uv * vw - uw * vv) / np.maximum(uu * vv - uv * uv, 1e-12), 0, 1)
        t = np.clip((uv * s + vw) / vv, 0, 1)
        s = np.clip((uv * t - uw) / uu, 0, 1)
        gap = w + s[..., None] * u - t[..., None] * v
    return np.asarray((gap * gap).sum(axis=-1))
