"""How many frames a camera took between two that arrived, by the ids that it gave them."""

from __future__ import annotations

__all__ = ["FrameIds"]

SHORT_IDS = 65535  # of GigE Vision 1, which count from 1 and leave 0 out; others do not
HALF = SHORT_IDS // 2


class FrameIds:
    """Counts frames by a camera's ids, of 16 bits or more.

    Attributes:
        missing: Frames that the camera took and that never arrived.
    """

    def __init__(self) -> None:
        self.missing = 0
        self._last = -1
        self._cycle = SHORT_IDS

    def step(self, frame_id: int) -> int:
        """The number of frames from the last one to this one, 1 if none is missing.

        Args:
            frame_id: The camera's; negative if it gives none.
        """
        if frame_id == 0:
            self._cycle = SHORT_IDS + 1
        last, self._last = self._last, frame_id
        if last < 0 or frame_id < 0:
            return 1
        step = frame_id - last
        if step <= 0 and last <= SHORT_IDS:
            step += self._cycle
            if step > HALF:  # not the next round: the camera began anew
                step = 1
        step = max(step, 1)
        self.missing += step - 1
        return step

    def restart(self) -> None:
        """The next frame is the first one of a new acquisition."""
        self._last = -1
