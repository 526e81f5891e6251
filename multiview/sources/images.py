"""Folders of pictures: one frame each, numbered by the last number in the file's name."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np

from multiview.common.ledger import reading
from multiview.data import VideoFrame
from multiview.errors import SourceError
from multiview.sources._timestamps import read_timestamps

__all__ = ["SUFFIXES", "Source"]

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})


class Source:
    """Pictures in the order of their numbers; a `timestamps.csv` (frame, time) among them says when they were taken."""

    live = False

    def __init__(self, path: str | Path, name: str = "", fps: float = 30.0) -> None:
        self.path = Path(path)
        self.name = name or self.path.name
        self.fps = fps or 30.0
        if not self.path.is_dir():
            raise SourceError(f"there is no folder {self.path}")
        pictures = sorted(p for p in reading(self.path).iterdir() if p.suffix.lower() in SUFFIXES)
        if not pictures:
            raise SourceError(f"{self.path} holds no pictures ({', '.join(sorted(SUFFIXES))})")
        self._pictures = _numbered(pictures)
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

    def _load(self, index: int, path: Path) -> VideoFrame:
        # Not cv2.imread, which cannot open every path on every system.
        image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError(f"{path} cannot be read as a picture")
        time_ns = round(index * 1e9 / self.fps)
        if self._times is not None:
            if index not in self._times:
                raise SourceError(f"{self.path / 'timestamps.csv'} has no frame {index} ({path.name})")
            time_ns = self._times[index]
        return VideoFrame(np.asarray(image, np.uint8), index, time_ns, self.name)


def _numbered(pictures: list[Path]) -> list[tuple[int, Path]]:
    found = [re.findall(r"\d+", path.stem) for path in pictures]
    if not all(found):
        return list(enumerate(pictures))
    numbered = sorted((int(numbers[-1]), path) for numbers, path in zip(found, pictures, strict=True))
    for (number, path), (following, other) in pairwise(numbered):
        if number == following:
            raise SourceError(f"{path} and {other.name} bear the same frame number {number}")
    return numbered
