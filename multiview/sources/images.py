"""Folders of pictures: one frame each, numbered by the number in the file's name."""

from __future__ import annotations

from pathlib import Path

from multiview.common.ledger import reading
from multiview.data import FrameNumber, TimeNs, VideoFrame
from multiview.errors import SourceError
from multiview.sources._picture_files import PictureDepth, numbered_pictures, read_picture
from multiview.sources._timestamps import read_timestamps

__all__ = ["Source"]


class Source:
    """Pictures in the order of their numbers; a `timestamps.csv` (frame, time) among them says when they were taken."""

    live = False

    def __init__(self, path: str | Path, name: str = "", fps: float = 30.0) -> None:
        self.path = Path(path)
        self.name = name or self.path.name
        self.fps = fps or 30.0
        if not self.path.is_dir():
            raise SourceError(f"there is no folder {self.path}")
        self._pictures = numbered_pictures(reading(self.path))
        self._depth = PictureDepth([path for _, path in self._pictures])
        self.frames = len(self._pictures)
        stamps = self.path / "timestamps.csv"
        self._times = read_timestamps(stamps) if stamps.is_file() else None
        self._next = 0
        first = self._load(*self._pictures[0])
        self.size = (first.image.shape[1], first.image.shape[0])

    def read(self) -> VideoFrame | None:
        """The next picture, None at the end; SourceError naming one that cannot be read."""
        if self._next >= len(self._pictures):
            return None
        index, path = self._pictures[self._next]
        self._next += 1
        return self._load(index, path)

    def skip(self) -> bool:
        """The next picture is not even opened."""
        there = self._next < len(self._pictures)
        self._next += there
        return there

    def close(self) -> None:
        pass

    def _load(self, index: FrameNumber, path: Path) -> VideoFrame:
        image = read_picture(path, self._depth)
        time_ns = TimeNs(round(index * 1e9 / self.fps)) if self._times is None else self._times.time_ns(index)
        if time_ns is None:
            raise SourceError(f"{self.path / 'timestamps.csv'} has no frame {index} ({path.name})")
        return VideoFrame(image, index, time_ns, self.name)
