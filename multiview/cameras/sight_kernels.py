"""A frame's rays and cameras as fusion's kernels use them."""

from __future__ import annotations

from multiview.cameras.observations import PackedRig, Rays
from multiview.geometry.jit import inlined
from multiview.geometry.triangulate_kernels import Sight


@inlined
def sight_of(rays: Rays, rig: PackedRig) -> Sight:
    """A frame's rays by row (detection * J + joint)."""
    return Sight(rays.xy.reshape(-1, 2), rays.info.reshape(-1, 3), rays.ray.reshape(-1, 3), rig.R, rig.t, rig.centre)
