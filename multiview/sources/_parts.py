"""One camera's recording that goes on in another file.

Ours: CAMERA.mp4, CAMERA.1.mp4, CAMERA.2.mp4 ..., each with its frames' times beside it. A GoPro's chapters, the times
of each beginning at 0 where the one before ended: GX010001.MP4, GX020001.MP4 ...; of older ones GOPR0001.MP4,
GP010001.MP4 ...
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from multiview.common.ledger import note_missing
from multiview.data import NS_PER_S, FrameNumber, TimeNs, VideoFrame
from multiview.errors import SourceError
from multiview.sources._source import FrameSource

__all__ = ["Parts", "is_chapter", "later_parts", "open_cameras", "without_parts"]

Opened = TypeVar("Opened")
Name = TypeVar("Name")
Video = TypeVar("Video", str, Path)


_FIRST_CHAPTER = re.compile(r"(?:(G[HX])01|GOPR)(\d{4})", re.IGNORECASE)
_CHAPTER = re.compile(r"(G[HXP])(\d\d)(\d{4})", re.IGNORECASE)


def later_parts(video: Path) -> list[Path]:
    """The files in which a video goes on, in order: a recording of ours, with its frames' times, or a GoPro's."""
    if _is_recorded(video):
        name = f"{video.stem}.{{}}{video.suffix}"
        return _following(video, 1, name, _is_recorded)
    if (first := _FIRST_CHAPTER.fullmatch(video.stem)) is not None:
        numbered, number = first.groups()
        kind = numbered or video.stem[0] + video.stem[2]  # GOPR0001 goes on in GP010001
        return _following(video, 2 if numbered else 1, f"{kind}{{:02d}}{number}{video.suffix}", Path.is_file)
    return []


def is_chapter(part: Path) -> bool:
    """Whether a later part's times begin at 0 where the part before it ended."""
    return _CHAPTER.fullmatch(part.stem) is not None and not _is_recorded(part)


def _following(video: Path, number: int, name: str, exists: Callable[[Path], bool]) -> list[Path]:
    """The files that are numbered on from `number`, as far as there are any."""
    found: list[Path] = []
    while exists(part := video.with_name(name.format(number + len(found)))):
        found.append(part)
    return found


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
    """Plays the parts one after the other, numbered throughout and on one time line."""

    live = False

    def __init__(self, paths: Sequence[Path], open_part: Callable[[Path], FrameSource]) -> None:
        """SourceError if no part can be read; one that cannot is noted as missing, but for chapters: all after it
        would be early."""
        self._open_part = open_part
        self._left = list(paths)
        self._first_index = self._next_index = 0  # of the part, of the next frame
        self._first_ns, self._last = 0, (-1, 0)  # of the part; the last frame that was read: its number and time in it
        first_error: SourceError | None = None
        self._part: FrameSource | None = None
        while self._part is None and self._left:
            try:
                self._part = self._open_part(self._left.pop(0))
            except SourceError as error:
                if any(map(is_chapter, self._left)):
                    raise
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
                self._last = frame.index, frame.time_ns
                time_ns = TimeNs(self._first_ns + frame.time_ns)
                return replace(frame, index=FrameNumber(self._first_index + frame.index), time_ns=time_ns)
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
        ended_ns = self._first_ns
        if self._part is not None:
            self._part.close()
            ended_ns += self._length_ns(self._part.fps)
        self._part, self._first_index = None, self._next_index
        while self._part is None and self._left:
            path = self._left.pop(0)
            self._first_ns, self._last = ended_ns if is_chapter(path) else 0, (-1, 0)
            try:
                self._part = self._open_part(path)
            except SourceError as error:
                if is_chapter(path) and self._left:
                    raise
                note_missing(str(error))

    def _length_ns(self, fps: float) -> int:
        """From the part's first frame to one after its last; frames that were skipped told no times."""
        index, time_ns = self._last
        after = self._next_index - self._first_index - max(index, 0)
        return time_ns + round(after * NS_PER_S / fps)
