"""One camera's recording that goes on in another file: CAMERA.mp4, CAMERA.1.mp4, CAMERA.2.mp4 ..."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from multiview.common.ledger import note_missing
from multiview.data import FrameNumber, VideoFrame
from multiview.errors import SourceError
from multiview.sources._source import FrameSource

__all__ = ["Parts", "later_parts", "open_cameras", "without_parts"]

Opened = TypeVar("Opened")
Name = TypeVar("Name")
Video = TypeVar("Video", str, Path)


def later_parts(video: Path) -> list[Path]:
    """The files in which a recorded video goes on, in order; only a recording, which has its frames' times, does."""
    found: list[Path] = []
    while _is_recorded(part := video.with_name(f"{video.stem}.{len(found) + 1}{video.suffix}")):
        found.append(part)
    return found if _is_recorded(video) else []


def without_parts(videos: Sequence[Video]) -> list[Video]:
    """The videos that are not a later part of another one of them."""
    parts = {part for video in videos for part in later_parts(Path(video))}
    return [video for video in videos if Path(video) not in parts]


def _is_recorded(video: Path) -> bool:
    return video.is_file() and video.with_name(f"{video.stem}.timestamps.csv").is_file()


def open_cameras(
    videos: Iterable[tuple[str | Path, Name]], open_one: Callable[[str | Path, Name], Opened]
) -> list[Opened]:
    """Open the video of each camera; a recording that was cut off before its first picture does not hide the others.

    Args:
        videos: The file and the name of each.
        open_one: Opens one of them.

    Returns:
        Those that could be opened; a recording that could not is noted as missing.

    Raises:
        SourceError: A video that is no recording cannot be opened, or none can.
    """
    opened: list[Opened] = []
    errors: list[SourceError] = []
    for video, name in videos:
        try:
            opened.append(open_one(video, name))
        except SourceError as error:
            if not _is_recorded(Path(video)):
                raise
            errors.append(error)
    if errors and not opened:
        raise errors[0]
    for one in errors:
        note_missing(f"{one}; continuing with the other cameras")
    return opened


class Parts:
    """Plays the parts one after the other; frames are numbered throughout, their times are on one time line already."""

    live = False

    def __init__(self, paths: Sequence[Path], open_part: Callable[[Path], FrameSource]) -> None:
        """SourceError if no part can be read; one that cannot is noted as missing."""
        self._open_part = open_part
        self._left = list(paths)
        self._first_index = self._next_index = 0  # of the part, of the next frame
        first_error: SourceError | None = None
        self._part: FrameSource | None = None
        while self._part is None and self._left:
            try:
                self._part = self._open_part(self._left.pop(0))
            except SourceError as error:
                first_error = first_error or error
        if self._part is None:
            raise first_error or SourceError("a recording without parts")
        if first_error is not None:
            note_missing(str(first_error))
        self.name, self.fps, self.size = self._part.name, self._part.fps, self._part.size
        self.frames = 0  # the later parts have not been opened yet

    def read(self) -> VideoFrame | None:
        """The next frame of this part, or the first one of the next."""
        while self._part is not None:
            if (frame := self._part.read()) is not None:
                self._next_index = self._first_index + frame.index + 1
                return replace(frame, index=FrameNumber(self._first_index + frame.index))
            self._go_on()
        return None

    def skip(self) -> bool:
        while self._part is not None:
            if self._part.skip():
                self._next_index += 1
                return True
            self._go_on()
        return False

    def close(self) -> None:
        if self._part is not None:
            self._part.close()
            self._part = None
        self._left.clear()

    def _go_on(self) -> None:
        """To the next part that can be read."""
        if self._part is not None:
            self._part.close()
        self._part, self._first_index = None, self._next_index
        while self._part is None and self._left:
            try:
                self._part = self._open_part(self._left.pop(0))
            except SourceError as error:
                note_missing(str(error))
