"""What every way of grouping detections has."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from multiview.cameras.observations import PackedRig, Rays


@runtime_checkable
class DetectionAssociator(Protocol):
    """Made as `Associator(body, options)`; finds which detections of different views are the same person."""

    def __call__(self, rays: Rays, rig: PackedRig, free: Int64[np.ndarray, " F"]) -> Int64[np.ndarray, "G C"]:
        """For each person found among the detections `free`, which one each camera sees, -1 for none; best first."""
        ...
