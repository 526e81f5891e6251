"""Cameras whose frames come at another rate than was taken: their time offset changes evenly while they record.

Frames that are known by number alone get their times from one rate for all cameras. Where one of them has another, what
must be added to its stamps grows from part to part of the recording, along a line.
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from jaxtyping import Float64

from multiview.cameras.camera import Rig
from multiview.data import Views
from multiview.selfcalib.time_offset_scan import scan_time_offsets

__all__ = ["clock_rates"]

PARTS = 4  # of the recording
LEAST_STEPS = 4.0  # of the scan, by which the offset changes from beginning to end
MOST_OFF_STEPS = 1.5  # that a part may be off the line


def clock_rates(rig: Rig, views: list[Views], step_s: float, max_offset_s: float) -> Float64[np.ndarray, " C"]:
    """By how much each camera's clock is slow against those of most others, as a share.

    Args:
        rig: The cameras.
        views: What they saw, `step_s` apart.
        step_s: Between two views, s; the steps in which offsets are tried.
        max_offset_s: The largest offset in any part, s.

    Returns:
        (C,) What must be added to its stamps, s in a second; 0 where no line fits the parts.
    """
    bounds = np.linspace(0, len(views), PARTS + 1).astype(int).tolist()
    middle_s = step_s * (np.array(bounds[:-1]) + bounds[1:]) / 2
    scans = [scan_time_offsets(rig, views[a:b], step_s, max_offset_s) for a, b in pairwise(bounds)]
    offsets_s = step_s * np.stack([scan.offsets() for scan in scans])
    slope, start = np.polyfit(middle_s, offsets_s, 1)
    off = np.abs(offsets_s - (start + slope * middle_s[:, None])).max(axis=0)
    drifts = (np.abs(slope) * step_s * len(views) >= LEAST_STEPS * step_s) & (off <= MOST_OFF_STEPS * step_s)
    return np.where(drifts, slope, 0.0)
