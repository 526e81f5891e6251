"""The affine map from a source image to a network's input crop, its exact inverse, in both conventions.

Networks were trained under one of two conventions for what scale a resize has, and feeding one the other's crop costs
about half a pixel:

- classic (SimpleBaseline, HRNet, RTMPose): a box of width w goes to an output of width W by the factor W / w, and the
  box's centre to (W / 2, H / 2);
- UDP (ViTPose, "unbiased data processing"): by the factor (W - 1) / w, and the centre to ((W - 1) / 2, (H - 1) / 2),
  so that the distance between the outermost pixel centres is what is scaled.

Sources: Xiao et al., Simple Baselines for Human Pose Estimation, 2018; Huang et al., The Devil is in the Details:
Delving into Unbiased Data Processing for Human Pose Estimation, 2020.
"""

from __future__ import annotations

import cv2
import numpy as np
from jaxtyping import Float, Float64, UInt8

__all__ = [
    "crop_affine",
    "crop_region",
    "input_from_heatmap",
    "invert_affine",
    "letterbox_affine",
    "transform_covariance",
    "transform_points",
    "warp",
]

Affine = Float64[np.ndarray, "2 3"]


def crop_region(
    box: Float[np.ndarray, " 4"], output_size: tuple[int, int], padding: float = 1.25
) -> tuple[Float64[np.ndarray, " 2"], Float64[np.ndarray, " 2"]]:
    """The centre and size (px) of the region to crop for a box (x1, y1, x2, y2), grown to the output's shape."""
    x1, y1, x2, y2 = (float(v) for v in box)
    width, height = output_size
    w, h = x2 - x1, y2 - y1
    aspect = width / height
    w, h = max(w, h * aspect), max(h, w / aspect)
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2]), np.array([w, h]) * padding


def crop_affine(
    centre: Float[np.ndarray, " 2"],
    size: Float[np.ndarray, " 2"],
    output_size: tuple[int, int],
    rotation: float = 0.0,
    udp: bool = False,
) -> Affine:
    """`output_from_source` (2, 3) for a region of `size` px about `centre`, turned by `rotation` radians.

    The region's own x axis points along (cos, sin) of `rotation` in the source, and becomes the output's x axis.
    The classic convention keeps shapes: its one factor is the width's.
    """
    width, height = output_size
    if udp:
        scale = np.array([(width - 1) / size[0], (height - 1) / size[1]])
        middle = np.array([(width - 1) / 2, (height - 1) / 2])
    else:
        scale = np.full(2, width / size[0])
        middle = np.array([width / 2, height / 2])
    cos, sin = np.cos(rotation), np.sin(rotation)
    A = scale[:, None] * np.array([[cos, sin], [-sin, cos]])
    return np.column_stack([A, middle - A @ np.asarray(centre, np.float64)])


def letterbox_affine(
    source_size: tuple[int, int], output_size: tuple[int, int], centred: bool = False, enlarge: bool = True
) -> Affine:
    """`output_from_source` (2, 3) that fits a whole image into the output without changing its shape.

    One-stage detectors put the image top left (YOLOX, RTMDet, RTMO) or in the middle (`centred`, YOLOv8).
    """
    scale = min(output_size[0] / source_size[0], output_size[1] / source_size[1])
    scale = scale if enlarge else min(scale, 1.0)
    fitted = np.round(np.array(source_size) * scale)
    offset = np.floor((np.array(output_size) - fitted) / 2) if centred else np.zeros(2)
    return np.column_stack([np.eye(2) * scale, offset])


def input_from_heatmap(heatmap_size: tuple[int, int], input_size: tuple[int, int], udp: bool = False) -> Affine:
    """Heatmap pixels to input pixels (2, 3): input / heatmap, or (input - 1) / (heatmap - 1) for UDP."""
    ends = 1 if udp else 0
    scale = (np.array(input_size, np.float64) - ends) / (np.array(heatmap_size, np.float64) - ends)
    return np.column_stack([np.diag(scale), np.zeros(2)])


def invert_affine(A: Float[np.ndarray, "2 3"]) -> Affine:
    """The exact inverse map: `source_from_output` of an `output_from_source`."""
    inverse = np.linalg.inv(np.asarray(A[:, :2], np.float64))
    return np.column_stack([inverse, -inverse @ A[:, 2]])


def transform_points(A: Float[np.ndarray, "2 3"], xy: Float[np.ndarray, "*shape 2"]) -> Float64[np.ndarray, "*shape 2"]:
    """Points (..., 2) through an affine map."""
    return np.asarray(np.asarray(xy, np.float64) @ A[:, :2].T + A[:, 2])


def transform_covariance(
    A: Float[np.ndarray, "2 3"], cov: Float[np.ndarray, "*shape 2 2"]
) -> Float64[np.ndarray, "*shape 2 2"]:
    """Covariances (..., 2, 2) of points that go through an affine map."""
    return np.asarray(A[:, :2] @ np.asarray(cov, np.float64) @ A[:, :2].T, np.float64)


def warp(
    image: UInt8[np.ndarray, "H W 3"],
    output_from_source: Float[np.ndarray, "2 3"],
    output_size: tuple[int, int],
    border: int = 0,
) -> UInt8[np.ndarray, "h w 3"]:
    """The crop itself: bilinear, `border` grey outside the image."""
    mode, value = cv2.BORDER_CONSTANT, (border,) * 3
    out = cv2.warpAffine(image, output_from_source, output_size, None, cv2.INTER_LINEAR, mode, value)
    return np.asarray(out, np.uint8)
