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

__all__ = ["PackedRig", "Rays", "pack"]

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


def pack(
    views: Views,
    rig: PackedRig,
    joints: int,
    variance: Float64[np.ndarray, "J B"],
    nodes: Float64[np.ndarray, " B"],
) -> Rays:
    """Rays of every detection; `variance[joint, node]` px^2 is the noise of a joint whose score is `nodes[node]`."""
    first = np.zeros(len(views.keypoints) + 1, dtype=np.int64)
    seen = []
    for c, keypoints in enumerate(views.keypoints):
        first[c + 1] = first[c]
        if keypoints is not None and keypoints.people:
            first[c + 1] += keypoints.people
            seen.append(keypoints)
    shape = (int(first[-1]), joints)
    alive = np.array([keypoints is not None for keypoints in views.keypoints])
    camera = np.repeat(np.arange(len(alive)), np.diff(first))
    pixels = np.concatenate([k.xy for k in seen]) if seen else np.empty((*shape, 2))
    score = np.concatenate([k.score for k in seen]) if seen else np.empty(shape)
    xy, lens, ray = np.empty((*shape, 2)), np.empty((*shape, 4)), np.empty((*shape, 3))
    info, noise = np.empty((*shape, 3)), np.empty((*shape, 3))
    rays_kernels.cast(
        pixels, camera, rig.K, rig.dist, rig.fisheye, rig.reach, rig.R, variance, nodes,
        score, xy, lens, ray, info, noise,
    )  # fmt: skip
    if any(k.cov is not None for k in seen):
        unknown = np.full((1, joints, 2, 2), np.nan)
        full = np.concatenate([np.repeat(unknown, k.people, axis=0) if k.cov is None else k.cov for k in seen])
        given = np.stack([full[..., 0, 0], full[..., 0, 1], full[..., 1, 1]], axis=-1)
        rays_kernels.detector_noise(lens, given, info, noise, 1.0)
    return Rays(camera, first, alive, score, xy, lens, ray, info, noise)
