"""All cameras and all detections of one frame as arrays, so that kernels run over whole frames.

Behind this point there are no pixels and no lenses: a joint is a point in normalised image coordinates with a
covariance, to which the lens was applied exactly, and a ray in the world.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.cameras import undistort_kernels
from multiview.cameras.camera import Rig
from multiview.data import Views

__all__ = ["PackedRig", "RawDetections", "Rays", "TrackObservations", "pack", "stack_detections"]

BROWN_TERMS = 14


class PackedRig(NamedTuple):
    """The cameras of a rig, one row each; `max_radius` is the largest normalised radius that the lens model covers."""

    K: Float64[np.ndarray, "C 3 3"]
    dist: Float64[np.ndarray, "C 14"]
    fisheye: Bool[np.ndarray, " C"]
    max_radius: Float64[np.ndarray, " C"]
    R: Float64[np.ndarray, "C 3 3"]
    t: Float64[np.ndarray, "C 3"]
    centre: Float64[np.ndarray, "C 3"]
    image_bounds: Float64[np.ndarray, "C 4"]  # the picture's edges in normalised coordinates: left, top, right, bottom

    @staticmethod
    def of(rig: Rig) -> PackedRig:
        cameras = rig.cameras
        dist = np.zeros((len(cameras), BROWN_TERMS))
        bounds = np.empty((len(cameras), 4))
        for row, camera in enumerate(cameras):
            if len(camera.dist) == BROWN_TERMS and camera.dist[12:].any():
                raise ValueError(
                    f"camera {camera.name}: fusion does not know tilted sensors (the last two of 14 terms)"
                )
            dist[row, : len(camera.dist)] = camera.dist
            width, height = camera.size
            edge = np.array([[0, height / 2], [width / 2, 0], [width, height / 2], [width / 2, height]])
            bounds[row] = camera.undistort(edge)[[0, 1, 2, 3], [0, 1, 0, 1]]
        return PackedRig(
            K=np.stack([camera.K for camera in cameras]),
            dist=dist,
            fisheye=np.array([camera.model == "fisheye" for camera in cameras]),
            max_radius=np.array([camera.largest_radius for camera in cameras]),
            R=np.stack([camera.R for camera in cameras]),
            t=np.stack([camera.t for camera in cameras]),
            centre=np.stack([camera.centre for camera in cameras]),
            image_bounds=np.nan_to_num(bounds, nan=np.inf),
        )


class Rays(NamedTuple):
    """D detections of J joints in one frame.

    `xy` normalised coordinates, `info` and `noise` their inverse covariance and covariance (xx, xy, yy), `ray` unit
    directions in the world, `first[c]` the first detection of camera c (C + 1 of them). A joint that is missing has no
    `info`: zero. `alive[c]` says that camera c gave something for this tick.
    """

    camera: Int64[np.ndarray, " D"]
    first: Int64[np.ndarray, " C_plus_1"]
    alive: Bool[np.ndarray, " C"]
    score: Float64[np.ndarray, "D J"]
    xy: Float64[np.ndarray, "D J 2"]
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
            ray=np.empty((*shape, 3)),
            info=np.empty((*shape, 3)),
            noise=np.empty((*shape, 3)),
        )

    def of_detections(self, count: int) -> Rays:
        """A copy of the first so many detections."""
        rows = (array[:count].copy() for array in self[3:])
        return Rays(self.camera[:count].copy(), self.first.copy(), self.alive.copy(), *rows)


class TrackObservations(NamedTuple):
    """The measurements of P tracks at one tick: table[n, c, j] is the row (detection * J + joint) of `rays` that camera
    c contributes to joint j of slots[n], -1 for none; `xyz` (m) are the joints that were estimated from them."""

    rays: Rays
    slots: Int64[np.ndarray, " P"]
    table: Int64[np.ndarray, "P C J"]
    xyz: Float64[np.ndarray, "P J 3"]


class RawDetections(NamedTuple):
    """What all detectors say at one instant: pixels and scores of D detections, and how many of them are camera c's
    (-1: it gave nothing). `cov` px^2 (xx, xy, yy) has no rows where no detector knows it, and NaN where one does not.
    """

    xy: Float64[np.ndarray, "D J 2"]
    score: Float64[np.ndarray, "D J"]
    cov: Float64[np.ndarray, "N J 3"]
    counts: Int64[np.ndarray, " C"]


def stack_detections(views: Views, joints: int) -> RawDetections:
    """What all detectors say."""
    xy, score, counts, known = [], [], [], False
    for seen in views.keypoints:
        if seen is None:
            counts.append(-1)
            continue
        counts.append(len(seen.xy))
        xy.append(seen.xy)
        score.append(seen.score)
        known = known or seen.cov is not None
    cov = _noise(views, joints) if known else np.empty((0, joints, 3))
    if not xy:
        return RawDetections(np.empty((0, joints, 2)), np.empty((0, joints)), cov, np.array(counts))
    return RawDetections(np.concatenate(xy), np.concatenate(score), cov, np.array(counts))


def _noise(views: Views, joints: int) -> Float64[np.ndarray, "D J 3"]:
    unknown = np.full((1, joints, 2, 2), np.nan)
    seen = [k for k in views.keypoints if k is not None]
    cov = np.concatenate([np.repeat(unknown, k.people, axis=0) if k.cov is None else k.cov for k in seen])
    return np.stack([cov[..., 0, 0], cov[..., 0, 1], cov[..., 1, 1]], axis=-1)


def pack(
    views: Views,
    rig: PackedRig,
    joints: int,
    variance: Float64[np.ndarray, "J B"],
    nodes: Float64[np.ndarray, " B"],
) -> Rays:
    """Rays of every detection; `variance[joint, node]` px^2 is the noise of a joint whose score is `nodes[node]`."""
    detections = stack_detections(views, joints)
    rays = Rays.empty(len(detections.xy), len(detections.counts), joints)
    undistort_kernels.index_detections(detections.counts, rays.first, rays.alive, rays.camera)
    undistort_kernels.undistort_to_rays(
        detections.xy, detections.score, detections.cov, rig.K, rig.dist, rig.fisheye, rig.max_radius, rig.R,
        variance, nodes, rays.camera, rays.score, rays.xy, rays.ray, rays.info, rays.noise,
    )  # fmt: skip
    return rays
