"""The values that flow through multiview: 2D keypoints in, 3D people out.

Units are metres, seconds, pixels; `_ns` marks integer nanoseconds. A missing joint has score 0 and NaN coordinates,
together. Times are integers, so that shifting a whole recording in time changes no result by a single bit. What fusion
makes many of in every frame are Structs, which are made ten times as fast as frozen dataclasses.

Letters in shapes: C cameras, P people, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

__all__ = ["Keypoints2D", "Pose3D", "Track", "Tracks", "VideoFrame", "Views"]

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One picture of one camera: BGR as OpenCV reads it, its number in the recording or stream, and when it was taken.

    `time_ns` counts from the recording's start for files, and is this machine's monotonic clock for live cameras.
    """

    image: UInt8[np.ndarray, "H W 3"]
    index: int
    time_ns: int
    camera: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints2D:
    """What one camera sees at one instant: P people of J joints, in pixels of the distorted source image.

    `xy` px, NaN where missing; `score` in [0, 1], 0 where missing; `cov` px^2, where the detector knows it;
    `visibility` in [0, 1], the model's belief that the joint is not hidden, where the detector tells it apart.
    """

    xy: Float64[np.ndarray, "P J 2"]
    score: Float64[np.ndarray, "P J"]
    cov: Float64[np.ndarray, "P J 2 2"] | None = None
    visibility: Float64[np.ndarray, "P J"] | None = None

    @property
    def people(self) -> int:
        return len(self.xy)

    @staticmethod
    def nobody(joints: int) -> Keypoints2D:
        """A camera that looked and saw no one."""
        return Keypoints2D(np.empty((0, joints, 2)), np.empty((0, joints)))


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What all cameras of the rig see at one instant, the tick.

    `keypoints[c]` belongs to the rig's camera c; None says that the camera gave nothing for this tick (dead, late,
    dropped), which is not the same as a camera that saw no one. `utc_ns` is 0 where unknown.
    """

    tick: int
    time_ns: int
    keypoints: tuple[Keypoints2D | None, ...]
    utc_ns: int = 0

    @property
    def time(self) -> float:
        """Seconds on the tick's clock."""
        return self.time_ns / NS_PER_S


class Pose3D(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One person's joints in the world.

    `xyz` m, NaN where unknown; `cov` m^2; `score` in [0, 1], 0 where unknown; `views` is the number of rays that the
    joint rests on in this frame; `filled` marks a joint placed by bones and motion rather than measured.
    """

    xyz: Float64[np.ndarray, "J 3"]
    cov: Float64[np.ndarray, "J 3 3"]
    score: Float64[np.ndarray, " J"]
    views: Int64[np.ndarray, " J"]
    filled: Bool[np.ndarray, " J"]


class Track(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A person with an identity; `person` is never used again for anyone else. `name` is empty where unknown."""

    person: int
    pose: Pose3D
    name: str = ""


class Tracks(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Everyone in the room at one tick."""

    tick: int
    time_ns: int
    tracks: tuple[Track, ...]
    utc_ns: int = 0

    @property
    def time(self) -> float:
        """Seconds on the tick's clock."""
        return self.time_ns / NS_PER_S
