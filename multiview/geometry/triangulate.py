"""Points from rays: robust triangulation with a covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64

from multiview.geometry import triangulate_kernels as kernels
from multiview.geometry.point_batch_kernels import Batch, L

__all__ = ["Points", "directions", "triangulate"]


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """N triangulated points from C cameras.

    Attributes:
        xyz: (N, 3) m, world; NaN where no two rays agree.
        cov: (N, 3, 3) m^2, NaN likewise.
        inliers: (N, C) the rays that the point rests on.
    """

    xyz: Float64[np.ndarray, "N 3"]
    cov: Float64[np.ndarray, "N 3 3"]
    inliers: Bool[np.ndarray, "N C"]


def directions(xy: Float64[np.ndarray, "N C 2"], R: Float64[np.ndarray, "C 3 3"]) -> Float64[np.ndarray, "N C 3"]:
    """Unit directions in the world of normalised image coordinates.

    Args:
        xy: (N, C, 2) normalised image coordinates.
        R: (C, 3, 3) cam_from_world.

    Returns:
        (N, C, 3) unit vectors.
    """
    local = np.concatenate([xy, np.ones_like(xy[..., :1])], axis=-1)
    world: np.ndarray = np.einsum("cki,nck->nci", R, local)
    return world / np.linalg.norm(world, axis=-1, keepdims=True)


def triangulate(
    xy: Float64[np.ndarray, "N C 2"],
    cov: Float64[np.ndarray, "N C 2 2"],
    R: Float64[np.ndarray, "C 3 3"],
    t: Float64[np.ndarray, "C 3"],
    gate: float = 4.5,
) -> Points:
    """Robust maximum-likelihood points from normalised image coordinates.

    Pairs of rays propose midpoints, all rays vote with their capped chi-square, and Gauss-Newton on the inliers'
    reprojection error refines the best; the covariance is (J' W J)^-1. Nearly parallel pairs propose nothing; points
    behind a camera are rejected.

    Args:
        xy: (N, C, 2) normalised image coordinates (`Camera.undistort`), NaN where a camera does not see the point.
        cov: (N, C, 2, 2) their covariance.
        R: (C, 3, 3) cam_from_world.
        t: (C, 3) cam_from_world, m.
        gate: Largest reprojection error of an inlier, in standard deviations.

    Returns:
        The points, NaN where no two rays agree.

    References:
        Hartley and Zisserman 2004, Multiple View Geometry, sections 4.7 and 12.
    """
    points, cameras = xy.shape[:2]
    seen = np.isfinite(xy).all(axis=-1)
    rows = np.where(seen, np.arange(points * cameras).reshape(points, cameras), -1)
    inverse = np.linalg.inv(np.where(seen[..., None, None], cov, np.eye(2)))
    info = np.stack([inverse[..., 0, 0], inverse[..., 0, 1], inverse[..., 1, 1]], axis=-1).reshape(-1, 3)
    centre = -np.einsum("cki,ck->ci", R, t)
    flat, ray = np.ascontiguousarray(xy.reshape(-1, 2)), directions(xy, R).reshape(-1, 3)
    xyz, H = np.empty((points, 3)), np.empty((points, 6))
    bundle = kernels.RayBundle(flat, info, ray, np.ascontiguousarray(R), np.ascontiguousarray(t), centre)
    rays = np.ascontiguousarray(rows.T)
    kernels.triangulate_all(rays, bundle, gate * gate, Batch.empty(cameras), np.zeros((4, L)), xyz, H)
    full = H[:, [0, 1, 2, 1, 3, 4, 2, 4, 5]].reshape(-1, 3, 3)
    found = np.isfinite(xyz).all(axis=-1)
    covariance = np.full((points, 3, 3), np.nan)
    covariance[found] = np.linalg.inv(full[found])
    return Points(xyz, covariance, rays.T >= 0)
