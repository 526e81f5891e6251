"""Corrects the poses of the cameras from the people whom they observe: bundle adjustment over joints.

Real calibrations are off by pixels: tripods were touched, boards were small. Joints that three or more views agree on
are as good as calibration points once there are thousands of them. Points are eliminated (Schur complement: Triggs,
McLauchlan, Hartley and Fitzgibbon 2000, section 6), so the work grows with the points and not with their square.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Rig
from multiview.errors import CalibrationError
from multiview.geometry.rigid import rotation_from_vector

__all__ = ["JointObservations", "Refinement", "refine_rig", "reprojection_errors_px"]

ROTATION_SD, TRANSLATION_SD = 0.03, 0.03  # prior: rad, and relative to the distance of people
HUBER = 3.0
MAX_STEPS = 25
MIN_POINTS = 50


@dataclass(frozen=True, slots=True, eq=False)
class JointObservations:
    """N joints at `xyz` (m) as C cameras observed them: `xy` normalised coordinates, NaN where not observed, and
    their standard deviations `sigma`."""

    xyz: Float64[np.ndarray, "N 3"]
    xy: Float64[np.ndarray, "N C 2"]
    sigma: Float64[np.ndarray, "N C 2"]


@dataclass(frozen=True, slots=True, eq=False)
class Refinement:
    """The corrected rig, each camera's median reprojection error (px) before and after, and how far it moved."""

    rig: Rig
    before_px: Float64[np.ndarray, " C"]
    after_px: Float64[np.ndarray, " C"]
    moved_m: Float64[np.ndarray, " C"]
    rotated_deg: Float64[np.ndarray, " C"]


def refine_rig(rig: Rig, observations: JointObservations) -> Refinement:
    """Move and rotate the cameras so that their observations of the same joints agree; the lenses stay as they are.

    A weak prior on each camera's old pose fixes the gauge: where the world is, and its scale. Raises CalibrationError
    if there are too few joints.
    """
    if len(observations.xyz) < MIN_POINTS:
        raise CalibrationError(
            f"too few joints to correct cameras: {len(observations.xyz)} in three views, of {MIN_POINTS}"
        )
    R, t = np.stack([camera.R for camera in rig.cameras]), np.stack([camera.t for camera in rig.cameras])
    distance = float(np.median((observations.xyz @ R[:, 2].T + t[:, 2])[np.isfinite(observations.xy[..., 0])]))
    scale = np.repeat([ROTATION_SD, TRANSLATION_SD * distance], 3)
    new_R, new_t, _ = _optimise(observations, R, t, free_cameras=True, scale=scale)
    cameras = tuple(replace(camera, R=new_R[c], t=new_t[c]) for c, camera in enumerate(rig.cameras))
    centre = -np.einsum("cki,ck->ci", R, t), -np.einsum("cki,ck->ci", new_R, new_t)
    cosine = (np.einsum("cij,cij->c", R, new_R) - 1) / 2
    new_rig = replace(rig, cameras=cameras)
    return Refinement(
        new_rig,
        reprojection_errors_px(rig, observations),
        reprojection_errors_px(new_rig, observations),
        np.linalg.norm(centre[1] - centre[0], axis=-1),
        np.degrees(np.arccos(np.clip(cosine, -1, 1))),
    )


def reprojection_errors_px(rig: Rig, observations: JointObservations) -> Float64[np.ndarray, " C"]:
    """Each camera's median reprojection error, of points that fit the observations best; NaN where it has none."""
    R, t = np.stack([camera.R for camera in rig.cameras]), np.stack([camera.t for camera in rig.cameras])
    focal = np.array([(camera.K[0, 0] + camera.K[1, 1]) / 2 for camera in rig.cameras])
    return focal * _median_error(observations, *_optimise(observations, R, t, free_cameras=False))


def _errors(
    observations: JointObservations, R: np.ndarray, t: np.ndarray, xyz: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Projected minus observed, 0 where not observed, and the points in each camera's axes."""
    local = np.einsum("cij,nj->nci", R, xyz) + t
    return np.nan_to_num(local[..., :2] / local[..., 2:] - observations.xy), local


def _median_error(observations: JointObservations, R: np.ndarray, t: np.ndarray, xyz: np.ndarray) -> np.ndarray:
    error = np.linalg.norm(_errors(observations, R, t, xyz)[0], axis=-1)
    observed = np.isfinite(observations.xy[..., 0])
    return np.array([np.median(error[observed[:, c], c]) if observed[:, c].any() else np.nan for c in range(len(R))])


def _cost(
    observations: JointObservations,
    R: np.ndarray,
    t: np.ndarray,
    xyz: np.ndarray,
    change: np.ndarray,
    scale: np.ndarray,
) -> float:
    z = np.linalg.norm(_errors(observations, R, t, xyz)[0] / observations.sigma, axis=-1)
    robust = np.where(z < HUBER, 0.5 * z * z, HUBER * (z - 0.5 * HUBER))
    return float(robust.sum() + 0.5 * ((change / scale) ** 2).sum())


def _optimise(
    observations: JointObservations, R: np.ndarray, t: np.ndarray, free_cameras: bool, scale: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Levenberg-Marquardt over points and, with `free_cameras`, cameras; the cameras and the points."""
    scale = np.ones(6) if scale is None else scale
    cameras, xyz, change, damping = len(R), observations.xyz, np.zeros((len(R), 6)), 1e-3
    cost = _cost(observations, R, t, xyz, change, scale)
    for _ in range(MAX_STEPS):
        by_point, by_camera, residual = _linearise(observations, R, t, xyz)
        H_point = np.einsum("ncri,ncrj->nij", by_point, by_point)
        H_point += damping * np.einsum("nii->n", H_point)[:, None, None] * np.eye(3) + 1e-9 * np.eye(3)
        g_point = np.einsum("ncri,ncr->ni", by_point, residual)
        inverse = np.linalg.inv(H_point)
        step = np.zeros((cameras, 6))
        cross = np.einsum("ncri,ncrj->ncij", by_camera, by_point)
        if free_cameras:
            H = np.zeros((cameras, 6, cameras, 6))
            own = np.einsum("ncri,ncrj->cij", by_camera, by_camera)
            own += np.eye(6) * (damping * np.diagonal(own, 0, 1, 2))[:, None]
            H[np.arange(cameras), :, np.arange(cameras)] = own
            g = np.einsum("ncri,ncr->ci", by_camera, residual) + change / scale**2
            H = H.reshape(6 * cameras, 6 * cameras) + np.diag(np.tile(1 / scale**2, cameras))
            tall = cross.reshape(len(xyz), 6 * cameras, 3)
            H -= np.einsum("nai,nbi->ab", tall @ inverse, tall, optimize=True)
            g = g.ravel() - np.einsum("nai,ni->a", tall, (inverse @ g_point[..., None])[..., 0])
            step = -np.linalg.solve(H, g).reshape(cameras, 6)
        point_step = -(inverse @ (g_point + np.einsum("ncij,ci->nj", cross, step))[..., None])[..., 0]
        rotation = rotation_from_vector(step[:, :3])
        tried = rotation @ R, np.einsum("cij,cj->ci", rotation, t) + step[:, 3:], xyz + point_step
        new = _cost(observations, *tried, change + step, scale)
        if new < cost:
            decrease, cost, change, damping = cost - new, new, change + step, damping / 5
            R, t, xyz = tried
            if decrease < 1e-7 * cost:
                break
        else:
            damping *= 10
    return R, t, xyz


def _linearise(
    observations: JointObservations, R: np.ndarray, t: np.ndarray, xyz: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The whitened residuals, last, and their derivatives by points (3) and by small motions of cameras (6)."""
    error, local = _errors(observations, R, t, xyz)
    x, y, z = np.moveaxis(local, -1, 0)
    zero = np.zeros_like(x)
    by_local = np.stack([np.stack([1 / z, zero, -x / z**2], -1), np.stack([zero, 1 / z, -y / z**2], -1)], -2)
    local_by_rotation = np.stack(
        [np.stack([zero, z, -y], -1), np.stack([-z, zero, x], -1), np.stack([y, -x, zero], -1)], -2
    )
    length = np.linalg.norm(error / observations.sigma, axis=-1, keepdims=True)
    weight = np.sqrt(np.minimum(1.0, HUBER / np.maximum(length, 1e-12))) / observations.sigma
    weight = np.where(np.isfinite(observations.xy), weight, 0.0)[..., None]
    by_local = by_local * weight
    by_camera = np.concatenate([by_local @ local_by_rotation, by_local], axis=-1)
    return by_local @ R, by_camera, error * weight[..., 0]
