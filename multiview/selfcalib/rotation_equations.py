"""How much each camera would have to rotate, in place, for its observations to agree with those of the others.

Everyone's joints are free points, so a camera is judged by the others alone and not by a pose that it contributed to.
With J_x and J_w the derivatives of a ray's reprojection by the point and by the camera's rotation w (a rotation vector
in the camera's axes, rad), eliminating the points leaves normal equations H w = g for all cameras together (Triggs,
McLauchlan, Hartley and Fitzgibbon 2000, section 6.1). The rotation of one camera alone is w_c = H_cc^-1 g_c; the other
blocks say what its rotation does to the others.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64

from multiview.cameras.observations import PackedRig, Rays
from multiview.selfcalib.matching_kernels import match_by_shape

__all__ = ["RotationNormalEquations", "rotation_normal_equations"]

GAUSS_NEWTON_STEPS = 2  # from the fused joints on
CAUCHY_SCALE = 3.0  # times the median deviation from the common offset: a joint so far off has half its weight


class RotationNormalEquations(NamedTuple):
    """Normal equations of the rotations of C cameras; sums over joints, so that those of many ticks can be added.

    `shift` is J_w' W J_w of each camera, `weight` the sum of its weights W: w' shift w / weight is the mean square
    shift (rad^2) of the image under a rotation w. `joints` counts each camera's observations.
    """

    H: Float64[np.ndarray, "C C 3 3"]
    g: Float64[np.ndarray, "C 3"]
    shift: Float64[np.ndarray, "C 3 3"]
    weight: Float64[np.ndarray, " C"]
    joints: Int64[np.ndarray, " C"]

    def plus(self, other: RotationNormalEquations) -> RotationNormalEquations:
        """The equations of both."""
        return RotationNormalEquations(*(a + b for a, b in zip(self, other, strict=True)))


def rotation_normal_equations(
    xyz: Float64[np.ndarray, "P J 3"], known: Bool[np.ndarray, "P J"], rays: Rays, rig: PackedRig
) -> RotationNormalEquations:
    """The normal equations of one tick from the fused joints `xyz` (m), of which the `known` ones are used."""
    people, joints, _ = xyz.shape
    cameras = len(rig.R)
    match = np.full((people, cameras), -1)
    offset = np.zeros((people, cameras, 3))
    match_by_shape(xyz, known, rays, rig, match, offset)
    matched = match >= 0
    row = np.where(matched, match, 0)
    weight = 0.5 * (rays.info[row, :, 0] + rays.info[row, :, 2]) * (matched[..., None] & known[:, None, :])
    weight = weight.transpose(0, 2, 1).reshape(-1, cameras)
    used = (weight > 0).sum(axis=1) >= 2
    weight = weight[used]
    observed = rays.xy[row].transpose(0, 2, 1, 3).reshape(-1, cameras, 2)[used]
    common = np.repeat(offset, joints, axis=0)[used]
    points = xyz.reshape(-1, 3)[used]
    for step in range(GAUSS_NEWTON_STEPS + 1):
        uv, J_x = _reprojection(points, rig)
        residual = np.where(weight[..., None] > 0, observed - uv, 0.0)
        if step == 0:  # a joint whose offset is unlike that of its person is an outlier, not a rotation
            deviation = np.linalg.norm(residual - common[..., :2], axis=-1) / (CAUCHY_SCALE * common[..., 2] + 1e-4)
            weight = weight / (1.0 + deviation**2)
        W_x = (weight[..., None, None] * J_x).reshape(len(points), 2 * cameras, 3).transpose(0, 2, 1)
        A = W_x @ J_x.reshape(len(points), 2 * cameras, 3)
        if step < GAUSS_NEWTON_STEPS:
            points = points + np.linalg.solve(A, W_x @ residual.reshape(len(points), 2 * cameras, 1))[..., 0]
    u, v = uv[..., 0], uv[..., 1]
    J_w = np.stack([-u * v, 1 + u * u, -v, -1 - v * v, u * v, u], axis=-1).reshape(*u.shape, 2, 3)
    W_w = (weight[..., None, None] * J_w).swapaxes(-1, -2)
    G = W_w @ J_x
    left = (G @ np.linalg.inv(A)[:, None]).transpose(1, 2, 0, 3).reshape(3 * cameras, 3 * len(points))
    H = -(left @ G.transpose(1, 2, 0, 3).reshape(3 * cameras, 3 * len(points)).T)
    H = H.reshape(cameras, 3, cameras, 3).transpose(0, 2, 1, 3)
    shift = (W_w @ J_w).sum(axis=0)
    H[np.arange(cameras), np.arange(cameras)] += shift
    g = (W_w @ residual[..., None])[..., 0].sum(axis=0)
    return RotationNormalEquations(H, g, shift, weight.sum(axis=0), (weight > 0).sum(axis=0))


def _reprojection(
    points: Float64[np.ndarray, "N 3"], rig: PackedRig
) -> tuple[Float64[np.ndarray, "N C 2"], Float64[np.ndarray, "N C 2 3"]]:
    """Normalised coordinates of each point in each camera, and their derivatives by the point."""
    local = (points @ rig.R.reshape(-1, 3).T).reshape(len(points), len(rig.R), 3) + rig.t
    depth = local[..., 2:]
    uv = local[..., :2] / depth
    return uv, (rig.R[:, :2] - uv[..., None] * rig.R[:, 2:]) / depth[..., None]
