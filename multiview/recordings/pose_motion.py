"""Everyone's pose at any time: poses are looked up by time, since frames of one number need not be of one time."""

from __future__ import annotations

import numpy as np

from multiview.data import NS_PER_S, Pose3D, TimeNs, Track
from multiview.recordings.pose_table import Poses

__all__ = ["PoseMotion"]

_NEAR_S = 0.1  # poses further apart, or 1.5 frames, say nothing about the time between
_SAME_FRAMES = 0.15  # of a frame: cameras in step differ by less
_EDGE_FRAMES = 0.6  # beyond a person's first and last pose


class PoseMotion:
    """Poses between frames, on the straight line; measured only where both were.

    Args:
        poses: Of a take.
    """

    def __init__(self, poses: Poses) -> None:
        self._people = [poses.select(poses.person == person) for person in poses.people]
        self._frame_ns = NS_PER_S / poses.frames_per_second
        self._longest_ns = max(_NEAR_S * NS_PER_S, 1.5 * self._frame_ns)
        times = poses.time_ns
        self.start_ns, self.end_ns = (int(times.min()), int(times.max())) if len(poses) else (0, 0)

    def covers(self, time_ns: TimeNs) -> bool:
        """Whether a time lies within the take.

        Args:
            time_ns: On the clock of the poses.

        Returns:
            True up to a frame before and after it.
        """
        return self.start_ns - self._frame_ns <= time_ns <= self.end_ns + self._frame_ns

    def at(self, time_ns: TimeNs) -> tuple[Track, ...]:
        """Everyone who is there.

        Args:
            time_ns: On the clock of the poses.

        Returns:
            Their poses.
        """
        found = []
        for own in self._people:
            after = int(np.searchsorted(own.time_ns, time_ns))
            near = [i for i in (after - 1, after) if 0 <= i < len(own)]
            nearest = min(near, key=lambda i: abs(int(own.time_ns[i]) - time_ns))
            off = abs(int(own.time_ns[nearest]) - time_ns) / self._frame_ns
            if off <= _SAME_FRAMES or (len(near) == 1 and off <= _EDGE_FRAMES):
                before = after = nearest
            elif len(near) == 1:
                continue
            else:
                before = after - 1
            span = int(own.time_ns[after] - own.time_ns[before])
            if span > self._longest_ns:
                continue
            share = (time_ns - int(own.time_ns[before])) / span if span else 0.0
            pose = Pose3D(
                (1 - share) * own.xyz[before] + share * own.xyz[after] if span else own.xyz[before],
                own.cov[before],
                np.minimum(own.score[before], own.score[after]),
                np.minimum(own.views[before], own.views[after]),
                own.filled[before] | own.filled[after],
                own.contact[before] & own.contact[after],
            )
            found.append(Track(int(own.person[0]), pose))
        return tuple(found)
