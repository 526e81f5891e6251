"""What every detector has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float64

from multiview.body.skeleton import Skeleton
from multiview.data import Keypoints2D, VideoFrame


@runtime_checkable
class ExpectsPeople(Protocol):
    """A detector that can be told where people will be, and then searches for new ones less often."""

    def expect(self, camera: str, boxes: Float64[np.ndarray, "N 4"]) -> None:
        """Boxes about the joints of those expected in the camera's next frame, x1 y1 x2 y2 px of the picture."""
        ...


@runtime_checkable
class PoseDetector(Protocol):
    """Made as `Detector(options)`; loads its network there, and raises ConfigError if it cannot."""

    skeleton: Skeleton
    stage_ns: dict[str, int]  # where the last call's time went

    def detect(self, frames: Sequence[VideoFrame]) -> list[Keypoints2D]:
        """Who is seen in each frame, in its own pixels; the frames are of different cameras, at most one of each."""
        ...
