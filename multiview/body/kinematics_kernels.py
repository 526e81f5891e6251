"""Kernels of `kinematics.py`."""

from __future__ import annotations

import numpy as np

from multiview.geometry.jit import Array, kernel
from multiview.geometry.sym3_kernels import copy_row


@kernel
def carry_hinge(along: Array, bend: Array, start: Array, most: float) -> Array:
    """The hinge axis of a limb over time: follows the limb, turns towards the seen axis where the limb is bent.

    along (T, 3) unit directions of the upper bone, NaN where unknown; bend (T, 3) upper x lower, of length sin(bend),
    NaN where unknown; start (3,) the axis before the first frame; most: the largest rotation (rad) about the bone in a
    frame. Returns (T, 3) unit axes across `along`.
    """
    axes = np.empty_like(along)
    axis = start.copy()
    for t in range(along.shape[0]):
        d = along[t]
        if not np.isnan(d[0]):
            across = axis - (axis @ d) * d
            length = np.sqrt(across @ across)
            if length > 1e-6:
                axis = across / length
            else:  # the bone turned into its own axis within one frame: any axis across it
                k = np.argmin(np.abs(d))
                unit = np.zeros(3)
                unit[k] = 1.0
                across = unit - d[k] * d
                axis = across / np.sqrt(across @ across)
            n = bend[t]
            sine = np.sqrt(n @ n)
            if sine > 0.08:  # NaN compares false
                trust = min((sine - 0.08) / 0.22, 1.0)
                side = np.array(
                    [d[1] * axis[2] - d[2] * axis[1], d[2] * axis[0] - d[0] * axis[2], d[0] * axis[1] - d[1] * axis[0]]
                )
                angle = trust * np.arctan2(n @ side, n @ axis)
                angle = min(max(angle, -most), most)
                axis = np.cos(angle) * axis + np.sin(angle) * side
        copy_row(axis, axes[t])
    return axes
