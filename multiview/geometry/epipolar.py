"""The epipolar constraint as a distance between rays, in metres and in expected deviations.

Pixels from an epipolar line mean something else in every camera; the distance at which two rays pass each other does
not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from multiview.geometry import epipolar_kernels as kernels

__all__ = ["RayGaps", "ray_gaps"]


@dataclass(frozen=True, slots=True, eq=False)
class RayGaps:
    """Where N pairs of rays come closest: `deviations` = `gap` (m) over its standard deviation, `xyz` m the point half
    way.

    inf where the rays meet behind a camera; NaN where they are parallel within 2 degrees, which says nothing.
    """

    deviations: Float64[np.ndarray, " N"]
    gap: Float64[np.ndarray, " N"]
    xyz: Float64[np.ndarray, "N 3"]


def ray_gaps(
    a_centre: Float64[np.ndarray, " 3"],
    a_R: Float64[np.ndarray, "3 3"],
    a_rays: Float64[np.ndarray, "N 3"],
    a_noise: Float64[np.ndarray, "N 3"],
    b_centre: Float64[np.ndarray, " 3"],
    b_R: Float64[np.ndarray, "3 3"],
    b_rays: Float64[np.ndarray, "N 3"],
    b_noise: Float64[np.ndarray, "N 3"],
) -> RayGaps:
    """Distances between the rays of camera a and camera b (unit directions in the world).

    `noise` is the covariance (xx, xy, yy) of the normalised image coordinates. The common perpendicular: Hartley and
    Zisserman 2004, section 12.2; its deviation is first-order propagation, so one threshold serves every rig.
    """
    count = len(a_rays)
    z, gap, xyz = np.empty(count), np.empty(count), np.full((count, 3), np.nan)
    kernels.ray_gaps(a_centre, a_R, a_rays, a_noise, b_centre, b_R, b_rays, b_noise, z, gap, xyz)
    return RayGaps(z, gap, xyz)
