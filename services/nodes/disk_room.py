"""How long a disk will hold what is being recorded: by what goes onto it, from this process and from others."""

from __future__ import annotations

import shutil
from collections import deque
from pathlib import Path

__all__ = ["DiskRoom"]

WINDOW_S = 30.0
WARN_MINUTES = 15.0
MIN_FREE = 8 << 20  # bytes, below which a disk counts as full: a new file would hold next to nothing


class DiskRoom:
    """The room on the disk of a folder, asked for about once a second."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: deque[tuple[float, int, int]] = deque()  # s, bytes free, bytes written by us
        self._warned = False

    def full(self) -> bool:
        """Whether a new file is not worth its beginning."""
        free = self._free()
        return free is not None and free < MIN_FREE

    def note(self, now_s: float, written: int) -> None:
        """What this process has written by now, in bytes."""
        free = self._free()
        if free is None:
            return
        self._seen.append((now_s, free, written))
        while len(self._seen) > 2 and self._seen[0][0] < now_s - WINDOW_S:
            self._seen.popleft()

    def minutes(self) -> float | None:
        """Until the disk is full, as fast as it has been filling; None where it does not fill."""
        if len(self._seen) < 2:
            return None
        (before_s, before_free, before), (now_s, free, now) = self._seen[0], self._seen[-1]
        rate = max(before_free - free, now - before) / max(now_s - before_s, 1e-3)
        return free / rate / 60 if rate > 0 else None

    def words(self) -> str:
        """For the user; empty where it is not known."""
        minutes = self.minutes()
        if minutes is None:
            return ""
        left = f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.0f} h"
        return f"full in about {left}: make room" if minutes < WARN_MINUTES else f"room for about {left}"

    def short(self) -> bool:
        """Whether somebody should make room now."""
        minutes = self.minutes()
        return minutes is not None and minutes < WARN_MINUTES

    def warning(self) -> str:
        """What to tell the user, once, when somebody should make room; else empty."""
        if self._warned or not self.short():
            return ""
        self._warned = True
        return f"the disk of {self._folder}: {self.words()}"

    def _free(self) -> int | None:
        try:
            return shutil.disk_usage(self._folder).free
        except OSError:
            return None
