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
        """Tell the detector where people will be.

        Args:
            camera: Whose next frame it is.
            boxes: (N, 4) boxes about the joints of those expected there: x1 y1 x2 y2, px of the picture.
        """
        ...


@runtime_checkable
class PoseDetector(Protocol):
    """Made as `Detector(options)`; loads its network there, and raises ConfigError if it cannot.

    Attributes:
        skeleton: Of what it finds.
        stage_ns: Time of each stage of the last call.
    """

    skeleton: Skeleton
    stage_ns: dict[str, int]  # where the last call's time went

    def detect(self, frames: Sequence[VideoFrame]) -> list[Keypoints2D]:
        """Find everyone.

        Args:
            frames: Of different cameras, at most one of each.

        Returns:
            For each frame the people in it, in its own pixels.
        """
        ...
