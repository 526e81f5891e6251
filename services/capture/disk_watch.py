"""How long the disk of a take will hold its videos, for whoever captures."""

from __future__ import annotations

from rich.text import Text

from multiview.recordings.take import Take
from services.nodes.disk_room import DiskRoom

__all__ = ["DiskWatch"]

LOOK_S = 1.0


class DiskWatch:
    """Looks at the disk once a second."""

    def __init__(self, take: Take) -> None:
        self._videos, self._room = take.videos, DiskRoom(take.folder)
        self._next_s = 0.0

    def look(self, now_s: float) -> str:
        """To be called often; a warning, once, when the disk will soon be full."""
        if now_s < self._next_s:
            return ""
        self._next_s = now_s + LOOK_S
        self._room.note(now_s, sum(path.stat().st_size for path in self._videos.glob("*.mp4")))
        return self._room.warning()

    def row(self) -> Text:
        """For below the cameras' table."""
        words = self._room.words()
        return Text(f"disk: {words}" if words else "", style="red" if self._room.short() else "")
