"""Sources of images of the board: one video or folder of images per camera, with the time of every frame.

A recorded video goes on in its later parts, CAMERA.1.mp4 ..., and a GoPro's in its chapters; frames are numbered on.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from multiview.common.ledger import note_missing, reading
from multiview.common.names import name_of_file
from multiview.data import FrameNumber
from multiview.errors import SourceError
from multiview.sources import (
    ContainerTimes,
    PictureDepth,
    Timestamps,
    is_chapter,
    later_parts,
    numbered_pictures,
    read_picture,
    read_timestamps,
    timestamps_beside,
)
from multiview.sources.video import open_video

__all__ = ["Picture", "Pictures", "image_folder", "video"]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One grey frame; `time` in s on the camera's clock."""

    frame: FrameNumber
    time: float
    grey: UInt8[np.ndarray, "H W"]


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """One camera's pictures: a video file, or the image files of a folder by frame number.

    `times` are those of a timestamps file; without, a video's are its container's, or `from_rate` those of `fps`.
    `count` is that of the video's later `parts`, too.
    """

    name: str
    path: Path
    count: int
    fps: float
    files: tuple[tuple[FrameNumber, Path], ...] = ()
    times: Timestamps | None = None
    from_rate: bool = False
    parts: tuple[Pictures, ...] = ()

    def read(self, every: int = 1) -> Iterator[Picture]:
        """Each `every`-th picture; a video that is cut off ends early, an unreadable image is left out."""
        return self._read_files(every) if self.files else self._read_videos(every)

    def samples(self, count: int) -> Iterator[Picture]:
        """Pictures spread evenly over the whole."""
        return self.read(max(1, self.count // count))

    def _read_files(self, every: int) -> Iterator[Picture]:
        import cv2

        depth = PictureDepth([path for _, path in self.files])
        for frame, path in self._every(every):
            with suppress(SourceError):
                grey = cv2.cvtColor(read_picture(path, depth), cv2.COLOR_BGR2GRAY)
                yield Picture(frame, self._time(frame), np.asarray(grey, np.uint8))

    def _read_videos(self, every: int) -> Iterator[Picture]:
        first, ended_s = yield from self._read_video(0, 0.0, every)
        for part in self.parts:
            first, ended_s = yield from part._read_video(first, ended_s if is_chapter(part.path) else 0.0, every)

    def _read_video(self, first: int, start_s: float, every: int) -> Generator[Picture, None, tuple[int, float]]:
        """Of this file, whose frames are numbered from `first` on, and its times; returns those of the next one."""
        import cv2

        reader = open_video(self.path)
        container = ContainerTimes(self.fps, reader.unit_s)
        by_container = self.times is None and not self.from_rate
        frame, stamp_s = first, -1 / self.fps
        try:
            while reader.grab():
                stamp_s = container.next_ns(reader.stamp_s) / 1e9
                if frame % every == 0:
                    grey = cv2.cvtColor(reader.image(), cv2.COLOR_BGR2GRAY)
                    time = stamp_s if by_container else self._time(FrameNumber(frame - first))
                    yield Picture(FrameNumber(frame), start_s + time, np.asarray(grey, np.uint8))
                frame += 1
        finally:
            reader.close()
        return frame, start_s + (stamp_s + 1 / self.fps if by_container else (frame - first) / self.fps)

    def _every(self, every: int) -> list[tuple[FrameNumber, Path]]:
        """Where numbers follow each other, those that `every` divides: the same where cameras lack different files."""
        numbers = [frame for frame, _ in self.files]
        if every > 1 and numbers[-1] - numbers[0] < 1.5 * len(numbers):
            return [(frame, path) for frame, path in self.files if frame % every == 0]
        return list(self.files[::every])

    def _time(self, frame: FrameNumber) -> float:
        if self.times is None:
            return frame / self.fps
        time_ns = self.times.time_ns(frame)
        return np.nan if time_ns is None else time_ns / 1e9


def video(path: str | Path, name: str | None = None, fps: float | None = None) -> Pictures:
    """A video file and its later parts; raises SourceError where none can be opened. Times come from
    STEM.timestamps.csv (frame,time) beside it, else from the container, else from frame / fps."""
    path = Path(path)
    if not path.is_file():
        raise SourceError(f"{path}: no such video")
    name = name or name_of_file(path.stem)
    found: list[Pictures] = []
    errors: list[SourceError] = []
    for part in (path, *later_parts(path)):
        try:
            found.append(_video_file(part, name, fps))
        except SourceError as error:
            if is_chapter(part):  # those after it would be early
                raise
            errors.append(error)
    if not found:
        raise errors[0]
    for one in errors:
        note_missing(str(one))
    return replace(found[0], count=sum(part.count for part in found), parts=tuple(found[1:]))


def _video_file(path: Path, name: str, fps: float | None) -> Pictures:
    reader = open_video(path)
    count, rate, codec, readable = reader.frames, reader.fps, reader.codec, reader.grab()
    reader.close()
    if not readable:
        raise SourceError(
            f"{path}: the video cannot be read: incomplete, or its codec ({codec}) is missing here; copy it again, or "
            "convert it to H.264"
        )
    times = timestamps_beside(path, rate, count)
    rate = fps or (rate if 1 <= rate <= 1000 else 25.0)
    return Pictures(name, path, max(count, 1), rate, times=times, from_rate=fps is not None)


def image_folder(path: str | Path, name: str | None = None, fps: float = 25.0) -> Pictures:
    """A folder of images; the number in a file's name is its frame.

    Times are those of a `timestamps.csv` among them, else frame / fps.
    """
    path = Path(path)
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder of images")
    files = tuple(numbered_pictures(reading(path)))
    stamps = path / "timestamps.csv"
    times = read_timestamps(stamps) if stamps.is_file() else None
    return Pictures(name or name_of_file(path.name), path, len(files), fps, files, times)
