"""DeepLabCut: CSV and HDF5 of its networks, single and multi-animal, and of labelled pictures; also Lightning Pose.

One file per camera. Columns have three or four headings: scorer, (individual,) body part, and x, y, likelihood; rows
are frames, or pictures that were labelled, which have no likelihood. What belongs to no animal ("single") is left out
where there are animals. The format has no bones. The last row of a CSV that does not end its line may be cut within a
number: it is left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float64

from multiview.common.foreign_errors import foreign_errors
from multiview.errors import SourceError
from multiview.keypoint_formats._hdf5 import holds, is_hdf5, opened
from multiview.keypoint_formats._keypoint_file import KeypointFile, Seen, keypoints, numbered
from multiview.keypoint_formats._pandas_hdf5 import FORMATS, read_table

__all__ = ["SUFFIXES", "read", "recognises"]

SUFFIXES = (".csv", ".h5", ".hdf5")
WHAT = "keypoints of DeepLabCut"
COORDS = ("x", "y", "likelihood")
_NUMBER = re.compile(r"-?\d{1,18}")
SINGLE = "single"  # what DeepLabCut calls the body parts of no animal


def recognises(path: Path, head: bytes) -> bool:
    """Whether it is a table whose first heading is the scorer, or pandas' HDF5 of one table."""
    if is_hdf5(head):
        return holds(path, *FORMATS)
    lines = head.lstrip(b"\xef\xbb\xbf").splitlines()[:4]
    return len(lines) > 2 and lines[0].startswith(b"scorer,") and any(line.startswith(b"bodyparts,") for line in lines)


def read(path: Path) -> KeypointFile:
    """All frames of one camera, or all labelled pictures."""
    with path.open("rb") as file:
        binary = is_hdf5(file.read(8))
    remarks: list[str] = []
    columns, index, values = _of_hdf5(path) if binary else _of_csv(path, remarks)
    if not all(len(column) in (3, 4) and column[-1] in COORDS for column in columns):
        raise SourceError(f"{path}: its columns are not headed by scorer, (individual,) body part and x, y, likelihood")
    animals = list(dict.fromkeys(column[1] if len(column) == 4 else "" for column in columns))
    if SINGLE in animals and len(animals) > 1:
        animals.remove(SINGLE)
        left_out = dict.fromkeys(column[-2] for column in columns if column[1] == SINGLE)
        remarks.append(f"{path}: left out {', '.join(left_out)}, which belong to no animal")
    joints = tuple(dict.fromkeys(c[-2] for c in columns if len(c) == 3 or c[1] in animals))
    xy, score = np.full((len(values), len(animals), len(joints), 2), np.nan), None
    for column, numbers in zip(columns, values.T, strict=True):
        animal = column[1] if len(column) == 4 else ""
        if animal not in animals:
            continue
        place = animals.index(animal), joints.index(column[-2])
        if column[-1] == "likelihood":
            score = np.zeros(xy.shape[:-1]) if score is None else score
            score[:, *place] = numbers
        else:
            xy[:, *place, COORDS.index(column[-1])] = numbers
    if score is None:
        score = np.isfinite(xy).all(axis=-1).astype(np.float64)
    with foreign_errors(path, WHAT):
        return KeypointFile(list(_seen(index, xy, score)), joints, remarks=remarks)


def _seen(index: Sequence[str | int], xy: Float64[np.ndarray, "T P J 2"], score: np.ndarray) -> Iterator[Seen]:
    """Rows are numbered, or named after pictures."""
    if all(isinstance(row, int) or _NUMBER.fullmatch(row) for row in index):
        yield from numbered("", [int(row) for row in index], xy, score)
        return
    for row, name in enumerate(index):
        yield Seen(str(name).replace("\\", "/"), None, keypoints(xy[row], score[row]))


def _of_csv(path: Path, remarks: list[str]) -> tuple[list[tuple[str, ...]], list[str], Float64[np.ndarray, "T N"]]:
    """Headings of the columns, names of the rows, and the numbers."""
    with foreign_errors(path, WHAT):
        text = path.read_text(encoding="utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
        heads = next((n for n, row in enumerate(rows[:6]) if row[0] == "coords"), -1) + 1
        if not heads:
            raise SourceError(f"{path}: no row of coords (x, y, likelihood) among the first: not {WHAT}")
        first = next((n for n, text in enumerate(rows[heads - 1]) if text in COORDS), len(rows[0]))
        columns = list(zip(*(row[first:] for row in rows[:heads]), strict=True))
        for row in rows[heads:]:
            if len(row) != first + len(columns):
                raise SourceError(
                    f"{path}: the row of {row[0]} has {len(row) - first} numbers, not {len(columns)}: is it cut?"
                )
        if len(rows) > heads and not text.endswith(("\n", "\r")):
            remarks.append(f"{path}: the row of {rows.pop()[0]} is left out: its line has no end, so it may be cut")
        index = ["/".join(part for part in row[:first] if part) for row in rows[heads:]]
        values = [[float(text) if text else np.nan for text in row[first:]] for row in rows[heads:]]
    return columns, index, np.array(values, dtype=np.float64).reshape(len(values), len(columns))


def _of_hdf5(path: Path) -> tuple[list[tuple[str, ...]], list[str | int], Float64[np.ndarray, "T N"]]:
    with opened(path, WHAT) as file:
        return read_table(file, path)
