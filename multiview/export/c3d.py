"""C3D, the file of motion laboratories: everyone in one file, labels WHO:JOINT, z up, millimetres by default.

A measured point's residual is its standard deviation, in steps of POINT:SCALE and at least one; 0, which the format
keeps for interpolated points, marks a filled joint; an unknown one is (0, 0, 0) with residual -1. The format's seven
camera bits hold the number of views (at most seven), not which: that is not known here. The first frame of the file is
that of the poses, counted from 1, or 1 where the format's 65,535 do not hold it (ticks of a live take); the group
MULTIVIEW keeps number, time and UTC of the first frame. The group ROTATION holds the poses of segments
(`c3d_segments.py`) where they are asked for. https://www.c3d.org/docs/C3D_User_Guide.pdf
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int64

from multiview.common.atomic_file import replacing
from multiview.data import NS_PER_S
from multiview.errors import MultiviewError
from multiview.export import PER_METRE, Progress, silent
from multiview.export._c3d_rotations import segment_names, segment_poses
from multiview.recordings.pose_table import Poses

__all__ = ["UNITS", "Exporter"]

UNITS = ("mm", "m")
_CAMERA_BITS = 7
_POINT_BYTES = 16  # of a point in a frame
_BLOCK = 512  # bytes; all sections begin at a multiple of it
_MOST = 65_535  # of frames and points, in the format's 16 bits
_MOST_LABELS = 255  # in one parameter
_STEPS_M = (1e-4, 2e-3)  # m, the least and the largest step of residuals, of which there are 255
_FRAMES = 1000  # at a time
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Value = str | list[str] | int | list[int] | float


class _Frames(NamedTuple):
    """Numbers of the file's first and last frame."""

    first: int
    last: int


class Exporter:
    def __init__(self, unit: str = "mm", with_segments: bool = False) -> None:
        self._unit, self._with_segments = unit, with_segments

    def write(self, poses: Poses, stem: Path, progress: Progress = silent) -> list[Path]:
        if not len(poses):
            return []
        count = int(poses.frame[-1] - poses.frame[0]) + 1
        first = int(poses.frame[0]) + 1
        frames = _Frames(first, first + count - 1) if 0 < first <= _MOST - count + 1 else _Frames(1, count)
        points = len(poses.people) * len(poses.joints)
        step = _residual_step(poses) * PER_METRE[self._unit]
        segments = segment_names(poses.joints) if self._with_segments else ()
        parameters = _parameters(poses, frames, points, step, self._unit, segments)
        if not parameters:
            segments = ()
            parameters = _parameters(poses, frames, points, step, self._unit, segments)
        path = stem.with_name(stem.name + ".c3d")
        with replacing(path) as temporary, temporary.open("wb") as file:
            file.write(_header(frames, points, step, poses.frames_per_second, len(parameters)))
            file.write(parameters)
            for share, rows in _rows(poses, count, PER_METRE[self._unit], step):
                file.write(rows.astype("<f4").tobytes())
                progress(share)
            file.write(bytes(-file.tell() % _BLOCK))
            if segments:
                file.write(segment_poses(poses, count, segments, PER_METRE[self._unit]).astype("<f4").tobytes())
                file.write(bytes(-file.tell() % _BLOCK))
        return [path]


def _residual_step(poses: Poses) -> float:
    """m, such that the largest standard deviation of a measured joint fits, within `_STEPS_M`."""
    measured = poses.sigma[np.isfinite(poses.sigma) & ~poses.filled]
    return float(np.clip(measured.max(initial=0.0) / 255, *_STEPS_M))


def _rows(
    poses: Poses, frames: int, scale: float, step: float
) -> Iterator[tuple[float, Float32[np.ndarray, "F points 4"]]]:
    """The points of some frames at a time, x y z and the fourth word, and the share that is then done."""
    place = np.searchsorted(poses.people, poses.person)
    words = _fourth_words(poses, step / scale)
    row = poses.frame - poses.frame[0]
    for begin in range(0, frames, _FRAMES):
        end = min(begin + _FRAMES, frames)
        own = slice(*np.searchsorted(row, (begin, end)))
        data = np.zeros((end - begin, len(poses.people), len(poses.joints), 4), dtype=np.float32)
        data[..., 3] = -1.0
        known = np.isfinite(poses.xyz[own]).all(axis=2, keepdims=True)
        values = np.concatenate([poses.xyz[own] * scale, words[own, :, None]], axis=2)
        data[row[own] - begin, place[own]] = np.where(known, values, [0.0, 0.0, 0.0, -1.0])
        yield end / frames, data.reshape(end - begin, -1, 4)


def _fourth_words(poses: Poses, step_m: float) -> Int64[np.ndarray, "N J"]:
    """Of known points: cameras in the high byte, the residual in the low one."""
    sigma = np.where(np.isfinite(poses.sigma), poses.sigma, 0.0)
    residual = np.where(poses.filled, 0, np.clip(np.rint(sigma / step_m), 1, 255)).astype(np.int64)
    cameras = (1 << np.clip(poses.views, 0, _CAMERA_BITS)) - 1
    words: np.ndarray = cameras * 256 + residual
    return words


def _header(frames: _Frames, points: int, step: float, rate: float, parameters: int) -> bytes:
    """The first block; negative scale: the data are floating-point numbers."""
    first, last = min(frames.first, _MOST), min(frames.last, _MOST)
    data_start = 2 + parameters // _BLOCK
    fixed = struct.pack("<BBHHHHHfHHf", 2, 0x50, points, 0, first, last, 0, -step, data_start, 0, rate)
    return fixed + bytes(_BLOCK - len(fixed))


def _parameters(poses: Poses, frames: _Frames, points: int, step: float, unit: str, segments: tuple[str, ...]) -> bytes:
    """The second section, a whole number of blocks; empty if it cannot say where the poses of segments begin.

    MultiviewError if the format's 255 blocks do not hold it.
    """
    whose = [poses.label(int(person)).removeprefix("person") for person in poses.people]
    labels = [f"{who}:{joint}" for who in whose for joint in poses.joints]
    count = frames.last - frames.first + 1
    point: dict[str, Value] = {
        "USED": points,
        "SCALE": -step,
        "RATE": poses.frames_per_second,
        "DATA_START": 0,  # known once the section's length is
        "FRAMES": min(count, _MOST),
        "LONG_FRAMES": float(count),
        "UNITS": unit,
        "X_SCREEN": "+X",
        "Y_SCREEN": "+Z",
    }
    for i, begin in enumerate(range(0, points, _MOST_LABELS), start=1):
        number = str(i) if i > 1 else ""
        some = labels[begin : begin + _MOST_LABELS]
        point |= {f"LABELS{number}": some, f"DESCRIPTIONS{number}": [""] * len(some)}
    utc_ns = int(poses.utc_ns[0])
    began = (_EPOCH + timedelta(microseconds=utc_ns // 1000)).isoformat() if utc_ns else "unknown"
    groups: dict[str, dict[str, Value]] = {
        "POINT": point,
        "ANALOG": {"USED": 0},
        "FORCE_PLATFORM": {"USED": 0},
        "TRIAL": {"ACTUAL_START_FIELD": _halves(frames.first), "ACTUAL_END_FIELD": _halves(frames.last)},
        "MANUFACTURER": {"COMPANY": "multiview", "SOFTWARE": "multiview"},
        "MULTIVIEW": {
            "FIRST_FRAME": str(int(poses.frame[0])),
            "FIRST_TIME_S": f"{poses.time_ns[0] / NS_PER_S:.6f}",
            "FIRST_UTC": began,
        },
    }
    rotation: dict[str, Value] = {}
    if segments:
        rotation |= {"USED": len(whose) * len(segments), "DATA_START": 0, "RATIO": 1, "RATE": poses.frames_per_second}
        names = [f"{who}:{segment}_4X4" for who in whose for segment in segments]
        if len(names) > _MOST_LABELS:
            return b""
        rotation |= {"LABELS": names, "DESCRIPTIONS": [""] * len(names)}
        groups["ROTATION"] = rotation
    blocks = -(-len(_section(groups)) // _BLOCK)
    if segments:
        start = 2 + blocks + -(-count * points * _POINT_BYTES // _BLOCK)
        if blocks > 255 or start > _MOST:
            return b""
        rotation["DATA_START"] = start
    if blocks > 255 or points > _MOST:
        raise MultiviewError(
            f"C3D cannot hold the names of {points} points ({len(whose)} people): choose fewer with --person"
        )
    point["DATA_START"] = 2 + blocks
    section = _section(groups)
    return section[:2] + bytes([blocks]) + section[3:] + bytes(-len(section) % _BLOCK)


def _halves(number: int) -> list[int]:
    """Low and high 16 bits."""
    return [number % 65_536, number // 65_536]


def _section(groups: dict[str, dict[str, Value]]) -> bytes:
    """All groups and their parameters; the last entry's pointer to the next is 0."""
    entries = []
    for number, (name, parameters) in enumerate(groups.items(), start=1):
        entries.append((name, -number, b""))
        entries += [(key, number, _encoded(value)) for key, value in parameters.items()]
    parts = [bytes([1, 0x50, 0, 84])]  # 84: Intel's order of bytes
    for i, (name, number, content) in enumerate(entries):
        following = content + b"\0"  # no description
        pointer = 2 + len(following) if i < len(entries) - 1 else 0
        parts.append(
            struct.pack("<Bb", len(name), number) + name.encode("ascii") + struct.pack("<H", pointer) + following
        )
    return b"".join(parts)


def _encoded(value: Value) -> bytes:
    """Type, dimensions and data of a parameter."""
    if isinstance(value, float):
        return struct.pack("<bBf", 4, 0, value)
    if isinstance(value, int):
        return struct.pack("<bBH", 2, 0, value)
    if isinstance(value, str):
        text = value.encode("utf-8")
        return struct.pack("<bBB", -1, 1, len(text)) + text
    numbers = [item for item in value if isinstance(item, int)]
    if numbers:
        return struct.pack(f"<bBB{len(numbers)}H", 2, 1, len(numbers), *numbers)
    texts = [str(item).encode("utf-8") for item in value]
    width = max(1, *map(len, texts))
    return struct.pack("<bBBB", -1, 2, width, len(texts)) + b"".join(text.ljust(width) for text in texts)
