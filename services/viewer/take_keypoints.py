"""A take's recorded keypoints, for the viewer's lines of sight: read on first use."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from multiview.data import Keypoints2D
from multiview.errors import MultiviewError
from multiview.recordings.recorded_keypoints import Recording
from multiview.recordings.take import Take
from multiview.studio.take_keypoints import take_keypoints

__all__ = ["TakeKeypoints"]


class TakeKeypoints:
    """Keypoints by camera and time, read by a thread, because many minutes take seconds.

    With `blocking`, `at` waits for that thread; otherwise it returns nothing until the keypoints have been read.
    """

    def __init__(self, take: Take, rig_path: Path, blocking: bool = False) -> None:
        self._take, self._rig_path, self._blocking = take, rig_path, blocking
        self._recordings: list[tuple[Recording, np.ndarray]] = []
        self._thread = threading.Thread(target=self._read, daemon=True)

    def at(self, time_ns: int) -> Mapping[str, Keypoints2D]:
        """What each camera saw nearest to this time, within a frame."""
        if self._thread.ident is None:
            self._thread.start()
        if self._blocking:
            self._thread.join()
        found = {}
        for recording, times in self._recordings:
            index = int(np.searchsorted(times, time_ns))
            near = min(range(max(0, index - 1), min(len(times), index + 1)), key=lambda i: abs(times[i] - time_ns))
            if abs(times[near] - time_ns) < 1e9 / recording.fps:
                found[recording.camera] = recording.keypoints[near]
        return found

    def _read(self) -> None:
        try:
            _, _, recordings = take_keypoints(self._take, self._rig_path)
        except MultiviewError:
            return  # a take without what cameras saw: nothing to show
        self._recordings = [(r, np.array(r.times_ns, dtype=np.int64)) for r in recordings if r.times_ns]
