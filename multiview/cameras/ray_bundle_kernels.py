"""A frame's rays and cameras as triangulation takes them."""

from __future__ import annotations

from multiview.cameras.observations import PackedRig, Rays
from multiview.geometry.jit import kernel
from multiview.geometry.triangulate_kernels import RayBundle


@kernel
def ray_bundle(rays: Rays, rig: PackedRig) -> RayBundle:
    """A frame's rays by row (detection * J + joint), in the same memory, and the cameras."""
    return RayBundle(
        rays.xy.reshape(-1, 2), rays.info.reshape(-1, 3), rays.ray.reshape(-1, 3), rig.R, rig.t, rig.centre
    )
