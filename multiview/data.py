"""The values that flow through multiview: 2D keypoints in, 3D people out.

Units are metres, seconds, pixels; `_ns` marks integer nanoseconds. A missing joint has score 0 and NaN coordinates,
together. Times are integers, so that shifting a whole recording in time changes no result by a single bit. What fusion
makes many of in every frame are Structs, which are made ten times as fast as frozen dataclasses.

A frame's number says which picture of its own recording it is, a time when it was taken: cameras of other rates, starts
or clocks, and frames that were lost, make one no measure of the other. So they are two types, and mypy refuses one for
the other; a number becomes a time in the readers of files alone, where a rate or a table of times says how.

Letters in shapes: C cameras, P people, J joints.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

import msgspec
import numpy as np
from jaxtyping import Bool, Float64, Int64, UInt8

__all__ = [
    "FrameNumber",
    "FrameNumbers",
    "Keypoints2D",
    "Pose3D",
    "TimeNs",
    "Times",
    "TimesNs",
    "Track",
    "Tracks",
    "VideoFrame",
    "Views",
]

NS_PER_S = 1_000_000_000

FrameNumber = NewType("FrameNumber", int)
"""Number of a frame in its own camera's recording, which says no time."""

TimeNs = NewType("TimeNs", int)
"""An instant in ns, on the clock that the context says."""

FrameNumbers = NewType("FrameNumbers", Int64[np.ndarray, " _"])
"""Numbers of frames, one a row."""

Times = NewType("Times", Float64[np.ndarray, " _"])
"""Instants in s, one a row."""

TimesNs = NewType("TimesNs", Int64[np.ndarray, " _"])
"""Instants in ns, one a row."""


@dataclass(frozen=True, slots=True, eq=False)
class VideoFrame:
    """One picture of one camera.

    Attributes:
        image: (H, W, 3) BGR, as OpenCV reads it.
        index: Number of the frame in the recording or stream.
        time_ns: When it was taken: since the recording's start for files, on this machine's monotonic clock for live
            cameras.
        camera: Name of the camera.
        trigger: Count of the pulse that exposed it, of a camera that is triggered; else -1.
    """

    image: UInt8[np.ndarray, "H W 3"]
    index: FrameNumber
    time_ns: TimeNs
    camera: str = ""
    trigger: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints2D:
    """What one camera sees at one instant: P people of J joints, in pixels of the distorted source image.

    Attributes:
        xy: (P, J, 2) px, NaN where missing.
        score: (P, J) in [0, 1], 0 where missing.
        cov: (P, J, 2, 2) px^2, covariance of the error; None where the detector does not know it.
        visibility: (P, J) in [0, 1], the detector's belief that the joint is not hidden; None where it does not tell.
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
        """A camera that looked and saw no one.

        Args:
            joints: Number of joints of the skeleton.

        Returns:
            Keypoints of no people.
        """
        return Keypoints2D(np.empty((0, joints, 2)), np.empty((0, joints)))

    def best(self, people: int) -> Keypoints2D:
        """The people with the highest scores, in their order.

        Args:
            people: How many, at most.

        Returns:
            Keypoints of these.
        """
        kept = np.sort(np.argsort(-self.score.sum(axis=1), kind="stable")[:people])
        cov = None if self.cov is None else self.cov[kept]
        visibility = None if self.visibility is None else self.visibility[kept]
        return Keypoints2D(self.xy[kept], self.score[kept], cov, visibility)


@dataclass(frozen=True, slots=True, eq=False)
class Views:
    """What all cameras of the rig see at one instant, the tick.

    Attributes:
        tick: Number of the tick; offline, the frame's.
        time_ns: The instant, on the clock of the ticks.
        keypoints: One entry per camera of the rig, in its order. None says that the camera gave nothing for this tick
            (dead, late, dropped), which is not the same as a camera that saw no one.
        utc_ns: The instant since 1970 (UTC), 0 where unknown.
    """

    tick: int
    time_ns: TimeNs
    keypoints: tuple[Keypoints2D | None, ...]
    utc_ns: int = 0

    @property
    def time(self) -> float:
        """Seconds on the tick's clock."""
        return self.time_ns / NS_PER_S


class Pose3D(msgspec.Struct, frozen=True, eq=False, gc=False):
    """One person's J joints in the world.

    Attributes:
        xyz: (J, 3) m, NaN where unknown.
        cov: (J, 3, 3) m^2, covariance of the error; NaN where unknown.
        score: (J,) in [0, 1], mean score of the 2D joints that it rests on; 0 where unknown.
        views: (J,) number of rays that the joint rests on in this frame.
        filled: (J,) True where fewer than two rays measure the joint, so that bones and motion place it.
        contact: (J,) True where a point of a foot stands on the floor; None where nobody looked for contacts.
    """

    xyz: Float64[np.ndarray, "J 3"]
    cov: Float64[np.ndarray, "J 3 3"]
    score: Float64[np.ndarray, " J"]
    views: Int64[np.ndarray, " J"]
    filled: Bool[np.ndarray, " J"]
    contact: Bool[np.ndarray, " J"] | None = None


class Track(msgspec.Struct, frozen=True, eq=False, gc=False):
    """A person with an identity.

    Attributes:
        person: A number that is never given to anyone else.
        pose: The joints at this tick.
        name: Of a known actor; empty where unknown.
    """

    person: int
    pose: Pose3D
    name: str = ""


class Tracks(msgspec.Struct, frozen=True, eq=False, gc=False):
    """Everyone in the room at one tick.

    Attributes:
        tick: Number of the tick.
        time_ns: The instant, on the clock of the ticks.
        tracks: The published people, by ascending number.
        utc_ns: The instant since 1970 (UTC), 0 where unknown.
    """

    tick: int
    time_ns: TimeNs
    tracks: tuple[Track, ...]
    utc_ns: int = 0

    @property
    def time(self) -> float:
        """Seconds on the tick's clock."""
        return self.time_ns / NS_PER_S
