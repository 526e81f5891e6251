"""The takes of a studio, and the poses of one as a browser plays them back."""

from __future__ import annotations

import json
import struct
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int64

from multiview.common.toml import decode_toml
from multiview.data import NS_PER_S
from multiview.editing.take_poses import take_poses, take_start_ns
from multiview.errors import MultiviewError
from multiview.recordings.pose_table import Poses
from multiview.recordings.take import Take, TakeContents

__all__ = ["TakeRow", "find_take", "kept_rows", "list_takes", "playback_bytes"]

MAX_FRAMES = 20_000  # of a playback; a longer take is thinned out
_COLUMNS = 4  # x y z m, 1 where the joint is filled
_LENGTH = struct.Struct("<I")


class TakeRow(NamedTuple):
    """A take as a list shows it; `seconds` is 0 where it is not known."""

    folder: str
    name: str
    began: str
    notes: str
    seconds: float
    megabytes: float
    remark: str


def list_takes(directory: Path) -> list[TakeRow]:
    """The takes in a folder, the newest first."""
    if not directory.is_dir():
        return []
    folders = [path for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")]
    takes = [Take(path) for path in folders if _is_take(path)]
    return sorted((_row(take) for take in takes), key=lambda row: (row.began, row.folder), reverse=True)


def find_take(directory: Path, folder: str) -> Take | None:
    """The take whose folder is called so; None if there is none. What a browser asks for never becomes a path."""
    names = {path.name: path for path in directory.iterdir() if path.is_dir()} if directory.is_dir() else {}
    path = names.get(folder)
    return Take(path) if path is not None and _is_take(path) else None


def _is_take(path: Path) -> bool:
    return any((path / name).is_file() for name in ("take.toml", "take.mcap", "poses.parquet"))


def _row(take: Take) -> TakeRow:
    name, began, notes, seconds, remark = take.folder.name, "", "", 0.0, ""
    try:
        if (take.folder / "take.toml").is_file():
            info = take.info
            name, notes = info.name, info.notes
            began = datetime.fromisoformat(info.began).astimezone().strftime("%Y-%m-%d %H:%M:%S") if info.began else ""
        if take.recorded_by():
            remark = "being recorded"
        elif take.partial:
            remark = f"not finished: multiview recover {take.folder.name}"
        seconds = _seconds(take)
    except (MultiviewError, ValueError, OSError) as error:
        remark = str(error)
    files = [path for path in take.folder.rglob("*") if path.is_file()]
    return TakeRow(take.folder.name, name, began, notes, seconds, sum(p.stat().st_size for p in files) / 1e6, remark)


def _seconds(take: Take) -> float:
    path = take.folder / "contents.toml"
    if not path.is_file():
        return 0.0
    parts = decode_toml(path, TakeContents).parts
    first, last = min((p.first_ns for p in parts), default=0), max((p.last_ns for p in parts), default=0)
    return (last - first) / NS_PER_S


def playback_bytes(take: Take) -> bytes:
    """A take's poses for static/take_view.js.

    Little-endian: the header's length (uint32), the header (JSON: `times` s from the take's start, `counts` people of
    each frame, `people` one after the other, `names`, `joints`), spaces up to a multiple of four, then float32 of
    (people of all frames, joints, 4): x y z m, 1 where the joint is filled.

    Args:
        take: Which.

    Returns:
        The bytes.

    Raises:
        SourceError: It has no poses.
    """
    poses, _ = take_poses(take.folder)
    return _pack(poses, take_start_ns(take.folder, poses))


def kept_rows(poses: Poses) -> tuple[Int64[np.ndarray, " F"], Bool[np.ndarray, " N"]]:
    """Which poses a playback has: a long take is thinned out.

    Args:
        poses: Of the take.

    Returns:
        The first row of each frame that is kept, and whether each row is.
    """
    times_ns, first = np.unique(poses.time_ns, return_index=True)
    kept = np.zeros(len(times_ns), bool)
    kept[:: max(1, -(-len(times_ns) // MAX_FRAMES))] = True
    return first[kept], np.repeat(kept, np.diff(np.append(first, len(poses))))


def _pack(poses: Poses, start_ns: int) -> bytes:
    first, rows = kept_rows(poses)
    counts = np.diff(np.append(np.unique(poses.time_ns[rows], return_index=True)[1], rows.sum()))
    header = {
        "times": np.round((poses.time_ns[first] - start_ns) / NS_PER_S, 4).tolist(),
        "counts": counts.tolist(),
        "people": poses.person[rows].tolist(),
        "names": {str(person): poses.label(person) for person in poses.people.tolist() if person in poses.names},
        "joints": len(poses.joints),
        "startS": start_ns / NS_PER_S,
    }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 4)
    places = np.concatenate([poses.xyz[rows], poses.filled[rows][..., None]], axis=2).astype("<f4")
    assert places.shape[-1] == _COLUMNS
    return _LENGTH.pack(len(text)) + text + places.tobytes()
