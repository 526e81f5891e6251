"""What is drawn of a skeleton: its own bones, and a neck where it has none, so that the head does not float."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float64

from multiview.body.skeleton import Skeleton
from multiview.data import Pose3D

__all__ = ["StickFigure", "stick_figure"]


@dataclass(frozen=True, slots=True)
class StickFigure:
    """Names and bones to draw; `neck_from` are the skeleton's joints whose middle is the drawn neck, or none."""

    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]
    neck_from: tuple[int, int] | None

    def place(self, pose: Pose3D) -> tuple[Float64[np.ndarray, "D 3"], Bool[np.ndarray, " D"]]:
        """Where the D drawn joints are (m, NaN where unknown), and which of them are filled."""
        if self.neck_from is None:
            return pose.xyz, pose.filled
        a, b = self.neck_from
        neck = (pose.xyz[a] + pose.xyz[b]) / 2
        return np.concatenate([pose.xyz, neck[None]]), np.append(pose.filled, pose.filled[a] | pose.filled[b])


@lru_cache(maxsize=32)
def stick_figure(skeleton: Skeleton) -> StickFigure:
    """The figure of a skeleton."""
    index = {name: i for i, name in enumerate(skeleton.joints)}
    if "neck" in index or not {"left_shoulder", "right_shoulder", "nose"} <= set(index):
        return StickFigure(skeleton.joints, skeleton.bones, None)
    neck = len(skeleton.joints)
    bones = (*skeleton.bones, (neck, index["nose"]))
    return StickFigure((*skeleton.joints, "neck"), bones, (index["left_shoulder"], index["right_shoulder"]))
