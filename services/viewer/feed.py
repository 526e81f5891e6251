"""The source of the viewer's people: a table of poses played back; `stream.py` has the live stream."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

import numpy as np

from multiview.common.counted import counted
from multiview.data import Keypoints2D, Pose3D, Track
from multiview.recordings.pose_table import Poses
from services.viewer.playback import Playback

__all__ = ["Feed", "PosesFeed"]

PAST_FRAMES = 90


@runtime_checkable
class Feed(Protocol):
    """Protocol of the viewer's source of people; only `wait` waits."""

    def tracks(self) -> tuple[Track, ...]:
        """The current people; the same tuple as before if nothing is new."""
        ...

    def wait(self, timeout_s: float) -> None:
        """Until the next instant begins, at most so long."""
        ...

    def names(self) -> dict[int, str]:
        """Names of people, without those who have none."""
        ...

    def set_name(self, person: int, name: str) -> bool:
        """Give a person another name, none if it is empty; whether that can be done here."""
        ...

    def history(self) -> Iterable[tuple[Track, ...]]:
        """Everyone at the instants before, as far as they are known, for the trails."""
        ...

    def delay_s(self) -> float:
        """Time since the hub sent the poses shown, s; 0 for a recording."""
        ...

    def headline(self) -> str:
        """The line at the top: rate, latency, people, cameras."""
        ...

    def alarm(self) -> str:
        """What is being lost, or soon will be; empty while nothing is."""
        ...

    def camera_states(self) -> dict[str, str]:
        """`alive`, `late` or `missing` for each camera by name, or nothing where unknown."""
        ...

    def keypoints(self) -> Mapping[str, Keypoints2D]:
        """What each camera saw last."""
        ...

    def pause(self) -> None:
        """Stop or go on."""
        ...

    @property
    def playback(self) -> Playback | None:
        """Of a recording; None live."""
        ...

    def close(self) -> None:
        """Release resources."""
        ...


@runtime_checkable
class KeypointLookup(Protocol):
    """Protocol of recorded keypoints by time."""

    def at(self, time_ns: int) -> Mapping[str, Keypoints2D]:
        """By camera, at this time."""
        ...


class PosesFeed:
    """Plays a table of poses at its own pace, in a loop."""

    def __init__(
        self,
        poses: Poses,
        start_s: float = 0.0,
        paused: bool = False,
        names: dict[int, str] | None = None,
        keypoints: KeypointLookup | None = None,
    ) -> None:
        self._poses = poses
        self._frames, first = np.unique(poses.frame, return_index=True)
        times_s = (poses.time_ns[first] - poses.time_ns[first[0]]) / 1e9 if len(first) else np.zeros(0)
        self._playback = Playback(times_s, start_s, paused)
        self._bounds = np.append(first, len(poses))
        self._shown: tuple[int, tuple[Track, ...]] = (-1, ())
        self._names, self._recorded = names or {}, keypoints

    @property
    def playback(self) -> Playback:
        return self._playback

    def tracks(self) -> tuple[Track, ...]:
        if not len(self._frames):
            return ()
        index = self._playback.index()
        if index != self._shown[0]:
            self._shown = (index, self._at_index(index))
        return self._shown[1]

    def wait(self, timeout_s: float) -> None:
        time.sleep(max(0.0, min(timeout_s, self._playback.until_next())))

    def names(self) -> dict[int, str]:
        return self._names

    def set_name(self, person: int, name: str) -> bool:
        return False

    def history(self) -> Iterable[tuple[Track, ...]]:
        return [self._at_index(i) for i in range(max(0, self._playback.index() - PAST_FRAMES), self._playback.index())]

    def delay_s(self) -> float:
        return 0.0

    def _at_index(self, index: int) -> tuple[Track, ...]:
        rows, p = range(self._bounds[index], self._bounds[index + 1]), self._poses
        return tuple(
            Track(int(p.person[i]), Pose3D(p.xyz[i], p.cov[i], p.score[i], p.views[i], p.filled[i])) for i in rows
        )

    def headline(self) -> str:
        if not len(self._frames):
            return "the recording holds no frames: record or fuse again"
        frame, people, play = self._frames[self._playback.index()], len(self.tracks()), self._playback
        speed = (
            "" if play.speed == 1.0 else f"   {play.speed:g} x" if play.speed > 1.0 else f"   1/{1 / play.speed:g} x"
        )
        return f"frame {frame}   {counted(people, 'person', 'people')}{speed}{'   paused' if play.paused else ''}"

    def alarm(self) -> str:
        return ""

    def camera_states(self) -> dict[str, str]:
        return {}

    def keypoints(self) -> Mapping[str, Keypoints2D]:
        if self._recorded is None or not len(self._frames):
            return {}
        return self._recorded.at(int(self._poses.time_ns[self._bounds[self._playback.index()]]))

    def pause(self) -> None:
        self._playback.pause()

    def close(self) -> None:
        """A table holds nothing."""
