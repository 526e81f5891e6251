"""True capture times beside a video: `STEM.timestamps.csv`, two columns, frame and time (s)."""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

from multiview.common.foreign_errors import foreign_errors
from multiview.common.ledger import reading
from multiview.common.ranges import shown
from multiview.errors import SourceError

__all__ = ["read_timestamps", "timestamps_beside"]


def timestamps_beside(video: Path) -> dict[int, int] | None:
    """Frame number to time (ns), from the file beside a video; None if there is none."""
    path = video.with_name(video.stem + ".timestamps.csv")
    return read_timestamps(path) if path.is_file() else None


def read_timestamps(path: Path) -> dict[int, int]:
    """Frame number to time (ns); SourceError if the file lacks the columns, holds no numbers or times that go back."""
    with foreign_errors(path, "a table of times (UTF-8 text, columns frame,time)"):
        return _read(path)


def _read(path: Path) -> dict[int, int]:
    times: dict[int, int] = {}
    with reading(path).open(newline="", encoding="utf-8-sig") as file:
        rows = csv.DictReader(file)
        columns = rows.fieldnames or []
        if "frame" not in columns or "time" not in columns:
            raise SourceError(
                f"{path} needs the columns frame,time and has {shown(','.join(columns)) if columns else 'none'}"
            )
        for row in rows:
            try:
                frame, time_ns = int(row["frame"]), round(float(row["time"]) * 1e9)
            except (TypeError, ValueError, OverflowError):
                raise SourceError(
                    f"{path}, line {rows.line_num}: {shown(row['frame'])}, {shown(row['time'])} are no numbers"
                ) from None
            times[frame] = time_ns
    ordered = [times[frame] for frame in sorted(times)]
    if any(later <= earlier for earlier, later in pairwise(ordered)):
        raise SourceError(f"{path}: the times must grow from frame to frame")
    return times
