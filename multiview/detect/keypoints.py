"""Recorded 2D keypoints in the place of a detector: what another program found in the same pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter_ns

import msgspec

from multiview.body.skeleton import load_skeleton
from multiview.common.names import named_path
from multiview.data import Keypoints2D, VideoFrame
from multiview.errors import ConfigError, SourceError
from multiview.recordings.keypoint_folder import check_first_people, frames_in, read_keypoints

__all__ = ["Detector", "Options", "skeleton_of"]


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the keypoints lie."""

    directory: str = ""  # one folder per camera (a trailing _json is allowed), one OpenPose JSON per frame
    skeleton: str = "body25"  # whose joints they are


def skeleton_of(options: Options) -> str:
    """The skeleton of what it finds: the option.

    Args:
        options: Of the detector.

    Returns:
        Its name.
    """
    return options.skeleton


class Detector:
    """Frame i of camera c has the people of file i in folder c; a frame without a file has nobody."""

    def __init__(self, options: Options) -> None:
        if not options.directory:
            raise ConfigError('the detector keypoints needs directory = "..." (one folder of JSON per camera)')
        self.skeleton = load_skeleton(options.skeleton)
        self._directory = Path(options.directory)
        self._folders: dict[str, dict[int, str]] = {}
        self.stage_ns: dict[str, int] = {}

    def detect(self, frames: Sequence[VideoFrame]) -> list[Keypoints2D]:
        """What was recorded for each frame."""
        start = perf_counter_ns()
        found = [self._read(frame) for frame in frames]
        self.stage_ns = {"read": perf_counter_ns() - start}
        return found

    def _read(self, frame: VideoFrame) -> Keypoints2D:
        if frame.camera not in self._folders:
            folders = [named_path(self._directory, frame.camera, suffix) for suffix in ("", "_json")]
            folder = next((f for f in folders if f.is_dir()), None)
            if folder is None:
                raise SourceError(f"{self._directory} has no folder {frame.camera}, with one JSON file per frame")
            self._folders[frame.camera] = frames_in(folder)
            check_first_people(self._folders[frame.camera], self.skeleton)
        path = self._folders[frame.camera].get(frame.index)
        return Keypoints2D.nobody(len(self.skeleton.joints)) if path is None else read_keypoints(path, self.skeleton)
