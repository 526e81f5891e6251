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
    own = _squared_distance(centre, xyz, axes[:, :, [_TRUNK, _HEAD]])
    hidden |= (own < np.array([*OWN_RADII.values()]) ** 2).any(axis=-1) & own_surface
    frame, behind, before = np.nonzero(_overlapping(centre, forward, axes))
    near = _squared_distance(centre, xyz[frame, behind], axes[frame, before]) < RADII**2
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


def _squared_distance(
    centre: Float64[np.ndarray, " 3"], joints: Float64[np.ndarray, "*n J 3"], axes: Float64[np.ndarray, "*n L 2 3"]
) -> Float64[np.ndarray, "*n J L"]:
    """Between the segments from the centre to the joints and the capsules' axes.

    Ericson, Real-Time Collision Detection (2005), section 5.1.9.
    """
    u, v, w = joints - centre, axes[..., 1, :] - axes[..., 0, :], centre - axes[..., 0, :]
    uv, uw = u @ v.swapaxes(-1, -2), u @ w.swapaxes(-1, -2)
    uu = np.einsum("...i,...i", u, u)[..., :, None]
    vv, vw, ww = (np.einsum("...i,...i", x, y)[..., None, :] for x, y in ((v, v), (v, w), (w, w)))
    s = np.clip((uv * vw - uw * vv) / np.maximum(uu * vv - uv * uv, 1e-12), 0, 1)
    t = np.clip((uv * s + vw) / vv, 0, 1)
    s = np.clip((uv * t - uw) / uu, 0, 1)
    return np.asarray(ww + s * s * uu + t * t * vv + 2 * (s * uw - t * vw - s * t * uv))
