"""C3D, the file of motion laboratories: everyone in one file, labels WHO:JOINT, z up, millimetres by default.

A measured point's residual is its standard deviation in the file's unit; a filled point's is 0, which the format keeps
for points that were interpolated; an unknown point is NaN with residual -1. The format's seven camera bits hold the
number of views (at most seven), not which: that is not known here. Frames count from the recording's first frame.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from multiview.common.atomic_file import replacing
from multiview.errors import MultiviewError
from multiview.export import PER_METRE, Progress, silent
from multiview.recordings.pose_table import Poses

__all__ = ["UNITS", "Exporter"]

UNITS = ("mm", "m")
_CAMERA_BITS = 7


class Exporter:
    def __init__(self, unit: str = "mm") -> None:
        self._unit = unit

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        try:
            import ezc3d
        except ModuleNotFoundError:
            raise MultiviewError("C3D needs one more package: pip install multiview-mocap[c3d]") from None
        if not len(poses):
            return []
        scale = PER_METRE[self._unit]
        first, frames = int(poses.frame[0]), int(poses.frame[-1] - poses.frame[0]) + 1
        people, joints = list(poses.people), len(poses.joints)
        xyz = np.full((frames, len(people), joints, 3), np.nan)
        residual = np.full((frames, len(people), joints), -1.0)
        views = np.zeros((frames, len(people), joints), dtype=np.int64)
        row, place = poses.frame - first, np.searchsorted(people, poses.person)
        xyz[row, place], views[row, place] = poses.xyz * scale, poses.views
        sigma = np.where(np.isfinite(poses.sigma), np.maximum(poses.sigma * scale, 1e-6 * scale), 1e-6 * scale)
        known = np.isfinite(poses.xyz).all(axis=2)
        residual[row, place] = np.where(known, np.where(poses.filled, 0.0, sigma), -1.0)
        points = np.ones((4, len(people) * joints, frames))
        points[:3] = xyz.reshape(frames, -1, 3).transpose(2, 1, 0)
        content = ezc3d.c3d()
        content["header"]["points"]["first_frame"] = first
        content["parameters"]["POINT"]["UNITS"]["value"] = [self._unit]
        content["parameters"]["POINT"]["RATE"]["value"] = [poses.frames_per_second]
        whose = [poses.label(int(person)).removeprefix("person") for person in people]
        content["parameters"]["POINT"]["LABELS"]["value"] = [
            f"{who}:{joint}" for who in whose for joint in poses.joints
        ]
        content.add_parameter("POINT", "X_SCREEN", ["+X"])
        content.add_parameter("POINT", "Y_SCREEN", ["+Z"])
        content["data"]["points"] = points
        content["data"]["meta_points"]["residuals"] = residual.reshape(frames, -1).T[None]
        bits = np.arange(_CAMERA_BITS)[:, None, None] < views.reshape(frames, -1).T[None]
        content["data"]["meta_points"]["camera_masks"] = bits
        progress(0.5)
        path = stem.with_name(stem.name + ".c3d")
        with replacing(path) as temporary:
            content.write(str(temporary))
        return [path]
