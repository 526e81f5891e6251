"""How well 3D people agree with the 2D poses that they were made from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from multiview.cameras.camera import Rig
from multiview.cameras.observations import PackedRig, Rays
from multiview.data import Tracks, Views

__all__ = ["MAX_MATCH_PX", "ReprojectionErrors", "reprojection_errors", "residuals_px"]

MAX_MATCH_PX = 100.0  # beyond it, on the median joint, a detection is of someone else


@dataclass(frozen=True, slots=True, eq=False)
class ReprojectionErrors:
    """How far measured joints, projected, are from the 2D joints of the same person.

    Attributes:
        px: For each camera by name its N distances, px.
    """

    px: dict[str, Float64[np.ndarray, " N"]]

    def median(self, camera: str | None = None) -> float:
        """The median distance.

        Args:
            camera: Name of one camera; None for all together.

        Returns:
            px; 0 where nothing was compared.
        """
        px = np.concatenate([*self.px.values()]) if camera is None else self.px[camera]
        return float(np.median(px)) if len(px) else 0.0


def residuals_px(
    rig: Rig,
    packed: PackedRig,
    rays: Rays,
    table: Int64[np.ndarray, "P C J"],
    xyz: Float64[np.ndarray, "P J 3"],
) -> dict[str, float]:
    """Each camera's median distance (px) between the rays that people rest on and the people; only cameras with any."""
    found = {}
    for c, camera in enumerate(rig.cameras):
        person, joint = np.nonzero(table[:, c] >= 0)
        local = xyz[person, joint] @ packed.R[c].T + packed.t[c]
        off = rays.xy.reshape(-1, 2)[table[person, c, joint]] - local[:, :2] / local[:, 2:]
        distance = np.linalg.norm(off @ camera.K[:2, :2].T, axis=-1)
        if np.isfinite(distance).any():
            found[camera.name] = float(np.nanmedian(distance))
    return found


def reprojection_errors(rig: Rig, views: list[Views], tracks: list[Tracks]) -> ReprojectionErrors:
    """Compare 3D people with 2D poses, in every view: each person with the nearest detection, measured joints alone.

    Args:
        rig: The cameras.
        views: What they saw; their ticks must contain those of `tracks`.
        tracks: The people, tick by tick.

    Returns:
        The distances by camera.
    """
    px: dict[str, list[np.ndarray]] = {name: [np.empty(0)] for name in rig.names}
    seen_at = {seen.tick: seen for seen in views}
    for tick in tracks:
        seen = seen_at[tick.tick]
        for track in tick.tracks:
            measured = ~track.pose.filled & (track.pose.views >= 2)
            for camera, keypoints in zip(rig.cameras, seen.keypoints, strict=True):
                if keypoints is None or not keypoints.people or not measured.any():
                    continue
                distance = np.linalg.norm(keypoints.xy - camera.project(track.pose.xyz), axis=-1)[:, measured]
                known = np.isfinite(distance).any(axis=1)
                if not known.any():
                    continue
                nearest = distance[known][np.nanmedian(distance[known], axis=1).argmin()]
                if np.nanmedian(nearest) < MAX_MATCH_PX:
                    px[camera.name].append(nearest[np.isfinite(nearest)])
    return ReprojectionErrors({name: np.concatenate(parts) for name, parts in px.items()})
