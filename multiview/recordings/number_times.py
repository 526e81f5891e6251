"""The time that the number in a file's name says: a frame's number over the rate, or a time of its own.

Some programs name files by the time in place of the frame's number, as in `cam01_1764460800033.json`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from multiview.data import NS_PER_S, FrameNumber, TimeNs
from multiview.errors import SourceError

__all__ = ["NumberTimes"]

MOST_FRAMES = 1_000_000_000  # half a year at 60 frames a second: greater numbers are times
UNITS_NS = (1, 1_000, 1_000_000, NS_PER_S)  # ns, µs, ms, s
LARGEST_NS = 1 << 62


@dataclass(frozen=True, slots=True)
class NumberTimes:
    """What numbers mean.

    Attributes:
        fps: Frames per second, where they are frames.
        unit_ns: What 1 means where they are times; 0 where they are frames.
    """

    fps: float
    unit_ns: int = 0

    @staticmethod
    def of(numbers: Sequence[int], fps: float) -> NumberTimes:
        """Find out what the numbers of a recording are.

        Args:
            numbers: Of all files, rising.
            fps: Nominal frame rate; its order of magnitude tells the unit.

        Returns:
            Their meaning.

        Raises:
            SourceError: They are neither.
        """
        if not numbers or numbers[-1] < MOST_FRAMES:
            return NumberTimes(fps)
        step = float(np.median(np.diff(np.array(numbers, dtype=np.float64)))) if len(numbers) > 1 else 0.0
        # Cameras that are not in step make the usual step smaller than a frame's.
        unit = next((unit for unit in UNITS_NS if 0.02 < step * unit * fps / NS_PER_S < 20), 0)
        times = NumberTimes(fps, unit)
        if not unit or times.time_ns(numbers[-1]) > LARGEST_NS:
            raise SourceError(
                f"the number {numbers[-1]} in a file's name is no frame's number, nor a time in s, ms, µs or ns at "
                f"about {fps:g} frames a second; name the files by frame, from 0"
            )
        return times

    @property
    def are_times(self) -> bool:
        return self.unit_ns > 0

    def frames(self, numbers: Sequence[int]) -> list[FrameNumber]:
        """The numbers of frames: themselves, or of times how many usual steps there are since the first.

        Args:
            numbers: Of all files, rising.

        Returns:
            One for each, rising.
        """
        if not self.are_times:
            return [FrameNumber(number) for number in numbers]
        steps = np.diff(np.array(numbers, dtype=np.float64))
        passed = np.maximum(np.rint(steps / np.median(steps)), 1) if len(steps) else steps
        return [FrameNumber(number) for number in (0, *np.cumsum(passed.astype(np.int64)).tolist())]

    def time_ns(self, number: int) -> TimeNs:
        """When it was.

        Args:
            number: In a file's name.

        Returns:
            ns, on the recording's clock.
        """
        return TimeNs(number * self.unit_ns if self.unit_ns else round(number * NS_PER_S / self.fps))
