"""How well a take's poses agree with its cameras along the time line, for a browser."""

from __future__ import annotations

import json

import numpy as np

from multiview.cameras.rig_file import load_rig
from multiview.data import NS_PER_S
from multiview.editing.take_poses import take_poses, take_rig, take_start_ns
from multiview.recordings.take import Take

__all__ = ["error_bytes"]

_BINS = 300


def error_bytes(take: Take) -> bytes:
    """Median reprojection errors of measured joints over all cameras.

    Args:
        take: Which.

    Returns:
        JSON: `edges` of the bins, s from the take's start, and `px` of each, null where nothing was compared; both are
        empty for a take without a recording.

    Raises:
        SourceError: It has no poses.
        ConfigError: Its rig cannot be read.
    """
    from multiview.drawing.plot_errors import recorded_errors  # slow to import: not before somebody looks

    if not take.recordings():
        return json.dumps({"edges": [], "px": []}).encode()
    poses, _ = take_poses(take.folder)
    found = recorded_errors(poses, load_rig(take_rig(take.folder)), take, lambda share: None)
    time_s = np.concatenate([one.time_s for one in found]) - take_start_ns(take.folder, poses) / NS_PER_S
    px = np.concatenate([one.px for one in found])
    if not len(px):
        return json.dumps({"edges": [], "px": []}).encode()
    bins = int(np.clip((time_s.max() - time_s.min()) * poses.frames_per_second / 2, 1, _BINS))
    edges = np.linspace(time_s.min(), time_s.max() + 1e-6, bins + 1)
    place = np.searchsorted(edges, time_s, side="right") - 1
    medians = (px[place == one] for one in range(bins))
    values = [round(float(np.median(one)), 3) if len(one) else None for one in medians]
    return json.dumps({"edges": np.round(edges, 4).tolist(), "px": values}).encode()
