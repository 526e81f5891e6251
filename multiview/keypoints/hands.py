"""Where hands are in a picture, from a body's joints or from a hand's own, and how well 21 landmarks are known.

Source: the regions of MediaPipe's holistic graph (Grishchenko and Bazarevsky, MediaPipe Holistic, 2020).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Float64

from multiview.keypoints.blazepose import Region

__all__ = ["hand_covariance", "hand_extent", "region_of_hand", "region_of_palm", "region_of_recrop", "share_inside"]

_FROM_BODY, _FROM_HAND, _SHIFT = 2.7, 2.0, 0.1
_STEADY = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # landmarks that move little when the fingers do
# Error of a coordinate where the network is sure, as a fraction of the hand's extent, and what its doubt adds: from 60
# frames of real hands in two or more views, of which the odd and the even alone give the same within 6 %.
_LEAST_PX, _SURE, _UNSURE = 1.5, 0.05, 0.25
_BY_JOINT = np.array([1.0] + [1.2] * 4 + [1.0] * 16)  # thumbs are hidden more often


def region_of_palm(
    wrist: Float64[np.ndarray, " 2"], index: Float64[np.ndarray, " 2"], pinky: Float64[np.ndarray, " 2"]
) -> Region:
    """The square about the hand of a body whose wrist and knuckles are known, fingers up."""
    middle = (2 * index + pinky) / 3
    return Region(middle, float(2 * np.hypot(*(middle - wrist)) * _FROM_BODY), _upright(middle - wrist))


def region_of_recrop(centre: Float64[np.ndarray, " 2"], below: Float64[np.ndarray, " 2"]) -> Region:
    """The square that the recrop network proposes: its centre, and the middle of its lower edge, px of the picture."""
    way = centre - below
    size = float(2 * np.hypot(*way))
    return Region(centre + _SHIFT * size * _unit(way), size, _upright(way))


def region_of_hand(xy: Float64[np.ndarray, "21 2"]) -> Region:
    """The square about a hand whose landmarks are known, fingers up."""
    up = _unit(((xy[5] + xy[13]) / 2 + xy[9]) / 2 - xy[0])
    axes = np.stack([np.array([-up[1], up[0]]), up])
    inside = xy[_STEADY] @ axes.T
    low, high = inside.min(axis=0), inside.max(axis=0)
    width, height = high - low
    centre = (low + high) / 2 + [0.0, _SHIFT * height]
    return Region(centre @ axes, float(max(width, height)) * _FROM_HAND, _upright(up))


def share_inside(region: Region, size: tuple[int, int]) -> float:
    """How much of a region, as if it were upright, lies in a picture of this width and height."""
    half = region.size / 2
    low, high = np.maximum(region.centre - half, 0.0), np.minimum(region.centre + half, size)
    return float(np.maximum(high - low, 0.0).prod() / max(region.size**2, 1e-9))


def hand_extent(xy: Float64[np.ndarray, "21 2"]) -> float:
    """How large a hand is in the picture, px: 1.8 times the palm's longest edge, whatever the fingers do."""
    palm = xy[[0, 5, 9, 17]]
    return 1.8 * float(np.linalg.norm(palm[:, None] - palm, axis=-1).max())


def hand_covariance(xy: Float64[np.ndarray, "21 2"], sure: float) -> Float64[np.ndarray, "21 2 2"]:
    """Covariance of the landmarks' errors, px^2, by the hand's size and how sure the network is, 0 to 1."""
    sigma = np.maximum(_LEAST_PX, (_SURE + _UNSURE * (1.0 - sure)) * hand_extent(xy)) * _BY_JOINT
    return np.asarray(sigma[:, None, None] ** 2 * np.eye(2))


def _unit(v: Float64[np.ndarray, " 2"]) -> Float64[np.ndarray, " 2"]:
    return np.asarray(v / max(float(np.hypot(*v)), 1e-9))


def _upright(up: Float[np.ndarray, " 2"]) -> float:
    """The rotation of a region whose own up is this direction of the picture."""
    return float(np.pi / 2 - np.arctan2(-up[1], up[0]))
