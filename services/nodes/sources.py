"""Sources of keypoints without cameras: recorded folders and simulated studios, played on a common time line."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from multiview.data import NS_PER_S, Keypoints2D
from multiview.errors import SourceError
from multiview.studio.config import CameraSource, KeypointsSource, Studio
from multiview.studio.derived import studio_rig, studio_skeleton, synthetic_options

if TYPE_CHECKING:
    from multiview.synthetic import Studio as SyntheticStudio

__all__ = ["KeypointPlayback", "open_playback"]


class SimulatedClock(NamedTuple):
    """A camera's clock, which shows `time + offset + drift * time`, and the delay of its exposure after the tick."""

    offset_ns: int
    drift: float
    phase_ns: int

    def shows(self, time_ns: int) -> int:
        return time_ns + self.offset_ns + round(self.drift * time_ns)


class KeypointPlayback:
    """Numbered frames on a time line that all cameras share: frame number i has the time i / fps.

    `numbers` are the frames of all cameras, in order; `read` gives one camera's keypoints of one of them, None where
    that camera has none. Positions (0, 1, 2 ...) count played frames and go on when the source begins again.
    """

    def __init__(
        self,
        numbers: Sequence[int],
        read: Callable[[int], Keypoints2D | None],
        *,
        fps: float,
        speed: float,
        loop: bool,
        size: tuple[int, int],
        calibration: str,
        skeleton: str,
        clock: SimulatedClock | None = None,
    ) -> None:
        self._numbers, self._read, self._loop = numbers, read, loop
        self._span = numbers[-1] - numbers[0] + 1
        self.fps, self.speed = fps, speed
        self.size, self.calibration, self.skeleton = size, calibration, skeleton
        self.clock = clock

    def has(self, position: int) -> bool:
        return self._loop or position < len(self._numbers)

    def number(self, position: int) -> int:
        cycle, place = divmod(position, len(self._numbers))
        return self._numbers[place] + cycle * self._span

    def time_ns(self, position: int) -> int:
        return round(self.number(position) * NS_PER_S / self.fps)

    def due_ns(self, position: int) -> int:
        """Time at which to send a frame, from the start."""
        phase_ns = self.clock.phase_ns if self.clock else 0
        return round((self.time_ns(position) - self.time_ns(0) + phase_ns) / self.speed)

    def position_at(self, elapsed_ns: int) -> int:
        """The first frame that is not due before this."""
        steps = max(0, math.ceil(elapsed_ns * self.speed * self.fps / NS_PER_S))
        cycle, rest = divmod(steps, self._span) if self._loop else (0, steps)
        return cycle * len(self._numbers) + bisect_left(self._numbers, self._numbers[0] + rest)

    def keypoints(self, position: int) -> Keypoints2D | None:
        """None where the camera has nothing of this frame."""
        return self._read(self._numbers[position % len(self._numbers)])


def open_playback(studio: Studio, camera: str) -> KeypointPlayback:
    """The source of one camera; ConfigError or SourceError if it cannot be played."""
    source = studio.source_of(camera)
    rig = studio_rig(studio)
    if camera not in rig.names:
        raise SourceError(f"the rig has no camera {camera}; it has {', '.join(rig.names)}")
    clock: SimulatedClock | None = None
    index, skeleton = rig.index(camera), studio_skeleton(studio)
    if source.speed < 0:
        raise SourceError(f"{camera}: speed must be 0 (as fast as possible) or more, not {source.speed:g}")
    if isinstance(source, KeypointsSource):
        from multiview.recordings.keypoint_folder import open_keypoint_folders  # compiled loops: loaded on use

        folders = open_keypoint_folders(source.directory, rig, skeleton)
        numbers, fps, name = folders.frames, source.fps, skeleton.name
        read: Callable[[int], Keypoints2D | None] = lambda frame: folders.read(index, frame)
    else:
        if isinstance(source, CameraSource):
            raise SourceError(f"{camera}: its source has images; use a detector")
        from multiview.synthetic import make_studio

        simulated = make_studio(synthetic_options(source))
        numbers, fps, name = tuple(range(simulated.frames)), simulated.fps, simulated.skeleton.name
        read = lambda frame: simulated.keypoints(index, frame)
        if source.own_clocks:
            clock = _clock_of(simulated, index)
    return KeypointPlayback(
        numbers,
        read,
        fps=fps,
        speed=source.speed,
        loop=source.loop,
        size=rig.cameras[index].size,
        calibration=rig.calibration_hash,
        skeleton=name,
        clock=clock,
    )


def _clock_of(simulated: SyntheticStudio, camera: int) -> SimulatedClock:
    """Read off the simulated stamps of the first second."""
    first, last = (simulated.capture_ns(camera, frame) for frame in (0, round(simulated.fps)))
    ahead = [simulated.stamp_ns(camera, frame) - time for frame, time in ((0, first), (round(simulated.fps), last))]
    return SimulatedClock(ahead[0], (ahead[1] - ahead[0]) / (last - first), first)
