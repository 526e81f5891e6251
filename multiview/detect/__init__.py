"""Plugins, pictures to 2D skeletons: each file has `Options` and a class `Detector` that follows `PoseDetector`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from multiview.data import Frame, Keypoints2D
from multiview.skeleton import Skeleton


@runtime_checkable
class PoseDetector(Protocol):
    """Made as `Detector(options)`; loads its network there, and raises ConfigError if it cannot."""

    skeleton: Skeleton
    stage_ns: dict[str, int]  # where the last call's time went

    def detect(self, frames: Sequence[Frame]) -> list[Keypoints2D]:
        """Who is seen in each frame, in its own pixels; the frames are of different cameras, at most one of each."""
        ...
