"""Plugins that find which detections of different views are the same person, without knowing anyone yet.

One file is one method: `Options`, and a class that satisfies `Associator`.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from jaxtyping import Int64

from multiview.cameras.observations import PackedRig, Rays

__all__ = ["Associator"]


class Associator(Protocol):
    """Groups detections into people."""

    def __call__(self, rays: Rays, rig: PackedRig, free: Int64[np.ndarray, " F"]) -> Int64[np.ndarray, "G C"]:
        """For each person found among the detections `free`, which one each camera sees, -1 for none; best first."""
        ...
