"""The plain numpy method that fusion is compared with: epipolar clustering and linear triangulation, both batched.

Every frame by itself, lenses undone by OpenCV. Detections of different views are as far apart as the mean distance of
their joints' rays; pairs are joined from the nearest on, at most one detection per view; joints come from the DLT
(Hartley and Zisserman, Multiple View Geometry, section 12.2) by one batched SVD. No robust step, no bones, no memory.
"""

from __future__ import annotations

import time

import cv2
import numpy as np
from jaxtyping import Float64, Int64

from multiview.body.skeleton import Skeleton
from multiview.cameras.camera import Camera, Rig
from multiview.data import Pose3D, Track, Tracks, Views

__all__ = ["Baseline", "triangulate_dlt"]

_MAX_RAY_DISTANCE_M = 0.10
_MIN_COMMON_JOINTS = 4


class Baseline:
    """Has `step` and `stage_ns` like the pipeline."""

    def __init__(self, rig: Rig, skeleton: Skeleton) -> None:
        self.rig = rig
        self.joints = len(skeleton.joints)
        self.centre = np.stack([camera.centre for camera in rig.cameras])
        self.R = np.stack([camera.R for camera in rig.cameras])
        self.P = np.stack([np.column_stack([camera.R, camera.t]) for camera in rig.cameras])
        self.stage_ns: dict[str, int] = {}
        self.equations = np.empty((0, 2 * len(rig), 4))

    def step(self, views: Views) -> Tracks:
        start = time.thread_time_ns()
        camera, ideal = self._undistort(views)
        undistorted = time.thread_time_ns()
        clusters = self._cluster(camera, ideal)
        clustered = time.thread_time_ns()
        poses = self._triangulate(ideal, clusters)
        done = time.thread_time_ns()
        self.stage_ns = {
            "undistort": undistorted - start,
            "cluster": clustered - undistorted,
            "triangulate": done - clustered,
        }
        return Tracks(views.tick, views.time_ns, tuple(Track(i + 1, pose) for i, pose in enumerate(poses)))

    def _undistort(self, views: Views) -> tuple[Int64[np.ndarray, " D"], Float64[np.ndarray, "D J 2"]]:
        seen = [(c, k) for c, k in enumerate(views.keypoints) if k is not None and k.people]
        if not seen:
            return np.empty(0, np.int64), np.empty((0, self.joints, 2))
        ideal = np.concatenate([_undistort(self.rig.cameras[c], k.xy) for c, k in seen])
        return np.concatenate([np.full(k.people, c) for c, k in seen]), ideal

    def _cluster(self, camera: np.ndarray, ideal: np.ndarray) -> Int64[np.ndarray, "N C"]:
        """For each person the detection in each view, -1 for none."""
        cameras = len(self.rig)
        direction = ideal @ self.R[camera, :2] + self.R[camera, None, 2]
        a, b = np.triu_indices(len(camera), 1)
        a, b = a[camera[a] != camera[b]], b[camera[a] != camera[b]]
        normal = np.cross(direction[a], direction[b])
        between = (self.centre[camera[b]] - self.centre[camera[a]])[:, None]
        distance = np.abs((normal * between).sum(axis=-1)) / np.sqrt((normal * normal).sum(axis=-1))
        common = np.isfinite(distance)
        mean = np.where(common, distance, 0.0).sum(axis=-1) / np.maximum(common.sum(axis=-1), 1)
        near = np.flatnonzero((mean < _MAX_RAY_DISTANCE_M) & (common.sum(axis=-1) >= _MIN_COMMON_JOINTS))
        member = np.full((len(camera), cameras), -1)  # one row per cluster, at first one per detection
        member[np.arange(len(camera)), camera] = np.arange(len(camera))
        cluster = np.arange(len(camera))
        for pair in near[np.argsort(mean[near])]:
            p, q = cluster[a[pair]], cluster[b[pair]]
            if p != q and not ((member[p] >= 0) & (member[q] >= 0)).any():
                member[p] = np.maximum(member[p], member[q])
                cluster[cluster == q] = p
        kept = np.unique(cluster)
        return member[kept[(member[kept] >= 0).sum(axis=1) >= 2]]

    def _triangulate(self, ideal: np.ndarray, clusters: np.ndarray) -> list[Pose3D]:
        if not len(clusters):
            return []
        xy = ideal[clusters].swapaxes(1, 2)  # N J C 2
        seen = (xy[..., 0] == xy[..., 0]) & (clusters >= 0)[:, None]
        views = seen.sum(axis=-1)
        equations = xy[..., None] * self.P[:, None, 2] - self.P[:, :2]
        equations[~seen] = 0.0
        self.equations = equations.reshape(-1, 2 * len(self.rig), 4)
        xyz = triangulate_dlt(self.equations).reshape(*views.shape, 3)
        known = (views >= 2) & np.isfinite(xyz.sum(axis=-1))
        xyz[~known] = np.nan
        score, views = known * 1.0, views * known
        unknown = np.full((self.joints, 3, 3), np.nan)
        nothing = np.zeros(self.joints, dtype=bool)
        return [Pose3D(xyz[n], unknown, score[n], views[n], nothing) for n in range(len(clusters))]


def _undistort(camera: Camera, xy: Float64[np.ndarray, "P J 2"]) -> Float64[np.ndarray, "P J 2"]:
    return np.asarray(cv2.undistortPoints(xy.reshape(-1, 1, 2), camera.K, camera.dist)).reshape(xy.shape)


def triangulate_dlt(equations: Float64[np.ndarray, "N E 4"]) -> Float64[np.ndarray, "N 3"]:
    """Points from their linear equations, the right singular vector of the least singular value."""
    homogeneous = np.linalg.svd(equations, full_matrices=False)[2][:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(homogeneous[:, :3] / homogeneous[:, 3:])
