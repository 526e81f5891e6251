"""All cameras and all detections of one frame as arrays, so that kernels run over whole frames.

Behind this point there are no pixels and no lenses: a joint is a point in normalised image coordinates with a
covariance, to which the lens was applied exactly, and a ray in the world.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.camera import Rig
from multiview.data import Views
from multiview.geometry import rays_kernels

__all__ = ["PackedRig", "Rays", "gather", "knows_noise", "pack", "use_detector_noise"]

BROWN_TERMS = 14


class PackedRig(NamedTuple):
    """The cameras of a rig, one row each; `reach` is the largest normalised radius that the lens model covers."""

    K: Float64[np.ndarray, "C 3 3"]
    dist: Float64[np.ndarray, "C 14"]
    fisheye: Bool[np.ndarray, " C"]
    reach: Float64[np.ndarray, " C"]
    R: Float64[np.ndarray, "C 3 3"]
    t: Float64[np.ndarray, "C 3"]
    centre: Float64[np.ndarray, "C 3"]
    frame: Float64[np.ndarray, "C 4"]  # the picture's edges in normalised coordinates: left, top, right, bottom

    @staticmethod
    def of(rig: Rig) -> PackedRig:
        cameras = rig.cameras
        dist = np.zeros((len(cameras), BROWN_TERMS))
        frame = np.empty((len(cameras), 4))
        for row, camera in enumerate(cameras):
            if len(camera.dist) == BROWN_TERMS and camera.dist[12:].any():
                raise ValueError(
                    f"camera {camera.name}: fusion does not know tilted sensors (the last two of 14 terms)"
                )
            dist[row, : len(camera.dist)] = camera.dist
            width, height = camera.size
            edge = np.array([[0, height / 2], [width / 2, 0], [width, height / 2], [width / 2, height]])
            frame[row] = camera.undistort(edge)[[0, 1, 2, 3], [0, 1, 0, 1]]
        return PackedRig(
            K=np.stack([camera.K for camera in cameras]),
            dist=dist,
            fisheye=np.array([camera.model == "fisheye" for camera in cameras]),
            reach=np.array([camera.largest_radius for camera in cameras]),
            R=np.stack([camera.R for camera in cameras]),
            t=np.stack([camera.t for camera in cameras]),
            centre=np.stack([camera.centre for camera in cameras]),
            frame=np.nan_to_num(frame, nan=np.inf),
        )


class Rays(NamedTuple):
    """D detections of J joints in one frame.

    `xy` normalised coordinates, `info` and `noise` their inverse covariance and covariance (xx, xy, yy), `ray` unit
    directions in the world, `lens` d pixel / d xy (row by row), `first[c]` the first detection of camera c (C + 1 of
    them). A joint that is missing has zero `info`. `alive[c]` says that camera c gave something for this tick.
    """

    camera: Int64[np.ndarray, " D"]
    first: Int64[np.ndarray, " C_plus_1"]
    alive: Bool[np.ndarray, " C"]
    score: Float64[np.ndarray, "D J"]
    xy: Float64[np.ndarray, "D J 2"]
    lens: Float64[np.ndarray, "D J 4"]
    ray: Float64[np.ndarray, "D J 3"]
    info: Float64[np.ndarray, "D J 3"]
    noise: Float64[np.ndarray, "D J 3"]

    @staticmethod
    def empty(detections: int, cameras: int, joints: int) -> Rays:
        """Room for so many."""
        shape = (detections, joints)
        return Rays(
            camera=np.empty(detections, np.int64),
            first=np.zeros(cameras + 1, np.int64),
            alive=np.zeros(cameras, np.bool_),
            score=np.empty(shape),
            xy=np.empty((*shape, 2)),
            lens=np.empty((*shape, 4)),
            ray=np.empty((*shape, 3)),
            info=np.empty((*shape, 3)),
            noise=np.empty((*shape, 3)),
        )

    def of_detections(self, count: int) -> Rays:
        """A copy of the first so many detections."""
        rows = (array[:count].copy() for array in self[3:])
        return Rays(self.camera[:count].copy(), self.first.copy(), self.alive.copy(), *rows)


def gather(
    views: Views, joints: int
) -> tuple[Float64[np.ndarray, "D J 2"], Float64[np.ndarray, "D J"], Int64[np.ndarray, " C"]]:
    """Pixels and scores of all joints in all views, and how many detections each camera has (-1: it gave nothing)."""
    counts = [-1 if k is None else len(k.xy) for k in views.keypoints]
    seen = [k for k in views.keypoints if k is not None and len(k.xy)]
    if not seen:
        return np.empty((0, joints, 2)), np.empty((0, joints)), np.array(counts)
    return np.concatenate([k.xy for k in seen]), np.concatenate([k.score for k in seen]), np.array(counts)


def use_detector_noise(views: Views, rays: Rays) -> None:
    """Where a detector knows the noise of its joints, it knows best."""
    joints = rays.xy.shape[1]
    seen = [k for k in views.keypoints if k is not None and k.people]
    if not seen:
        return
    unknown = np.full((1, joints, 2, 2), np.nan)
    full = np.concatenate([np.repeat(unknown, k.people, axis=0) if k.cov is None else k.cov for k in seen])
    given = np.stack([full[..., 0, 0], full[..., 0, 1], full[..., 1, 1]], axis=-1)
    rays_kernels.detector_noise(rays.lens, given, rays.info, rays.noise, 1.0)


def knows_noise(views: Views) -> bool:
    """Whether a detector gave the covariance of its joints."""
    known = [seen is not None and seen.cov is not None for seen in views.keypoints]
    return any(known)


def pack(
    views: Views,
    rig: PackedRig,
    joints: int,
    variance: Float64[np.ndarray, "J B"],
    nodes: Float64[np.ndarray, " B"],
) -> Rays:
    """Rays of every detection; `variance[joint, node]` px^2 is the noise of a joint whose score is `nodes[node]`."""
    pixels, score, counts = gather(views, joints)
    rays = Rays.empty(len(pixels), len(counts), joints)
    rays_kernels.number(counts, rays.first, rays.alive, rays.camera)
    rays_kernels.cast(
        pixels, score, rig.K, rig.dist, rig.fisheye, rig.reach, rig.R, variance, nodes,
        rays.camera, rays.score, rays.xy, rays.lens, rays.ray, rays.info, rays.noise,
    )  # fmt: skip
    if knows_noise(views):
        use_detector_noise(views, rays)
    return rays
