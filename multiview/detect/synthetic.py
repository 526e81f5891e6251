"""A simulated studio in the place of a detector: what its cameras would say, whatever the pictures show."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

import msgspec

from multiview.common.toml import convert
from multiview.data import Keypoints2D, VideoFrame
from multiview.errors import ConfigError
from multiview.synthetic import StudioOptions, make_studio

__all__ = ["Detector", "Options", "skeleton_of"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which studio."""

    studio: dict[str, Any] = {}  # the fields of multiview.synthetic.StudioOptions


def skeleton_of(options: Options) -> str:
    """The skeleton of what it finds: the studio's.

    Args:
        options: Of the detector.

    Returns:
        Its name.
    """
    return convert(options.studio, StudioOptions, "options of synthetic: studio").skeleton


class Detector:
    """Frame i of camera c has what camera c of the simulated studio sees in tick i; nobody beyond its end."""

    def __init__(self, options: Options) -> None:
        self._studio = make_studio(convert(options.studio, StudioOptions, "options of synthetic: studio"))
        self.skeleton = self._studio.skeleton
        self.stage_ns: dict[str, int] = {}

    def detect(self, frames: Sequence[VideoFrame]) -> list[Keypoints2D]:
        """What the studio's cameras say."""
        start = perf_counter_ns()
        found = [self._one(frame) for frame in frames]
        self.stage_ns = {"simulate": perf_counter_ns() - start}
        return found

    def _one(self, frame: VideoFrame) -> Keypoints2D:
        names = self._studio.rig.names
        if frame.camera not in names:
            raise ConfigError(f"the simulated studio has no camera {frame.camera}; it has {', '.join(names)}")
        seen = None
        if frame.index < self._studio.frames:
            seen = self._studio.keypoints(names.index(frame.camera), frame.index)
        return Keypoints2D.nobody(len(self.skeleton.joints)) if seen is None else seen
