"""Sources of images of the board: one video or folder of images per camera, with the time of every frame."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float64, UInt8

from multiview.common.ledger import reading
from multiview.common.names import name_of_file
from multiview.errors import SourceError
from multiview.sources import PictureDepth, numbered_pictures, read_picture
from multiview.sources.video import fourcc, open_capture

__all__ = ["Picture", "Pictures", "image_folder", "video"]


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """One grey frame; `time` in s on the camera's clock."""

    frame: int
    time: float
    grey: UInt8[np.ndarray, "H W"]


@dataclass(frozen=True, slots=True, eq=False)
class Pictures:
    """One camera's pictures: a video file, or the image files of a folder by frame number."""

    name: str
    path: Path
    count: int
    fps: float
    files: tuple[tuple[int, Path], ...] = ()
    times: dict[int, float] | None = None

    def read(self, every: int = 1) -> Iterator[Picture]:
        """Each `every`-th picture; a video that is cut off ends early, an unreadable image is left out."""
        return self._read_files(every) if self.files else self._read_video(every)

    def samples(self, count: int) -> Iterator[Picture]:
        """Pictures spread evenly over the whole."""
        return self.read(max(1, self.count // count))

    def _read_files(self, every: int) -> Iterator[Picture]:
        import cv2

        depth = PictureDepth([path for _, path in self.files])
        for frame, path in self.files[::every]:
            with suppress(SourceError):
                grey = cv2.cvtColor(read_picture(path, depth), cv2.COLOR_BGR2GRAY)
                yield Picture(frame, self._time(frame, None), np.asarray(grey, np.uint8))

    def _read_video(self, every: int) -> Iterator[Picture]:
        import cv2

        capture = open_capture(str(self.path))
        try:
            frame = 0
            while capture.grab():
                if frame % every == 0:
                    stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                    good, image = capture.retrieve()
                    if not good or image is None:
                        return
                    grey = cv2.cvtColor(np.asarray(image, np.uint8), cv2.COLOR_BGR2GRAY) if image.ndim == 3 else image
                    yield Picture(frame, self._time(frame, stamp), np.asarray(grey, np.uint8))
                frame += 1
        finally:
            capture.release()

    def _time(self, frame: int, stamp: float | None) -> float:
        if self.times is not None:
            return self.times.get(frame, np.nan)
        # A container without stamps reports 0 throughout.
        return stamp if stamp or (stamp == 0 and frame == 0) else frame / self.fps


def video(path: str | Path, name: str | None = None, fps: float | None = None) -> Pictures:
    """A video file; raises SourceError where it cannot be opened. Times come from STEM.timestamps.csv (frame,time)
    beside it, else from the container, else from frame / fps."""
    import cv2

    path = Path(path)
    if not path.is_file():
        raise SourceError(f"{path}: no such video")
    capture = open_capture(str(reading(path)))
    opened, count, rate = capture.isOpened(), int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.get(cv2.CAP_PROP_FPS)
    readable, codec = opened and capture.grab(), fourcc(capture) if opened else "unknown"
    capture.release()
    if not readable:
        raise SourceError(
            f"{path}: the video cannot be read: incomplete, or its codec ({codec}) is missing here; copy it again, or "
            "convert it to H.264"
        )
    rate = fps or (rate if 1 <= rate <= 1000 else 25.0)
    return Pictures(name or name_of_file(path.stem), path, max(count, 1), rate, times=_stamps(path))


def image_folder(path: str | Path, name: str | None = None, fps: float = 25.0) -> Pictures:
    """A folder of images; the last number in a file's name is its frame, so that cameras can be matched."""
    path = Path(path)
    if not path.is_dir():
        raise SourceError(f"{path}: no such folder of images")
    files = tuple(numbered_pictures(reading(path)))
    return Pictures(name or name_of_file(path.name), path, len(files), fps, files)


def _stamps(path: Path) -> dict[int, float] | None:
    own = path.with_name(f"{path.stem}.timestamps.csv")
    if not own.is_file():
        return None
    try:
        with own.open(newline="", encoding="utf-8") as file:
            rows = [(int(row["frame"]), float(row["time"])) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, UnicodeDecodeError) as error:
        raise SourceError(f"{own}: expected the columns frame,time with numbers in them ({error})") from None
    if not rows:
        raise SourceError(f"{own}: it holds no row")
    times: Float64[np.ndarray, " n"] = np.array([time for _, time in rows])
    if not np.isfinite(times).all() or (np.diff(times) <= 0).any():
        raise SourceError(f"{own}: times must increase from row to row")
    return dict(rows)
