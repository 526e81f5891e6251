"""True capture times beside a video: `STEM.timestamps.csv`, two columns, frame and time (s). The only reader of it.

Spreadsheets and other programs write the same file in other ways: with a byte order mark, in UTF-16, with semicolons
and decimal commas, rows in any order, frames counted from 1, times in milliseconds. What such a file means beyond doubt
is read; anything else is an error that names the line.
"""

from __future__ import annotations

import codecs
import csv
from bisect import bisect_left
from itertools import pairwise
from pathlib import Path
from statistics import median

from multiview.common.foreign_errors import foreign_errors
from multiview.common.ledger import reading
from multiview.common.ranges import shown
from multiview.data import NS_PER_S, FrameNumber, TimeNs
from multiview.errors import SourceError

__all__ = ["Timestamps", "read_timestamps", "timestamps_beside"]

UNITS = {1e3: "ms", 1e6: "µs", 1e9: "ns"}
MAX_RATIO = 1.3  # by which a unit's rate may differ from the container's
LONGEST_GAP = 10  # rows that may be missing in between


class Timestamps:
    """When each frame of a recording was taken, by the frame's number.

    Args:
        times_ns: Frame number to time, ns; both rise together.
    """

    def __init__(self, times_ns: dict[FrameNumber, TimeNs]) -> None:
        self._times_ns = times_ns
        self._frames = list(times_ns)

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def frames(self) -> list[FrameNumber]:
        """The numbers that are there, rising."""
        return self._frames

    def time_ns(self, frame: FrameNumber) -> TimeNs | None:
        """When a frame was taken.

        Args:
            frame: Its number.

        Returns:
            ns; between its neighbours where a few rows are missing, None where nothing tells.
        """
        known = self._times_ns.get(frame)
        if known is not None:
            return known
        place = bisect_left(self._frames, frame)
        if not 0 < place < len(self._frames):
            return None
        before, after = self._frames[place - 1], self._frames[place]
        if after - before > LONGEST_GAP + 1:
            return None
        start, end = self._times_ns[before], self._times_ns[after]
        return TimeNs(start + (end - start) * (frame - before) // (after - before))


def timestamps_beside(video: Path, fps: float = 0.0, frames: int = 0) -> Timestamps | None:
    """The times in the file beside a video.

    Args:
        video: Its file.
        fps: The container's rate, 0 if unknown; it tells milliseconds from seconds.
        frames: How many the container says there are, 0 if unknown; it tells counting from 1.

    Returns:
        The times; None if there is no such file.

    Raises:
        SourceError: The file cannot be understood.
    """
    path = video.with_name(video.stem + ".timestamps.csv")
    return read_timestamps(path, fps, frames) if path.is_file() else None


def read_timestamps(path: Path, fps: float = 0.0, frames: int = 0) -> Timestamps:
    """Read a file of times.

    Args:
        path: A table with a header; other columns than frame and time are ignored.
        fps: Of the recording, 0 if unknown.
        frames: Of the recording, 0 if unknown.

    Returns:
        The times in the order of the frames.

    Raises:
        SourceError: The columns are missing, a row holds no numbers, two rows contradict each other, or times do not
            grow from frame to frame.
    """
    with foreign_errors(path, "a table of times"):
        return _read(path, fps, frames)


def _read(path: Path, fps: float, frames: int) -> Timestamps:
    seconds = _rows(path)
    if not seconds:
        raise SourceError(f"{path} holds no row: write one per frame, or remove it")
    ordered = dict(sorted(seconds.items()))
    for (before, earlier), (after, later) in pairwise(ordered.items()):
        if later <= earlier:
            raise SourceError(
                f"{path}: the times must grow from frame to frame, but frame {before} has {earlier:g} and frame "
                f"{after} has {later:g}"
            )
    per_second = _per_second(ordered, fps)
    first = 1 if frames and 0 not in ordered and 1 in ordered and max(ordered) == frames else 0
    return Timestamps(
        {FrameNumber(frame - first): TimeNs(round(time * (NS_PER_S / per_second))) for frame, time in ordered.items()}
    )


def _rows(path: Path) -> dict[int, float]:
    lines = [line for line in _text(path).splitlines() if line.strip()]
    header = lines[0] if lines else ""
    delimiter = next((mark for mark in ("\t", ";") if mark in header), ",")
    columns = [column.strip().strip('"').lower() for column in header.split(delimiter)]
    if "frame" not in columns or "time" not in columns:
        there = ",".join(filter(None, columns))[:60]
        raise SourceError(f"{path} needs the columns frame,time and has {there or 'none'}")
    frame_at, time_at = columns.index("frame"), columns.index("time")
    rows: dict[int, float] = {}
    for number, cells in enumerate(csv.reader(lines[1:], delimiter=delimiter), start=2):
        cells = [cell.strip() for cell in cells] + [""] * len(columns)
        text = cells[time_at] if delimiter == "," else cells[time_at].replace(",", ".")
        try:
            frame, time = int(cells[frame_at]), float(text)
            if not abs(time) < 1e19 or abs(frame) > 1 << 53:
                raise ValueError
        except ValueError:
            raise SourceError(
                f"{path}, line {number}: {shown(cells[frame_at])}, {shown(text)} are no numbers"
            ) from None
        if rows.setdefault(frame, time) != time:
            raise SourceError(
                f"{path}, line {number}: frame {shown(frame)} has two times, {rows[frame]:g} and {time:g}"
            )
    return rows


def _text(path: Path) -> str:
    raw = reading(path).read_bytes()
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif raw[1:2] == b"\0":
        encoding = "utf-16-le"
    elif raw[:1] == b"\0":
        encoding = "utf-16-be"
    else:
        encoding = "utf-8-sig"
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        raise SourceError(f"{path} is not text: write it again as UTF-8, with the columns frame,time") from None


def _per_second(times: dict[int, float], fps: float) -> float:
    """How many of the file's units are a second: those with which its rate is the container's."""
    if len(times) < 2 or fps <= 0:
        return 1.0
    step = median((later - earlier) / (after - before) for (before, earlier), (after, later) in pairwise(times.items()))
    return next((unit for unit in UNITS if 1 / MAX_RATIO < step * fps / unit < MAX_RATIO), 1.0)
